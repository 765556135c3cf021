/** §4.7 Topic Names that are remembered: the same answer as without, and bounded memory. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { encodeUtf8 } from "../codec/utf8.ts";
import { seededRandom } from "../engine/random.ts";
import { Pair } from "../testing/pair.ts";
import { matches } from "../topic/filter.ts";
import { hasWildcard } from "../topic/name.ts";
import { FilterTree } from "../topic/tree.ts";
import { type KnownTopic, KnownTopics } from "./known_topics.ts";
import type { Subscriber } from "./match.ts";
import { type Session, Subscription } from "./session.ts";

function find(topics: KnownTopics, name: string): KnownTopic {
  const bytes = encodeUtf8(name)!;
  return topics.find(bytes, 0, bytes.length);
}

describe("KnownTopics", () => {
  test("a name that is seen again is the same topic; a very long one is read anew", () => {
    const topics = new KnownTopics(new FilterTree(0), 16);
    assert(find(topics, "a/b") === find(topics, "a/b"));
    const long = "x".repeat(60_000);
    assertEquals(find(topics, long).name, long);
    assert(find(topics, long) !== find(topics, long));
  });

  test("topics that were used and are not used any more make room for one that is", () => {
    const topics = new KnownTopics(new FilterTree(0), 16);
    for (let i = 0; i < 100; i++) for (let times = 0; times < 2; times++) find(topics, `old/${i}`);
    let tries = 0;
    while (find(topics, "new") !== find(topics, "new")) assert(++tries < 100, "it is never remembered");
  });

  test("a name is the same topic wherever it stands, and another one is not", () => {
    const topics = new KnownTopics(new FilterTree(0), 16);
    const bytes = encodeUtf8("a/b-a/b-a/c")!;
    const first = topics.find(bytes, 0, 3);
    assert(topics.find(bytes, 4, 7) === first);
    assertEquals(topics.find(bytes, 8, 11).name, "a/c");
  });

  test("messages to very long names reach their subscribers, come they and go", () => {
    const pair = new Pair();
    const name = `long/${"x".repeat(1_000)}`;
    const client = pair.connect();
    client.subscribe("long/+");
    client.publish({ topic: name, payload: "1" });
    client.subscribe({ filter: name, qos: 0 });
    client.publish({ topic: name, payload: "2" });
    client.unsubscribe("long/+");
    client.publish({ topic: name, payload: "3" });
    client.unsubscribe(name);
    client.publish({ topic: name, payload: "4" });
    assertEquals(client.takeTexts(), ["1", "2", "3"]);
  });

  test("matches of many subscribers are forgotten before they fill the memory", () => {
    const tree = new FilterTree<Subscriber>(0);
    const topics = new KnownTopics(tree, 16);
    for (let i = 0; i < 60; i++) tree.add("#", new Subscription({ clientId: `${i}` } as Session, "#"));
    for (let i = 0; i < 40; i++) {
      const name = `t/${i % 10}`;
      assertEquals(topics.match(find(topics, name)).targets.length, 60);
      let remembered = 0;
      for (let j = 0; j < 10; j++) remembered += find(topics, `t/${j}`).match?.targets.length ?? 0;
      assert(remembered <= 16 * 16 + 60, `${remembered} subscribers are remembered`);
      assertEquals(find(topics, name).match?.targets.length, 60);
    }
  });
});

/** Few levels, so that names and filters meet: empty ones, `$`, letters of one and of several bytes. */
const part = fc.constantFrom("", "a", "b", "$", "é");
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/") || "n");
const filter = fc.tuple(
  fc.array(fc.oneof({ weight: 2, arbitrary: part }, { weight: 1, arbitrary: fc.constant("+") }), {
    maxLength: 4,
  }),
  fc.boolean(),
).map(([levels, hash]) => (hash ? [...levels, "#"] : levels).join("/") || "f");

describe("KnownTopics.match()", () => {
  test("[MQTT-4.7.0-1] what is remembered is what the plain definition says, whatever came and went", () => {
    const step = fc.oneof(
      fc.record({ change: fc.constant(true), at: filter }),
      fc.record({ change: fc.constant(false), at: name }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(16, 4_096), // places, and cells for changes: where all collide, and where few do
        fc.array(step, { minLength: 20, maxLength: 120 }),
        (places, steps) => {
          const tree = new FilterTree<Subscriber>();
          const topics = new KnownTopics(tree, places);
          const model = new Map<string, Subscription>();
          for (const { change, at } of steps) {
            if (change) {
              const known = model.get(at);
              const subscription = known ?? new Subscription({} as Session, at);
              if (known === undefined) model.set(at, subscription);
              else model.delete(at);
              if (known === undefined) tree.add(at, subscription);
              else tree.remove(at, subscription);
              topics.changed(at, hasWildcard(at));
              continue;
            }
            const bytes = encodeUtf8(at)!;
            const found: string[] = [];
            for (const target of topics.match(topics.find(bytes, 0, bytes.length)).targets) {
              target.each(({ filter }) => found.push(filter));
            }
            const wanted = [...model.keys()].filter((filter) => matches(filter, at));
            assertEquals(found.sort(), wanted.sort(), at);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("a wildcard subscription that cannot match a name leaves its match as it is", () => {
    const tree = new FilterTree<Subscriber>();
    const topics = new KnownTopics(tree, 65_536);
    const bytes = encodeUtf8("device/7/state")!;
    const topic = topics.find(bytes, 0, bytes.length);
    tree.add("device/7/#", new Subscription({} as Session, "device/7/#"));
    const before = topics.match(topic);
    for (const filter of ["device/8/#", "device/8/+/x", "site/#", "device/7/state/x/#", "+x/+/y"]) {
      topics.changed(filter, true);
      assert(topics.match(topic) === before || filter === "+x/+/y", filter);
    }
    for (const filter of ["#", "+/7/#", "device/#", "device/+/state", "device/7/+", "device/7/state/#"]) {
      const known = topics.match(topic);
      topics.changed(filter, true);
      assert(topics.match(topic) !== known, filter);
    }
  });
});

describe("KnownTopics.find()", () => {
  /** How many of `names`, asked for in that order, are found where they were before, the second half counted. */
  function found(names: readonly Uint8Array[]): number {
    const topics = new KnownTopics(new FilterTree(), 4_096);
    const seen = new Map<Uint8Array, KnownTopic>();
    let count = 0;
    for (const [i, bytes] of names.entries()) {
      const topic = topics.find(bytes, 0, bytes.length);
      if (i >= names.length / 2 && seen.get(bytes) === topic) count++;
      seen.set(bytes, topic);
    }
    return count / (names.length / 2);
  }

  const rows: [topics: number, inTurn: number, atRandom: number][] = [
    [640, 1, 1],
    [3_125, 0.99, 0.99],
    [4_096, 0.9, 0.9],
    [12_500, 0.05, 0.25],
  ];
  for (const [count, inTurn, atRandom] of rows) {
    test(`of ${count} names most are remembered, as far as there are 4,096 places`, () => {
      const names = Array.from(
        { length: count },
        (_, i) => encodeUtf8(`site/${i % 1000}/device-${i}/state`)!,
      );
      const turns = found([...names, ...names, ...names, ...names]);
      const next = seededRandom(count);
      const random = found([...names, ...Array.from({ length: 3 * count }, () => names[next() % count]!)]);
      assert(turns >= inTurn, `${turns} in turn`);
      assert(random >= atRandom, `${random} at random`);
    });
  }

  test("what is used again and again stays, whatever else passes", () => {
    const topics = new KnownTopics(new FilterTree(), 64);
    const own = Array.from({ length: 16 }, (_, i) => encodeUtf8(`own/${i}`)!);
    const known = own.map((bytes) => topics.find(bytes, 0, bytes.length));
    let lost = 0;
    for (let i = 0; i < 10_000; i++) {
      const bytes = encodeUtf8(`passing/${i}`)!;
      topics.find(bytes, 0, bytes.length);
      for (const [j, bytes] of own.entries()) {
        const topic = topics.find(bytes, 0, bytes.length);
        if (topic !== known[j]) lost++;
        known[j] = topic;
      }
    }
    assert(lost <= 16, `${lost} lost`);
  });
});
