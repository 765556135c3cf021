/** `memoryBytesMax`: what is refused above it, who is paused and ended, and who is not. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { seededRandom } from "../engine/random.ts";
import { assertEnded, assertNotAccepted, assertRule, Told } from "../testing/assertions.ts";
import { HandStore } from "../testing/hand_store.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { GRACE_MS } from "./memory_limit.ts";
import type { Limits, SessionStore } from "./mod.ts";

const MIB = 1024 * 1024;
const { PUBACK, PUBREC } = PacketType;
const KEPT = { cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;

interface Scene {
  readonly pair: Pair;
  readonly told: Told;
  /** Publishes at QoS 1 to itself, and acknowledges. */
  readonly healthy: StubClient;
}

/** A broker with so many bytes of memory, and a Client that behaves. */
function scene(memoryBytesMax: number, limits: Partial<Limits> = {}, store?: SessionStore): Scene {
  const told = new Told();
  const pair = new Pair({
    hooks: told.hooks,
    limits: { ...limits, memoryBytesMax },
    ...(store && { store }),
  });
  const healthy = pair.connect({ clientId: "healthy" });
  healthy.subscribe("healthy");
  return { pair, told, healthy };
}

/** A round trip of the healthy Client in the present turn. */
function assertServed({ healthy }: Pick<Scene, "healthy">): void {
  healthy.publish({ topic: "healthy", qos: 1, payload: "round" });
  const { packetId } = healthy.take(PacketType.PUBLISH);
  healthy.acknowledge(PUBACK, packetId!);
  assertEquals(healthy.take(PUBACK).reasonCode, 0);
  assert(!healthy.over);
}

function total({ pair }: Pick<Scene, "pair">): number {
  return pair.broker.stats.memory.total;
}

/** The Clients that `limited` was called for because of memory. */
function limited({ told }: Pick<Scene, "told">): string[] {
  return told.limits.filter(({ limit }) => limit === "memoryBytesMax").map(({ who }) => who);
}

/** A topic of so many bytes that no other number has. */
function long(bytes: number, i: number): string {
  return `${i}/`.padEnd(bytes, "x");
}

describe("memory above memoryBytesMax: the greediest are paused, then ended", () => {
  test("[limit/memory] by Topic Aliases", () => {
    const all = scene(2 * MIB);
    const { pair, told } = all;
    const small = pair.connect({ clientId: "small" });
    small.publish({ topic: long(4_000, 0), properties: { topicAlias: 1 } });
    const greedy = pair.connect({ clientId: "greedy" });
    const more = pair.connect({ clientId: "more" });
    for (const [client, count] of [[greedy, 256], [more, 250]] as const) {
      for (let alias = 1; alias <= count; alias++) {
        client.publish({ topic: long(4_000, alias), properties: { topicAlias: alias } });
      }
    }
    assert(pair.broker.stats.memory.aliases > 1.9 * MIB);
    assertEquals(
      limited(all),
      ["greedy", "more"],
      "the one that holds most, and one that goes on to set more",
    );
    assertServed(all);
    pair.advance(GRACE_MS);
    assertEnded(greedy, 0x97, "limit/memory");
    told.assertEnded("greedy", 0x97, "limit/memory");
    assertServed(all);
    assertEquals([more.over, small.over], [false, false]);
    more.assertSilent();
    small.publish({ topic: "", properties: { topicAlias: 1 } });
    small.assertSilent();
  });

  test("[limit/memory] by Topic Filters, which are refused at once", () => {
    const all = scene(1 * MIB);
    const { pair } = all;
    const greedy = pair.connect({ clientId: "greedy" });
    for (let i = 0; total(all) <= MIB; i++) greedy.subscribe(long(4_000, i));
    assertServed(all);
    const before = pair.broker.stats.subscriptions;
    assertEquals(all.healthy.subscribe("healthy"), [2], "one that is there may be changed");
    assertEquals(all.healthy.subscribe("one/more", "healthy"), [0x97, 2]);
    greedy.send({
      type: PacketType.SUBSCRIBE,
      packetId: 9,
      subscriptions: [
        { filter: "late", qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
      ],
    });
    assertEquals([greedy.inbox, pair.broker.stats.subscriptions], [[], before], "it is not read");
    assertEquals(limited(all), ["greedy", "healthy"]);
    pair.advance(GRACE_MS);
    assertEnded(greedy, 0x97, "limit/memory");
    assertEquals(all.healthy.subscribe("one/more"), [2]);
    assertEquals(pair.broker.session("greedy"), undefined);
    assert(total(all) < MIB / 8);
  });

  test("[limit/memory] by Wills: no new session, and one's own may be taken over", () => {
    const all = scene(2 * MIB);
    const { pair } = all;
    const will = { topic: "will", payload: new Uint8Array(60_000), qos: 0, retain: false } as const;
    const clients: StubClient[] = [];
    for (let i = 0; i < 40; i++) {
      const client = pair.open();
      client.connect({ clientId: `will${i}`, will });
      const { reasonCode, properties } = client.take(PacketType.CONNACK);
      if (reasonCode === 0) clients.push(client);
      else assertRule(properties?.reasonString, "limit/memory");
    }
    assert(clients.length > 25 && clients.length < 36, `${clients.length} get in`);
    assertServed(all);
    const stranger = pair.open();
    stranger.connect({ clientId: "stranger" });
    assertNotAccepted(stranger, 0x97, "limit/memory");
    const own = pair.connect({ clientId: "will0", will });
    assert(clients[0]!.over && !own.over, "a Client may come again");
    pair.advance(2 * GRACE_MS); // one of the greediest came anew meanwhile
    const ended = clients.filter(({ over }) => over).length;
    assert(ended > 1 && ended < 8, `no more are ended than need be, but ${ended}`);
    assertServed(all);
    assert(total(all) < 2 * MIB);
    pair.connect({ clientId: "stranger" });
  });

  test("[limit/memory] by packets that are not complete, before and after CONNECT", () => {
    const all = scene(4 * MIB);
    const { pair, told } = all;
    const payload = new Uint8Array(2 * MIB);
    const packet = encodePacket({
      type: PacketType.PUBLISH,
      dup: false,
      retain: false,
      qos: 0,
      topic: "t",
      payload,
    }, 5);
    const chunkBytes = () => 65_536;
    const halves = Array.from(
      { length: 6 },
      (_, i) => pair.connect({ clientId: `half${i}` }, { chunkBytes }),
    );
    for (const half of halves) half.write(packet.subarray(0, MIB));
    const { incoming } = pair.broker.stats.memory;
    assert(incoming > 3 * MIB && total(all) < 5.5 * MIB, `${incoming} bytes are kept`);
    assertServed(all);
    pair.advance(2 * GRACE_MS);
    assert(halves.some(({ over }) => over), "at least one is ended");
    assert(halves.some(({ over }) => !over), "not all of them are");
    for (const half of halves) if (!half.over) half.write(packet.subarray(MIB));
    pair.advance(2 * GRACE_MS);
    for (const half of halves) if (!half.over) half.assertSilent();
    assert(told.ends.every(({ refusal }) => refusal?.rule === "limit/memory"));
    assert(total(all) < 4 * MIB);
  });

  for (const bytes of [1_000, 20_000]) {
    test(`[limit/memory] by not reading, messages of ${bytes} bytes; not by publishing what others do not read`, () => {
      const all = scene(8 * MIB, { batchMessagesMax: 16 });
      const { pair, told } = all;
      const deaf = Array.from(
        { length: 20 },
        (_, i) => pair.connect({ clientId: `deaf${i}` }, { capacityBytes: 4_096 }),
      );
      for (const one of deaf) {
        one.subscribe("flood");
        one.transport.pause();
      }
      const sender = pair.connect({ clientId: "sender" });
      let most = 0;
      const flood = () => {
        for (let i = 0; i < 100; i++) {
          sender.publish({ topic: "flood", payload: new Uint8Array(bytes).fill(i) });
          most = Math.max(most, total(all));
        }
      };
      for (let i = 0; i < 20; i++) {
        flood();
        assertServed(all);
      }
      assert(most > 8 * MIB && most < 14 * MIB, `${most} bytes at most`);
      for (let i = 0; i < 12; i++) {
        pair.advance(GRACE_MS / 4);
        flood();
        assertServed(all);
      }
      assert(most < 14 * MIB, `${most} bytes at most`);
      assert(!sender.over && !limited(all).includes("sender"));
      const ended = told.ends.map(({ clientId }) => clientId);
      assert(ended.length > 0 && ended.every((clientId) => clientId.startsWith("deaf")), String(ended));
      assert(told.ends.every(({ refusal }) => refusal?.rule === "limit/memory"));
    });
  }

  test("[limit/memory] one that was ended while it did not read gets whole packets, and the reason behind them", () => {
    const all = scene(8 * MIB);
    const { pair } = all;
    const deaf = pair.connect({ clientId: "deaf" }, { capacityBytes: 4_096 });
    const other = pair.connect({ clientId: "other" }, { capacityBytes: 4_096 });
    for (const one of [deaf, other]) {
      one.subscribe(one === deaf ? "#" : "flood");
      one.transport.pause();
    }
    const sender = pair.connect({ clientId: "sender" });
    sender.publish({ topic: "more", payload: new Uint8Array(400_000).fill(1) });
    for (let i = 0; i < 700; i++) sender.publish({ topic: "flood", payload: new Uint8Array(9_000) });
    pair.advance(GRACE_MS);
    deaf.transport.resume();
    pair.settle();
    const messages = deaf.takePublishes();
    assert(messages.length >= 1 && messages.length < 600, `${messages.length} messages`);
    assertEnded(deaf, 0x97, "limit/memory");
    assert(!other.over, "it holds less");
  });

  test("a connection is paused while its Client sends, and read on when there is memory again", () => {
    const all = scene(2 * MIB);
    const { pair } = all;
    const one = pair.connect({ clientId: "one" });
    const two = pair.connect({ clientId: "two" });
    for (const client of [one, two]) for (let i = 0; i < 280; i++) client.subscribe(long(4_000, i));
    assertEquals(limited(all).includes("one"), true);
    one.send({ type: PacketType.PINGREQ });
    assertEquals(one.inbox, [], "it is not read");
    two.disconnect();
    assertEquals(one.take(PacketType.PINGRESP).type, PacketType.PINGRESP);
    pair.advance(5 * GRACE_MS);
    one.assertSilent();
    assert(!one.over);
  });

  test("payloads of 16 KiB and more count once, whoever waits for them", () => {
    const all = scene(64 * MIB);
    const { pair } = all;
    const deaf = Array.from(
      { length: 10 },
      (_, i) => pair.connect({ clientId: `deaf${i}` }, { capacityBytes: 4_096 }),
    );
    for (const one of deaf) {
      one.subscribe("t");
      one.transport.pause();
    }
    const away = pair.connect({ clientId: "away", ...KEPT });
    away.subscribe("t");
    away.lose();
    const before = total(all);
    const sender = pair.connect({ clientId: "sender" });
    sender.publish({ topic: "t", qos: 1, retain: true, payload: new Uint8Array(4 * MIB) });
    const { payloads } = pair.broker.stats.memory;
    assert(payloads >= 4 * MIB && payloads < 4.1 * MIB, `${payloads} bytes of payloads`);
    assert(total(all) - before < 4.3 * MIB, `${total(all) - before} bytes in all`);
    for (const one of deaf) one.lose();
    assertEquals(pair.broker.stats.memory.payloads, payloads);
    pair.connect({ clientId: "away", cleanStart: true });
    assertEquals(pair.broker.stats.memory.payloads, payloads, "it is retained");
    sender.publish({ topic: "t", retain: true });
    assertEquals(pair.broker.stats.memory.payloads, 0);
  });
});

describe("memory above memoryBytesMax: nothing more is kept", () => {
  for (const qos of [1, 2] as const) {
    test(`[limit/memory] no QoS ${qos} message in the queue of a Client that is away; what waits there stays`, () => {
      const all = scene(2 * MIB);
      const { pair, told } = all;
      const away = pair.connect({ clientId: "away", ...KEPT });
      away.subscribe("t");
      away.lose();
      const sender = pair.connect({ clientId: "sender", properties: {} });
      const codes: number[] = [];
      const answer = qos === 1 ? PUBACK : PUBREC;
      for (let i = 1; i <= 300; i++) {
        sender.publish({ topic: "t", qos, packetId: i, payload: String(i).padEnd(10_000) });
        codes.push(sender.take(answer).reasonCode);
        if (qos === 2 && codes.at(-1) === 0) sender.acknowledge(PacketType.PUBREL, i);
      }
      const kept = codes.indexOf(0x97);
      assert(kept > 150 && kept < 220, `${kept} are kept`);
      assertEquals(new Set(codes.slice(kept)), new Set([0x97]));
      assertEquals(limited(all), ["away"]);
      assertEquals(told.drops[0]?.reason, "memoryBytesMax");
      assertServed(all);
      pair.advance(5 * GRACE_MS);
      assertEquals(told.ends, [{ clientId: "away", clean: false, refusal: undefined }], "nobody was ended");
      const back = pair.connect({ clientId: "away", ...KEPT });
      const texts: number[] = [];
      for (let more = true; more;) {
        const messages = back.takePublishes();
        more = messages.length > 0;
        for (const { packetId, payload } of messages) {
          texts.push(Number(new TextDecoder().decode(payload)));
          back.acknowledge(answer, packetId!);
          if (qos === 2) {
            back.take(PacketType.PUBREL);
            back.acknowledge(PacketType.PUBCOMP, packetId!);
          }
        }
      }
      assertEquals(
        texts,
        Array.from({ length: kept }, (_, i) => i + 1),
        "all that was acknowledged, in order",
      );
      sender.publish({ topic: "t", qos: 1, packetId: 1_000 });
      assertEquals(sender.take(PUBACK).reasonCode, 0, "there is room again");
    });
  }

  test("[limit/memory] no retained message, unless it is smaller than the one before", () => {
    const all = scene(1 * MIB);
    const { pair } = all;
    const sender = pair.connect({ clientId: "sender" });
    const codes: number[] = [];
    for (let i = 0; i < 200; i++) {
      sender.publish({ topic: `r/${i}`, qos: 1, retain: true, payload: new Uint8Array(10_000) });
      codes.push(sender.take(PUBACK).reasonCode);
    }
    const kept = codes.indexOf(0x97);
    assert(kept > 80 && kept < 110, `${kept} are retained`);
    assertEquals(pair.broker.stats.retainedMessages, kept);
    sender.publish({ topic: "r/0", qos: 1, retain: true, payload: "small" });
    assert(sender.take(PUBACK).reasonCode < 0x80);
    assertServed(all);
    pair.advance(5 * GRACE_MS);
    assertEquals([sender.over, all.told.ends], [false, []], "nobody holds what is retained");
    for (let i = 0; i < 20; i++) sender.publish({ topic: `r/${i}`, qos: 1, retain: true });
    sender.inbox.length = 0;
    sender.publish({ topic: "new", qos: 1, retain: true, payload: new Uint8Array(10_000) });
    assert(sender.take(PUBACK).reasonCode < 0x80);
  });

  test("[MQTT-4.3.2-4] what waits in the store alone takes no memory: it is accepted, and all of it arrives", () => {
    const store = new HandStore();
    const all = scene(2 * MIB, {}, store);
    const { pair, told } = all;
    const away = pair.connect({ clientId: "away", ...KEPT });
    away.subscribe("t");
    away.lose();
    const sender = pair.connect({ clientId: "sender" });
    const hog = pair.connect({ clientId: "hog", ...KEPT });
    for (let i = 0; total(all) <= 2 * MIB; i++) hog.subscribe(long(4_000, i));
    for (let i = 1; i <= 300; i++) {
      sender.publish({ topic: "t", qos: 1, payload: String(i) });
      assertEquals(sender.take(PUBACK).reasonCode, 0);
    }
    assertServed(all);
    pair.advance(3 * GRACE_MS);
    assertEquals(
      told.ends.length,
      1,
      "the subscriptions of a session that persists would not come free with its connection",
    );
    const back = pair.connect({ clientId: "away", ...KEPT });
    const texts: string[] = [];
    for (let more = true; more;) {
      const messages = back.takePublishes();
      more = messages.length > 0;
      for (const { packetId, payload } of messages) {
        texts.push(new TextDecoder().decode(payload));
        back.acknowledge(PUBACK, packetId!);
      }
    }
    assertEquals(texts, Array.from({ length: 300 }, (_, i) => String(i + 1)));
  });

  test("a Client that keeps up may have some messages in its queue", () => {
    const all = scene(1 * MIB);
    const { pair } = all;
    const sender = pair.connect({ clientId: "sender" });
    for (let i = 0; i < 120; i++) {
      sender.publish({ topic: `r/${i}`, qos: 1, retain: true, payload: new Uint8Array(10_000) });
    }
    sender.inbox.length = 0;
    const one = pair.connect({ clientId: "healthy", properties: { receiveMaximum: 1 } });
    for (let i = 0; i < 50; i++) {
      sender.publish({ topic: "healthy", qos: 1, payload: String(i) });
      assertEquals(sender.take(PUBACK).reasonCode, 0x10);
    }
    assert(!one.over);
  });
});

/** Clients that do anything, with less memory than they want. */
function chaos(seed: number): void {
  const random = seededRandom(seed);
  const pick = (below: number) => random() % below;
  const told = new Told();
  const store = new HandStore();
  const pair = new Pair({
    hooks: { ...told.hooks, failed: (error) => told.failures.push(error) },
    limits: { memoryBytesMax: MIB, residentMessagesMax: 10 },
    ...(seed % 2 === 0 && { store }),
  });
  const clients: (StubClient | undefined)[] = Array.from({ length: 8 }, () => undefined);
  const filler = (most: number) => new Uint8Array(pick(4) === 0 ? pick(most) : pick(200));
  for (let step = 0; step < 300; step++) {
    const i = pick(clients.length);
    let one = clients[i];
    if (one === undefined || one.over) {
      one = pair.open(5, { capacityBytes: pick(3) === 0 ? 2_000 : Infinity });
      const will = { topic: "w", payload: filler(50_000), qos: 1, retain: pick(2) === 0 } as const;
      one.connect({
        clientId: `c${i}`,
        cleanStart: pick(3) === 0,
        properties: { sessionExpiryInterval: pick(2) * 100, topicAliasMaximum: pick(5) },
        ...(pick(3) === 0 && { will }),
      });
      clients[i] = one;
      continue;
    }
    const topic = long(1 + pick(pick(3) === 0 ? 4_000 : 10), pick(20));
    const kind = pick(12);
    if (kind < 5) {
      const properties = pick(3) === 0 ? { topicAlias: 1 + pick(20) } : {};
      const qos = pick(3) as 0 | 1 | 2;
      one.publish({ topic, qos, retain: pick(3) === 0, payload: filler(60_000), properties });
    } else if (kind < 7) {
      const filter = pick(4) === 0 ? `$share/g/${topic}` : pick(3) === 0 ? "#" : topic;
      one.send({
        type: PacketType.SUBSCRIBE,
        packetId: 1,
        subscriptions: [{ filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
      });
    } else if (kind < 8) one.transport.pause();
    else if (kind < 9) {
      one.transport.resume();
      for (const { qos, packetId } of one.takePublishes()) {
        if (!one.over && packetId !== undefined) one.acknowledge(qos === 1 ? PUBACK : PUBREC, packetId);
      }
      one.inbox.length = 0;
    } else if (kind < 10) pair.advance(pick(3) * 500);
    else if (kind < 11) one.lose();
    else { // most of a PUBLISH: what comes behind is taken for the rest of it
      const part = new Uint8Array(3 + pick(16_000));
      part.set([0x30, 0xff, 0x7f]);
      one.write(part);
    }
    pair.settle();
  }
  assertEquals(told.failures, []);
  for (const one of clients) one?.lose();
  pair.advance(200_000);
  const { messages, aliases, wills, outgoing, incoming, connections, sessions, subscriptions } =
    pair.broker.stats.memory;
  const left = { messages, aliases, wills, outgoing, incoming, connections, sessions, subscriptions };
  assertEquals(Object.values(left).filter((bytes) => bytes !== 0), [], JSON.stringify(left));
}

describe("with less memory than its Clients want a broker keeps its counts, and all of it comes free", () => {
  for (let seed = 0; seed < 8; seed++) test(`seed ${seed}`, () => chaos(seed));
});
