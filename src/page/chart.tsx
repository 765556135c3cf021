/**
 * Lines over time, drawn by uPlot.
 * Knows how lines look, in words too; refuses to know what they mean.
 * @module
 */
import type { VNode } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "./format.ts";
import { useStore } from "./store.ts";
import { theme } from "./theme.ts";

/** One line. */
export interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** The second line is dashed too: colour alone tells nobody apart. */
const DASHES: readonly (readonly number[])[] = [[], [6, 4], [2, 3]];
const COLOURS = ["--line-1", "--line-2", "--line-3"];
const HEIGHT = 150;

function colour(name: string): string {
  // A property that was given by light-dark() is only computed where it is used.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function options(width: number, lines: readonly Line[], format: (value: number) => string): uPlot.Options {
  const ink = colour("--muted");
  const grid = { stroke: colour("--grid"), width: 1 };
  const axis = { stroke: ink, grid, ticks: { ...grid, size: 4 }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 28, 0, 0],
    scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1e-9)] } },
    axes: [
      { ...axis, size: 26, space: 70, values: (_, moments) => moments.map((s) => clock(s * 1_000)) },
      { ...axis, size: 72, space: 34, values: (_, values) => values.map(format) },
    ],
    series: [
      {},
      ...lines.map(({ name }, at) => ({
        label: name,
        stroke: colour(COLOURS[at]!),
        width: 2,
        dash: [...DASHES[at]!],
        points: { show: false },
      })),
    ],
  };
}

/** The lines with a heading; the last values stand beside their names. `times` are ms since 1970. */
export function Chart(
  { title, times, lines, format }: {
    readonly title: string;
    readonly times: readonly number[];
    readonly lines: readonly Line[];
    readonly format: (value: number) => string;
  },
): VNode {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const heading = useId();
  const present = useStore(theme);
  useEffect(() => {
    const box = place.current!;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(options(Math.max(200, box.clientWidth), lines, format), [
        [],
        ...lines.map(() => []),
      ], box);
      show();
    };
    make();
    const sizes = new ResizeObserver(() => {
      const width = Math.max(200, box.clientWidth);
      if (plot.current !== undefined && plot.current.width !== width) {
        plot.current.setSize({ width, height: HEIGHT });
      }
    });
    sizes.observe(box);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", make);
    return () => {
      sizes.disconnect();
      system.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [present, lines.length]);
  const show = (): void => {
    plot.current?.setData([times.map((ms) => ms / 1_000), ...lines.map(({ values }) => [...values])]);
  };
  useEffect(show);
  const last = (values: readonly (number | null)[]): string => {
    const value = values.at(-1);
    return value === undefined || value === null ? "–" : format(value);
  };
  return (
    <figure aria-labelledby={heading}>
      <figcaption id={heading}>{title}</figcaption>
      <ul class="legend">
        {lines.map(({ name, values }, at) => (
          <li key={name}>
            <svg width="28" height="8" aria-hidden="true">
              <line
                x1="0"
                x2="28"
                y1="4"
                y2="4"
                class={`stroke-${at + 1}`}
                stroke-dasharray={DASHES[at]!.join(" ")}
              />
            </svg>
            {name} <b>{last(values)}</b>
          </li>
        ))}
      </ul>
      <div
        ref={place}
        class="plot"
        role="img"
        aria-label={`${title}, the last ten minutes. ${
          lines.map(({ name, values }) => `${name} ${last(values)}`).join(", ")
        } at present`}
      />
    </figure>
  );
}
