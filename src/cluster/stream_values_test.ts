/** Last values on a stream that loses calls and answers: in the end all nodes see the same, and nothing acknowledged is missing. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "../engine/random.ts";
import { utf8 } from "../testing/transport_contract.ts";
import { CLUSTER } from "./limits.ts";
import type { Put } from "./log.ts";
import { MemoryNetwork, type MemoryNode } from "./memory/network.ts";
import { Schedule } from "./memory/schedule.ts";
import { STREAMS } from "./memory/stream.ts";
import { StreamValues } from "./stream_values.ts";

/** A node with what it has been told. */
interface Follower {
  readonly node: MemoryNode;
  readonly values: StreamValues;
  readonly seen: Map<string, string>;
  /** Where each value stands. */
  readonly positions: Map<string, number>;
}

function follower(net: MemoryNetwork, name: string): Follower {
  const node = net.node(name);
  const values = new StreamValues(node.stream("values"), node.clock);
  const seen = new Map<string, string>();
  const positions = new Map<string, number>();
  let last = 0;
  values.watch(0, {
    value(key, value, position): void {
      assert(position > last, "out of order");
      last = position;
      seen.set(key, new TextDecoder().decode(value));
      positions.set(key, position);
    },
    caughtUp(): void {},
  });
  return { node, values, seen, positions };
}

describe("last values on a stream that loses calls and answers, with nodes that crash", () => {
  const SEEDS = 60;
  test(`${SEEDS} seeds: all nodes see the same in the end, and no acknowledged value is older than what they see`, () => {
    const kinds: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed);
      const net = new MemoryNetwork(new Schedule(), seededRandom(seed + 1));
      net.faults.delayMs = [0, seed % 50];
      const nodes = ["a", "b", "c"].map((name) => follower(net, name));
      const put: { key: string; value: string; position: number }[] = [];
      for (let i = 0; i < 300; i++) {
        const at = random() % nodes.length;
        const [key, value] = [`k${random() % 8}`, random() % 5 === 0 ? "" : `${i}`];
        nodes[at]!.values.put(key, utf8(value), (outcome: Put) => {
          kinds[outcome.kind] = (kinds[outcome.kind] ?? 0) + 1;
          if (outcome.kind === "put") put.push({ key, value, position: outcome.position });
        });
        const what = random() % 30;
        if (what === 0) {
          nodes[at]!.node.crash();
          nodes[at] = follower(net, "abc"[at]!);
        } else if (what === 1) net.cut("abc"[at]!, STREAMS);
        else if (what === 2) net.cut(STREAMS, "abc"[at]!);
        else if (what === 3) nodes[at]!.node.bus.connect(false);
        else if (what === 4) net.faults.streamLoss = random() % 100;
        else if (what < 7) {
          net.heal();
          for (const { node } of nodes) node.bus.connect(true);
        }
        net.schedule.pass(random() % 1500);
      }
      net.heal();
      net.faults.streamLoss = 0;
      for (const { node } of nodes) node.bus.connect(true);
      net.schedule.pass(CLUSTER.retryMs + CLUSTER.waitMs + 10 * CLUSTER.answerMs);
      nodes.push(follower(net, "late"));
      net.schedule.pass(1_000);
      const sorted = nodes.map(({ seen }) => [...seen].sort());
      for (const seen of sorted) assertEquals(seen, sorted[0], `seed ${seed}`);
      for (const { key, value, position } of put) {
        const { seen, positions } = nodes[0]!;
        assert(positions.get(key)! >= position, `seed ${seed}: ${key} is older than what was acknowledged`);
        if (positions.get(key) === position) assertEquals(seen.get(key), value, `seed ${seed}`);
      }
    }
    for (const kind of ["put", "unsure", "failed"]) {
      assert((kinds[kind] ?? 0) > SEEDS / 10, JSON.stringify(kinds));
    }
  });

  test("a key and a value that are larger than a message are an error of the caller", () => {
    const { values } = follower(new MemoryNetwork(new Schedule(), seededRandom(1), 1000), "a");
    const error = assertThrows(
      () => values.put("key", new Uint8Array(values.bytesMax), () => {}),
      RangeError,
    );
    assertEquals(error.message, "A key and its value have at most 997 bytes");
    values.put("key", new Uint8Array(values.bytesMax - 3), () => {});
  });
});
