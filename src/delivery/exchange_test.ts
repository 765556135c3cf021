/** §4.3 What acknowledgements do to the exchanges of a sender. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Outcome, puback, pubcomp, pubrec } from "./exchange.ts";
import { Sender, Step } from "./sender.ts";

/** A sender with one exchange at this step. */
function at(step: Step): { sender: Sender<string>; id: number } {
  const sender = new Sender<string>();
  const id = sender.begin(step, "message");
  return { sender, id };
}

const { STRAY, ENDED, RELEASED, REPEATED } = Outcome;

describe("an acknowledgement", () => {
  const expected: readonly [string, (sender: Sender<string>, id: number) => Outcome, readonly Outcome[]][] = [
    ["[MQTT-4.3.2-3] PUBACK ends a QoS 1 exchange, also one that is to be sent again", puback, [
      ENDED,
      STRAY,
      STRAY,
      ENDED,
      STRAY,
    ]],
    [
      "[MQTT-4.3.3-4] PUBREC releases a QoS 2 exchange; once more it is repeated",
      (sender, id) => pubrec(sender, id, 0),
      [STRAY, RELEASED, REPEATED, STRAY, RELEASED],
    ],
    [
      "[MQTT-4.3.3-9] PUBREC with 0x80 or above ends it, unless it is released",
      (sender, id) => pubrec(sender, id, 0x80),
      [STRAY, ENDED, REPEATED, STRAY, ENDED],
    ],
    ["PUBCOMP ends an exchange that is released", pubcomp, [STRAY, STRAY, ENDED, STRAY, STRAY]],
  ];
  for (const [name, acknowledge, outcomes] of expected) {
    test(name, () => {
      for (
        const [i, step] of [Step.PUBACK, Step.PUBREC, Step.PUBCOMP, Step.RESEND_1, Step.RESEND_2].entries()
      ) {
        const { sender, id } = at(step);
        const outcome = acknowledge(sender, id);
        assertEquals(outcome, outcomes[i], `step ${step}`);
        const after = outcome === ENDED ? Step.FREE : outcome === RELEASED ? Step.PUBCOMP : step;
        assertEquals([sender.step(id), sender.open], [after, after === Step.FREE ? 0 : 1]);
        if (after !== Step.FREE) assertEquals(sender.item(id), "message");
      }
    });
  }

  test("for an identifier that is not open changes nothing", () => {
    for (
      const acknowledge of [puback, pubcomp, (sender: Sender<string>, id: number) => pubrec(sender, id, 0)]
    ) {
      const { sender, id } = at(Step.PUBACK);
      assertEquals(acknowledge(sender, id + 1), STRAY);
      assertEquals([sender.open, sender.step(id)], [1, Step.PUBACK]);
    }
  });
});

test("[MQTT-4.9.0-2] what is to be sent again is not in flight, until it is sent", () => {
  const sender = new Sender<string>();
  const ids = [Step.PUBACK, Step.PUBREC, Step.PUBCOMP, Step.RESEND_1, Step.RESEND_2].map((step) =>
    sender.begin(step, undefined)
  );
  assertEquals([sender.open, sender.inFlight], [5, 3]);
  sender.advance(ids[3]!, Step.PUBACK, undefined);
  assertEquals(sender.inFlight, 4);
  sender.advance(ids[0]!, Step.RESEND_1, undefined);
  assertEquals(sender.inFlight, 3);
  for (const id of ids) sender.end(id);
  assertEquals([sender.open, sender.inFlight], [0, 0]);
  for (let i = 0; i < 20; i++) sender.begin(Step.PUBACK, undefined); // it grows
  assertEquals(sender.inFlight, 20);
});
