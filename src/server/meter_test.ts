/** How long things take, by a clock in the hands of the tests. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Broker, type BrokerOptions, MemoryStore, type Verdict } from "../broker/mod.ts";
import { encodePacket, type Packet, PacketType } from "../codec/mod.ts";
import type { Cancel } from "../runtime/loop.ts";
import { Hand } from "../testing/by_hand.ts";
import { VirtualLoop } from "../testing/virtual_loop.ts";
import { memoryPair } from "../transport/mod.ts";
import { Driver } from "./driver.ts";
import { BUCKET_BOUNDS, type HistogramStats } from "./histogram.ts";
import { Meter, type MeterClock } from "./meter.ts";

/** A clock that a test sets: ms. */
class HandClock implements MeterClock {
  time = 0;
  /** Looks at the clock. */
  looks = 0;
  waiting: { readonly at: number; readonly run: () => void } | undefined;

  now(): number {
    this.looks++;
    return this.time;
  }

  after(ms: number, run: () => void): Cancel {
    this.waiting = { at: this.time + ms, run };
    return () => void (this.waiting = undefined);
  }

  /** The timer that waits is run, so many ms late; false if there is none. */
  tick(late = 0): boolean {
    const { waiting } = this;
    if (waiting === undefined) return false;
    this.time = waiting.at + late;
    waiting.run();
    return true;
  }
}

/** How often, for each time in ms that is a bound. */
function found({ counts }: HistogramStats): Record<string, number> {
  const all = counts.map((count, i) =>
    [`≤ ${((BUCKET_BOUNDS[i] ?? Infinity) * 1_000).toFixed(2)}`, count] as const
  );
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}

/** A broker in the hands of a test, with a meter. */
class Scene {
  readonly clock: HandClock = new HandClock();
  readonly loop: VirtualLoop = new VirtualLoop();
  readonly driver: Driver;
  readonly told: boolean[] = [];
  readonly meter: Meter;

  constructor(options: BrokerOptions = {}) {
    this.driver = new Driver(new Broker(options), this.loop);
    this.meter = new Meter((isOn) => {
      this.told.push(isOn);
      this.driver.meter = isOn ? this.meter : undefined;
    }, this.clock);
  }

  /** A Client; what it returns sends packets in one chunk. */
  connect(clientId: string): Send {
    const pair = memoryPair();
    this.driver.accept(pair.left, { address: "192.0.2.1", port: 1, transport: "memory" });
    pair.right.start({ received() {}, drained() {}, closed() {} });
    const send = (...packets: Packet[]) => {
      pair.right.write(Uint8Array.from(packets.flatMap((packet) => [...encodePacket(packet, 5)])));
      pair.deliver();
    };
    send({ type: PacketType.CONNECT, level: 5, cleanStart: true, keepAlive: 0, clientId });
    return send;
  }

  /** Ends the present turn, and those that follow from it. */
  settle(): void {
    while (this.loop.endTurn());
  }
}

type Send = (...packets: Packet[]) => void;

const SUBSCRIBE: Packet = {
  type: PacketType.SUBSCRIBE,
  packetId: 1,
  subscriptions: [{ filter: "t", qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
};

function publish(qos: 0 | 1, topic = "t"): Packet {
  const packet = {
    type: PacketType.PUBLISH,
    dup: false,
    qos,
    retain: false,
    topic,
    payload: new Uint8Array(1),
  };
  return { ...packet, ...qos === 1 && { packetId: 7 } } as Packet;
}

describe("a meter", () => {
  test("does not look at the clock before it is read", () => {
    const scene = new Scene();
    const client = scene.connect("a");
    client(publish(0));
    scene.settle();
    assertEquals([scene.clock.looks, scene.clock.waiting, scene.told], [0, undefined, []]);
  });

  test("counts from the first bytes of a turn to its end, once for each message, with two looks at the clock", () => {
    const scene = new Scene();
    const client = scene.connect("a");
    client(SUBSCRIBE);
    scene.settle();
    scene.meter.read();
    const { looks } = scene.clock;
    client(publish(0), publish(0));
    scene.clock.time += 0.16;
    client(publish(0));
    scene.clock.time += 0.16;
    scene.settle();
    assertEquals(scene.clock.looks - looks, 2);
    assertEquals(found(scene.meter.read().publishToWrite), { "≤ 0.32": 3 });
  });

  test("counts no turn without a message, and no message that nobody gets", () => {
    const scene = new Scene();
    const client = scene.connect("a");
    scene.settle();
    scene.meter.read();
    client(publish(0, "nobody"));
    scene.clock.time += 1;
    client({ type: PacketType.PINGREQ });
    scene.settle();
    assertEquals(found(scene.meter.read().publishToWrite), {});
  });

  test("times commits and verdicts, but not those that were asked for before", () => {
    const verdicts: Hand<Verdict>[] = [];
    const authenticate = () => {
      const hand = new Hand<Verdict>();
      verdicts.push(hand);
      return hand.later;
    };
    const scene = new Scene({ authenticate });
    scene.connect("before");
    scene.settle();
    scene.meter.read();
    scene.connect("a");
    scene.settle();
    scene.clock.time += 80;
    for (const verdict of verdicts) verdict.answer({ code: 0 });
    scene.settle();
    const { authenticate: times, commit } = scene.meter.read();
    assertEquals([found(times), found(commit)], [{ "≤ 81.92": 1 }, {}]);
  });

  test("times commits of a store that takes time", () => {
    const hand = new Hand<void>();
    class SlowStore extends MemoryStore {
      override commit(): Promise<void> {
        return hand.later;
      }
    }
    const scene = new Scene({ store: new SlowStore() });
    scene.connect("a");
    scene.settle();
    scene.meter.read();
    scene.driver.run((broker, now) => broker.publish({ topic: "r", payload: "x", retain: true }, now));
    while (scene.loop.tick(scene.loop.time + 1_000)); // facts that no Client waits for
    scene.settle();
    scene.clock.time += 5;
    hand.answer(undefined);
    assertEquals(found(scene.meter.read().commit), { "≤ 5.12": 1 });
  });

  test("sees how late timers are, and ends five minutes behind the last reader", () => {
    const { meter, clock, told, driver } = new Scene();
    meter.read();
    clock.tick();
    clock.tick(40);
    assertEquals(found(meter.read().loopLag), { "≤ 0.01": 1, "≤ 40.96": 1 });
    for (let ticks = 1; ticks < 600; ticks++) clock.tick();
    assertEquals([told, clock.waiting !== undefined], [[true], true]);
    clock.tick();
    clock.tick();
    assertEquals([told, clock.tick(), driver.meter], [[true, false], false, undefined]);
    const before = meter.read().loopLag;
    assertEquals(found(before)["≤ 0.01"], 602, "what was counted stays");
    meter.close();
    meter.read();
    assertEquals([told, clock.waiting], [[true, false, true, false], undefined]);
  });
});
