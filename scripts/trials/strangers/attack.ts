/**
 * Carries out one attack on a closed broker, and sees what became of it: of healthy Clients, of memory, of who came in.
 * Knows what must hold after each; refuses to know what the attack is.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { WAIT_MS } from "../../../src/testing/patience.ts";
import { forgetPeak, processOf } from "../attacks/measure.ts";
import { BYTES_CASES } from "./bytes_cases.ts";
import type { StrangersCase } from "./case.ts";
import { LOGIN_CASES } from "./login_cases.ts";
import { HEALTHY, type Scene } from "./scene.ts";
import { SLOW_CASES } from "./slow_cases.ts";
import { Strangers } from "./strangers.ts";

/** In the order of the table. */
export const CASES: readonly StrangersCase[] = [...BYTES_CASES, ...SLOW_CASES, ...LOGIN_CASES];

/** Connections without an accepted CONNECT that the broker bears: fewer than half-open ones come. */
export const STRANGERS_MAX = { ci: 500, whole: 2_000 } as const;

const MIB = 1024 * 1024;
/** Round trips of each healthy Client that must follow an attack. */
const ROUND_TRIPS = 3;

/** What was seen of one attack. */
export interface Seen {
  /** Round trips of both healthy Clients, from the beginning until after the end, and the longest of them. */
  readonly roundTrips: number;
  readonly worstMs: number;
  /** The longest that the healthy Clients' process itself stood still. */
  readonly lateMs: number;
  /** Resident set of the broker, MiB; undefined where there is no /proc. */
  readonly rssMib: { readonly before: number; readonly peak: number; readonly after: number } | undefined;
  readonly seconds: number;
  readonly text: string;
}

/** Attacks, and checks that the healthy go on, that nobody came in, and that the memory grew by no more than this. */
export async function attack(
  scene: Scene,
  one: StrangersCase,
  count: number,
  growthMib: number,
): Promise<Seen> {
  const { healthy, pid } = scene;
  const before = processOf(pid);
  forgetPeak(pid);
  await healthy.mark();
  const began = performance.now();
  const strangers = new Strangers(scene);
  let text: string;
  try {
    // Who has come in before is not taken for one of those who guess, from the same address.
    (await strangers.insider("insider")).reset();
    text = await one.run(strangers, count);
    strangers.check();
    assert(await healthy.go(ROUND_TRIPS, WAIT_MS), "healthy Clients go on");
  } finally {
    strangers.attack.stop();
  }
  assert(await healthy.go(ROUND_TRIPS, WAIT_MS), "healthy Clients go on when the attackers have gone");
  const { clean, durable, lateMs } = await healthy.report();
  assertEquals([clean.lost, durable.lost], HEALTHY.map(() => undefined), "healthy Clients stay");
  const after = processOf(pid);
  const inMib = (bytes: number) => Math.round(bytes / MIB);
  const rssMib = before && after && {
    before: inMib(before.rss),
    peak: inMib(after.peak),
    after: inMib(after.rss),
  };
  if (rssMib !== undefined) {
    const grown = rssMib.peak - rssMib.before;
    assert(grown <= growthMib, `the broker's memory grew by ${grown} MiB, at most ${growthMib} are good`);
  }
  return {
    roundTrips: clean.done + durable.done,
    worstMs: Math.max(clean.worstMs, durable.worstMs),
    lateMs,
    rssMib,
    seconds: (performance.now() - began) / 1000,
    text,
  };
}
