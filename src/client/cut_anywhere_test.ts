/** §4.3, §4.4 A Client whose connection is cut after each single byte, either way, and whose next one is cut too. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "../engine/random.ts";
import { MemoryRecords, type Outcome, Reader, Server, World } from "../testing/client_world.ts";
import { patient } from "../testing/patience.ts";
import { UnsteadyPair } from "../testing/unsteady_pair.ts";

const MESSAGES = 2;

/** Messages of QoS 1 and 2 to itself; true if the connection was cut. */
function cutAt(direction: 0 | 1, bytes: number, level: 4 | 5, isKept: boolean): boolean {
  const server = new Server();
  const random = seededRandom(bytes);
  let connections = 0;
  const world = new World(server, {
    pair() {
      const pair = new UnsteadyPair(random, server.loop, 1_000);
      connections++;
      if (connections === 1) pair.cutAfter(direction, bytes);
      if (connections === 2) pair.cutAfter(random() % 2 as 0 | 1, 1 + random() % 150);
      return pair;
    },
    ...isKept && { records: new MemoryRecords() },
    engine: {
      cleanStart: false,
      level,
      patienceMs: 60_000,
      limits: { retryMinMs: 1, retryMaxMs: 1, inFlightMax: 3, inFlightBelow5Max: 3 },
    },
  });
  const reader = new Reader();
  world.engine.start(world.now);
  const asked: Outcome[] = [world.subscribe("topic/#", reader)];
  for (let i = 0; i < MESSAGES; i++) {
    for (const qos of [1, 2] as const) {
      asked.push(world.publish({ topic: `topic/${qos}`, payload: `${qos} ${i}`, qos }));
    }
  }
  for (let i = 0; i < 10 && asked.some(({ times }) => times === 0); i++) world.advance(1_000);
  world.settle();
  assertEquals(asked.map(({ times, error }) => [times, error]), asked.map(() => [1, undefined]));
  const wanted = (qos: number) => Array.from({ length: MESSAGES }, (_, i) => `${qos} ${i}`);
  assertEquals([...new Set(reader.texts.filter((text) => text.startsWith("1")))], wanted(1));
  assertEquals(reader.texts.filter((text) => text.startsWith("2")), wanted(2));
  return connections > 1;
}

describe("a connection that is cut after any of its bytes", () => {
  for (const level of [5, 4] as const) {
    for (const direction of [0, 1] as const) {
      for (const isKept of level === 5 ? [false, true] : [false]) {
        const whose = direction === 0 ? "the Client's" : "the Server's";
        const how = isKept ? ", with a store" : "";
        test(
          `has each message of QoS 2 come once, and none of QoS 1 lost: ${whose}, level ${level}${how}`,
          patient,
          () => {
            let bytes = 1;
            while (cutAt(direction, bytes, level, isKept)) bytes++;
            assert(bytes > 100, `${bytes} bytes have gone`);
          },
        );
      }
    }
  }
});
