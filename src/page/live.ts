/**
 * The figures of the last minutes.
 * Knows how often the broker is asked, and what two looks say together; refuses to know how figures are drawn.
 * @module
 */
import type { Figures, Latencies } from "./answers.ts";
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

/** The names of what is timed, and has been timed. */
export function timed({ latencies }: Figures): string[] {
  if (latencies?.bounds === undefined) return [];
  return Object.keys(latencies).filter((name) => countsOf(latencies, name)?.some((one) => one > 0));
}

/** A quantile in seconds of what was timed from each look to the next one; null where nothing was. */
export function quantiles(of: readonly Look[], name: string, part: number): (number | null)[] {
  return of.map(({ figures: { latencies } }, i) => {
    const now = countsOf(latencies, name);
    if (now === undefined || i === 0) return null;
    const before = countsOf(of[i - 1]!.figures.latencies, name) ?? [];
    const counts = now.map((one, at) => Math.max(0, one - (before[at] ?? 0)));
    return quantile({ bounds: latencies!.bounds!, counts }, part) ?? null;
  });
}

function countsOf(latencies: Latencies | undefined, name: string): readonly number[] | undefined {
  const found = latencies?.[name];
  return found !== undefined && "counts" in found ? found.counts : undefined;
}
