/** §4.8.2 A group of many members: the same rules as for few, and no member is asked for nothing again and again. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { viewOf } from "../codec/publish_view.ts";
import { encodePacket } from "../codec/encode.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import type { Deliverer, Outgoing } from "./deliver.ts";
import type { Subscription } from "./session.ts";
import { SharedGroup } from "./shared.ts";

const { PUBACK } = PacketType;
const MANY = 20;
const SLOW: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } };

function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `${from + i}`);
}

class Crowd {
  readonly pair: Pair = new Pair();
  readonly members: StubClient[] = numbers(MANY).map((i) => this.join(`m${i}`));
  #count = 0;

  join(clientId: string): StubClient {
    const member = this.pair.connect({ clientId, ...SLOW });
    member.subscribe({ filter: "$share/g/a", qos: 1 });
    return member;
  }

  publish(qos: 0 | 1, count: number): void {
    for (let i = 0; i < count; i++) {
      this.pair.broker.publish({ topic: "a", qos, payload: `${this.#count++}` }, this.pair.now);
    }
    this.pair.settle();
  }

  /** The numbers of all messages that came to one of them, and how many each got. */
  got(): { all: string[]; counts: number[] } {
    const texts = this.members.map((member) => member.takeTexts());
    return {
      all: texts.flat().sort((a, b) => Number(a) - Number(b)),
      counts: texts.map(({ length }) => length),
    };
  }
}

describe("a group of many members", () => {
  test("takes turns at QoS 0, and at QoS 1 with each that has a free place", () => {
    for (const qos of [0, 1] as const) {
      const crowd = new Crowd();
      crowd.publish(qos, MANY);
      assertEquals(crowd.got(), { all: numbers(MANY), counts: Array(MANY).fill(1) });
    }
  });

  test("takes turns together where messages come in one chunk", () => {
    const crowd = new Crowd();
    const from = crowd.pair.connect({ clientId: "from" });
    for (let i = 0; i < 3 * MANY; i++) from.publish({ topic: "a", qos: 0, payload: `${i}` });
    assertEquals(crowd.got(), { all: numbers(3 * MANY), counts: Array(MANY).fill(3) });
  });

  test("passes over members that are full until they have room, then they have turns again", () => {
    const crowd = new Crowd();
    crowd.publish(1, MANY); // all are full
    crowd.got();
    for (const i of [3, 7]) crowd.members[i]!.acknowledge(PUBACK, 1);
    crowd.publish(1, 2);
    assertEquals(crowd.got().counts.flatMap((count, i) => count > 0 ? [i] : []), [3, 7]);
    crowd.publish(1, MANY); // one waits for each
    assertEquals(crowd.got().all, []);
    for (const member of crowd.members) for (const id of [1, 2]) member.acknowledge(PUBACK, id);
    assertEquals(crowd.got().all.length, MANY);
  });

  test("a full member still gets QoS 0", () => {
    const crowd = new Crowd();
    crowd.publish(1, MANY + 1);
    crowd.got();
    crowd.publish(0, MANY);
    assertEquals(crowd.got().counts, Array(MANY).fill(1));
  });

  test("with all away QoS 1 waits for one of them, QoS 0 is lost; who returns has turns at once", () => {
    const crowd = new Crowd();
    for (const member of crowd.members) member.lose();
    crowd.publish(0, 1);
    crowd.publish(1, 3);
    assertEquals(crowd.pair.broker.stats.dropped, 1);
    const back = crowd.pair.connect({ clientId: "m5", ...SLOW, properties: { sessionExpiryInterval: 60 } });
    assertEquals(back.takeTexts().sort(), ["1", "2", "3"]);
    crowd.publish(0, 1);
    assertEquals(back.takeTexts(), ["4"]);
  });

  test("members may leave at any time, the last one too", () => {
    const crowd = new Crowd();
    for (const member of crowd.members.slice(2)) member.unsubscribe("$share/g/a");
    crowd.publish(0, 4);
    assertEquals(crowd.got().counts.slice(0, 3), [2, 2, 0]);
    for (const member of crowd.members.slice(0, 2)) member.unsubscribe("$share/g/a");
    assertEquals(crowd.pair.broker.stats.sharedSubscriptions, 0);
  });

  test("asks a member that cannot take a message once, not once for each message", () => {
    let asked = 0;
    const group = new SharedGroup(parseFilter("$share/g/a") as TopicFilter, () => {});
    const sunk: Subscription[] = [];
    const memberOf = (isFree: boolean): Subscription => {
      const session = {
        get connection() {
          asked++;
          return { isFull: !isFree };
        },
        canSend: () => isFree,
        sinks: (member: Subscription) => void sunk.push(member),
      };
      return { session, qos: 1 } as unknown as Subscription;
    };
    for (let i = 0; i < 1_000; i++) group.join(memberOf(false));
    const free = memberOf(true);
    group.join(free);
    const frame = encodePacket(
      {
        type: PacketType.PUBLISH,
        dup: false,
        qos: 1,
        retain: false,
        topic: "a",
        packetId: 1,
        payload: new Uint8Array(),
      },
      5,
    );
    const outgoing = { view: viewOf(frame, true) } as Outgoing;
    const deliverer = { canTake: () => false } as unknown as Deliverer;
    asked = 0;
    for (let i = 0; i < 100; i++) assert(group.choose(outgoing, deliverer) === free);
    assert(asked <= 1_000 + 200, `${asked} times`);
    assertEquals(new Set(sunk).size, 1_000);
    group.leave(free);
    asked = 0;
    for (let i = 0; i < 100; i++) assertEquals(group.choose(outgoing, deliverer), undefined);
    assert(asked < 5 * 1_000, `${asked} times`);
    group.rise(sunk[0]!);
    assertEquals(group.choose(outgoing, { canTake: () => true } as unknown as Deliverer), sunk[0]);
  });

  test("[MQTT-3.10.4-1] a member that has risen while it was asked is gone when it leaves", () => {
    const group = new SharedGroup(parseFilter("$share/g/a") as TopicFilter, () => {});
    const memberOf = (): Subscription =>
      ({ session: { connection: undefined, sinks: () => {} }, qos: 1 }) as unknown as Subscription;
    const others = Array.from({ length: 10 }, memberOf);
    const leaver = memberOf();
    for (const member of [...others, leaver]) group.join(member);
    let asked = 0; // messages that have expired make room in its session, but not enough
    const canTake = (session: Subscription["session"]): boolean => {
      if (session === leaver.session && ++asked <= 2) group.rise(leaver);
      return false;
    };
    const outgoing = { view: { qos: 1 } } as Outgoing;
    group.choose(outgoing, { canTake } as unknown as Deliverer);
    group.leave(leaver);
    const takes = { canTake: () => true } as unknown as Deliverer;
    for (let i = 0; i < 20; i++) assert(group.choose(outgoing, takes) !== leaver);
  });
});
