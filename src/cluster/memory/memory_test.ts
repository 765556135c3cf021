/**
 * Bus and streams in memory: what all must do, and what a simulated network does to them.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "../../engine/random.ts";
import {
  busContract,
  type Buses,
  logContract,
  streamContract,
  type Streams,
} from "../../testing/cluster_contract.ts";
import { utf8 } from "../../testing/transport_contract.ts";
import { CLUSTER } from "../limits.ts";
import type { NotAdded } from "../stream.ts";
import { MemoryNetwork } from "./network.ts";
import { Schedule } from "./schedule.ts";
import { STREAMS } from "./stream.ts";
import type { Faults } from "./wire.ts";

function network(faults: Partial<Faults> = {}, seed = 1): MemoryNetwork {
  const made = new MemoryNetwork(new Schedule(), seededRandom(seed));
  Object.assign(made.faults, faults);
  return made;
}

/** Time passes while a test waits. */
function untilOf(schedule: Schedule): Buses["until"] {
  return (condition, what) => {
    for (let idle = 0; idle < 10_000;) {
      if (condition()) return Promise.resolve();
      if (schedule.step()) idle = 0;
      else schedule.pass(++idle);
    }
    return Promise.reject(new Error(`Nothing more happens, but it never came to this: ${what}`));
  };
}

const DELAYS: Partial<Faults> = { delayMs: [1, 40], stalls: 10, stallMs: 300 };

for (const [name, faults] of [["in memory", {}], ["in memory, with delays", DELAYS]] as const) {
  busContract(name, () => {
    const net = network(faults);
    const [left, right] = [net.node("left").bus, net.node("right").bus];
    return Promise.resolve({ left, right, until: untilOf(net.schedule), done: () => Promise.resolve() });
  });

  const streams = (): Promise<Streams> => {
    const net = network(faults);
    const [left, right] = [net.node("left"), net.node("right")];
    return Promise.resolve({
      left: left.stream("s"),
      right: right.stream("s"),
      clock: net.schedule,
      until: untilOf(net.schedule),
      done(): Promise<void> {
        left.crash();
        right.crash();
        return Promise.resolve();
      },
    });
  };
  streamContract(name, streams);
  logContract(name, streams);
}

describe("MemoryNetwork", () => {
  test("does the same at each run of a seed, and something else with another one", () => {
    const run = (seed: number): string => {
      const net = network({ ...DELAYS, busLoss: 100, busRepeats: 100 }, seed);
      const [left, right] = [net.node("left"), net.node("right")];
      const heard: string[] = [];
      right.bus.subscribe("a", (bytes) => heard.push(`${net.schedule.now()} ${bytes[0]}`));
      for (let i = 0; i < 100; i++) {
        left.clock.at(left.clock.now() + i, () => left.bus.publish("a", Uint8Array.of(i)));
      }
      net.schedule.pass(10_000);
      return heard.join();
    };
    assertEquals(run(5), run(5));
    assert(run(5) !== run(6));
  });

  test("loses and repeats messages of the bus when it is told to", () => {
    const count = (faults: Partial<Faults>): number => {
      const net = network(faults);
      const [left, right] = [net.node("left"), net.node("right")];
      let heard = 0;
      right.bus.subscribe("a", () => heard++);
      for (let i = 0; i < 1000; i++) left.bus.publish("a", new Uint8Array(1));
      net.schedule.pass(1000);
      return heard;
    };
    assertEquals(count({}), 1000);
    assert(count({ busLoss: 100 }) < 950);
    assert(count({ busRepeats: 100 }) > 1050);
  });

  test("a cut holds in its direction alone, until it is healed", () => {
    const net = network();
    const [left, right] = [net.node("left"), net.node("right")];
    const heard: string[] = [];
    left.bus.subscribe("a", () => heard.push("left"));
    right.bus.subscribe("b", () => heard.push("right"));
    const say = (): string[] => {
      left.bus.publish("b", new Uint8Array());
      right.bus.publish("a", new Uint8Array());
      net.schedule.pass(10);
      return heard.splice(0).sort();
    };
    assertEquals(say(), ["left", "right"]);
    net.cut("left", "right");
    assertEquals(say(), ["left"]);
    net.divide(["left"], ["right", STREAMS]);
    assertEquals(say(), []);
    net.heal();
    assertEquals(say(), ["left", "right"]);
  });

  test("an answer that is lost leaves it open whether a message was added; a call that is lost does too", () => {
    const net = network();
    const node = net.node("a");
    const stream = node.stream("s");
    const outcomes: (number | NotAdded)[] = [];
    const add = (): void => {
      stream.add(utf8("x"), undefined, undefined, (outcome) => outcomes.push(outcome));
      net.schedule.pass(CLUSTER.answerMs);
    };
    net.cut(STREAMS, "a");
    add();
    net.heal();
    net.cut("a", STREAMS);
    add();
    assertEquals(outcomes.map((outcome) => (outcome as NotAdded).why), ["unsure", "unsure"]);
    assertEquals(net.store("s").messages.length, 1);
  });

  test("without a connection nothing goes out, and questions on their way are answered so", () => {
    const net = network();
    const [left, right] = [net.node("left"), net.node("right")];
    const said: unknown[] = [];
    right.bus.subscribe("a", () => said.push("heard"));
    left.bus.watch((isConnected) => said.push(isConnected));
    left.bus.request("a", new Uint8Array(), 1000, (answer) => said.push(answer));
    left.stream("s").add(utf8("x"), undefined, undefined, (outcome) => said.push((outcome as NotAdded).why));
    left.bus.connect(false);
    assertEquals(left.bus.publish("a", new Uint8Array()), false);
    left.stream("s").add(utf8("x"), undefined, undefined, (outcome) => said.push((outcome as NotAdded).why));
    net.schedule.pass(10);
    assertEquals(said, ["disconnected", false, "unsure", "heard", "absent"]);
    left.bus.connect(true);
    left.bus.publish("a", new Uint8Array());
    net.schedule.pass(10);
    assertEquals(said.slice(5), [true, "heard"]);
  });

  test("of a node that crashed nothing is called, and another life of it is another node", () => {
    const net = network({ delayMs: [5, 5] });
    const node = net.node("a");
    const other = net.node("b");
    let called = 0;
    node.bus.subscribe("s", () => called++);
    node.clock.at(net.schedule.now() + 3, () => called++);
    node.stream("s").read(1, 0, () => called++);
    other.bus.publish("s", new Uint8Array());
    node.crash();
    const next = net.node("a");
    let heard = 0;
    next.bus.subscribe("s", () => heard++);
    net.schedule.pass(20);
    other.bus.publish("s", new Uint8Array());
    net.schedule.pass(20);
    assertEquals([called, heard], [0, 1]);
    assertEquals(next.bus.size, 1);
  });
});

describe("Schedule", () => {
  test("does what is due in order, and of the same time in the order of asking", () => {
    const schedule = new Schedule(0);
    const done: string[] = [];
    const random = seededRandom(3);
    for (let i = 0; i < 200; i++) {
      const at = random() % 20;
      schedule.at(at, () => done.push(`${`${at}`.padStart(2, "0")}-${`${i}`.padStart(3, "0")}`));
    }
    schedule.at(5, () => done.push("cancelled"))();
    schedule.pass(9);
    assertEquals(schedule.now(), 9);
    assert(done.every((one) => Number(one.slice(0, 2)) <= 9));
    while (schedule.step());
    assertEquals(done.length, 200);
    assertEquals(done, done.toSorted());
  });
});
