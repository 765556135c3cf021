/** §3.1, §3.2, §3.12–3.15, §4.12, §4.13 One connection of a Client, and the faults of its Server. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Rule } from "../codec/error.ts";
import type { Packet } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Outcome, Reader, Script, World, type WorldOptions } from "../testing/client_world.ts";
import { ConnectionError, RefusedError, ServerError } from "./error.ts";

const {
  CONNECT,
  CONNACK,
  PUBLISH,
  PUBACK,
  PUBREC,
  PUBREL,
  PUBCOMP,
  SUBSCRIBE,
  SUBACK,
  UNSUBSCRIBE,
  UNSUBACK,
} = PacketType;
const { PINGREQ, PINGRESP, DISCONNECT, AUTH } = PacketType;

interface Scene {
  readonly script: Script;
  readonly world: World;
}

/** A Client that has sent CONNECT. */
function connecting(engine: WorldOptions["engine"] = {}, options: WorldOptions = {}): Scene {
  const script = new Script();
  const world = new World(undefined, {
    ...options,
    script,
    engine: { limits: { retryMinMs: 100 }, ...engine },
  }).start();
  return { script, world };
}

/** A Client that is connected. */
function connected(
  engine: WorldOptions["engine"] = {},
  connack: Parameters<Script["connack"]>[0] = {},
): Scene {
  const { script, world } = connecting(engine);
  script.connack(connack);
  world.settle();
  assertEquals(world.engine.status, "connected");
  return { script, world };
}

/** Fails unless the Client has told its Server of a fault, closed, and told its owner of the rule. */
function assertFault({ script, world }: Scene, code: number, rule: Rule): void {
  world.settle();
  const { reasonCode, properties } = script.take(DISCONNECT);
  assertEquals(
    [reasonCode, properties?.reasonString?.split(": ")[0] === rule],
    [code, true],
    properties?.reasonString,
  );
  const error = world.losses.at(-1)?.error;
  assert(error instanceof ServerError, `${error}`);
  assertEquals([error.rule, error.reasonCode], [rule, code]);
  script.end();
  world.settle();
  assert(script.isOver, "the Client has not closed");
}

const OPTIONS = { dup: false, retain: false, payload: new Uint8Array() } as const;

describe("CONNECT", () => {
  test("[MQTT-3.1.0-1] is the first packet, and nothing follows it before CONNACK", () => {
    const { script, world } = connecting({ keepAlive: 0 });
    world.publish({ topic: "t", qos: 1 });
    world.subscribe("t", new Reader());
    world.advance(20_000);
    assertEquals(script.takeTypes(), [CONNECT]);
    script.send({ type: CONNACK, sessionPresent: false, reasonCode: 0 });
    world.settle();
    assertEquals(script.takeTypes(), [SUBSCRIBE, PUBLISH]);
  });

  test("says what the options say", () => {
    const will = { topic: "w", payload: new Uint8Array(1), qos: 1, retain: true } as const;
    const { script } = connecting(
      {
        clientId: "me",
        keepAlive: 7,
        sessionExpiry: 60,
        receiveMaximum: 9,
        maximumPacketSize: 500,
        topicAliasMaximum: 4,
        will,
      },
      { credentials: () => ({ username: "u", password: Uint8Array.of(1) }) },
    );
    const connect = script.take(CONNECT);
    assertEquals([connect.clientId, connect.keepAlive, connect.cleanStart, connect.username], [
      "me",
      7,
      false,
      "u",
    ]);
    assertEquals(connect.will?.topic, "w");
    assertEquals({ ...connect.properties }, {
      sessionExpiryInterval: 60,
      receiveMaximum: 9,
      maximumPacketSize: 500,
      topicAliasMaximum: 4,
    });
  });

  test("asks for Response Information only where the option says so", () => {
    for (const requestResponseInformation of [true, false, undefined]) {
      const engine = requestResponseInformation === undefined ? {} : { requestResponseInformation };
      const { properties } = connecting(engine).script.take(CONNECT);
      assertEquals(properties?.requestResponseInformation === true, requestResponseInformation === true);
    }
  });

  test("without a Client Identifier begins a session of its own, and keeps the identifier that the Server gives", () => {
    const { script, world } = connecting({ clientId: "", sessionExpiry: 100 });
    const connect = script.connack({ properties: { assignedClientIdentifier: "given" } });
    assertEquals([connect.clientId, connect.cleanStart], ["", true]);
    world.settle();
    script.lose();
    world.advance(1_000);
    const again = script.take(CONNECT);
    assertEquals([again.clientId, again.cleanStart], ["given", false]);
  });
});

describe("CONNACK", () => {
  test("with a refusal ends the first attempt with the Server's reason", () => {
    const { script, world } = connecting();
    script.connack({ reasonCode: 0x87, properties: { reasonString: "no" } });
    script.end();
    world.settle();
    const { error } = world.closedWith!;
    assert(error instanceof RefusedError);
    assertEquals([error.packet, error.reasonCode, error.reasonString], ["CONNACK", 0x87, "no"]);
  });

  test("[MQTT-3.2.2-6] of a refusal with Session Present 1 is a fault", () => {
    const scene = connecting();
    scene.script.take(CONNECT);
    scene.script.send(Uint8Array.of(0x20, 3, 1, 0x87, 0));
    scene.world.settle();
    const error = scene.world.closedWith?.error ?? scene.world.losses[0]?.error;
    assertEquals(scene.script.take(DISCONNECT).reasonCode, 0x82);
    scene.script.end();
    scene.world.settle();
    assertEquals((scene.world.closedWith?.error as ServerError).rule, "MQTT-3.2.2-6", `${error}`);
  });

  test("[MQTT-3.2.2-21] [MQTT-3.1.2-20] [MQTT-3.1.2-21] sets the Keep Alive", () => {
    const { script, world } = connected({ keepAlive: 60 }, { properties: { serverKeepAlive: 4 } });
    script.takeTypes();
    for (let i = 0; i < 3; i++) {
      world.advance(3_000);
      assertEquals(script.takeTypes(), [PINGREQ]);
      script.send({ type: PINGRESP });
      world.settle();
    }
  });

  test("[MQTT-3.2.2-4] with Session Present 1 after Clean Start 1 is a fault", () => {
    const scene = connecting({ cleanStart: true, patienceMs: 60_000 });
    scene.script.connack({ sessionPresent: true });
    assertFault(scene, 0x82, "MQTT-3.2.2-4");
  });

  test("[MQTT-3.2.0-1] [MQTT-3.14.0-1] comes before any other packet", () => {
    for (
      const [packet, rule] of [
        [{ type: PINGRESP }, "MQTT-3.2.0-1"],
        [{ type: DISCONNECT, reasonCode: 0x87 }, "MQTT-3.14.0-1"],
      ] as [Packet, Rule][]
    ) {
      const scene = connecting({ patienceMs: 60_000 });
      scene.script.send(packet);
      assertFault(scene, 0x82, rule);
    }
  });

  test("[MQTT-3.2.0-2] comes once", () => {
    const scene = connected();
    scene.script.send({ type: CONNACK, sessionPresent: false, reasonCode: 0 });
    assertFault(scene, 0x82, "MQTT-3.2.0-2");
  });

  test("that comes too late for the owner's patience is answered by DISCONNECT", () => {
    const { world, script } = connecting({ patienceMs: 400 });
    world.advance(400);
    assertEquals([world.engine.status, script.takeTypes()], ["closed", [CONNECT, DISCONNECT]]);
    script.end();
    world.settle();
    assertEquals(world.closedWith?.error?.kind, "timeout");
  });

  test("that does not come ends the attempt in time", () => {
    const { world, script } = connecting({ limits: { connackTimeoutMs: 500, closeTimeoutMs: 100 } });
    world.advance(1_000);
    assertEquals([world.engine.status, world.closedWith?.error?.kind, script.isOver], [
      "closed",
      "timeout",
      true,
    ]);
  });
});

describe("a level that the Server does not know", () => {
  const answers: readonly [string, Packet | Uint8Array | undefined][] = [
    ["0x84", { type: CONNACK, sessionPresent: false, reasonCode: 0x84 }],
    ["a CONNACK of an older level", Uint8Array.of(0x20, 2, 0, 1)],
    ["a close without CONNACK", undefined],
  ];
  for (const [what, answer] of answers) {
    test(`is found out by ${what}, and level 4 is tried at once`, () => {
      const { script, world } = connecting();
      assertEquals(script.take(CONNECT).level, 5);
      if (answer === undefined) script.end();
      else script.send(answer);
      world.settle();
      assertEquals(script.opened, 2);
      assertEquals(script.connack().level, 4);
      world.settle();
      assertEquals([world.connects.map(({ level }) => level), world.losses], [[4], []]);
      script.lose();
      world.advance(1_000);
      assertEquals(script.take(CONNECT).level, 4);
    });
  }

  test("is not taken for it where level 4 is met with silence too", () => {
    const { script, world } = connecting({ patienceMs: 60_000 });
    script.end();
    world.settle();
    assertEquals(script.take(CONNECT).level, 4);
    script.end();
    world.advance(1_000);
    assertEquals(script.take(CONNECT).level, 5);
  });

  test("is left alone where the option names one", () => {
    const { script, world } = connecting({ level: 5 });
    script.end();
    world.settle();
    assertEquals([script.opened, world.closedWith?.error?.kind], [1, "connection"]);
  });
});

describe("a fault of the Server", () => {
  const faults: readonly [string, Rule, number, readonly (Packet | Uint8Array)[]][] = [
    ["a packet that only a Client sends", "3.1.0/direction", 0x82, [{ type: PINGREQ }]],
    ["a packet of type 0", "2.1.2/reserved-type", 0x81, [Uint8Array.of(0, 0)]],
    ["flags that are wrong, before the rest has come", "MQTT-2.1.3-1", 0x81, [Uint8Array.of(0x41, 100)]],
    ["QoS 3", "MQTT-3.3.1-4", 0x81, [Uint8Array.of(0x36, 6, 0, 1, 97, 0, 1, 0)]],
    ["SUBACK for nothing", "MQTT-3.8.4-2", 0x82, [{ type: SUBACK, packetId: 9, reasonCodes: [0] }]],
    ["UNSUBACK for nothing", "MQTT-3.10.4-5", 0x82, [{ type: UNSUBACK, packetId: 9, reasonCodes: [0] }]],
    ["DISCONNECT with an expiry", "MQTT-3.14.2-2", 0x82, [
      { type: DISCONNECT, reasonCode: 0, properties: { sessionExpiryInterval: 1 } },
    ]],
    ["AUTH without a method in CONNECT", "4.12/not-under-way", 0x82, [
      { type: AUTH, reasonCode: 0x18, properties: { authenticationMethod: "M" } },
    ]],
    ["an alias above the maximum", "3.3.4/alias-above-maximum", 0x94, [
      { ...OPTIONS, type: PUBLISH, qos: 0, topic: "t", properties: { topicAlias: 3 } },
    ]],
    ["an alias without a topic", "3.3.4/alias-unknown", 0x82, [
      { ...OPTIONS, type: PUBLISH, qos: 0, topic: "", properties: { topicAlias: 2 } },
    ]],
    [
      "more than Receive Maximum",
      "3.3.4/receive-maximum",
      0x93,
      [1, 2, 3].map((packetId) => (
        { ...OPTIONS, type: PUBLISH, qos: 2, packetId, topic: "t" } as const
      )),
    ],
    ["a packet that is too large", "2.1.4/too-large", 0x95, [
      { ...OPTIONS, type: PUBLISH, qos: 0, topic: "t", payload: new Uint8Array(600) },
    ]],
  ];
  for (const [what, rule, code, packets] of faults) {
    test(`is told: ${what} [${rule}]`, () => {
      const scene = connected({ topicAliasMaximum: 2, receiveMaximum: 2, maximumPacketSize: 500 });
      scene.script.send(...packets);
      assertFault(scene, code, rule);
    });
  }

  test("a SUBACK with too many codes [MQTT-3.8.4-6]", () => {
    const scene = connected();
    scene.world.subscribe("t", new Reader());
    scene.world.settle();
    const { packetId } = scene.script.take(SUBSCRIBE);
    scene.script.send({ type: SUBACK, packetId, reasonCodes: [0, 0] });
    assertFault(scene, 0x82, "MQTT-3.8.4-6");
  });

  test("is answered by a close alone below level 5", () => {
    const { script, world } = connected({ level: 4 });
    script.takeTypes();
    script.send({ type: PINGREQ });
    world.settle();
    script.end();
    world.settle();
    assertEquals([script.takeTypes(), script.isOver, world.losses[0]?.error.kind], [[], true, "server"]);
  });
});

describe("acknowledgements", () => {
  test("[MQTT-4.3.3-4] a stray PUBREC is answered, other strays are not", () => {
    const { script, world } = connected();
    script.takeTypes();
    script.send(
      { type: PUBACK, packetId: 4, reasonCode: 0 },
      { type: PUBREC, packetId: 5, reasonCode: 0 },
      { type: PUBCOMP, packetId: 6, reasonCode: 0 },
      { type: PUBREL, packetId: 7, reasonCode: 0 },
    );
    world.settle();
    assertEquals(
      script.inbox.map((packet) =>
        "packetId" in packet && "reasonCode" in packet && [packet.type, packet.packetId, packet.reasonCode]
      ),
      [[PUBREL, 5, 0x92], [PUBCOMP, 7, 0x92]],
    );
  });
});

describe("DISCONNECT", () => {
  test("of the Server is told with its reason, and the Client comes back", () => {
    const { script, world } = connected();
    script.send({ type: DISCONNECT, reasonCode: 0x8b, properties: { reasonString: "bye" } });
    script.end();
    world.settle();
    assertEquals([world.losses[0]?.error.message, script.isOver], ["DISCONNECT 0x8b: bye", true]);
    world.advance(1_000);
    assertEquals(script.opened, 2);
  });

  test("[MQTT-3.14.4-1] [MQTT-3.14.4-2] of the Client is its last packet", () => {
    const { script, world } = connected();
    script.takeTypes();
    world.engine.close(world.now, 1_000, true);
    assertEquals(world.closedWith, undefined); // its last bytes may be on their way
    assertEquals(world.publish({ topic: "t", qos: 1 }).error instanceof Error, true);
    world.settle();
    script.end();
    world.settle();
    assertEquals([script.take(DISCONNECT).reasonCode, script.inbox, script.isOver], [4, [], true]);
    assertEquals(world.closedWith, { error: undefined });
  });

  test("after another Client has taken over is the end", () => {
    const { script, world } = connected();
    script.send({ type: DISCONNECT, reasonCode: 0x8e });
    script.end();
    world.advance(100_000);
    assertEquals([script.opened, world.engine.status, world.losses[0]?.retryAt], [1, "closed", undefined]);
  });
});

describe("Keep Alive", () => {
  test("a Server that falls silent is left, though messages go out", () => {
    const { world } = connected({ keepAlive: 10, limits: { pingTimeoutMs: 2_000, retryMinMs: 100 } });
    for (let i = 0; i < 20; i++) {
      world.publish({ topic: "t" });
      world.advance(1_000);
      if (world.losses.length > 0) break;
    }
    assertEquals(world.losses[0]?.error.kind, "timeout");
  });

  test("a timer that comes late asks first: the machine may have slept", () => {
    const { script, world } = connected({ keepAlive: 10, limits: { pingTimeoutMs: 2_000 } });
    world.advance(7_500);
    assertEquals(script.takeTypes().at(-1), PINGREQ);
    world.server.loop.time += 3_600_000; // no timer runs
    world.engine.ticked(world.now);
    world.settle();
    assertEquals([script.takeTypes(), world.losses], [[PINGREQ], []]);
    script.send({ type: PINGRESP });
    world.advance(5_000);
    assertEquals(world.losses, []);
  });

  test("a clock that is set back does not end the pings", () => {
    const { script, world } = connected({ keepAlive: 10 });
    script.takeTypes();
    world.server.loop.time -= 3_600_000;
    world.engine.ticked(world.now);
    world.settle();
    assertEquals(script.takeTypes(), [PINGREQ]);
    script.send({ type: PINGRESP });
    world.advance(7_500);
    assertEquals(script.takeTypes(), [PINGREQ]);
  });

  test("[MQTT-3.1.2-20] counts from the last packet of the Client, and of the Server too", () => {
    const { script, world } = connected({ keepAlive: 10 });
    script.takeTypes();
    const message = { ...OPTIONS, type: PUBLISH, qos: 0, topic: "t" } as const;
    for (let i = 0; i < 20; i++) { // both ways
      script.send(message);
      world.publish({ topic: "t" });
      world.advance(1_000);
    }
    assertEquals(script.takeTypes().includes(PINGREQ), false);
    for (let i = 0; i < 9; i++) { // from the Server alone
      script.send(message);
      world.advance(1_000);
    }
    assertEquals(script.takeTypes(), [PINGREQ]);
  });

  test("0 sends no PINGREQ", () => {
    const { script, world } = connected({ keepAlive: 0 });
    script.takeTypes();
    world.advance(1_000_000);
    assertEquals(script.takeTypes(), []);
  });
});

describe("AUTH", () => {
  const login = { authenticationMethod: "M", authenticationData: Uint8Array.of(1) };
  const auth = (reasonCode: number, method = "M", data?: number): Packet => ({
    type: AUTH,
    reasonCode,
    properties: {
      authenticationMethod: method,
      ...data !== undefined && { authenticationData: Uint8Array.of(data) },
    },
  });

  test("[MQTT-4.12.0-3] answers the Server's, with the method of CONNECT", () => {
    const { script, world } = connecting({}, { credentials: () => login });
    const { properties } = script.take(CONNECT);
    assertEquals([properties?.authenticationMethod, properties?.authenticationData], ["M", Uint8Array.of(1)]);
    script.send(auth(0x18, "M", 2));
    world.settle();
    assertEquals(world.challenges, [Uint8Array.of(2)]);
    world.authentication.next(Uint8Array.of(3), world.now);
    world.settle();
    assertEquals(script.take(AUTH), auth(0x18, "M", 3) as ReturnType<typeof script.take<typeof AUTH>>);
    script.send({
      type: CONNACK,
      sessionPresent: false,
      reasonCode: 0,
      properties: { authenticationMethod: "M" },
    });
    world.settle();
    assertEquals(world.engine.status, "connected");
    const outcome = new Outcome();
    world.authentication.again(Uint8Array.of(4), outcome, world.now);
    world.settle();
    assertEquals(script.take(AUTH).reasonCode, 0x19);
    script.send(auth(0));
    world.settle();
    assertEquals([outcome.times, outcome.error], [1, undefined]);
  });

  test("[MQTT-4.12.0-5] with another method is a fault, of AUTH and of CONNACK", () => {
    for (
      const packet of [
        auth(0x18, "N"),
        { type: CONNACK, sessionPresent: false, reasonCode: 0 } as const,
      ]
    ) {
      const scene = connecting({ patienceMs: 60_000 }, { credentials: () => login });
      scene.script.send(packet);
      assertFault(scene, 0x82, "MQTT-4.12.0-5");
    }
    for (const last of [auth(0, "N"), { type: AUTH, reasonCode: 0 } as const]) {
      const scene = connecting({}, { credentials: () => login });
      scene.script.connack({ properties: { authenticationMethod: "M" } });
      scene.world.settle();
      const outcome = new Outcome();
      scene.world.authentication.again(undefined, outcome, scene.world.now);
      scene.script.send(last);
      scene.world.settle();
      assertEquals([outcome.times, outcome.error instanceof ServerError], [1, "properties" in last]);
    }
  });

  test("that asks a Client to authenticate again is a fault: only a Client does", () => {
    const scene = connecting({}, { credentials: () => login });
    scene.script.connack({ properties: { authenticationMethod: "M" } });
    scene.world.settle();
    scene.script.send(auth(0x19));
    scene.world.settle();
    assertFault(scene, 0x82, "4.12/not-under-way");
  });

  test("[MQTT-4.12.1-2] a re-authentication that fails ends the connection and the wait", () => {
    const { script, world } = connecting({}, { credentials: () => login });
    script.connack({ properties: { authenticationMethod: "M" } });
    world.settle();
    const outcome = new Outcome();
    world.authentication.again(undefined, outcome, world.now);
    script.send({ type: DISCONNECT, reasonCode: 0x87 });
    world.settle();
    assertEquals([outcome.times, outcome.error instanceof RefusedError], [1, true]);
  });

  test("[MQTT-4.12.0-7] is not sent without a method", () => {
    const { script, world } = connected();
    script.takeTypes();
    world.authentication.next(undefined, world.now);
    world.settle();
    assertEquals(script.takeTypes(), []);
  });
});

describe("a redirection", () => {
  const moved = { reasonCode: 0x9c, properties: { serverReference: "other.example:1884" } };

  test("is told to the one who dials, at once, and not without end", () => {
    const { script, world } = connecting({ limits: { redirectsMax: 2 } });
    for (let i = 0; i < 3; i++) {
      script.connack(moved);
      script.end();
      world.settle();
    }
    assertEquals(world.orders.map(({ redirect }) => redirect?.serverReference), [
      undefined,
      "other.example:1884",
      "other.example:1884",
    ]);
    assertEquals(world.closedWith?.error?.message, "CONNACK 0x9c");
  });

  test("of a connection that is open leads there too, and back when that is lost", () => {
    const { script, world } = connected();
    script.send({ type: DISCONNECT, ...moved });
    world.settle();
    assertEquals(world.orders.at(-1)?.redirect?.serverReference, "other.example:1884");
    script.connack();
    world.settle();
    script.lose();
    world.advance(1_000);
    assertEquals([world.orders.length, world.orders.at(-1)?.redirect], [3, undefined]);
  });

  test("is not followed where the option says so", () => {
    const { script, world } = connecting({ isRedirect: () => false });
    script.connack(moved);
    script.end();
    world.settle();
    assertEquals([world.orders.length, world.engine.status], [1, "closed"]);
  });
});

test("UNSUBSCRIBE and its answer", () => {
  const { script, world } = connected();
  const reader = new Reader();
  world.subscribe("t", reader);
  world.settle();
  script.send({ type: SUBACK, packetId: script.take(SUBSCRIBE).packetId, reasonCodes: [1] });
  world.settle();
  const outcome = world.unsubscribe("t", reader);
  world.settle();
  script.send({ type: UNSUBACK, packetId: script.take(UNSUBSCRIBE).packetId, reasonCodes: [0x11] });
  world.settle();
  assertEquals([outcome.times, outcome.code], [1, 0x11]);
});

test("a Server that has not proved who it is gets nothing but DISCONNECT", () => {
  const script = new Script();
  const refuses = () => new ConnectionError("another one");
  const world = new World(undefined, { script, refuses }).start();
  world.publish({ topic: "t", qos: 1 });
  script.connack();
  world.settle();
  assertEquals(script.take(DISCONNECT).reasonCode, 0x80);
  script.end();
  world.settle();
  assertEquals([script.inbox, world.closedWith?.error?.message], [[], "another one"]);
});
