/** §3.2.2.1.1, §4.1, §4.3, §4.4, §4.6, §4.9 The session of a Client over connections that come and go. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import type { Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { ClosedError } from "./error.ts";
import { memoryPair } from "../transport/memory.ts";
import {
  MemoryRecords,
  type Outcome,
  Reader,
  Script,
  Server,
  World,
  type WorldOptions,
} from "../testing/client_world.ts";

const { CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK } =
  PacketType;

interface Scene {
  readonly script: Script;
  readonly world: World;
}

/** A Client that is connected, whose tries to come back take no longer than 100 ms. */
function connected(options: WorldOptions = {}, connack: Parameters<Script["connack"]>[0] = {}): Scene {
  const script = new Script();
  const limits = { retryMinMs: 100, retryMaxMs: 100, ...options.engine?.limits };
  const world = new World(undefined, {
    ...options,
    script,
    engine: { keepAlive: 0, ...options.engine, limits },
  }).start();
  script.connack(connack);
  world.settle();
  script.takeTypes();
  return { script, world };
}

/** Loses the connection and comes back. */
function comeBack({ script, world }: Scene, sessionPresent: boolean, properties = {}): void {
  script.lose();
  world.advance(200);
  script.connack({ sessionPresent, properties });
  world.settle();
}

/** Publishes and settles. */
function publish({ world }: Scene, ...all: readonly [string, 0 | 1 | 2][]): Outcome[] {
  const outcomes = all.map(([payload, qos]) => world.publish({ topic: "topic", payload, qos }));
  world.settle();
  return outcomes;
}

function textOf({ payload }: Publish): string {
  return new TextDecoder().decode(payload);
}

/** Takes what has come, short: `PUBLISH 1 dup text`. */
function took({ script, world }: Scene): string[] {
  world.settle();
  return script.inbox.splice(0).map((packet) => {
    const [name] = Object.entries(PacketType).find(([, type]) => type === packet.type)!;
    const id = "packetId" in packet && packet.packetId !== undefined ? [packet.packetId] : [];
    const rest = packet.type === PUBLISH ? [...packet.dup ? ["dup"] : [], textOf(packet)] : [];
    return [name, ...id, ...rest].join(" ");
  });
}

describe("a connection that is lost", () => {
  test("[MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.6.0-1] has what is open sent again, in its order, and the promises wait", () => {
    const scene = connected();
    const outcomes = publish(scene, ["a", 1], ["b", 2], ["c", 1], ["d", 2]);
    assertEquals(took(scene), ["PUBLISH 1 a", "PUBLISH 2 b", "PUBLISH 3 c", "PUBLISH 4 d"]);
    scene.script.send(
      { type: PUBREC, packetId: 4, reasonCode: 0 },
      { type: PUBREC, packetId: 2, reasonCode: 0 },
      { type: PUBACK, packetId: 1, reasonCode: 0 },
    );
    assertEquals(took(scene), ["PUBREL 4", "PUBREL 2"]);
    comeBack(scene, true);
    assertEquals(took(scene), ["PUBREL 4", "PUBREL 2", "PUBLISH 3 dup c"]); // [MQTT-4.6.0-4]
    assertEquals(outcomes.map(({ times }) => times), [1, 0, 0, 0]);
    scene.script.send(
      { type: PUBCOMP, packetId: 4, reasonCode: 0 },
      { type: PUBCOMP, packetId: 2, reasonCode: 0x92 },
      { type: PUBACK, packetId: 3, reasonCode: 0x10 },
    );
    scene.world.settle();
    assertEquals(outcomes.map(({ times, code }) => [times, code]), [[1, 0], [1, 0], [1, 0x10], [1, 0]]);
  });

  test("[MQTT-3.2.2-5] has all sent as new where the Server has lost the session; what it had taken is done", () => {
    const scene = connected();
    const outcomes = publish(scene, ["a", 1], ["b", 2], ["c", 2]);
    scene.script.send({ type: PUBREC, packetId: 2, reasonCode: 0 });
    scene.world.settle();
    took(scene);
    scene.script.lose();
    scene.world.settle();
    const later = scene.world.publish({ topic: "topic", payload: "later", qos: 1 });
    scene.world.advance(200);
    scene.script.connack({ sessionPresent: false });
    assertEquals(took(scene), ["PUBLISH 4 a", "PUBLISH 5 c", "PUBLISH 6 later"]);
    assertEquals(outcomes.map(({ times }) => times), [0, 1, 0]);
    assertEquals(later.times, 0);
  });

  test("[MQTT-4.9.0-2] [MQTT-3.3.4-7] sends no more than the Server's new Receive Maximum, the old before the new", () => {
    const scene = connected();
    publish(scene, ["a", 1], ["b", 1], ["c", 1]);
    took(scene);
    comeBack(scene, true, { receiveMaximum: 2 });
    publish(scene, ["d", 1]);
    assertEquals(took(scene), ["PUBLISH 1 dup a", "PUBLISH 2 dup b"]);
    scene.script.send({ type: PUBACK, packetId: 2, reasonCode: 0 }, {
      type: PUBACK,
      packetId: 1,
      reasonCode: 0,
    });
    assertEquals(took(scene), ["PUBLISH 3 dup c", "PUBLISH 4 d"]);
  });

  test("[MQTT-3.3.2-7] ends the aliases both ways", () => {
    const scene = connected({}, { properties: { topicAliasMaximum: 1 } });
    publish(scene, ["a", 1], ["b", 1]);
    assertEquals(
      scene.script.inbox.splice(0).map((packet) =>
        packet.type === PUBLISH && [packet.topic, packet.properties?.topicAlias]
      ),
      [["topic", 1], ["", 1]], // [MQTT-3.2.2-17] [MQTT-3.3.2-9]
    );
    comeBack(scene, true);
    assertEquals(
      scene.script.inbox.splice(0).map((packet) =>
        packet.type === PUBLISH && [packet.topic, packet.properties]
      ),
      [["topic", undefined], ["topic", undefined]], // [MQTT-3.2.2-18]
    );
  });

  test("fails QoS 0 that has not left, unless it is to wait or to be dropped", () => {
    const { script, world } = connected({ memory: { capacityBytes: 100 } });
    const outcomes = (["fail", "queue", "drop"] as const).map((offline) =>
      world.publish({ topic: "topic", payload: "x".repeat(150), offline })
    );
    world.engine.flush(world.now);
    script.lose();
    world.settle();
    const offline = (["fail", "queue", "drop"] as const).map((offline) =>
      world.publish({ topic: "topic", offline })
    );
    const seen = (all: Outcome[]) =>
      all.map(({ times, error }) => [times, (error as { kind?: string })?.kind]);
    assertEquals(seen(outcomes), [[1, "offline"], [0, undefined], [1, undefined]]);
    assertEquals(seen(offline), [[1, "offline"], [0, undefined], [1, undefined]]);
    world.advance(200);
    script.connack();
    world.settle();
    assertEquals([seen(outcomes)[1], seen(offline)[1]], [[1, undefined], [1, undefined]]);
  });

  test("comes back after a time that doubles and is never the same for all", () => {
    const server = new Server();
    const waits = (seed: number) => {
      let isDown = false;
      const world = new World(server, {
        seed,
        dial: () => !isDown,
        engine: { clientId: `c${seed}`, limits: { retryMinMs: 100, retryMaxMs: 1_000 } },
      }).start();
      isDown = true;
      world.cut();
      world.settle();
      for (let i = 0; i < 6; i++) world.advance(world.engine.nextDeadline() - world.now);
      assertEquals(world.losses.length, 7);
      let at = 0;
      return world.losses.map(({ retryAt }) => {
        const wait = retryAt! - (at === 0 ? world.losses[0]!.retryAt! : at);
        at = retryAt!;
        return wait;
      }).slice(1);
    };
    const [first, second] = [waits(1), waits(2)];
    for (const [i, wait] of first.entries()) {
      assert(wait >= 0 && wait <= Math.min(1_000, 100 * 2 ** (i + 1)), `${first}`);
    }
    assert(first.join() !== second.join());
  });

  test("that was stable has the attempts counted anew", () => {
    for (const [ms, attempt] of [[4_799, 2], [4_800, 1]] as const) {
      const scene = connected({ engine: { again: () => 200, limits: { stableMs: 4_800 } } });
      comeBack(scene, true);
      scene.world.advance(ms);
      scene.script.lose();
      scene.world.advance(200);
      assertEquals(scene.world.orders.map((order) => order.attempt), [0, 1, attempt]);
    }
  });

  test("comes back at once where the owner says that there is a network again", () => {
    const { script, world } = connected({ engine: { limits: { retryMinMs: 60_000 }, again: () => 60_000 } });
    script.lose();
    world.settle();
    assertEquals([world.engine.status, script.opened], ["waiting", 1]);
    world.engine.retry(world.now);
    world.engine.retry(world.now);
    world.settle();
    assertEquals([world.engine.status, script.opened], ["connecting", 2]);
  });

  test("does not come back where the option says so, and all that is pending fails", () => {
    const scene = connected({ engine: { reconnect: false } });
    const [outcome] = publish(scene, ["a", 1]);
    scene.script.lose();
    scene.world.settle();
    assertEquals([outcome?.times, (outcome?.error as { kind: string }).kind], [1, "closed"]);
    assertEquals([scene.world.engine.status, scene.world.closedWith?.error?.kind], ["closed", "connection"]);
  });
});

describe("a message whose topic has an alias", () => {
  test("has every flag, its identifier and its payload, of any size", () => {
    const { script, world } = connected({}, {
      properties: { topicAliasMaximum: 1, maximumPacketSize: 20_100 },
    });
    const sizes = [0, 1, 119, 120, 121, 122, 200, 16_375, 16_376, 16_377, 20_000];
    world.publish({ topic: "topic" });
    const outcomes = sizes.flatMap((size) =>
      ([0, 1, 2] as const).map((qos) =>
        world.publish({ topic: "topic", payload: "x".repeat(size), qos, retain: size % 2 === 0 })
      )
    );
    const tooLarge = world.publish({ topic: "topic", payload: "x".repeat(20_100), qos: 1 });
    world.settle();
    script.take(PUBLISH);
    const seen = script.inbox.map((packet) => {
      if (packet.type !== PUBLISH) throw new Error("another packet");
      const { topic, payload, qos, retain, properties } = packet;
      return [
        topic,
        payload.length,
        payload.every((byte) => byte === 120),
        qos,
        retain,
        properties?.topicAlias,
      ];
    });
    assertEquals(
      seen,
      sizes.flatMap((size) => [0, 1, 2].map((qos) => ["", size, true, qos, size % 2 === 0, 1])),
    );
    assertEquals(script.inbox.filter((packet) => "packetId" in packet).length, 2 * sizes.length);
    assertEquals([outcomes[0]?.times, (tooLarge.error as { rule: string }).rule], [1, "MQTT-3.2.2-15"]);
  });
});

describe("QoS 0 messages that join the last one of their turn", () => {
  const texts = (scene: Scene) => took(scene).map((text) => text.replace("PUBLISH ", ""));

  test("go out behind it in their order, and all come to one end when all are written", () => {
    for (const level of [5, 4] as const) {
      for (const topicAliasMaximum of [0, 1]) {
        const scene = connected(
          { engine: { level } },
          level === 5 ? { properties: { topicAliasMaximum } } : {},
        );
        const { world } = scene;
        const first = world.publish({ topic: "topic", payload: "a" });
        assert(!world.join(first, "other topic", "a topic that was not sent goes by itself"));
        assert(world.join(first, "topic", "b"));
        assert(world.join(first, "topic", "c", true));
        assertEquals(first.times, 0);
        world.settle();
        assertEquals(first.times, 1);
        const packets = scene.script.inbox.splice(0).filter((packet) => packet.type === PUBLISH);
        assertEquals(packets.map((packet) => [textOf(packet), packet.retain, packet.qos]), [
          ["a", false, 0],
          ["b", false, 0],
          ["c", true, 0],
        ]);
        const hasAlias = level === 5 && topicAliasMaximum === 1;
        assertEquals(packets.map(({ topic }) => topic), ["topic", ...Array(2).fill(hasAlias ? "" : "topic")]);
        assert(!world.join(first, "topic", "the turn is over"));
      }
    }
  });

  test("[MQTT-4.6.0-1] do not overtake a message, whatever it waits for", () => {
    const scene = connected({ engine: { limits: { inFlightMax: 1 } } });
    const { world } = scene;
    const first = world.publish({ topic: "topic", payload: "a" });
    world.publish({ topic: "topic", payload: "b", qos: 1 });
    assert(world.join(first, "topic", "c"), "what is between has been written");
    const waiting = world.publish({ topic: "topic", payload: "d", qos: 1 });
    assert(!world.join(first, "topic", "e"));
    const last = world.publish({ topic: "topic", payload: "e" });
    assert(!world.join(last, "topic", "f"));
    assertEquals(texts(scene), ["a", "1 b", "c"]);
    scene.script.send({ type: PUBACK, packetId: 1, reasonCode: 0 });
    assertEquals(texts(scene), ["2 d", "e"]);
    assertEquals([first.times, waiting.times, last.times], [1, 0, 1]);
  });

  test("fail together where the connection is lost before they have left", () => {
    const { script, world } = connected({ memory: { capacityBytes: 100 } });
    publish({ script, world }, ["the topic is known", 0]);
    const first = world.publish({ topic: "topic", payload: "x".repeat(80) });
    assert(world.join(first, "topic", "y".repeat(80)));
    world.engine.flush(world.now);
    assertEquals(first.times, 0);
    script.lose();
    world.settle();
    assertEquals([first.times, (first.error as { kind?: string }).kind], [1, "offline"]);
    assert(!world.join(first, "topic", "later"));
  });

  test("[MQTT-3.2.2-14] [MQTT-3.2.2-15] are told by themselves what the Server does not take", () => {
    const { world } = connected({}, { properties: { retainAvailable: false, maximumPacketSize: 50 } });
    const first = world.publish({ topic: "topic", payload: "a" });
    assert(!world.join(first, "topic", "b", true));
    assert(!world.join(first, "topic", "x".repeat(50)));
    assert(world.join(first, "topic", "c"));
    world.engine.close(world.now, 5_000);
    assert(!world.join(first, "topic", "the Client is closed"));
  });
});

describe("what the Server cannot take", () => {
  test("[MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-15] is not sent, and the promise says why", () => {
    const { script, world } = connected({}, {
      properties: { maximumQos: 1, retainAvailable: false, maximumPacketSize: 20 },
    });
    const outcomes = [
      world.publish({ topic: "t", qos: 2 }),
      world.publish({ topic: "t", retain: true }),
      world.publish({ topic: "t", payload: "x".repeat(20), qos: 1 }),
      world.publish({ topic: "t", qos: 1 }),
    ];
    world.settle();
    assertEquals(outcomes.map(({ error }) => (error as { rule?: string })?.rule), [
      "MQTT-3.2.2-11",
      "MQTT-3.2.2-14",
      "MQTT-3.2.2-15",
      undefined,
    ]);
    assertEquals(script.takeTypes(), [PUBLISH]);
  });

  test("any more, when a session is resumed, is given up; a QoS 2 identifier is released before another message has it", () => {
    const scene = connected();
    const large = publish(scene, ["x".repeat(40), 1], ["x".repeat(40), 2]);
    assertEquals(took(scene).length, 2);
    comeBack(scene, true, { maximumPacketSize: 30 });
    assertEquals(
      large.map(({ error }) => (error as { rule?: string })?.rule),
      Array(2).fill("MQTT-3.2.2-15"),
    );
    assertEquals(took(scene), ["PUBREL 2"]);
    comeBack(scene, true);
    assertEquals(took(scene), ["PUBREL 2"]);
    const [next] = publish(scene, ["next", 2]);
    assertEquals(took(scene), ["PUBLISH 3 next"]);
    for (const packetId of [2, 3]) scene.script.send({ type: PUBCOMP, packetId, reasonCode: 0x92 });
    assertEquals([took(scene), large.map(({ times }) => times), next?.times], [[], [1, 1], 0]);
    assert(scene.world.engine.outbound.isAwaiting);
  });

  test("is not asked for: shared subscriptions and wildcards", () => {
    const { script, world } = connected({}, {
      properties: {
        sharedSubscriptionAvailable: false,
        wildcardSubscriptionAvailable: false,
        subscriptionIdentifiersAvailable: false,
      },
    });
    const outcomes = ["$share/g/t", "a/#", "a"].map((filter) => world.subscribe(filter, new Reader()));
    world.settle();
    assertEquals(outcomes.map(({ error }) => (error as { rule?: string })?.rule), [
      "3.2.2.3.13/not-supported",
      "3.2.2.3.11/not-supported",
      undefined,
    ]);
    const { properties } = script.take(SUBSCRIBE);
    assertEquals([properties?.subscriptionIdentifier, script.inbox], [undefined, []]);
  });

  test("a topic or filter that is none is the caller's mistake, and nothing is changed", () => {
    const { script, world } = connected();
    assertThrows(() => world.publish({ topic: "a/#" }), UsageError, "MQTT-3.3.2-2");
    assertThrows(() => world.publish({ topic: "a", qos: 3 as 2 }), UsageError, "MQTT-3.3.1-4");
    assertThrows(() => world.publish({ topic: "", qos: 1 }), UsageError);
    assertThrows(() => world.subscribe("a/#/b", new Reader()), UsageError, "MQTT-4.7.1-1");
    assertThrows(
      () => world.subscribe({ filter: "$share/g/a", noLocal: true }, new Reader()),
      UsageError,
      "MQTT-3.8.3-4",
    );
    for (const init of [{ filter: "\ud800" }, { filter: "a", qos: 3 as 2 }, { filter: "x".repeat(70_000) }]) {
      assertThrows(() => world.subscribe(init, new Reader()), UsageError);
    }
    world.settle();
    assertEquals([script.inbox, world.engine.subscriptions.size], [[], 0]);
    assert(world.engine.outbound.isIdle);
  });
});

describe("messages that wait", () => {
  test("are bounded by number and bytes", () => {
    const scene = connected({ engine: { limits: { waitingMessagesMax: 2, waitingBytesMax: 1_000 } } });
    scene.script.lose();
    scene.world.settle();
    const outcomes = ["a", "x".repeat(2_000), "b", "c"].map((payload) =>
      scene.world.publish({ topic: "topic", payload, qos: 1 })
    );
    const kinds = () => outcomes.map(({ error }) => (error as { kind?: string })?.kind);
    assertEquals(kinds(), [undefined, "queueFull", undefined, "queueFull"]);
    scene.world.advance(200);
    scene.script.connack();
    assertEquals(took(scene), ["CONNECT", "PUBLISH 1 a", "PUBLISH 2 b"].slice(1));
  });

  test("[MQTT-3.3.2-6] expire, or leave with what is left of their time", () => {
    const scene = connected();
    scene.script.lose();
    scene.world.settle();
    const outcomes = [1, 60].map((messageExpiryInterval) =>
      scene.world.publish({ topic: "topic", qos: 1, properties: { messageExpiryInterval } })
    );
    scene.world.server.loop.time += 5_000;
    scene.world.engine.ticked(scene.world.now);
    scene.world.settle();
    scene.script.connack();
    scene.world.settle();
    assertEquals((outcomes[0]?.error as { kind: string }).kind, "timeout");
    assertEquals(scene.script.take(PUBLISH).properties?.messageExpiryInterval, 55);
  });

  test("can be taken back, and what is under way cannot", () => {
    const scene = connected({}, { properties: { receiveMaximum: 1 } });
    publish(scene, ["a", 1], ["b", 1], ["c", 1]);
    const { outbound } = scene.world.engine;
    assertEquals(outbound.waiting, 2);
    scene.world.engine.close(scene.world.now, 1_000);
    scene.world.advance(2_000);
    assertEquals(outbound.waiting, 0);
  });
});

describe("subscriptions", () => {
  test("are made anew, before messages that wait, where the session is lost; and not where it is there", () => {
    const scene = connected();
    const { script, world } = scene;
    const reader = new Reader();
    world.subscribe("a", reader);
    world.settle();
    script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [0] });
    world.settle();
    comeBack(scene, true);
    assertEquals(took(scene), []);
    script.lose();
    world.settle();
    world.publish({ topic: "topic", payload: "m", qos: 1 });
    world.advance(200);
    script.connack({ sessionPresent: false });
    world.settle();
    assertEquals(world.connects.length, 2);
    const { packetId } = script.take(SUBSCRIBE);
    assertEquals(took(scene), [`PUBLISH ${packetId + 1} m`]);
    script.send({ type: SUBACK, packetId, reasonCodes: [0] });
    world.settle();
    assertEquals(world.connects.map(({ sessionPresent }) => sessionPresent), [false, true, false]);
  });

  test("that are refused then end with the reason", () => {
    const scene = connected();
    const { script, world } = scene;
    const reader = new Reader();
    const outcome = world.subscribe("a", reader);
    world.settle();
    script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [2] });
    world.settle();
    comeBack(scene, false);
    script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [0x87] });
    world.settle();
    assertEquals([outcome.times, reader.errors.length, world.unsubscribes], [1, 1, ["a"]]);
    comeBack(scene, false);
    assertEquals(took(scene), []);
  });

  test("that are refused take their own readers away, and no other", () => {
    const { script, world } = connected();
    const readers = [new Reader(), new Reader(), new Reader()];
    const outcomes = readers.map((reader) => world.subscribe("a", reader));
    world.settle();
    const ids = readers.map(() => script.take(SUBSCRIBE).packetId);
    ids.forEach((packetId, i) => script.send({ type: SUBACK, packetId, reasonCodes: [[1, 0x87, 2][i]!] }));
    world.settle();
    assertEquals(outcomes.map(({ times, code }) => [times, code]), [[1, 1], [1, undefined], [1, 2]]);
    const publish = { type: PUBLISH, dup: false, qos: 0, retain: false, topic: "a" } as const;
    script.send({ ...publish, payload: new Uint8Array() });
    world.settle();
    assertEquals(readers.map(({ got }) => got.length), [1, 0, 1]);
  });

  test("whose SUBACK is lost are asked for again", () => {
    const scene = connected();
    const outcome = scene.world.subscribe("a", new Reader());
    assertEquals(took(scene), ["SUBSCRIBE 1"]);
    comeBack(scene, true);
    const { packetId } = scene.script.take(SUBSCRIBE);
    assertEquals(outcome.times, 0);
    scene.script.send({ type: SUBACK, packetId, reasonCodes: [0x97] });
    scene.world.settle();
    assertEquals([outcome.times, (outcome.error as { reasonCode: number }).reasonCode], [1, 0x97]);
    assertEquals(scene.world.engine.subscriptions.size, 0);
  });

  test("of a filter that is there are asked for on the next connection, and whoever has it keeps it", () => {
    for (const isLostFirst of [true, false]) {
      const scene = connected();
      const { script, world } = scene;
      const reader = new Reader();
      world.subscribe("a", reader);
      world.settle();
      script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [2] });
      world.settle();
      if (isLostFirst) script.lose();
      world.settle();
      const outcome = world.subscribe("a", new Reader());
      world.settle();
      if (!isLostFirst) script.lose();
      world.advance(200);
      script.connack({ sessionPresent: true });
      world.settle();
      const { packetId } = script.take(SUBSCRIBE);
      assertEquals([outcome.times, world.connects.length], [0, 2]);
      script.send({ type: SUBACK, packetId, reasonCodes: [0x97] });
      world.settle();
      assertEquals([outcome.times, reader.errors, world.unsubscribes], [1, [], []]);
    }
  });

  test("given up before they are answered say so, once", () => {
    for (
      const when of ["before they are asked for", "while SUBSCRIBE is under way", "and another reader stays"]
    ) {
      const scene = connected();
      const { script, world } = scene;
      if (when === "before they are asked for") script.lose();
      world.settle();
      const reader = new Reader();
      const outcome = world.subscribe("a", reader);
      const other = when === "and another reader stays" ? world.subscribe("a", new Reader()) : undefined;
      world.settle();
      const end = world.unsubscribe("a", reader);
      world.settle();
      if (when !== "before they are asked for") script.lose();
      world.advance(200);
      script.connack({ sessionPresent: false });
      world.settle();
      assertEquals([outcome.times, (outcome.error as ClosedError).kind, end.times], [1, "closed", 1], when);
      assertEquals(script.takeTypes(), other === undefined ? [] : [SUBSCRIBE], when);
      world.engine.close(world.now, 0);
      world.settle();
      assertEquals([outcome.times, end.times, other?.times ?? 1], [1, 1, 1], when);
    }
  });

  test("that wait for an answer wait on where the Server answers wrongly", () => {
    const scene = connected();
    const { script, world } = scene;
    const reader = new Reader();
    const made = world.subscribe("a", reader);
    world.settle();
    script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [0, 0] });
    world.settle();
    comeBack(scene, true);
    script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [1] });
    world.settle();
    assertEquals([made.times, made.code], [1, 1]);
    const ended = world.unsubscribe("a", reader);
    world.settle();
    script.send({ type: UNSUBACK, packetId: script.take(UNSUBSCRIBE).packetId, reasonCodes: [0, 0] });
    world.settle();
    comeBack(scene, true);
    script.send({ type: UNSUBACK, packetId: script.take(UNSUBSCRIBE).packetId, reasonCodes: [0] });
    world.settle();
    assertEquals([ended.times, ended.code], [1, 0]);
  });

  test("given up while there is no connection are given up on the next, if the session is there", () => {
    for (const isThere of [true, false]) {
      const scene = connected();
      const { script, world } = scene;
      const reader = new Reader();
      world.subscribe("a", reader);
      world.settle();
      script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [2] });
      world.settle();
      script.lose();
      world.settle();
      const outcome = world.unsubscribe("a", reader);
      world.advance(200);
      script.connack({ sessionPresent: isThere });
      world.settle();
      assertEquals(script.takeTypes(), isThere ? [UNSUBSCRIBE] : []);
      assertEquals(outcome.times, isThere ? 0 : 1);
    }
  });

  test("of one filter share it: two readers, one subscription, and the end with the last", () => {
    const world = new World().start();
    const readers = [new Reader(), new Reader()];
    for (const reader of readers) world.subscribe("a", reader);
    world.settle();
    world.publish({ topic: "a", payload: "1", qos: 2 });
    world.settle();
    world.unsubscribe("a", readers[0]!);
    world.publish({ topic: "a", payload: "2", qos: 1 });
    world.settle();
    assertEquals(readers.map(({ texts }) => texts), [["1"], ["1", "2"]]);
    world.unsubscribe("a", readers[1]!);
    world.settle();
    assertEquals(world.server.broker.stats.subscriptions, 0);
  });

  test("that overlap get one copy each, however many the Server sends", () => {
    const { script, world } = connected();
    const readers = [new Reader(), new Reader()];
    world.subscribe("a/+", readers[0]!);
    world.subscribe("a/#", readers[1]!);
    world.settle();
    const identifiers = [script.take(SUBSCRIBE), script.take(SUBSCRIBE)].map(({ properties }) =>
      properties!.subscriptionIdentifier!
    );
    const message = {
      type: PUBLISH,
      dup: false,
      qos: 0,
      retain: false,
      topic: "a/b",
      payload: new Uint8Array(),
    } as const;
    for (const identifier of identifiers) {
      script.send({ ...message, properties: { subscriptionIdentifiers: [identifier] } });
    }
    world.settle();
    assertEquals(readers.map(({ got }) => got.length), [1, 1]);
    script.send({ ...message, properties: { subscriptionIdentifiers: identifiers } });
    world.settle();
    assertEquals(readers.map(({ got }) => got.length), [2, 2]);
    script.send(message);
    world.settle();
    assertEquals(readers.map(({ got }) => got.length), [3, 3]);
  });

  test("messages in one chunk with SUBACK find their reader", () => {
    const world = new World().start();
    world.publish({ topic: "a", payload: "kept", retain: true });
    world.settle();
    const reader = new Reader();
    world.subscribe("a", reader);
    world.settle();
    assertEquals(reader.texts, ["kept"]);
  });
});

describe("messages of the Server", () => {
  const message = (packetId: number, qos: 1 | 2, dup = false): Publish => ({
    type: PUBLISH,
    dup,
    qos,
    retain: false,
    topic: "a",
    packetId,
    payload: new TextEncoder().encode(`m${packetId}`),
  });

  /** A Client with a reader that is not done with what it gets. */
  function reading(
    engine: WorldOptions["engine"] = {},
    isUnpausable = false,
  ): Scene & { readonly reader: Reader } {
    const scene = connected({ engine, isUnpausable });
    const reader = new Reader(false);
    scene.world.subscribe("a", reader);
    scene.world.settle();
    scene.script.send({ type: SUBACK, packetId: scene.script.take(SUBSCRIBE).packetId, reasonCodes: [2] });
    scene.world.settle();
    return { ...scene, reader };
  }

  test("[MQTT-4.6.0-2] [MQTT-4.6.0-3] are acknowledged in the order in which they came", () => {
    const scene = reading();
    scene.script.send(message(9, 1), message(3, 2), message(5, 1), message(4, 2));
    assertEquals(took(scene), []);
    const [first, second, third, fourth] = scene.reader.got;
    third!.done();
    fourth!.done();
    assertEquals(took(scene), []);
    first!.done(0x87);
    second!.done();
    assertEquals(took(scene), ["PUBACK 9", "PUBACK 5", "PUBREC 3", "PUBREC 4"]);
  });

  for (const isUnpausable of [false, true]) {
    const how = isUnpausable ? ", also where the transport cannot pause" : "";
    test(`that are a few more than Receive Maximum have reading wait, and nothing is lost; many more are a fault${how}`, () => {
      const scene = reading({ receiveMaximum: 16 }, isUnpausable);
      const { script, world, reader } = scene;
      const messages = Array.from({ length: 40 }, (_, i) => message(i + 1, 1));
      script.send(...messages);
      world.settle();
      assertEquals([reader.got.length, world.losses], [17, []]);
      for (let i = 0; i < 40; i++) {
        reader.got[i]!.done();
        world.settle();
        assert(reader.got.length - i <= 18, `${reader.got.length - i} are open`);
      }
      assertEquals([reader.got.length, took(scene).length], [40, 40]);
      world.publish({ topic: "a", qos: 1 }); // its answer is awaited, so all is read
      script.send(...messages);
      world.settle();
      assertEquals((world.losses[0]?.error as { rule?: string })?.rule, "3.3.4/receive-maximum");
    });
  }

  test("[MQTT-4.3.3-9] that the application refuses end their exchange", () => {
    const scene = reading();
    scene.script.send(message(3, 2));
    scene.world.settle();
    scene.reader.got[0]!.done(0x99);
    scene.world.settle();
    assertEquals(scene.script.take(PUBREC).reasonCode, 0x99);
    scene.script.send(message(3, 2));
    scene.world.settle();
    assertEquals(scene.reader.got.length, 2); // [MQTT-4.3.3-12]
  });

  test("[MQTT-4.3.3-10] are handed on once, over any number of connections", () => {
    const scene = reading();
    const { script, world, reader } = scene;
    script.send(message(1, 1), message(2, 2), message(3, 2));
    world.settle();
    reader.got[2]!.done(); // behind 2, which is not acknowledged
    comeBack(scene, true);
    reader.got[0]!.done();
    script.send(message(1, 1, true), message(2, 2, true), message(3, 2, true));
    assertEquals(took(scene), ["PUBACK 1"]);
    reader.got[1]!.done();
    assertEquals(took(scene), ["PUBREC 2", "PUBREC 3"]);
    comeBack(scene, true);
    script.send(message(2, 2, true), { type: PUBREL, packetId: 3, reasonCode: 0 });
    assertEquals(took(scene), ["PUBREC 2", "PUBCOMP 3"]);
    assertEquals(reader.got.length, 3);
  });

  test("that the application is done with while there is no connection are not handed on again", () => {
    const scene = reading();
    const { script, world, reader } = scene;
    script.send(message(1, 1), message(2, 2));
    world.settle();
    script.lose();
    world.settle();
    for (const one of reader.got) one.done();
    world.advance(200);
    script.connack({ sessionPresent: true });
    script.send(message(1, 1, true), message(2, 2, true));
    assertEquals(took(scene), ["PUBACK 1", "PUBREC 2"]);
    assertEquals(reader.got.length, 2);
  });

  test("may be as many as Receive Maximum besides those of which PUBREL alone is to come", () => {
    const scene = reading({ receiveMaximum: 1 });
    const { script, world, reader } = scene;
    script.send(message(1, 2));
    world.settle();
    reader.got[0]!.done();
    assertEquals(took(scene), ["PUBREC 1"]);
    comeBack(scene, true);
    script.send(message(2, 2));
    world.settle();
    assertEquals([reader.got.length, world.losses.length], [2, 1]);
    script.send(message(3, 2));
    world.settle();
    assertEquals((world.losses[1]?.error as { rule?: string })?.rule, "3.3.4/receive-maximum");
  });

  test("of a session that is lost are new, whatever their identifier", () => {
    const scene = reading();
    const { script, world, reader } = scene;
    script.send(message(1, 1), message(2, 2));
    world.settle();
    comeBack(scene, false);
    script.send(message(1, 1), message(2, 2));
    world.settle();
    assertEquals(reader.got.length, 4);
    took(scene);
    for (const one of reader.got) one.done();
    assertEquals(took(scene), ["PUBACK 1", "PUBREC 2"]);
  });

  test("[MQTT-4.5.0-2] that no subscription matches are acknowledged and told of", () => {
    const scene = connected();
    scene.script.send(message(1, 1), message(2, 2));
    assertEquals(took(scene), ["PUBACK 1", "PUBREC 2"]);
    assertEquals(scene.world.unmatchedMessages.length, 2);
  });

  test("of an earlier process's session wait for their subscription, but not for ever", () => {
    const script = new Script();
    const world = new World(undefined, {
      script,
      engine: { cleanStart: false, keepAlive: 0, limits: { strayMs: 1_000 } },
    }).start();
    const scene = { script, world };
    script.connack({ sessionPresent: true });
    script.send(message(1, 1), { ...message(2, 1), topic: "b" });
    assertEquals(took(scene), []);
    const reader = new Reader();
    world.subscribe("a", reader);
    world.settle();
    script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [2] });
    assertEquals(took(scene), ["PUBACK 1"]);
    assertEquals(reader.texts, ["m1"]);
    world.advance(1_000);
    assertEquals(took(scene), ["PUBACK 2"]);
  });

  test("[MQTT-3.3.2-10] with aliases have their topics", () => {
    const { script, world } = connected({ engine: { topicAliasMaximum: 2 } });
    const plain = { type: PUBLISH, dup: false, qos: 0, retain: false, payload: new Uint8Array() } as const;
    for (const [topic, topicAlias] of [["x", 1], ["y", 2], ["", 1], ["z", 1], ["", 1], ["", 2]] as const) {
      script.send({ ...plain, topic, properties: { topicAlias } });
    }
    world.settle();
    assertEquals(world.unmatchedMessages.map(({ publish }) => publish.topic), ["x", "y", "x", "z", "z", "y"]);
  });
});

describe("a store", () => {
  test("has a message before it leaves, and PUBREL waits for the step", () => {
    const records = new MemoryRecords();
    const scene = connected({ records, slowCommits: true });
    const { script, world } = scene;
    const outcome = world.publish({ topic: "topic", payload: "m", qos: 2 });
    assertEquals([took(scene), records.safe.size], [[], 0]);
    assert(world.commitDone());
    assertEquals([took(scene), records.safe.size], [["PUBLISH 1 m"], 1]);
    script.send({ type: PUBREC, packetId: 1, reasonCode: 0 });
    assertEquals(took(scene), []);
    assert(world.commitDone());
    assertEquals(took(scene), ["PUBREL 1"]);
    script.send({ type: PUBCOMP, packetId: 1, reasonCode: 0 });
    world.settle();
    assertEquals(outcome.times, 1);
    assert(world.commitDone());
    assertEquals(records.safe.size, 0);
  });

  test("that fails ends the connection, and the message is sent when it is safe", () => {
    const records = new MemoryRecords();
    const scene = connected({ records, slowCommits: true });
    const outcome = scene.world.publish({ topic: "topic", payload: "m", qos: 1 });
    scene.world.settle();
    scene.world.commitFails();
    assertEquals(scene.script.takeTypes(), [PacketType.DISCONNECT]);
    assertEquals((scene.world.losses[0]?.error.cause as Error).message, "disk full");
    scene.world.advance(200);
    scene.script.connack({ sessionPresent: true });
    assertEquals(took(scene), []);
    while (scene.world.commitDone()) scene.world.settle();
    assertEquals([took(scene), outcome.times], [["PUBLISH 1 dup m"], 0]);
  });

  test("that fails is tried again with the next attempt to connect, and not before", () => {
    let isReachable = true;
    const scene = connected({
      records: new MemoryRecords(),
      slowCommits: true,
      dial: () => isReachable,
      engine: { again: () => 1_000 },
    });
    const { world } = scene;
    publish(scene, ["m", 1]);
    isReachable = false;
    world.commitFails();
    assertEquals([world.commits, world.orders.length], [1, 1]);
    publish(scene, ["n", 1]);
    world.advance(999);
    assertEquals([world.commits, world.orders.length], [1, 1]);
    world.advance(1);
    assertEquals([world.commits, world.orders.length], [2, 2]);
    world.commitFails();
    isReachable = true;
    world.advance(1_000);
    assertEquals([world.commits, world.orders.length], [3, 3]);
  });

  test("that never ends a commit does not keep the Client from its end", () => {
    const { world } = connected({ records: new MemoryRecords(), slowCommits: true });
    const outcome = world.publish({ topic: "topic", payload: "m", qos: 1 });
    world.settle();
    world.engine.close(world.now, 1_000);
    world.advance(1_000 + world.engine.limits.closeTimeoutMs - 1);
    assertEquals([outcome.times, world.closedWith], [1, undefined]);
    world.advance(1);
    assertEquals(world.closedWith, { error: undefined });
    assertEquals(world.engine.nextDeadline(), Infinity);
    assert(world.commitDone());
  });

  test("that fails while a connection is dialled is tried again when it is there", () => {
    const scene = connected({
      records: new MemoryRecords(),
      slowCommits: true,
      engine: { again: () => 1_000 },
    });
    const { script, world } = scene;
    world.dial = () => {};
    script.lose();
    world.settle();
    publish(scene, ["m", 1]);
    world.advance(1_000);
    assertEquals([world.engine.status, world.commits], ["connecting", 1]);
    world.commitFails();
    assertEquals(world.commits, 1);
    const { right } = memoryPair();
    world.engine.opened(right, {}, world.now);
    world.settle();
    assertEquals(world.commits, 2);
  });

  for (const isClosing of [true, false]) {
    test(`that fails is not tried again for a Client that ${isClosing ? "closes" : "is closed later"}`, () => {
      const scene = connected({ records: new MemoryRecords(), slowCommits: true });
      const { script, world } = scene;
      const [outcome] = publish(scene, ["m", 1]);
      if (isClosing) world.engine.close(world.now, 1_000);
      world.commitFails();
      if (!isClosing) world.engine.close(world.now, 1_000);
      script.end();
      world.settle();
      assertEquals([world.commits, outcome!.times, world.closedWith], [1, 1, { error: undefined }]);
    });
  }

  test("has what waited for it leave before DISCONNECT, also if the Client is closed in the same turn", () => {
    const scene = connected({ records: new MemoryRecords(), slowCommits: true });
    const { world } = scene;
    world.publish({ topic: "topic", payload: "m", qos: 1 });
    world.engine.close(world.now, 0);
    assertEquals(took(scene), []);
    assert(world.commitDone());
    assertEquals(took(scene), ["PUBLISH 1 m", "DISCONNECT"]);
  });

  for (const isSameTurn of [true, false]) {
    test(`that fails ends a connection at once whose Client is closed ${isSameTurn ? "with" : "after"} the commit`, () => {
      const scene = connected({ records: new MemoryRecords(), slowCommits: true });
      const { script, world } = scene;
      world.publish({ topic: "topic", payload: "m", qos: 1 });
      if (!isSameTurn) world.settle();
      world.engine.close(world.now, 0);
      world.settle();
      assertEquals(script.isOver, false);
      world.commitFails();
      assertEquals([took(scene), script.isOver], [[], true]);
    });
  }

  test("is up to date before a Client says that it is closed", () => {
    const scene = connected({ records: new MemoryRecords(), slowCommits: true });
    const { script, world } = scene;
    publish(scene, ["m", 1]);
    assert(world.commitDone());
    world.settle();
    script.send({ type: PUBACK, packetId: script.take(PUBLISH).packetId!, reasonCode: 0 });
    world.engine.close(world.now, 1_000);
    world.settle();
    script.end();
    world.settle();
    assertEquals([world.engine.status, script.isOver, world.closedWith], ["closed", true, undefined]);
    assert(world.commitDone());
    assertEquals([world.records!.safe.size, world.closedWith], [0, { error: undefined }]);
  });

  test("[MQTT-4.3.3-10] gives another process the identifiers of the messages that the one before had", () => {
    const ids = [1, 2, 65_535];
    const records = new MemoryRecords(new Map(ids.map((id) => [-id, Uint8Array.of(id >> 8, id & 255)])));
    const scene = connected({ records }, { sessionPresent: true });
    const { script, world } = scene;
    const reader = new Reader();
    world.subscribe("topic", reader);
    world.settle();
    script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [2] });
    const message = { type: PUBLISH, dup: true, qos: 2, retain: false, topic: "topic" } as const;
    for (const packetId of [...ids, 3]) {
      script.send({ ...message, packetId, payload: Uint8Array.of(48 + packetId) });
    }
    assertEquals(took(scene), ["PUBREC 1", "PUBREC 2", "PUBREC 65535", "PUBREC 3"]);
    assertEquals(reader.texts, ["3"]);
  });

  test("gives another process what is under way and what waits", () => {
    const records = new MemoryRecords();
    const scene = connected({ records }, { properties: { receiveMaximum: 2 } });
    publish(scene, ["a", 2], ["b", 1], ["c", 1]);
    scene.script.send({ type: PUBREC, packetId: 1, reasonCode: 0 });
    scene.world.settle();
    scene.world.die();
    const next = connected({ records: new MemoryRecords(records.safe), engine: { cleanStart: false } }, {
      sessionPresent: true,
    });
    assertEquals(next.world.engine.outbound.isIdle, false);
    const again = new Script();
    const world = new World(undefined, {
      script: again,
      records: new MemoryRecords(records.safe),
      engine: { cleanStart: false },
    }).start();
    again.connack({ sessionPresent: true });
    assertEquals(took({ script: again, world }), ["PUBREL 1", "PUBLISH 2 dup b", "PUBLISH 3 c"]);
  });
});

test("a Client that is closed has said so to all, once", () => {
  const scene = connected({}, { properties: { receiveMaximum: 1 } });
  const { script, world } = scene;
  const outcomes = publish(scene, ["a", 1], ["b", 1]);
  const subscribed = world.subscribe("t", new Reader());
  world.settle();
  world.engine.close(world.now, 500);
  world.advance(499);
  assertEquals(world.engine.status, "connected");
  world.advance(1);
  script.end();
  world.settle();
  assertEquals(
    [...outcomes, subscribed].map(({ times, error }) => [times, (error as { kind: string }).kind]),
    [
      [1, "closed"],
      [1, "closed"],
      [1, "closed"],
    ],
  );
  assertEquals([world.engine.status, script.isOver], ["closed", true]);
  assertEquals(world.subscribe("t", new Reader()).times, 1);
});

test("a Client that is closed with nothing pending does not wait", () => {
  const { script, world } = connected();
  world.engine.close(world.now, 500);
  world.settle();
  assertEquals(script.takeTypes(), [PacketType.DISCONNECT]);
  assertEquals(world.engine.status, "closed");
});

test("[MQTT-2.2.1-3] messages and subscriptions have one pool of identifiers", () => {
  const scene = connected();
  publish(scene, ["a", 1]);
  scene.world.subscribe("t", new Reader());
  publish(scene, ["b", 2]);
  assertEquals(took(scene), ["PUBLISH 1 a", "SUBSCRIBE 2", "PUBLISH 3 b"]);
  assertEquals(CONNECT, 1);
});
