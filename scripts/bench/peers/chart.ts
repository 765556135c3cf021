/**
 * What the brokers do, as a picture: a row for each scenario, a mark for each broker, on logarithmic axes.
 * Knows SVG; refuses to know how it was found. It has its own colours for light and for dark pages, and no background.
 * @module
 */
import type { Spread } from "../../../src/bench/report.ts";
import type { Row } from "./compare.ts";
import type { Summary } from "./figures.ts";

const WIDTH = 860;
const NAMES = 230;
const GAP = 40;
const PLOT = (WIDTH - NAMES - 2 * GAP) / 2;
const LINE = 48;
/** Above and below the marks of a row. */
const MARGIN = 5;
const TOP = 84;
/** Of a mark, from its middle. */
const MARK = 5;

const STYLE = `text{font:12px system-ui,Verdana,DejaVu Sans,sans-serif;fill:#1f2328}
.axis{stroke:#d0d7de;stroke-width:1}.small{font-size:11px;fill:#59636e}
.b0{--c:#57606a}.b1{--c:#0b57d0}.b2{--c:#0f7b5f}.b3{--c:#bc4c00}
.mark{fill:var(--c);stroke:var(--c);stroke-width:1.5}.hollow{fill:none}.range{stroke:var(--c);stroke-width:1.5}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.axis{stroke:#3d444d}.small{fill:#9198a1}
.b0{--c:#b1bac4}.b1{--c:#79b0ff}.b2{--c:#56d3a8}.b3{--c:#ffa657}}`;

interface Panel {
  readonly title: string;
  readonly left: number;
  of(summary: Summary): Spread | undefined;
}

/** By broker, in their order. */
const SHAPES = [
  `M0-${MARK}L${MARK} 0L0 ${MARK}L-${MARK} 0Z`,
  `M-${MARK} 0A${MARK} ${MARK} 0 1 1 ${MARK} 0A${MARK} ${MARK} 0 1 1-${MARK} 0Z`,
  `M-4-4H4V4H-4Z`,
  `M0-${MARK}L${MARK} 4H-${MARK}Z`,
] as const;

const PANELS: readonly Panel[] = [
  { title: "messages or connections per second: more is better", left: NAMES, of: (one) => one.perSecond },
  {
    title: "broker's CPU µs for each: less is better",
    left: NAMES + PLOT + GAP,
    of: (one) => one.cpuUs,
  },
];

/** The picture: scenarios that count something per second. Empty panels are left out. */
export function chartOf(rows: readonly Row[], date: string): string {
  const shown = rows.filter(({ scenario: { kind }, summaries }) =>
    (kind === "messages" || kind === "connections") && summaries.some(({ perSecond }) => perSecond)
  );
  const height = TOP + shown.length * LINE + 28;
  const title = `What brokers deliver on one core, ${date.slice(0, 10)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">
<title>${title}</title>
<style>${STYLE}</style>
${[...legend(shown), ...PANELS.flatMap((panel) => plotted(panel, shown)), ...names(shown)].join("\n")}
</svg>
`;
}

function legend(rows: readonly Row[]): string[] {
  const brokers = rows[0]?.summaries.map(({ broker }) => broker) ?? [];
  const marks = brokers.map((broker, i) =>
    `<g transform="translate(${12 + i * 130},20)">${mark(i, false)}<text x="12" y="4">${
      escaped(broker)
    }</text></g>`
  );
  const note = "hollow: at least so much, the broker had time to spare; lines: least and most of all rounds";
  return [...marks, text(6, 42, note, "small")];
}

function plotted(panel: Panel, rows: readonly Row[]): string[] {
  const all = rows.flatMap(({ summaries }) => summaries.map((one) => shownOf(panel.of(one))));
  const spreads = all.filter((each) => each !== undefined);
  if (spreads.length === 0) return [];
  const least = Math.floor(Math.log10(Math.min(...spreads.map((each) => each.least))));
  const most = Math.ceil(Math.log10(Math.max(...spreads.map((each) => each.most))));
  const x = (value: number) =>
    round(panel.left + PLOT * (Math.log10(value) - least) / Math.max(1, most - least));
  const bottom = TOP + rows.length * LINE;
  const powers = Array.from({ length: Math.max(1, most - least) + 1 }, (_, i) => 10 ** (least + i));
  return [
    text(panel.left, TOP - 20, panel.title, "small"),
    ...powers.flatMap((power) => [
      `<path class="axis" d="M${x(power)} ${TOP - 8}V${bottom}"/>`,
      `<text class="small" x="${x(power)}" y="${bottom + 16}" text-anchor="middle">${axisText(power)}</text>`,
    ]),
    ...rows.flatMap(({ summaries }, row) =>
      summaries.flatMap((summary, i) => {
        const spread = shownOf(panel.of(summary));
        if (spread === undefined) return [];
        const y = TOP + row * LINE + MARGIN + (LINE - 2 * MARGIN) * (i + 0.5) / summaries.length;
        const range = `<path class="range b${i}" d="M${x(spread.least)} ${y}H${x(spread.most)}"/>`;
        const isHollow = panel === PANELS[0] && summary.isAtLeast;
        return [range, `<g transform="translate(${x(spread.median)},${y})">${mark(i, isHollow)}</g>`];
      })
    ),
  ];
}

/** A logarithmic axis has no 0, which CPU time is where a run took less of it than the system's clock can tell. */
function shownOf(spread: Spread | undefined): Spread | undefined {
  if (spread === undefined || spread.median <= 0) return undefined;
  return spread.least > 0 ? spread : { ...spread, least: spread.median };
}

function names(rows: readonly Row[]): string[] {
  return rows.flatMap(({ scenario }, row) => [
    text(6, TOP + (row + 0.5) * LINE + 4, scenario.title),
    `<path class="axis" d="M0 ${TOP + (row + 1) * LINE}H${WIDTH}"/>`,
  ]);
}

function mark(broker: number, isHollow: boolean): string {
  const classes = `mark b${broker}${isHollow ? " hollow" : ""}`;
  return `<path class="${classes}" d="${SHAPES[broker % SHAPES.length]}"/>`;
}

function text(x: number, y: number, words: string, style?: string): string {
  return `<text${style === undefined ? "" : ` class="${style}"`} x="${x}" y="${y}">${escaped(words)}</text>`;
}

/** `0.1`, `10`, `100 k`, `1 M`. */
function axisText(power: number): string {
  if (power >= 1e6) return `${power / 1e6} M`;
  return power >= 1e3 ? `${power / 1e3} k` : `${Number(power.toPrecision(1))}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

const NAMED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(words: string): string {
  return words.replace(/[&<>"]/g, (found) => NAMED[found]!);
}
