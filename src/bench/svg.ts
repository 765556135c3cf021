/**
 * The latencies of a report as a picture, a panel for each scenario and a line for each target.
 * Knows SVG; refuses to know where it is shown.
 * @module
 */
import type { BenchReport, LatencyReport, ScenarioReport } from "./report.ts";
import { binned, SIDES, spreadText, timeText, whole } from "./table.ts";

const COLOURS = ["#0b57d0", "#b3261e"] as const;
const WIDTH = 720;
const PANEL = 190;
const LEFT = 16;
const PLOT = { width: WIDTH - 2 * LEFT, height: 96, top: 58 } as const;
/** Bins across a panel. */
const BINS = 40;

/** The picture. */
export function svgReport({ targets, scenarios, date }: BenchReport): string {
  const height = PANEL * scenarios.length + 34;
  const title = escaped(`Latencies of ${targets.join(" and ")}, ${date.slice(0, 10)}`);
  const panels = scenarios.map((scenario, i) =>
    `<g transform="translate(${LEFT},${34 + i * PANEL})">${panel(scenario)}</g>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<title>${title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="22" font-size="13">${title}</text>
${panels.join("\n")}
</svg>
`;
}

function panel({ plan, sides, ratio }: ScenarioReport): string {
  const latencies = sides.map(({ latency }) => latency);
  const bins = binned(latencies, BINS);
  const against = ratio === undefined ? "" : `, A/B ${spreadText(ratio)}`;
  const heads = sides.map(({ perSecond, latency }, i) => {
    const name = sides.length > 1 ? `${SIDES[i]}: ` : "";
    const figures = perSecond === undefined
      ? "failed"
      : `${whole(perSecond.median)}/s, ${latencyText(latency)}`;
    return `<text y="${28 + i * 14}" fill="${COLOURS[i]}">${escaped(name + figures)}</text>`;
  });
  const lines = latencies.map((latency, i) =>
    line(latency, bins.map(({ counts }) => counts[i]!), COLOURS[i]!)
  );
  const marks = bins.filter((_, i) => i % Math.ceil(bins.length / 8) === 0).map((bin) => {
    const x = xOf(bins.indexOf(bin), bins.length);
    return `<text x="${x}" y="${PLOT.top + PLOT.height + 14}" fill="#5f6368">${
      escaped(timeText(Math.round(bin.upToUs)))
    }</text>`;
  });
  const floor = PLOT.top + PLOT.height;
  return [
    `<text y="13" font-weight="bold">${escaped(`${plan.scenario} QoS ${plan.qos}${against}`)}</text>`,
    ...heads,
    `<path d="M0 ${floor}H${PLOT.width}" stroke="#9aa0a6"/>`,
    ...lines,
    ...marks,
  ].join("\n");
}

function latencyText({ p50, p99, p999, max }: LatencyReport): string {
  return `p50 ${timeText(p50)}, p99 ${timeText(p99)}, p99.9 ${timeText(p999)}, max ${timeText(max)}`;
}

function line({ count }: LatencyReport, counts: readonly number[], colour: string): string {
  if (count === 0) return "";
  const most = Math.max(...counts);
  const points = counts.map((each, i) => {
    const y = PLOT.top + PLOT.height * (1 - each / most);
    return `${xOf(i, counts.length)},${y.toFixed(1)}`;
  });
  return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
}

function xOf(bin: number, bins: number): number {
  return Math.round(bins < 2 ? 0 : bin / bins * PLOT.width);
}

const NAMED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (found) => NAMED[found]!);
}
