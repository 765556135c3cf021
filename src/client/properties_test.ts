/** §3.1.2.11, §3.8.2.1, §3.10.2.1, §3.14.2.2 Properties of the packets of a Client that its owner chooses, and subscriptions of an earlier process. @module */
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import type { Subscribe, UserProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Outcome, Reader, Script, World, type WorldOptions } from "../testing/client_world.ts";
import { UnsupportedError } from "./error.ts";

const { CONNECT, DISCONNECT, PUBLISH, SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE } = PacketType;
const userProperties: UserProperties = [["a", "1"], ["a", "2"]];

interface Scene {
  readonly script: Script;
  readonly world: World;
}

function connected(
  engine: WorldOptions["engine"] = {},
  connack: Parameters<Script["connack"]>[0] = {},
): Scene {
  const script = new Script();
  const limits = { retryMinMs: 100, retryMaxMs: 100 };
  const world = new World(undefined, { script, engine: { keepAlive: 0, limits, ...engine } }).start();
  script.connack(connack);
  world.settle();
  return { script, world };
}

/** Gives up a subscription of an earlier process. */
function leave({ world }: Scene, filter: string, properties?: UserProperties): Outcome {
  const outcome = new Outcome();
  world.engine.unsubscribe(filter, undefined, outcome, world.now, properties);
  world.settle();
  return outcome;
}

describe("CONNECT", () => {
  test("asks for Response Information, and for no Problem Information, where its owner says so", () => {
    for (const asks of [true, false]) {
      const script = new Script();
      new World(undefined, {
        script,
        engine: { requestResponseInformation: asks, requestProblemInformation: !asks },
      }).start();
      const { requestResponseInformation, requestProblemInformation } = script.take(CONNECT).properties!;
      assertEquals(requestResponseInformation, asks ? true : undefined);
      assertEquals(requestProblemInformation, asks ? false : undefined);
    }
  });
});

describe("SUBSCRIBE", () => {
  test("has the owner's Subscription Identifier, on each connection, and no other filter gets it", () => {
    const scene = connected();
    const { script, world } = scene;
    const reader = new Reader();
    world.subscribe({ filter: "own", subscriptionIdentifier: 2 }, reader);
    for (const filter of ["one", "two"]) world.subscribe({ filter }, reader);
    world.settle();
    const identifiers = () =>
      [0, 1, 2].map(() => {
        const { packetId, properties } = script.take(SUBSCRIBE);
        script.send({ type: SUBACK, packetId, reasonCodes: [0] });
        world.settle();
        return properties!.subscriptionIdentifier;
      });
    const given = identifiers();
    assertEquals(given[0], 2);
    assertEquals(new Set(given).size, 3);
    script.lose();
    world.advance(200);
    script.connack();
    world.settle();
    assertEquals(identifiers(), given);
  });

  test("a Subscription Identifier of the program's is not given to another subscription while one of its own has it", () => {
    const { script, world } = connected();
    const reader = new Reader();
    const identifiers = (): (number | undefined)[] => {
      world.settle();
      const found = script.inbox.filter(({ type }) => type === SUBSCRIBE) as Subscribe[];
      script.inbox = [];
      return found.map(({ properties }) => properties?.subscriptionIdentifier);
    };
    for (const filter of ["a", "b"]) world.subscribe({ filter, subscriptionIdentifier: 1 }, reader);
    world.unsubscribe("a", reader);
    world.subscribe("c", reader);
    assertEquals(identifiers(), [1, 1, 2]);
    world.subscribe({ filter: "d", subscriptionIdentifier: 3 }, reader);
    world.unsubscribe("d", reader);
    world.subscribe("e", reader);
    assertEquals(identifiers(), [3, 3]);
  });

  test("takes another Subscription Identifier for the same filter, and none that cannot be sent", () => {
    const { script, world } = connected();
    for (const subscriptionIdentifier of [5, 7]) {
      world.subscribe({ filter: "a", subscriptionIdentifier }, new Reader());
      world.settle();
      assertEquals(script.take(SUBSCRIBE).properties, { subscriptionIdentifier });
    }
    for (const subscriptionIdentifier of [0, 268_435_456, 1.5]) {
      const init = { filter: "a", subscriptionIdentifier };
      assertThrows(() => world.engine.subscribe(init, new Reader(), new Outcome(), world.now), UsageError);
    }
  });

  test("[3.2.2.3.12/not-supported] is not sent with the owner's identifier where the Server takes none; one of the Client's is left out", () => {
    const { script, world } = connected({}, { properties: { subscriptionIdentifiersAvailable: false } });
    const outcome = world.subscribe({ filter: "a", subscriptionIdentifier: 1 }, new Reader());
    world.subscribe({ filter: "b" }, new Reader());
    world.settle();
    assertInstanceOf(outcome.error, UnsupportedError);
    assertEquals(outcome.error.rule, "3.2.2.3.12/not-supported");
    const { subscriptions, properties } = script.take(SUBSCRIBE);
    assertEquals([subscriptions.map(({ filter }) => filter), properties], [["b"], undefined]);
  });
});

describe("UNSUBSCRIBE for a subscription of an earlier process", () => {
  test("says what the Server answers, with User Properties", () => {
    const scene = connected({}, { sessionPresent: true });
    const { script, world } = scene;
    for (const code of [0, 0x11]) {
      const outcome = leave(scene, "old/+", userProperties);
      const { packetId, filters, properties } = script.take(UNSUBSCRIBE);
      assertEquals([filters, properties], [["old/+"], { userProperties }]);
      assertEquals(outcome.times, 0);
      script.send({ type: UNSUBACK, packetId, reasonCodes: [code] });
      world.settle();
      assertEquals([outcome.times, outcome.code], [1, code]);
    }
    const refused = leave(scene, "$share/g/old");
    script.send({ type: UNSUBACK, packetId: script.take(UNSUBSCRIBE).packetId, reasonCodes: [0x87] });
    world.settle();
    assertEquals([refused.times, refused.code], [1, undefined]);
  });

  test("waits for a connection, and is not sent where the session is another one", () => {
    for (const sessionPresent of [true, false]) {
      const scene = connected({}, { sessionPresent: true });
      const { script, world } = scene;
      script.lose();
      world.settle();
      const outcome = leave(scene, "old", userProperties);
      assertEquals(outcome.times, 0);
      world.advance(200);
      script.connack({ sessionPresent });
      world.settle();
      if (sessionPresent) {
        const { packetId, properties } = script.take(UNSUBSCRIBE);
        assertEquals(properties, { userProperties });
        script.send({ type: UNSUBACK, packetId, reasonCodes: [0] });
        world.settle();
      }
      assertEquals(script.takeTypes(), []);
      assertEquals([outcome.times, outcome.code], [1, 0]);
    }
  });

  test("is refused for what is no Topic Filter, what has a reader here, and properties that cannot be sent", () => {
    const { script, world } = connected();
    const reader = new Reader();
    world.subscribe({ filter: "mine" }, reader);
    world.settle();
    const { packetId } = script.take(SUBSCRIBE);
    script.send({ type: SUBACK, packetId, reasonCodes: [0] });
    world.settle();
    const engine = world.engine;
    const outcome = new Outcome();
    for (const filter of ["", "a/#/b", "mine"]) {
      assertThrows(() => engine.unsubscribe(filter, undefined, outcome, world.now), UsageError);
    }
    const wrong: UserProperties = [["\ud800", ""]];
    assertThrows(() => engine.unsubscribe("old", undefined, outcome, world.now, wrong), UsageError);
    assertThrows(() => engine.unsubscribe("mine", reader, outcome, world.now, wrong), UsageError);
    world.settle();
    assertEquals([outcome.times, script.takeTypes()], [0, []]);
    script.send({
      type: PUBLISH,
      dup: false,
      qos: 0,
      retain: false,
      topic: "mine",
      payload: Uint8Array.of(65),
    });
    world.settle();
    assertEquals(reader.texts, ["A"]);
  });
});

describe("DISCONNECT", () => {
  const properties = { sessionExpiryInterval: 0, reasonString: "enough", userProperties };

  test("has the owner's properties, with the Will or without", () => {
    for (const withWill of [false, true]) {
      const { script, world } = connected();
      world.engine.close(world.now, 0, withWill, properties);
      world.settle();
      assertEquals(script.take(DISCONNECT), { type: DISCONNECT, reasonCode: withWill ? 4 : 0, properties });
    }
  });

  test("leaves them out below level 5", () => {
    const { script, world } = connected({ level: 4 });
    world.engine.close(world.now, 0, false, properties);
    world.settle();
    assertEquals(script.take(DISCONNECT), { type: DISCONNECT, reasonCode: 0 });
  });

  test("[3.14.2.2.2/expiry-from-zero] has none that it cannot have, and then the Client goes on", () => {
    const { script, world } = connected({ sessionExpiry: 0 });
    for (
      const wrong of [{ sessionExpiryInterval: 1 }, { sessionExpiryInterval: -1 }, { reasonString: "\ud800" }]
    ) assertThrows(() => world.engine.close(world.now, 0, false, wrong), UsageError);
    world.settle();
    assertEquals([world.engine.status, script.takeTypes()], ["connected", []]);
    world.engine.close(world.now, 0, false, { sessionExpiryInterval: 0 });
    world.settle();
    assertEquals(script.take(DISCONNECT).properties, { sessionExpiryInterval: 0 });
  });
});
