/** The Clients that publish most, and the topics, as estimates in bounded memory. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { seededRandom } from "../engine/random.ts";
import { Pair } from "../testing/pair.ts";
import { Busiest, BUSIEST_KEPT, Frequent } from "./busiest.ts";

const names = (all: readonly { readonly name: string }[]): string[] => all.map(({ name }) => name);

describe("the most frequent names", () => {
  test("have every name that is more than a thirty-second of all, and never count one too high", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(80), fc.integer({ min: 1, max: 9 })), { maxLength: 400 }),
        (all) => {
          const frequent = new Frequent();
          const exact = new Map<string, number>();
          let sum = 0;
          for (const [i, count] of all) {
            // Half of them are few names, so that there are some that are frequent.
            const name = `${i < 40 ? i % 4 : i}`;
            frequent.add(name, count);
            exact.set(name, (exact.get(name) ?? 0) + count);
            sum += count;
          }
          const found = frequent.top(1);
          assert(found.length <= BUSIEST_KEPT);
          for (const { name, messages, perSecond } of found) {
            assert(messages <= exact.get(name)! && perSecond <= exact.get(name)! + 1e-9, name);
          }
          for (const [name, count] of exact) {
            if (count > sum / BUSIEST_KEPT) {
              assert(names(found).includes(name), `${name}: ${count} of ${sum}`);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("the busiest", () => {
  test("are exact while there are few messages", () => {
    const busiest = new Busiest(0, seededRandom(1));
    for (let i = 0; i < 200; i++) busiest.came(i % 4 === 0 ? "less" : "more", `a/b/${i}`, 1, i * 10);
    const { clients, prefixes } = busiest.stats(2_000);
    assertEquals(clients.map(({ name, messages }) => [name, messages]), [["more", 150], ["less", 50]]);
    assertEquals(prefixes.map(({ name, messages }) => [name, messages]), [["a/b", 200]]);
  });

  test("are about right when few of many messages are looked at, also of Clients that take turns", () => {
    const busiest = new Busiest(0, seededRandom(1));
    const MESSAGES = 400_000;
    for (let i = 0; i < MESSAGES; i++) {
      busiest.came(i % 4 === 0 ? "less" : `more${i % 2}`, `t/${i % 2}`, 1, Math.floor(i / 100)); // 100 each ms
    }
    const { clients } = busiest.stats(4_000);
    const found = new Map(clients.map(({ name, messages }) => [name, messages / MESSAGES]));
    for (const [name, part] of [["more1", 1 / 2], ["more0", 1 / 4], ["less", 1 / 4]] as const) {
      assert(Math.abs(found.get(name)! - part) < 0.1, `${name}: ${found.get(name)}`);
    }
  });

  test("are said for each second, and those of an hour ago are the busiest no more", () => {
    const busiest = new Busiest(0, seededRandom(1));
    for (let s = 0; s < 600; s++) busiest.came("before", "t", 100, s * 1_000);
    const [before] = busiest.stats(600_000).clients;
    assert(Math.abs(before!.perSecond / 100 - 1) < 0.2, `${before!.perSecond}`);
    for (let s = 600; s < 1_200; s++) busiest.came("now", "t", 10, s * 1_000);
    assertEquals(names(busiest.stats(1_200_000).clients), ["now", "before"]);
  });

  test("keep names of bounded length, and no more than 32 of them", () => {
    const busiest = new Busiest(0, seededRandom(1));
    for (let i = 0; i < 100; i++) busiest.came(`${"c".repeat(1_000)}${i}`, `${i}/b/c`, 1, i * 1_000);
    const { clients, prefixes } = busiest.stats(100_000);
    assertEquals([clients.length, clients[0]!.name.length, prefixes.length], [1, 128, BUSIEST_KEPT]);
    busiest.came(`${"d".repeat(127)}🙂`, "t", 1, 100_000);
    assert(names(busiest.stats(100_000).clients).includes("d".repeat(127)), "half a character is none");
  });

  for (const qos of [0, 1, 2] as const) {
    test(`of a broker are counted in batches and alone, QoS ${qos}, while they are observed`, () => {
      const pair = new Pair();
      const client = pair.connect({ clientId: "busy", level: 4 });
      let packetId = 1;
      const publish = (payload: string) =>
        client.publish({ topic: "a/b/c", payload, qos, ...qos > 0 && { packetId: packetId++ } });
      publish("not seen");
      pair.settle();
      const busiest = new Busiest(pair.now, seededRandom(1));
      pair.broker.observe(busiest);
      for (const payload of ["one", "two", "x".repeat(20_000)]) publish(payload);
      pair.settle();
      pair.broker.observe(undefined);
      publish("not seen either");
      pair.settle();
      const { clients, prefixes } = busiest.stats(pair.now);
      assertEquals([clients[0]!.name, clients[0]!.messages], ["busy", 3]);
      assertEquals([prefixes[0]!.name, prefixes[0]!.messages], ["a/b", 3]);
    });
  }
});
