/**
 * The cheapest attacks of the suite, at a small part of their size, on the runtime that the test runs on. Nothing here depends
 * on how long something takes: what counts is who is ended and why, who gets in, what is held, and that the healthy go on.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import type { Reached } from "./attacker.ts";
import { startBroker } from "./broker.ts";
import { CASES, casesOf } from "./cases.ts";
import { measure } from "./measure.ts";
import { tableOf } from "./table.ts";
import { patient, WAIT_MS } from "../../../src/testing/patience.ts";

const MIB = 1024 * 1024;
/** What none of these holds for good, and what garbage a busy runtime has at most beside it. */
const GROWTH_MIB = 150;

/** A case as CI runs it, and what must be seen. */
interface Expected {
  readonly id: string;
  readonly scale: number;
  /** Attackers that are ended, by the reason; default none. */
  readonly ends?: Readonly<Record<string, number>>;
  readonly notes?: readonly string[];
  /** What the attackers have reached at least. */
  readonly least?: Partial<Reached>;
}

const EXPECTED: readonly Expected[] = [
  // Each message goes to a member of each group, in 6 bytes.
  { id: "A2", scale: 0.02, least: { granted: 2_000, receivedBytes: 40 * 2_000 * 6 } },
  { id: "A3", scale: 0.02, least: { granted: 1_024, sentBytes: 10 * 20 } },
  // A code for each filter in SUBACK, and one copy of each message, in 24 bytes.
  { id: "A4", scale: 0.02, least: { granted: 1_536, receivedBytes: 1_536 + 6 * 24 } },
  // Packets above the maximum of their kind, and more filters than one packet may have.
  { id: "A7/subscribe", scale: 0.02, ends: { "DISCONNECT 0x95": 1 } },
  { id: "A7/subscribe-small", scale: 0.02, ends: { "DISCONNECT 0x97": 1 } },
  { id: "A7/unsubscribe", scale: 0.02, ends: { "DISCONNECT 0x95": 1 } },
  { id: "A7/connect", scale: 0.02, ends: { "CONNACK 0x95": 1 } },
  { id: "A9/small", scale: 0.1, least: { sentBytes: 4_000 + 819 * 8 } },
  // The wills of 60, each to 6 readers and a witness.
  { id: "A10/wills", scale: 0.02, least: { connections: 67, receivedBytes: 60 * 7 * 27 } },
  { id: "A12/small", scale: 0.02, least: { granted: 2_000 } },
  { id: "B1/silent", scale: 1, notes: ["a newcomer gets in"] },
  {
    id: "B1/hundred",
    scale: 1,
    ends: { "CONNACK 0x97": 52 },
    notes: ["48 of 100 get in, 48 places are free"],
  },
  {
    id: "B1/takeover",
    scale: 1,
    ends: { "CONNACK 0x97": 1 },
    notes: ["a stranger is kept out, the Client gets in"],
  },
  { id: "B5", scale: 0.02, least: { granted: 2_048 }, notes: ["the publisher stays"] },
];

describe("under attack", () => {
  for (const { id, scale, ends = {}, notes = [], least = {} } of EXPECTED) {
    test(
      `${id}: healthy Clients lose nothing and go on; attackers get what they deserve`,
      patient,
      async () => {
        const one = CASES.find((each) => each.id === id)!;
        const broker = await startBroker(`plumb-${OWN_RUNTIME}`, [], one);
        try {
          const measured = await measure(broker, one, {
            seconds: 1,
            scale,
            restMs: 50,
            patienceMs: WAIT_MS,
            least,
          });
          assertEquals([measured.clean.lost, measured.durable.lost], [undefined, undefined]);
          assert(measured.clean.done > 0 && measured.durable.done > 0, "round trips are complete");
          assertEquals(
            measured.reached.unanswered,
            0,
            "the attack was carried out to the answer to its last byte",
          );
          for (const [what, count] of Object.entries(least)) {
            const reached = measured.reached[what as keyof Reached];
            assert(reached >= count, `${what} ${reached}, not ${count}`);
          }
          assertEquals(measured.ends, ends);
          assertEquals(measured.notes, notes);
          if (measured.rss !== undefined) { // no /proc, no figures
            const grown = (measured.rss.peak - measured.rss.before) / MIB;
            assert(grown < GROWTH_MIB, `the resident set grew by ${grown.toFixed(0)} MiB`);
          }
        } finally {
          await broker.stop();
        }
      },
    );
  }
});

describe("the suite", () => {
  test("a kind stands for all its forms, and what no case has is refused", () => {
    assertEquals(casesOf(["A9"])?.map(({ id }) => id), ["A9", "A9/small"]);
    assertEquals(casesOf(["B3/wills"])?.map(({ id }) => id), ["B3/wills"]);
    assertEquals(casesOf(["A99"]), undefined);
    assertEquals(casesOf([])?.length, CASES.length);
  });

  test("no two cases have one id", () => {
    assertEquals(new Set(CASES.map(({ id }) => id)).size, CASES.length);
  });

  test("the table marks what is long, what is lost and what had to be killed", () => {
    const health = { done: 7, worstMs: 4.2 };
    const table = tableOf([
      {
        id: "A2",
        title: "a | b",
        broker: "one",
        sigtermMs: null,
        measured: {
          clean: { done: 3, worstMs: 2_000 },
          durable: { ...health, lost: "DISCONNECT 0x83" },
          during: 1,
          tookSeconds: 2,
          lateMs: 0,
          cpuSeconds: 1,
          waitedSeconds: 3,
          coreShare: 0.25,
          rss: { before: MIB, peak: 3 * MIB, after: 2 * MIB },
          reached: { connections: 2, granted: 1, sentBytes: 3, receivedBytes: 4, unanswered: 0 },
          ends: { "DISCONNECT 0x97": 2 },
          notes: [],
        },
      },
      { id: "A2", title: "a | b", broker: "two", failure: "it did not start" },
    ]);
    assertEquals(table.split("\n").slice(2), [
      "| **A2** a \\| b | one | **2000 (≈ 500)** | **lost: DISCONNECT 0x83**, before 4.2 (≈ 1.1) | 3 + 7 | 1 in 2.0 s | " +
      "1.0 (+3.0) | 1 / 3 / 2 | **killed** | DISCONNECT 0x97 ×2 | – |",
      "|  | two | – | – | – | – | – | – | – | – | FAILED: it did not start |",
    ]);
  });
});
