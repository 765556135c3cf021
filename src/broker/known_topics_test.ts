/** §4.7 Topic Names that are remembered: the same answer as without, and bounded memory. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodeUtf8 } from "../codec/utf8.ts";
import { Pair } from "../testing/pair.ts";
import type { KnownTopic } from "./known_topics.ts";

function find({ broker }: Pair, name: string): KnownTopic {
  const bytes = encodeUtf8(name)!;
  return broker.topics.find(bytes, 0, bytes.length);
}

describe("KnownTopics", () => {
  test("a name that is seen again is the same topic; a very long one is read anew", () => {
    const pair = new Pair();
    assert(find(pair, "a/b") === find(pair, "a/b"));
    const long = "x".repeat(60_000);
    assertEquals(find(pair, long).name, long);
    assert(find(pair, long) !== find(pair, long));
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
    const pair = new Pair({ limits: { knownTopicsMax: 16 } });
    const crowd = Array.from({ length: 60 }, (_, i) => pair.connect({ clientId: `${i}` }));
    for (const client of crowd) client.subscribe("#");
    const publisher = pair.connect({ clientId: "publisher" });
    for (let i = 0; i < 40; i++) {
      const name = `t/${i % 10}`;
      publisher.publish({ topic: name, payload: `${i}` });
      for (const client of crowd) assertEquals(client.takeTexts(), [`${i}`]);
      let remembered = 0;
      for (let j = 0; j < 10; j++) remembered += find(pair, `t/${j}`).match?.plain.length ?? 0;
      assert(remembered <= 16 * 16 + 60, `${remembered} subscribers are remembered`);
      assertEquals(find(pair, name).match?.plain.length, 60);
    }
  });
});
