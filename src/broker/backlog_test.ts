/** §4.1, §4.5 Messages that wait in a durable session, of which memory holds only some: none is lost, none overtakes, none comes twice. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { frameOf, MESSAGE_OVERHEAD_BYTES, messageBytes } from "../delivery/message.ts";
import { seededRandom } from "../engine/random.ts";
import { assertEnded } from "../testing/assertions.ts";
import { Life, take } from "../testing/restarts.ts";
import type { ConnectInit, StubClient } from "../testing/pair.ts";
import { Backlog } from "./backlog.ts";
import { Delivery } from "./delivery.ts";
import type { BrokerOptions, DeliveryRecord, Limits, SessionStats } from "./mod.ts";

const { PUBACK, PUBREC, PUBCOMP } = PacketType;
/** How many of those that wait memory holds. */
const RESIDENT = 4;

function begin(limits: Partial<Limits> = {}, options: BrokerOptions = {}): Life {
  return new Life({ ...options, limits: { residentMessagesMax: RESIDENT, ...limits } });
}

/** The receiver, who takes so many QoS 1 and 2 messages at a time. */
function receiver(life: Life, receiveMaximum = 1, init: ConnectInit = {}): StubClient {
  const properties = { sessionExpiryInterval: 600, receiveMaximum };
  return life.connect({ clientId: "receiver", properties, ...init });
}

/** The receiver has subscribed, and is away. */
function away(life: Life, ...filters: string[]): void {
  const client = receiver(life);
  client.subscribe(...filters);
  client.lose();
}

function sessionOf(life: Life): SessionStats {
  return life.pair.broker.session("receiver")!;
}

/** How many wait in memory, and how many in the store alone. */
function places(life: Life): [resident: number, pagedOut: number] {
  const { queued, pagedOut } = sessionOf(life);
  return [queued - pagedOut, pagedOut];
}

/** Publishes each text at QoS 1, or at QoS 2 if it ends with "!"; what begins with "s" to the shared topic. */
function publish(life: Life, ...texts: string[]): void {
  for (const payload of texts) {
    life.publish({
      topic: payload.startsWith("s") ? "s" : "t",
      qos: payload.endsWith("!") ? 2 : 1,
      payload,
    });
  }
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);
}

/** Takes and acknowledges all there is, one after the other; `each` is called behind each. */
function drain(client: StubClient, each: (text: string) => void = () => {}): string[] {
  const texts: string[] = [];
  for (;;) {
    client.pair.settle();
    const packet = client.inbox.shift();
    if (packet === undefined) return texts;
    if (packet.type === PacketType.PUBLISH) {
      texts.push(new TextDecoder().decode(packet.payload));
      client.acknowledge(packet.qos === 1 ? PUBACK : PUBREC, packet.packetId!);
      each(texts.at(-1)!);
    } else if (packet.type === PacketType.PUBREL) client.acknowledge(PUBCOMP, packet.packetId);
  }
}

/** Everything that came was sent, acknowledged and forgotten. */
function assertNothingWaits(life: Life): void {
  const { queued, queuedBytes, pagedOut, exchanges } = sessionOf(life);
  assertEquals([queued, queuedBytes, pagedOut, exchanges], [0, 0, 0, 0]);
  const [stored] = [...life.store.sessions()].filter(({ session }) => session.clientId === "receiver");
  assertEquals([stored!.deliveries.length, stored!.waiting.count], [0, 0]);
  assertEquals(life.told.failures, []);
}

describe("who is away", () => {
  test("[MQTT-4.5.0-1] has its messages in the store alone, and gets them in order, a few at a time in memory", () => {
    const life = begin();
    away(life, "t");
    const texts = [...numbered(1, 10), "11!", "12!", ...numbered(13, 20)];
    publish(life, ...texts);
    assertEquals(places(life), [0, 20]);
    const again = receiver(life);
    const got = drain(again, () => assert(places(life)[0] <= RESIDENT, `${places(life)}`));
    assertEquals(got, texts);
    assertNothingWaits(life);
    publish(life, "more");
    assertEquals(drain(again), ["more"]);
  });

  test("[MQTT-4.4.0-1] leaves to the store what waited in memory, but not what was sent", () => {
    const life = begin();
    const client = receiver(life, 2);
    client.subscribe("t");
    publish(life, ...numbered(1, 8));
    assertEquals(places(life), [4, 2]);
    client.lose();
    assertEquals(places(life), [0, 6]);
    publish(life, "9");
    const again = receiver(life, 3);
    assertEquals(take(again), ["PUBLISH 1 dup 1", "PUBLISH 2 dup 2", "PUBLISH 3 3"]);
    for (const id of [1, 2, 3]) again.acknowledge(PUBACK, id);
    assertEquals(drain(again), numbered(4, 9));
    assertNothingWaits(life);
  });

  test("gets nothing twice, however often it comes and goes", () => {
    const life = begin();
    away(life, "t");
    publish(life, ...numbered(1, 30));
    const got: string[] = [];
    for (let i = 0; i < 10; i++) {
      const client = receiver(life, 3);
      for (const { packetId, payload } of client.takePublishes()) {
        got.push(new TextDecoder().decode(payload));
        client.acknowledge(PUBACK, packetId!);
      }
      if (i % 3 !== 0) client.lose(); // else the next one takes over
    }
    const unique = [...new Set(got)];
    assertEquals(unique, numbered(1, unique.length));
    assertEquals(
      [...got, ...drain(receiver(life, 3))].filter((text, i, all) => all.indexOf(text) === i),
      numbered(1, 30),
    );
    assertNothingWaits(life);
  });

  test("whose session ends leaves nothing", () => {
    const life = begin();
    away(life, "t");
    publish(life, ...numbered(1, 10));
    life.pair.advance(600_000);
    assertEquals([life.pair.broker.stats.sessions, life.stored], [0, []]);
  });

  test("has them in memory if its session is not in a store", () => {
    const life = begin();
    const client = life.pair.connect({ clientId: "receiver", properties: { receiveMaximum: 1 } });
    client.subscribe("t");
    publish(life, ...numbered(1, 10));
    assertEquals(places(life), [9, 0]);
    assertEquals(drain(client), numbered(1, 10));
  });
});

describe("who is slow", () => {
  for (const late of [false, true]) {
    const when = late ? ", and pages take their time" : "";

    test(`[MQTT-4.6.0-6] gets them in order, with what comes meanwhile behind${when}`, () => {
      const life = begin();
      const client = receiver(life);
      client.subscribe("t");
      life.store.late = late;
      publish(life, ...numbered(1, 20));
      assertEquals(places(life), [4, 15]);
      let next = 21;
      const got: string[] = [];
      do {
        got.push(...drain(client, () => {
          assert(places(life)[0] <= RESIDENT + RESIDENT / 2, `${places(life)}`);
          if (next <= 50) publish(life, `${next++}`);
        }));
      } while (life.store.bring());
      assertEquals(got, numbered(1, 50));
      assertNothingWaits(life);
    });

    test(`gets them if they are larger than what memory may hold${when}`, () => {
      for (const residentBytesMax of [1, 3_000, 10_000]) {
        const life = begin({ residentBytesMax, residentMessagesMax: 100 });
        const client = receiver(life);
        client.subscribe("t");
        life.store.late = late;
        const texts = numbered(1, 30).map((text) => text.padEnd(Number(text) % 5 * 700));
        publish(life, ...texts);
        const got: string[] = [];
        const most = 1.5 * residentBytesMax + 2 * (2_800 + MESSAGE_OVERHEAD_BYTES);
        const check = () => assert(sessionOf(life).residentBytes <= most, `${sessionOf(life).residentBytes}`);
        check();
        do got.push(...drain(client, check)); while (life.store.bring());
        assertEquals(got, texts);
        assertNothingWaits(life);
      }
    });

    test(`[MQTT-4.6.0-6] keeps the order where some came by a Shared Subscription${when}`, () => {
      for (const isAway of [false, true]) {
        const life = begin();
        const client = receiver(life);
        client.subscribe("t", "$share/g/s");
        if (isAway) client.lose();
        const texts = numbered(1, 40).map((text) => Number(text) % 3 === 0 ? `s${text}` : text);
        publish(life, ...texts.slice(0, 30));
        assertEquals(places(life), isAway ? [10, 20] : [3 + 10, 16]); // what is shared stays in memory
        life.store.late = late;
        const again = isAway ? receiver(life) : client;
        const got: string[] = [];
        let more = 30;
        const each = () => more < 40 && publish(life, texts[more++]!);
        do got.push(...drain(again, each)); while (life.store.bring());
        assertEquals(got, texts);
        assertNothingWaits(life);
      }
    });
  }

  test("the next page is asked for before memory has nothing to send", () => {
    const life = begin();
    const client = receiver(life);
    client.subscribe("t");
    publish(life, ...numbered(1, 20));
    life.store.late = true;
    let served = 0;
    drain(client, () => {
      served++;
      if (life.store.pagesAsked > 0) life.store.bring();
      assert(
        served === 20 || client.inbox.length > 0 || places(life)[0] > 0,
        `nothing to send behind ${served}`,
      );
    });
    assertEquals(served, 20);
  });

  test("one page is asked for at a time", () => {
    const life = begin();
    away(life, "t");
    publish(life, ...numbered(1, 30));
    life.store.late = true;
    const again = receiver(life, 10);
    publish(life, "31");
    again.assertSilent();
    assertEquals(life.store.pagesAsked, 1);
    const got: string[] = [];
    while (life.store.bring()) {
      assert(life.store.pagesAsked <= 1);
      got.push(...drain(again));
    }
    assertEquals(got, numbered(1, 31));
  });

  test("retained messages for a new subscription come behind what waits", () => {
    const life = begin();
    const client = receiver(life);
    client.subscribe("t");
    life.publish({ topic: "r", qos: 1, retain: true, payload: "retained" });
    publish(life, ...numbered(1, 10));
    client.subscribe("r");
    assertEquals(drain(client), [...numbered(1, 10), "retained"]);
  });

  test("[MQTT-3.1.2-25] what is too large for the Client is passed over, and gone from the store", () => {
    const life = begin();
    away(life, "t");
    publish(life, ...numbered(1, 10).map((text) => Number(text) % 4 === 0 ? text.padEnd(200) : text));
    const properties = { sessionExpiryInterval: 600, receiveMaximum: 1, maximumPacketSize: 100 };
    assertEquals(
      drain(receiver(life, 1, { properties })),
      numbered(1, 10).filter((text) => Number(text) % 4 !== 0),
    );
    assertNothingWaits(life);
  });

  test("a session that ends with its connection, after all, has them, too", () => {
    const life = begin();
    receiver(life).subscribe("t");
    const again = receiver(life, 1, { properties: { receiveMaximum: 1 } });
    publish(life, ...numbered(1, 20));
    assertEquals(places(life), [4, 15]);
    assertEquals(drain(again), numbered(1, 20));
  });
});

describe("who comes back while a page is on its way", () => {
  /** A receiver with 20 messages in the store alone, and the first page under way. */
  function scene(): { life: Life; client: StubClient } {
    const life = begin();
    away(life, "t", "$share/g/s");
    publish(life, ...numbered(1, 20));
    life.store.late = true;
    const client = receiver(life);
    assertEquals([life.store.pagesAsked, take(client)], [1, []]);
    return { life, client };
  }

  function finish(life: Life, client: StubClient): string[] {
    const got: string[] = [];
    do got.push(...drain(client)); while (life.store.bring());
    return got;
  }

  for (const brought of ["before", "behind"] as const) {
    for (const end of ["loses its connection", "is taken over"] as const) {
      test(`because it ${end} gets each once, in order; the page comes ${brought} that`, () => {
        const { life, client } = scene();
        if (end === "loses its connection") client.lose();
        if (brought === "before" && end === "loses its connection") {
          life.store.bring();
          assertEquals(places(life), [0, 20]);
        }
        publish(life, "21");
        const again = receiver(life);
        publish(life, "22");
        assertEquals(finish(life, again), numbered(1, 22));
        assertNothingWaits(life);
      });
    }
  }

  test("with messages that are in memory again, gets each once, in order", () => {
    const { life, client } = scene();
    life.store.bring();
    client.acknowledge(PUBACK, Number(take(client)[0]!.split(" ")[1]));
    assertEquals(life.store.pagesAsked, 1); // the second one, while some of the first are in memory
    client.lose();
    publish(life, "s21");
    const again = receiver(life);
    assertEquals(finish(life, again), [...numbered(2, 20), "s21"]);
    assertNothingWaits(life);
  });

  test("[MQTT-3.1.2-4] with Clean Start gets nothing of it", () => {
    const { life, client } = scene();
    client.lose();
    const fresh = receiver(life, 1, { cleanStart: true });
    fresh.subscribe("t");
    publish(life, "new");
    assertEquals(finish(life, fresh), ["new"]);
    assertNothingWaits(life);
  });

  test("not at all: the page is nobody's", () => {
    const { life, client } = scene();
    client.lose();
    life.pair.advance(600_000);
    life.store.bring();
    life.pair.advance(1_000);
    life.pair.assertEmpty();
  });
});

describe("while they are in the store alone", () => {
  test("[MQTT-3.3.2-5] [MQTT-3.3.2-6] messages expire, and are gone from the store then", () => {
    const life = begin();
    away(life, "t");
    for (const text of numbered(1, 12)) {
      const messageExpiryInterval = Number(text) % 2 === 0 ? 10 : 100;
      life.publish({ topic: "t", qos: 1, payload: text, properties: { messageExpiryInterval } });
    }
    life.pair.advance(20_000);
    assertEquals(life.pair.broker.session("receiver")?.queued, 6);
    const again = receiver(life, 100);
    const got = again.takePublishes();
    assertEquals(got.map(({ payload }) => new TextDecoder().decode(payload)), [
      "1",
      "3",
      "5",
      "7",
      "9",
      "11",
    ]);
    assertEquals(got.map(({ properties }) => properties?.messageExpiryInterval), Array(6).fill(80));
    assertEquals(life.pair.broker.stats.dropped, 6);
    for (const { packetId } of got) again.acknowledge(PUBACK, packetId!);
    assertNothingWaits(life);
  });

  test("[limit/queue] they count for queuedMessagesMax, also after a restart", () => {
    const life = begin({ queuedMessagesMax: 10 });
    away(life, "t");
    publish(life, ...numbered(1, 11));
    assertEquals(life.told.limits, [{ limit: "queuedMessagesMax", who: "receiver" }]);
    life.restart();
    publish(life, "12");
    assertEquals(life.told.drops, [{ topic: "t", clientId: "receiver", reason: "queuedMessagesMax" }]);
    const again = receiver(life);
    publish(life, "13"); // one is sent: there is room for one
    assertEquals(drain(again), [...numbered(1, 10), "13"]);
    publish(life, ...numbered(14, 25));
    assertEquals(again.takeTexts(), ["14"]);
    assertEnded(again, 0x97, "limit/queue");
  });

  test("[limit/queue] they count for queuedBytesMax, also after a restart", () => {
    const one = "x".repeat(1000);
    const bytes = 1 + 2 + 2 + 1 + 2 + 1 + one.length + MESSAGE_OVERHEAD_BYTES;
    const life = begin({ queuedBytesMax: 5 * bytes });
    away(life, "t");
    publish(life, ...Array(6).fill(one));
    assertEquals(sessionOf(life).queuedBytes, 5 * bytes);
    assertEquals(life.told.limits, [{ limit: "queuedBytesMax", who: "receiver" }]);
    life.restart();
    assertEquals(sessionOf(life).queuedBytes, 5 * bytes);
    publish(life, one);
    assertEquals(life.told.drops.length, 1);
    const again = receiver(life);
    assertEquals([...places(life), sessionOf(life).queuedBytes], [1, 3, 4 * bytes]);
    publish(life, one);
    assertEquals(drain(again).length, 6);
    assertNothingWaits(life);
  });

  test("[MQTT-4.1.0-1] a restart brings them back in order, with what came by a Shared Subscription", () => {
    const life = begin();
    const client = receiver(life, 2);
    client.subscribe("t", "$share/g/s");
    const texts = ["1", "2!", "s3", "4", "5", "s6!", "7", "8", "9", "s10", ...numbered(11, 20)];
    publish(life, ...texts.slice(0, 10));
    life.restart();
    assertEquals(places(life), [3, 5]);
    publish(life, ...texts.slice(10));
    assertEquals(drain(receiver(life, 2)), texts);
    assertNothingWaits(life);
  });
});

describe("a store that has lost messages", () => {
  function scene(late: boolean, lost: (text: number) => boolean): { life: Life; client: StubClient } {
    const life = begin();
    away(life, "t", "$share/g/s");
    life.publish({ topic: "r", qos: 1, retain: true, payload: "retained" });
    publish(life, ...numbered(1, 20), "s21");
    const { storeId } = [...life.store.sessions()].find(({ session }) => session.clientId === "receiver")!;
    const key = { clientId: "receiver", storeId };
    const orders = life.store.page(key).map(({ order }) => order);
    for (const [i, order] of orders.entries()) {
      if (lost(i + 1)) life.store.finished(key, { order } as DeliveryRecord);
    }
    life.store.late = late;
    return { life, client: receiver(life) };
  }

  for (const late of [false, true]) {
    const when = late ? ", pages take their time" : "";
    for (
      const [what, lost] of [["all", () => true], ["some", (n: number) => n % 3 === 0], [
        "the last",
        (n: number) => n > 15,
      ]] as const
    ) {
      test(`says so, and goes on with what there is: ${what}${when}`, () => {
        const { life, client } = scene(late, lost);
        client.send({
          type: PacketType.SUBSCRIBE,
          packetId: 99,
          subscriptions: [{
            filter: "r",
            qos: 1,
            noLocal: false,
            retainAsPublished: false,
            retainHandling: 0,
          }],
        });
        const got: string[] = [];
        do got.push(...drain(client)); while (life.store.bring());
        const left = numbered(1, 20).filter((text) => !lost(Number(text)));
        assertEquals(got, [...left, "s21", "retained"]);
        assertEquals(life.told.failures.length, 1);
        assertEquals(sessionOf(life).queued, 0);
        publish(life, "more");
        assertEquals(drain(client), ["more"]);
      });
    }

    test(`because it fails is asked again when it is well${when}, and not before`, () => {
      const life = begin();
      away(life, "t");
      life.pair.advance(1_000);
      life.store.broken = true;
      publish(life, ...numbered(1, 10));
      life.pair.advance(1_000);
      const load = life.store.load;
      let asked = 0;
      life.store.load = (key, from, messages, bytes) => {
        asked++;
        const most = life.store.broken ? 0 : messages; // it has only what it could make safe
        return load.call(life.store, key, from, most, bytes);
      };
      life.store.late = late;
      const client = receiver(life);
      for (let i = 0; i < 10; i++) life.store.bring();
      assertEquals([take(client), life.told.failures], [[], []]);
      assert(asked < 5, `asked ${asked} times`);
      life.store.broken = false;
      life.pair.advance(1_000);
      const got: string[] = [];
      do got.push(...drain(client)); while (life.store.bring());
      assertEquals(got, numbered(1, 10));
      assertNothingWaits(life);
    });
  }
});

describe("[MQTT-4.5.0-1] [MQTT-4.6.0-6] whatever happens, each message comes, in order", () => {
  for (let seed = 0; seed < 40; seed++) {
    test(`seed ${seed}`, () => {
      const random = seededRandom(seed);
      const pick = (below: number) => random() % below;
      const life = begin({
        residentMessagesMax: 2 + pick(6),
        residentBytesMax: [1, 4_000, 1_000_000][pick(3)]!,
      });
      let client: StubClient | undefined = receiver(life);
      client.subscribe("t", "$share/g/s");
      const sent: string[] = [];
      const got: string[] = [];
      /** Acknowledges some; the others will come again. */
      const read = (most: number): void => {
        for (const [i, { packetId, payload }] of client!.takePublishes().entries()) {
          const text = new TextDecoder().decode(payload);
          if (!got.includes(text)) got.push(text);
          if (i < most) client!.acknowledge(PUBACK, packetId!);
        }
      };
      for (let step = 0; step < 250; step++) {
        const what = pick(100);
        if (what < 50) {
          sent.push(`${pick(4) === 0 ? "s" : ""}${sent.length}`.padEnd(pick(8) === 0 ? 2_000 : 0));
          publish(life, sent.at(-1)!);
        } else if (what < 60) life.store.late = !life.store.late;
        else if (what < 75) life.store.bring();
        else if (client !== undefined && what < 90) read(1 + pick(9));
        else if (client !== undefined && what < 94) {
          client.lose();
          client = undefined;
        } else if (what < 95) {
          life.restart();
          client = undefined;
        } else client = receiver(life, 1 + pick(5));
        if (client === undefined && pick(6) === 0) client = receiver(life, 1 + pick(5));
      }
      client = receiver(life, 5);
      for (let before = -1; before < got.length || life.store.pagesAsked > 0;) {
        before = got.length;
        life.store.bring();
        read(Infinity);
      }
      const places = got.map((text) => sent.indexOf(text));
      assertEquals(got.length, sent.length);
      assertEquals(places, [...places].sort((a, b) => a - b));
      assertNothingWaits(life);
    });
  }
});

describe("a backlog", () => {
  const LIMITS = { residentMessagesMax: 4, residentBytesMax: 1_000_000 };

  function delivery(order: number, share?: string): Delivery {
    const topic = "t";
    const view = frameOf({ topic, payload: new Uint8Array(order), qos: 1, retain: false }, {}, 5);
    return new Delivery(
      order,
      { topic, view, expiresAt: Infinity, publisher: undefined },
      1,
      false,
      [],
      share,
    );
  }

  /** Orders of all that memory holds; they are taken. */
  function orders(backlog: Backlog): number[] {
    return backlog.extract(() => true).map(({ order }) => order);
  }

  function withOrders(...all: number[]): Backlog {
    const backlog = new Backlog();
    for (const order of all) backlog.push(delivery(order));
    return backlog;
  }

  function bytesOf(...all: number[]): number {
    return all.reduce((sum, order) => sum + messageBytes(delivery(order).message), 0);
  }

  test("counts what memory holds, and what is in the store alone", () => {
    const backlog = withOrders(1, 2, 3);
    assertEquals([backlog.length, backlog.bytes, backlog.residentBytes], [
      3,
      bytesOf(1, 2, 3),
      bytesOf(1, 2, 3),
    ]);
    assertEquals(backlog.shift()?.order, 1);
    backlog.pageOutOne(delivery(4));
    assertEquals([backlog.length, backlog.bytes, backlog.residentBytes], [
      3,
      bytesOf(2, 3, 4),
      bytesOf(2, 3),
    ]);
    assertEquals([backlog.paged, backlog.pagedFrom], [1, 4]);
    backlog.pageOutOne(delivery(5));
    assertEquals([backlog.paged, backlog.pagedFrom, backlog.bytes], [2, 4, bytesOf(2, 3, 4, 5)]);
    backlog.forgetPaged();
    backlog.pageOut({ count: 0, bytes: 0, from: 7 });
    assertEquals([backlog.paged, backlog.pagedFrom, backlog.bytes], [0, Infinity, bytesOf(2, 3)]);
    backlog.assertInvariants();
  });

  test("gives the first message, unless that is in the store alone", () => {
    const backlog = withOrders(5);
    backlog.pageOut({ count: 1, bytes: 1, from: 4 });
    assertEquals(backlog.shift(), undefined);
    assert(backlog.pageIn(4, [delivery(4)]));
    assertEquals([backlog.shift()?.order, backlog.shift()?.order, backlog.shift()], [4, 5, undefined]);
  });

  test("has room in memory for so many messages and bytes, and for none behind what is in the store alone", () => {
    const backlog = withOrders(1, 2, 3);
    assertEquals(backlog.canHold(LIMITS), true);
    assertEquals(backlog.canHold({ ...LIMITS, residentMessagesMax: 3 }), false);
    assertEquals(backlog.canHold({ ...LIMITS, residentBytesMax: bytesOf(1, 2, 3) + 1 }), true);
    assertEquals(backlog.canHold({ ...LIMITS, residentBytesMax: bytesOf(1, 2, 3) }), false);
    backlog.pageOutOne(delivery(4));
    assertEquals(backlog.canHold(LIMITS), false);
  });

  test("leaves all to the store but what came by a Shared Subscription", () => {
    const backlog = withOrders(1);
    backlog.push(delivery(2, "$share/g/t"));
    backlog.push(delivery(3));
    backlog.pageOutAll();
    assertEquals([backlog.paged, backlog.pagedFrom, backlog.bytes], [2, 1, bytesOf(1, 2, 3)]);
    assertEquals(orders(backlog), [2]);
    backlog.pageOutAll();
    assertEquals([backlog.paged, backlog.pagedFrom], [2, 1]);
  });

  test("asks for the next page, one at a time, when memory holds half of what it may, or not what is next", () => {
    const backlog = withOrders(1, 2, 3);
    assertEquals(backlog.nextPage(LIMITS), undefined, "there is none");
    backlog.pageOutOne(delivery(4));
    assertEquals(backlog.nextPage(LIMITS), undefined);
    backlog.shift();
    assertEquals(backlog.nextPage(LIMITS), 4);
    assertEquals(backlog.nextPage({ ...LIMITS, residentBytesMax: 2 * bytesOf(2, 3) }), 4);
    assertEquals(backlog.nextPage({ ...LIMITS, residentBytesMax: 2 * bytesOf(2, 3) - 1 }), undefined);
    assertEquals(backlog.nextPage({ ...LIMITS, residentMessagesMax: 3 }), undefined);
    backlog.pageAsked();
    assertEquals(backlog.nextPage(LIMITS), undefined);
    backlog.pageCame();
    assertEquals(backlog.nextPage(LIMITS), 4);
    const away = withOrders(5, 6, 7);
    away.pageOutOne(delivery(4));
    assertEquals(away.nextPage(LIMITS), 4);
  });

  test("puts a page in its place, and none that begins elsewhere or is empty", () => {
    const backlog = withOrders(2, 5, 9);
    backlog.pageOut({ count: 3, bytes: bytesOf(3, 4, 7) - 3 * MESSAGE_OVERHEAD_BYTES, from: 3 });
    assertEquals([backlog.pageIn(2, [delivery(3)]), backlog.pageIn(3, [])], [false, false]);
    assertEquals(backlog.pageIn(3, [delivery(3), delivery(4)]), true);
    assertEquals([backlog.paged, backlog.pagedFrom], [1, 5]);
    assertEquals([backlog.length, backlog.bytes], [6, bytesOf(2, 3, 4, 5, 7, 9)]);
    backlog.assertInvariants();
    assertEquals(backlog.pageIn(5, [delivery(7)]), true);
    assertEquals([backlog.paged, backlog.pagedFrom, backlog.bytes], [0, Infinity, bytesOf(2, 3, 4, 5, 7, 9)]);
    assertEquals(orders(backlog), [2, 3, 4, 5, 7, 9]);
  });
});
