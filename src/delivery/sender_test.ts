/** §2.2.1, §4.3 Packet Identifiers and steps, against a map. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Sender, Step } from "./sender.ts";

type Op =
  | { op: "begin"; step: Step; item: number | undefined }
  | { op: "end"; pick: number }
  | { op: "advance"; pick: number; step: Step; item: number | undefined };

const openStep = fc.constantFrom<Step[]>(
  Step.PUBACK,
  Step.PUBREC,
  Step.PUBCOMP,
  Step.RESEND_1,
  Step.RESEND_2,
);
const item = fc.option(fc.nat(), { nil: undefined });
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ op: fc.constant("begin" as const), step: openStep, item }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("end" as const), pick: fc.nat() }) },
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constant("advance" as const), pick: fc.nat(), step: openStep, item }),
    },
  ),
  { maxLength: 120 },
);

/** Exchanges by identifier. */
type Model = Map<number, { step: Step; item: number | undefined }>;

function assertSame(sender: Sender<number>, model: Model): void {
  assertEquals(sender.open, model.size);
  const seen: Model = new Map();
  sender.each((id, step, item) => {
    assertEquals(seen.has(id), false, `${id} twice`);
    seen.set(id, { step, item });
  });
  assertEquals([...seen].sort(([a], [b]) => a - b), [...model].sort(([a], [b]) => a - b));
  for (const [id, { step, item }] of model) {
    assertEquals(sender.step(id), step);
    assertEquals(sender.item(id), item);
  }
}

function run(sender: Sender<number>, model: Model, ops: readonly Op[]): void {
  for (const op of ops) {
    if (op.op === "begin") {
      const id = sender.begin(op.step, op.item);
      assertEquals(model.has(id), false, `${id} is in use`);
      assertEquals(id >= 1 && id <= 0xffff, true, `${id} is no Packet Identifier`);
      model.set(id, { step: op.step, item: op.item });
    } else if (model.size > 0) {
      const id = [...model.keys()][op.pick % model.size]!;
      if (op.op === "end") {
        sender.end(id);
        model.delete(id);
        assertEquals(sender.step(id), Step.FREE);
      } else {
        sender.advance(id, op.step, op.item);
        model.set(id, { step: op.step, item: op.item });
      }
    }
  }
  assertSame(sender, model);
}

describe("Sender", () => {
  test("[MQTT-2.2.1-4, MQTT-4.3.2-1, MQTT-4.3.3-1] an identifier is never given while it is open", () => {
    fc.assert(fc.property(ops, (ops) => run(new Sender(), new Map(), ops)), { numRuns: 200 });
  });

  test("[MQTT-4.4.0-1] what is restored keeps its identifier, and no new exchange gets it", () => {
    const ids = fc.uniqueArray(
      fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 40 })),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(ids, ops, (ids, ops) => {
        const sender = new Sender<number>();
        const model: Model = new Map();
        for (const id of ids) {
          const step = id % 2 === 0 ? Step.PUBCOMP : Step.RESEND_1;
          sender.restore(id, step, id);
          model.set(id, { step, item: id });
        }
        assertSame(sender, model);
        run(sender, model, ops);
      }),
      { numRuns: 200 },
    );
  });

  test("[MQTT-2.2.1-4] after 65535 comes 1, not 0, and those still open are passed over", () => {
    const sender = new Sender<number>();
    const held = [sender.begin(Step.PUBREC, 1), sender.begin(Step.PUBREC, 2)];
    assertEquals(held, [1, 2]);
    let last = 2;
    while (last < 0xffff) {
      const id = sender.begin(Step.PUBACK, undefined);
      assertEquals(id > last, true);
      assertEquals((id & 15) === 1 || (id & 15) === 2, false, "its place in the ring is taken");
      last = id;
      sender.end(id);
    }
    assertEquals(sender.begin(Step.PUBACK, 3), 3);
    assertEquals(sender.open, 3);
  });

  test("[MQTT-2.2.1-4] all 65535 identifiers can be open at once", () => {
    const sender = new Sender<number>();
    const ids = new Set<number>();
    for (let i = 0; i < 65_535; i++) ids.add(sender.begin(Step.PUBACK, i));
    assertEquals([ids.size, ids.has(0), sender.open], [65_535, false, 65_535]);
    sender.end(40_000);
    assertEquals(sender.begin(Step.PUBREC, 1), 40_000);
  });

  test("an identifier that is not open is FREE, whoever has its place in the ring", () => {
    const sender = new Sender<number>();
    const id = sender.begin(Step.PUBACK, 1);
    for (const other of [0, id + 1, id + 16, id + 256, 0xffff]) assertEquals(sender.step(other), Step.FREE);
    assertEquals(sender.step(id), Step.PUBACK);
  });
});
