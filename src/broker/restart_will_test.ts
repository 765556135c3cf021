/** §3.1.2.5 Wills across a restart: none is lost, none comes twice, and delays count. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Will, WillProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Life } from "../testing/restarts.ts";
import type { ConnectInit, StubClient } from "../testing/pair.ts";

function will(properties?: WillProperties): Will {
  const will = { topic: "w", payload: new TextEncoder().encode("bye"), qos: 1, retain: false } as const;
  return properties === undefined ? will : { ...will, properties };
}

describe("wills", () => {
  /** A life with a watcher whose session stays, and a Client with a will that waits for that long. */
  function open(willDelayInterval: number, sessionExpiryInterval = 600): { life: Life; client: StubClient } {
    const life = new Life();
    life.connect({ clientId: "watcher", properties: { sessionExpiryInterval: 0xffff_ffff } }).subscribe("w");
    const properties = { sessionExpiryInterval };
    return { life, client: life.connect({ properties, will: will({ willDelayInterval }) }) };
  }

  /** What the watcher finds now. */
  function seen(life: Life): string[] {
    const watcher = life.connect({ clientId: "watcher", properties: { sessionExpiryInterval: 0xffff_ffff } });
    const publishes = watcher.takePublishes();
    for (const { packetId } of publishes) watcher.acknowledge(PacketType.PUBACK, packetId!);
    watcher.lose();
    return publishes.map(({ payload }) => new TextDecoder().decode(payload));
  }

  test("[MQTT-3.1.2-8] [MQTT-3.1.2-10] of who was connected is published, once", () => {
    const { life } = open(0);
    life.restart(5_000);
    assertEquals(seen(life), ["bye"]);
    life.restart(5_000);
    life.pair.advance(3_600_000);
    assertEquals(seen(life), []);
  });

  test("[MQTT-3.1.3-9] with a delay it waits, from when the new broker is told the time", () => {
    const { life } = open(10);
    life.restart(60_000);
    life.pair.advance(9_999);
    assertEquals(seen(life), []);
    life.restart(0); // the deadline is known by now
    life.pair.advance(1);
    assertEquals(seen(life), ["bye"]);
  });

  test("[MQTT-3.1.2-8] but no longer than the session", () => {
    const { life } = open(100, 30);
    life.restart(60_000);
    life.pair.advance(29_999);
    assertEquals(seen(life), []);
    life.pair.advance(1);
    assertEquals(seen(life), ["bye"]);
  });

  for (const tick of [true, false]) {
    test(`[MQTT-3.1.3-9] and is not published if its Client is back in time, ${tick ? "after" : "before"} the clock`, () => {
      const { life } = open(10);
      life.restart(1_000, tick);
      life.connect().disconnect();
      life.pair.advance(599_999);
      assertEquals(seen(life), []);
    });
  }

  test("[MQTT-3.1.2-8] without a delay it is published though its Client is back before the clock", () => {
    const { life } = open(0);
    life.restart(1_000, false);
    life.connect().disconnect();
    life.pair.advance(60_000);
    assertEquals(seen(life), ["bye"]);
  });

  test("[MQTT-3.1.2-8] one that waits already keeps its time", () => {
    for (const [down, more] of [[4_000, 6_000], [9_999, 1], [10_000, 0], [500_000, 0]] as const) {
      const { life, client } = open(10);
      client.lose();
      life.restart(down);
      if (more > 0) {
        life.pair.advance(more - 1);
        assertEquals(seen(life), []);
        life.pair.advance(1);
      }
      assertEquals(seen(life), ["bye"]);
      life.restart(0);
      life.pair.advance(3_600_000);
      assertEquals(seen(life), []);
    }
  });

  test("[MQTT-3.1.2-10] [MQTT-3.14.4-3] none after DISCONNECT, and none for who came back without one", () => {
    const gone = open(10);
    gone.client.disconnect();
    gone.life.restart(60_000);
    gone.life.pair.advance(3_600_000);
    assertEquals(seen(gone.life), []);
    const back = open(10);
    back.client.lose();
    back.life.connect({ will: undefined as never });
    back.life.restart(60_000);
    back.life.pair.advance(3_600_000);
    assertEquals(seen(back.life), []);
  });
});

describe("wills of Clients whose session ends with the connection", () => {
  const clients: readonly ConnectInit[] = [
    { clientId: "passing", will: will() },
    { clientId: "passing", will: will({ willDelayInterval: 3_600 }) },
    { clientId: "passing", will: will(), level: 4 },
  ];

  function open(init: ConnectInit): { life: Life; client: StubClient } {
    const life = new Life();
    watch(life).subscribe("w");
    return { life, client: life.pair.connect(init) };
  }

  function watch(life: Life): StubClient {
    return life.connect({ clientId: "watcher", properties: { sessionExpiryInterval: 0xffff_ffff } });
  }

  for (const [index, init] of clients.entries()) {
    for (const tick of [true, false]) {
      const when = tick ? "the clock ticks" : "the Client is back";
      test(`[MQTT-3.1.2-8] [MQTT-3.1.2-10] are published after a crash, as soon as ${when}, and once: ${index}`, () => {
        const { life } = open(init);
        life.pair.advance(1_000);
        life.crash(5_000, tick);
        assertEquals(life.pair.broker.session("passing") !== undefined, !tick);
        if (!tick) assertEquals(life.pair.connect(init).connack?.sessionPresent, false);
        assertEquals(watch(life).takeTexts(), ["bye"]);
        assertEquals(life.told.sessionsEnded, ["passing"]);
        life.restart();
        assertEquals(watch(life).takePublishes().map(({ dup }) => dup), tick ? [true] : [true, false]);
      });
    }
  }

  test("CONNACK does not wait for the will to be safe, which it is within a second", () => {
    for (const [ms, expected] of [[999, []], [1_000, ["bye"]]] as [number, string[]][]) {
      const life = new Life();
      watch(life).subscribe("w");
      life.pair.advance(1_000);
      const { commits } = life.store;
      life.pair.connect({ clientId: "passing", will: will() });
      assertEquals(life.store.commits, commits);
      life.pair.advance(ms);
      life.crash();
      assertEquals(watch(life).takeTexts(), expected);
    }
  });

  test("[MQTT-3.14.4-3] none after DISCONNECT, and none that was published already", () => {
    for (const end of ["disconnect", "lose"] as const) {
      const { life, client } = open({ clientId: "passing", will: will() });
      life.pair.advance(1_000);
      client[end]();
      life.pair.advance(1_000);
      life.crash();
      assertEquals(life.pair.broker.stats.sessions, 1);
      assertEquals(watch(life).takeTexts(), end === "lose" ? ["bye"] : []);
    }
  });

  test("the publication and the end of the session are safe together", () => {
    const { life, client } = open({ clientId: "passing", will: will() });
    life.pair.advance(1_000);
    client.lose();
    life.pair.advance(999);
    life.crash(); // nothing of it was safe: it happens again
    assertEquals(life.told.sessionsEnded, ["passing"]);
    assertEquals(watch(life).takeTexts(), ["bye"]);
  });
});
