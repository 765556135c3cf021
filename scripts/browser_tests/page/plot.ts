/**
 * The drawings of the page: bars for rates, and lines of dots for times, with their figures in a table.
 * Knows scales and labels; refuses to know how the figures were taken. Colour is never what tells two things apart.
 * @module
 */
import { percentile, type Speed } from "../sections/speed.ts";
import { type El, el, svg, world } from "./dom.ts";

const WIDTH_MAX = 640;
/** Of the page around a drawing. */
const MARGINS = 64;
const ROW = 56;
const PERCENTILES = [50, 90, 99] as const;

/** Bars and dots, as wide as there is room now, and the same as a table. */
export function speedPlot(speeds: readonly Speed[]): El {
  const width = Math.max(240, Math.min(WIDTH_MAX, world.document.documentElement.clientWidth - MARGINS));
  return el(
    "div",
    { class: "plots" },
    figure("Messages a second, there and back (64 bytes; longer is better)", bars(speeds, width)),
    figure("Time of a single message there and back, in ms (further left is better)", dots(speeds, width)),
    el("p", { class: "muted" }, "● half of them within, ◆ 90 of 100 within, ■ 99 of 100 within"),
    table(speeds),
  );
}

function figure(title: string, drawing: El): El {
  return el("figure", {}, el("figcaption", {}, title), drawing);
}

function drawing(width: number, height: number, label: string, children: readonly El[]): El {
  const style = `max-width:${width}px`;
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, style },
    ...children,
  );
}

function bars(speeds: readonly Speed[], width: number): El {
  const most = Math.max(1, ...speeds.map(({ rate }) => rate));
  const parts = speeds.flatMap(({ name, rate }, i) => {
    const long = Math.max(2, rate / most * (width - 80));
    return [
      svg("text", { x: 0, y: i * ROW + 18 }, name),
      svg("rect", { x: 0, y: i * ROW + 26, width: long.toFixed(1), height: 18, class: "bar" }),
      svg("text", { x: (long + 8).toFixed(1), y: i * ROW + 41, class: "value" }, rate.toLocaleString("en")),
    ];
  });
  const words = speeds.map(({ name, rate }) => `${name}: ${rate} messages a second`).join("; ");
  return drawing(width, speeds.length * ROW, words, parts);
}

/** A logarithmic axis from 0.1 ms on. */
function dots(speeds: readonly Speed[], width: number): El {
  const most = Math.max(10, ...speeds.map(({ roundTrips }) => percentile(roundTrips, 99)));
  const top = 10 ** Math.ceil(Math.log10(most));
  const x = (ms: number) => 12 + Math.log10(Math.max(ms, 0.1) / 0.1) / Math.log10(top / 0.1) * (width - 40);
  const bottom = speeds.length * ROW + 6;
  const ticks: El[] = [];
  for (let ms = 0.1; ms <= top * 1.01; ms *= 10) {
    const at = x(ms).toFixed(1);
    ticks.push(
      svg("line", { x1: at, x2: at, y1: 0, y2: bottom, class: "grid" }),
      svg("text", { x: at, y: bottom + 18, "text-anchor": "middle", class: "value" }, String(+ms.toFixed(1))),
    );
  }
  const parts = speeds.flatMap(({ name, roundTrips }, i) => {
    const y = i * ROW + 38;
    const [first, , last] = PERCENTILES.map((percent) => x(percentile(roundTrips, percent)));
    return [
      svg("text", { x: 0, y: y - 18 }, name),
      svg("line", { x1: first!.toFixed(1), x2: last!.toFixed(1), y1: y, y2: y, class: "range" }),
      ...PERCENTILES.map((percent, at) => mark(x(percentile(roundTrips, percent)), y, at)),
    ];
  });
  const words = speeds.map(({ name, roundTrips }) =>
    `${name}: ${
      PERCENTILES.map((percent) => `${percent} of 100 within ${round(percentile(roundTrips, percent))} ms`)
        .join(", ")
    }`
  ).join("; ");
  return drawing(width, bottom + 26, words, [...ticks, ...parts]);
}

function mark(x: number, y: number, at: number): El {
  const common = { class: "bar" };
  if (at === 0) return svg("circle", { cx: x.toFixed(1), cy: y, r: 6, ...common });
  const turn = at === 1 ? { transform: `rotate(45 ${x.toFixed(1)} ${y})` } : {};
  return svg("rect", { x: (x - 5).toFixed(1), y: y - 5, width: 10, height: 10, ...turn, ...common });
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function table(speeds: readonly Speed[]): El {
  const head = ["", "messages a second", ...PERCENTILES.map((percent) => `${percent} of 100 within`)];
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures of the speed" },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
      el(
        "tbody",
        {},
        ...speeds.map(({ name, rate, roundTrips }) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, name),
            el("td", {}, rate.toLocaleString("en")),
            ...PERCENTILES.map((percent) => el("td", {}, `${round(percentile(roundTrips, percent))} ms`)),
          )
        ),
      ),
    ),
  );
}
