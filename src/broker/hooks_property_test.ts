/**
 * An owner who acts inside his hooks gets the same as one who makes the same calls right after each input: byte for byte for
 * each Client, in the same order of events. @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import type { QoS } from "../codec/packet.ts";
import {
  BAD_CLIENT,
  type OwnerCall,
  OwnerWorld,
  type Place,
  PLACES,
  type Step,
} from "../testing/owner_world.ts";

const CALLS: readonly OwnerCall[] = [
  { call: "publish", topic: "a", qos: 1, retain: false },
  { call: "publish", topic: "a", qos: 0, retain: true },
  { call: "inject", topic: "a/b", qos: 2, retain: false },
  { call: "disconnect", client: 0, moves: false },
  { call: "disconnect", client: 1, moves: true },
  { call: "tap", filter: "#" },
  { call: "untap", index: 0 },
  { call: "shutdown" },
];

const client = fc.nat({ max: BAD_CLIENT });
const topic = fc.constantFrom("a", "a", "a/b", "b", "s", "no", "$x");
const filter = fc.constantFrom("a", "a/#", "+", "#", "b", "no", "$share/g/s", "$share/g/a", "1/2/3/4");
const qos = fc.constantFrom<QoS[]>(0, 1, 2);

const call: fc.Arbitrary<OwnerCall> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      call: fc.constantFrom("publish" as const, "inject" as const),
      topic: fc.constantFrom("a", "a/b", "s", "$y"),
      qos,
      retain: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ call: fc.constant("disconnect" as const), client, moves: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ call: fc.constant("tap" as const), filter: fc.constantFrom("#", "a") }),
  },
  { weight: 1, arbitrary: fc.record({ call: fc.constant("untap" as const), index: fc.nat({ max: 3 }) }) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      step: fc.constant("connect" as const),
      client,
      clean: fc.boolean(),
      keptSeconds: fc.constantFrom(0, 60, 60),
      receiveMaximum: fc.constantFrom(1, 2, 100),
      will: fc.constantFrom("none" as const, "now" as const, "late" as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      step: fc.constant("publish" as const),
      client,
      topic,
      qos,
      retain: fc.boolean(),
      count: fc.constantFrom(1, 1, 3),
    }),
  },
  { weight: 6, arbitrary: fc.record({ step: fc.constant("subscribe" as const), client, filter, qos }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("unsubscribe" as const), client, filter, qos }) },
  {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant("acknowledge" as const),
      client,
      count: fc.constantFrom(1, 2, 9),
      code: fc.constantFrom(0 as const, 0 as const, 0x83 as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      step: fc.constantFrom(
        "lose" as const,
        "leave" as const,
        "pause" as const,
        "resume" as const,
        "garble" as const,
        "stray" as const,
      ),
      client,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ step: fc.constant("advance" as const), ms: fc.constantFrom(10, 1_000, 61_000) }),
  },
  { weight: 8, arbitrary: fc.constant<Step>({ step: "answer" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ step: "bring" }) },
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant("commit" as const),
      fails: fc.constantFrom(false, false, true),
    }),
  },
);

interface Result {
  readonly world: OwnerWorld;
  readonly seen: unknown;
}

function run(
  when: "inside" | "later",
  store: "none" | "memory" | "hand",
  isLate: boolean,
  steps: readonly Step[],
  choose: (place: Place) => OwnerCall | undefined,
): Result {
  const world = new OwnerWorld({ when, store, isLate, choose });
  for (const step of steps) world.do(step);
  world.finish();
  const { heard, log, pair } = world;
  const failures = log.filter((line) =>
    line.startsWith("failed") && !line.includes("authenticate() answered")
  );
  assertEquals(failures, [], "an error of the Server");
  return { world, seen: { heard, log, stats: pair.broker.stats } };
}

/** Everything that an owner can be told happens in these steps. */
const LIVE: readonly Step[] = [
  ...[0, 1, 2, BAD_CLIENT].map((client): Step => ({
    step: "connect",
    client,
    clean: false,
    keptSeconds: 60,
    receiveMaximum: 1,
    will: client === 0 ? "late" : "now",
  })),
  { step: "commit", fails: false },
  ...[0, 1, 2].map((client): Step => ({ step: "subscribe", client, filter: "a", qos: 1 })),
  { step: "subscribe", client: 1, filter: "a/#", qos: 2 },
  { step: "subscribe", client: 1, filter: "1/2/3/4", qos: 2 },
  { step: "commit", fails: false },
  { step: "publish", client: 2, topic: "no", qos: 1, retain: false, count: 1 },
  { step: "publish", client: 2, topic: "a", qos: 1, retain: false, count: 2 },
  { step: "commit", fails: false },
  { step: "acknowledge", client: 0, count: 9, code: 0 },
  { step: "acknowledge", client: 1, count: 1, code: 0x83 },
  { step: "commit", fails: true },
  { step: "advance", ms: 1_000 },
  { step: "commit", fails: false },
  { step: "unsubscribe", client: 1, filter: "a/#", qos: 2 },
  { step: "commit", fails: false },
  { step: "lose", client: 1 },
  { step: "publish", client: 2, topic: "a", qos: 1, retain: true, count: 9 },
  { step: "commit", fails: false },
  {
    step: "connect",
    client: 1,
    clean: false,
    keptSeconds: 0,
    receiveMaximum: 2,
    will: "none",
  },
  { step: "commit", fails: false },
  { step: "bring" },
  { step: "acknowledge", client: 1, count: 9, code: 0 },
  { step: "stray", client: 2 },
  { step: "leave", client: 1 },
  { step: "garble", client: 0 },
];

describe("an owner's call inside a hook is as the same call right after the input", () => {
  for (const place of PLACES) {
    for (const chosen of CALLS) {
      test(`${Object.values(chosen).join(" ")} in ${place}`, () => {
        for (const first of [0, 1, 2]) {
          const chooser = () => {
            let times = 0;
            let hasTap = place !== "tap";
            return (at: Place): OwnerCall | undefined => {
              if (!hasTap && at === "subscribed") {
                hasTap = true;
                return { call: "tap", filter: "#" };
              }
              return at === place && ++times > first && times <= first + 2 ? chosen : undefined;
            };
          };
          const inside = run("inside", "hand", false, LIVE, chooser());
          const later = run("later", "hand", false, LIVE, chooser());
          assertEquals(inside.seen, later.seen);
          if (first === 0 || place === "tap") {
            assert((inside.world.acted.get(place) ?? 0) > 0, `${place} was not called`);
          }
        }
      });
    }
  }

  for (const store of ["none", "memory", "hand"] as const) {
    for (const isLate of [false, true]) {
      test(`at random, with ${store} store, verdicts ${isLate ? "later" : "at once"}`, () => {
        const options = fc.tuple(
          fc.array(step, { minLength: 10, maxLength: 60 }),
          fc.array(fc.option(call, { nil: undefined, freq: 2 }), { maxLength: 80 }),
          fc.option(fc.nat({ max: 100 }), { nil: undefined, freq: 1 }),
        );
        fc.assert(
          fc.property(options, ([steps, calls, shutdownAt]) => {
            const chooser = () => {
              let times = 0;
              return (): OwnerCall | undefined => {
                const at = times++;
                return at === shutdownAt ? { call: "shutdown" } : calls[at];
              };
            };
            const inside = run("inside", store, isLate, steps, chooser());
            const later = run("later", store, isLate, steps, chooser());
            assertEquals(inside.seen, later.seen);
          }),
          { numRuns: 25 },
        );
      });
    }
  }
});
