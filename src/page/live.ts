/**
 * The figures of the last minutes.
 * Knows how often the broker is asked, and what two looks say together; refuses to know how figures are drawn.
 * @module
 */
import type { Figures, Latency } from "./answers.ts";
import { begin, call, link, session } from "./api.ts";
import { quantile } from "./format.ts";
import { Store } from "./store.ts";

/** ms between two looks. */
const EVERY_MS = 2_000;
/** Looks that are kept: ten minutes. */
const KEPT = 300;

/** One look. */
export interface Look {
  /** ms since 1970. */
  readonly at: number;
  readonly figures: Figures;
}

/** The looks of one run of the broker, the last one at the end. */
export const looks: Store<readonly Look[]> = new Store<readonly Look[]>([]);

/** Asks for ever: for figures while someone is signed in, and otherwise whether the broker is back. */
export function beginLooking(): void {
  const look = async (): Promise<void> => {
    if (!document.hidden) await once().catch(() => {}); // `link` and `session` tell why
    setTimeout(look, EVERY_MS);
  };
  session.follow(() => session.value.is === "in" && void once().catch(() => {}));
  void look();
}

async function once(): Promise<void> {
  if (session.value.is === "unknown") return await begin();
  if (session.value.is === "out") {
    if (!link.value.isUp) await begin();
    return;
  }
  const figures = await call<Figures>("GET", "/figures");
  const last = looks.value.at(-1)?.figures;
  const isSameRun = last?.process.since === figures.process.since;
  const before = isSameRun ? looks.value.slice(-KEPT + 1) : [];
  looks.set([...before, { at: Date.now(), figures }]);
}

/** How fast a count grew from each look to the next one, in units a second; null for the first. */
export function rates(of: readonly Look[], value: (figures: Figures) => number): (number | null)[] {
  return of.map(({ at, figures }, i) => {
    const before = of[i - 1];
    if (before === undefined) return null;
    return Math.max(0, value(figures) - value(before.figures)) / Math.max(0.001, (at - before.at) / 1_000);
  });
}

/** A value at each look. */
export function levels(of: readonly Look[], value: (figures: Figures) => number): number[] {
  return of.map(({ figures }) => value(figures));
}

/** A quantile in seconds of what was measured from each look to the next one; null where nothing was. */
export function quantiles(of: readonly Look[], name: string, part: number): (number | null)[] {
  return of.map(({ figures }, i) => {
    const now = figures.latencies?.[name];
    const before = of[i - 1]?.figures.latencies?.[name];
    if (now === undefined || before === undefined) return null;
    return quantile(between(before, now), part) ?? null;
  });
}

function between(before: Latency, now: Latency): Latency {
  return { bounds: now.bounds, counts: now.counts.map((one, at) => one - (before.counts[at] ?? 0)) };
}
