/** The ledger notices what is lost, doubled, in another order, or was never sent. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Ledger, type Reader } from "./ledger.ts";

/** A ledger with one reader at worker 2 and one QoS 2 topic of a publisher at worker 1. */
function begin(): { ledger: Ledger; reader: Reader; problems: string[] } {
  const problems: string[] = [];
  const ledger = new Ledger((text) => void problems.push(text));
  const reader = ledger.reader({ name: "reader", qos: 2, homes: [2], isGroup: false });
  ledger.line("t", 2, 1);
  return { ledger, reader, problems };
}

describe("the ledger of a trial", () => {
  test("has no problem with what comes once and in order", () => {
    const { ledger, reader, problems } = begin();
    for (const number of [1, 2, 3]) {
      assertEquals(ledger.publish("t"), number);
      ledger.delivered(reader, "t", number);
      ledger.acknowledged("t", number);
    }
    assertEquals([ledger.isComplete, ledger.ahead], [true, 0]);
    ledger.end();
    assertEquals(problems, []);
  });

  test("tells of a message that was acknowledged and does not come", () => {
    const { ledger, reader, problems } = begin();
    for (const number of [ledger.publish("t"), ledger.publish("t")]) ledger.acknowledged("t", number);
    ledger.delivered(reader, "t", 2);
    assertEquals([ledger.isComplete, ledger.ahead], [false, 1]);
    ledger.end();
    assertEquals(ledger.tally.lost, 1);
    assertEquals(problems, ["reader has not got 1 that were acknowledged: t 1"]);
  });

  test("tells of another order, and of what was never sent", () => {
    const { ledger, reader, problems } = begin();
    for (let i = 0; i < 2; i++) ledger.publish("t");
    for (const number of [2, 1, 3]) ledger.delivered(reader, "t", number);
    assertEquals(problems, ["reader gets 1 on t behind 2", "reader gets 3 on t, which was never sent"]);
  });

  test("explains a QoS 2 message that comes again by a kill during its exchange alone", () => {
    for (
      const [worker, kind] of [
        [1, "doubledByPublishersNode"],
        [2, "doubledByReadersNode"],
        [3, "doubledOtherwise"],
      ] as const
    ) {
      const { ledger, reader, problems } = begin();
      const number = ledger.publish("t");
      ledger.killed(worker);
      ledger.acknowledged("t", number);
      const later = ledger.publish("t");
      for (const one of [number, number, later]) ledger.delivered(reader, "t", one);
      assertEquals(ledger.tally[kind], 1);
      assertEquals(problems.length, worker === 3 ? 1 : 0);
      ledger.acknowledged("t", later);
      ledger.killed(worker);
      ledger.delivered(reader, "t", later);
      assertEquals(problems.at(-1), "reader gets 2 on t again, with no kill during its exchange");
    }
  });
});
