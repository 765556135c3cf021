/** §3.15, §4.12 Enhanced authentication: at the start and anew, with answers at once and later. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { AuthProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { bytesOf, frame, properties } from "../testing/frame.ts";
import { Hand } from "../testing/by_hand.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import type { AuthenticationRequest, BrokerOptions, Verdict } from "./mod.ts";

const METHOD = "challenge";
const CONTINUE = 0x18;
const REAUTHENTICATE = 0x19;

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(data: Uint8Array | undefined): string | undefined {
  return data && new TextDecoder().decode(data);
}

/** "first" is answered by a challenge, "second" or "good" let in, "bad" does not; "later" is not answered. */
function judge({ data }: AuthenticationRequest): Verdict {
  switch (text(data)) {
    case "first":
      return { code: CONTINUE, authenticationData: bytes("prove it") };
    case "good":
      return { code: 0, authenticationData: bytes("welcome"), username: "known" };
    case undefined:
      return { code: 0 };
  }
  return { code: 0x87, reasonString: "no" };
}

class Setup {
  readonly told: Told = new Told();
  readonly requests: AuthenticationRequest[] = [];
  readonly pair: Pair;
  readonly #hands: Hand<Verdict>[] = [];

  constructor(options: BrokerOptions = {}) {
    this.pair = new Pair({
      hooks: this.told.hooks,
      authenticationMethods: [METHOD, "other"],
      authenticate: (request) => {
        this.requests.push(request);
        if (text(request.data) !== "later") return judge(request);
        const hand = new Hand<Verdict>();
        this.#hands.push(hand);
        return hand.later;
      },
      ...options,
    });
  }

  /** A connection whose CONNECT has the method and that data. */
  begin(data?: string, properties = {}): StubClient {
    const client = this.pair.open();
    const authenticationData = data === undefined ? {} : { authenticationData: bytes(data) };
    client.connect({ properties: { authenticationMethod: METHOD, ...authenticationData, ...properties } });
    return client;
  }

  /** One that is let in. */
  open(): StubClient {
    const client = this.begin("good");
    assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
    this.requests.length = 0;
    return client;
  }

  /** Answers the oldest question. */
  decide(_client: StubClient, verdict: Verdict): void {
    this.#hands.shift()?.answer(verdict);
    this.pair.settle();
  }
}

function auth(client: StubClient, reasonCode: number, data: string, authenticationMethod = METHOD): void {
  const properties: AuthProperties = { authenticationMethod, authenticationData: bytes(data) };
  client.send({ type: PacketType.AUTH, reasonCode, properties });
}

/** Takes AUTH: its code, method and data. */
function takeAuth(client: StubClient): unknown[] {
  const { reasonCode, properties } = client.take(PacketType.AUTH);
  return [reasonCode, properties?.authenticationMethod, text(properties?.authenticationData)];
}

describe("at the start", () => {
  test("[MQTT-4.12.0-5] one step: CONNACK has the method and the data", () => {
    const { requests, begin } = bound(new Setup());
    const client = begin("good");
    const { reasonCode, properties } = client.take(PacketType.CONNACK);
    assertEquals([reasonCode, properties?.authenticationMethod, text(properties?.authenticationData)], [
      0,
      METHOD,
      "welcome",
    ]);
    assertEquals(requests.map(({ kind, method, data }) => [kind, method, text(data)]), [[
      "connect",
      METHOD,
      "good",
    ]]);
    assertEquals(client.connection.client?.username, "known");
    client.assertSilent();
  });

  test("[MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-3.2.0-1] two steps: AUTH 0x18 before CONNACK, and nothing else", () => {
    const { requests, begin } = bound(new Setup());
    const client = begin("first");
    assertEquals(takeAuth(client), [CONTINUE, METHOD, "prove it"]);
    assertEquals(client.inbox, []);
    auth(client, CONTINUE, "first");
    assertEquals(takeAuth(client), [CONTINUE, METHOD, "prove it"]);
    auth(client, CONTINUE, "good");
    assertEquals(client.take(PacketType.CONNACK).properties?.authenticationMethod, METHOD);
    assertEquals(requests.map(({ kind }) => kind), ["connect", "continue", "continue"]);
    client.assertSilent();
  });

  test("the whole exchange at once is taken in its order, and the traffic behind it too", () => {
    const { pair } = bound(new Setup());
    const client = pair.open();
    const step = (data: string) => ({ authenticationMethod: METHOD, authenticationData: bytes(data) });
    client.write(bytesOf(
      encodePacket({
        type: PacketType.CONNECT,
        level: 5,
        clientId: "c",
        cleanStart: true,
        keepAlive: 0,
        properties: step("first"),
      }, 5),
      encodePacket({ type: PacketType.AUTH, reasonCode: CONTINUE, properties: step("good") }, 5),
      [0xc0, 0],
    ));
    const { AUTH, CONNACK, PINGRESP } = PacketType;
    assertEquals(client.inbox.map(({ type }) => type), [AUTH, CONNACK, PINGRESP]);
  });

  test("[MQTT-4.12.0-1] a method that is not known is refused with 0x8C, before anybody is asked", () => {
    const { told, requests, pair } = bound(new Setup());
    const client = pair.open();
    client.connect({ properties: { authenticationMethod: "GS2-KRB5" } });
    assertNotAccepted(client, 0x8c, "MQTT-4.12.0-1");
    told.assertRefused(0x8c, "MQTT-4.12.0-1");
    assertEquals(requests, []);
    const none = new Pair().open();
    none.connect({ properties: { authenticationMethod: METHOD } });
    assertNotAccepted(none, 0x8c, "MQTT-4.12.0-1");
  });

  test("[MQTT-4.12.0-4] [MQTT-4.13.2-1] a no in the middle is a CONNACK and the close", () => {
    const { told, pair, begin } = bound(new Setup());
    const client = begin("first");
    takeAuth(client);
    auth(client, CONTINUE, "bad");
    assertNotAccepted(client, 0x87, "policy/not-authorized");
    told.assertRefused(0x87, "policy/not-authorized");
    pair.assertEmpty();
  });

  test("[MQTT-4.12.0-6] without a method there is none in CONNACK, and no AUTH", () => {
    const { pair, requests } = bound(new Setup());
    const client = pair.connect();
    assertEquals(client.connack?.properties?.authenticationMethod, undefined);
    assertEquals(requests.map(({ method, data }) => [method, data]), [[undefined, undefined]]);
    client.assertSilent();
  });

  test("[MQTT-4.12.0-6] an authenticator that would go on without a method is at fault, not the Client: 0x88", () => {
    const { told, pair } = bound(new Setup({ authenticate: () => ({ code: CONTINUE }) }));
    for (const level of [4, 5] as const) {
      const client = pair.open(level);
      client.connect({ level });
      assertNotAccepted(client, level === 5 ? 0x88 : 3, "policy/not-authorized");
    }
    assertEquals(told.failures.length, 2);
    pair.assertEmpty();
  });

  const other = bytesOf([0xc0, 0]);
  const wrong: [string, number, string, (client: StubClient) => void][] = [
    ["PINGREQ", 0x82, "MQTT-3.1.2-30", (client) => client.write(other)],
    ["PUBLISH", 0x82, "MQTT-3.1.2-30", (client) => client.publish({ topic: "t" })],
    ["CONNECT", 0x82, "MQTT-3.1.2-30", (client) => client.connect()],
    ["another method", 0x82, "MQTT-4.12.0-5", (client) => auth(client, CONTINUE, "good", "other")],
    ["AUTH 0x00", 0x82, "MQTT-3.15.2-1", (client) => auth(client, 0, "good")],
    ["AUTH 0x19", 0x82, "4.12.1/too-early", (client) => auth(client, REAUTHENTICATE, "good")],
    ["AUTH with flags", 0x81, "MQTT-3.15.1-1", (client) => client.raw(0xf1, 0)],
    [
      "AUTH of an unknown code",
      0x82,
      "MQTT-3.15.2-1",
      (client) => client.write(frame(0xf0, 1, properties())),
    ],
    [
      "AUTH without a method",
      0x82,
      "3.15.2.2.2/no-method",
      (client) => client.write(frame(0xf0, 0x18, properties())),
    ],
  ];
  for (const [what, code, rule, send] of wrong) {
    test(`[${rule}] [MQTT-3.14.0-1] ${what} in the middle is refused, by CONNACK`, () => {
      const { told, pair, begin } = bound(new Setup());
      const client = begin("first");
      takeAuth(client);
      send(client);
      assertNotAccepted(client, code, rule as never);
      told.assertRefused(code, rule as never);
      pair.assertEmpty();
    });
  }

  test("DISCONNECT in the middle ends it", () => {
    const { told, pair, begin } = bound(new Setup());
    const client = begin("first");
    takeAuth(client);
    client.disconnect();
    assertClosed(client);
    assertEquals([told.refusals, told.ends, told.connects], [[], [], []]);
    pair.assertEmpty();
  });

  test("[limit/connect-timeout] the whole of it must end in connectTimeoutMs", () => {
    const { pair, begin } = bound(new Setup({ limits: { connectTimeoutMs: 5_000 } }));
    const client = begin("first");
    takeAuth(client);
    pair.advance(4_000);
    auth(client, CONTINUE, "first");
    takeAuth(client);
    pair.advance(1_000);
    assertNotAccepted(client, 0x80, "limit/connect-timeout");
    pair.assertEmpty();
  });

  test("an answer that comes later, at each step", () => {
    const setup = new Setup();
    const client = setup.begin("later");
    client.transport.write(encodePacket({
      type: PacketType.AUTH,
      reasonCode: CONTINUE,
      properties: { authenticationMethod: METHOD, authenticationData: bytes("later") },
    }, 5));
    setup.pair.settle();
    assertEquals([client.inbox.length, setup.requests.length], [0, 1]); // the second is not read yet
    setup.decide(client, { code: CONTINUE, authenticationData: bytes("more") });
    assertEquals(takeAuth(client), [CONTINUE, METHOD, "more"]);
    assertEquals(setup.requests.map(({ kind }) => kind), ["connect", "continue"]);
    setup.decide(client, { code: 0 });
    assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
    client.assertSilent();
  });
});

describe("anew", () => {
  test("[MQTT-4.12.0-5] [MQTT-4.12.1-1] AUTH 0x19 is answered by AUTH 0x00, and the new name holds", () => {
    const setup = new Setup();
    const client = setup.open();
    auth(client, REAUTHENTICATE, "first");
    assertEquals(takeAuth(client), [CONTINUE, METHOD, "prove it"]);
    auth(client, CONTINUE, "good");
    assertEquals(takeAuth(client), [0, METHOD, "welcome"]);
    assertEquals(setup.requests.map(({ kind, clientId, username }) => [kind, clientId, username]), [
      ["reauthenticate", "stub", "known"],
      ["continue", "stub", "known"],
    ]);
    auth(client, REAUTHENTICATE, "good");
    assertEquals(takeAuth(client), [0, METHOD, "welcome"]);
    client.assertSilent();
  });

  test("traffic goes on meanwhile, in both directions, also while the answer is awaited", () => {
    const setup = new Setup();
    const client = setup.open();
    client.subscribe("t");
    auth(client, REAUTHENTICATE, "later");
    for (let i = 0; i < 3; i++) {
      client.publish({ topic: "t", qos: 1, payload: `${i}` });
      client.pair.advance(2); // PUBACK waits so long for the acknowledgement of the Client's own message
      client.take(PacketType.PUBACK);
      assertEquals(client.takeTexts(), [`${i}`]);
    }
    setup.decide(client, { code: CONTINUE });
    assertEquals(takeAuth(client), [CONTINUE, METHOD, undefined]);
    client.publish({ topic: "t", payload: "between" });
    assertEquals(client.takeTexts(), ["between"]);
    auth(client, CONTINUE, "later");
    client.assertSilent();
    setup.decide(client, { code: 0 });
    assertEquals(takeAuth(client), [0, METHOD, undefined]);
  });

  test("the session is the same, with what is open in it", () => {
    const setup = new Setup();
    const client = setup.open();
    client.subscribe({ filter: "t", qos: 1 });
    setup.pair.broker.publish({ topic: "t", qos: 1, payload: "open" }, setup.pair.now);
    auth(client, REAUTHENTICATE, "good");
    assertEquals(takeAuth(client), [0, METHOD, "welcome"]);
    assertEquals(client.takePublishes().map(({ packetId, dup }) => [packetId, dup]), [[1, false]]);
    client.acknowledge(PacketType.PUBACK, 1);
    client.assertSilent();
  });

  test("[MQTT-4.12.1-2] [MQTT-4.13.2-1] a no ends the connection", () => {
    const { told, pair, open } = bound(new Setup());
    const client = open();
    auth(client, REAUTHENTICATE, "bad");
    assertEnded(client, 0x87, "policy/not-authorized");
    told.assertEnded("stub", 0x87, "policy/not-authorized");
    pair.assertEmpty();
  });

  test("[MQTT-4.12.1-2] [MQTT-3.14.2-1] a code that DISCONNECT has not becomes 0x87, one that it has stays", () => {
    for (
      const [code, shown] of [[0x86, 0x87], [0x8a, 0x87], [0x88, 0x87], [0x97, 0x97], [0x8c, 0x8c]] as const
    ) {
      const setup = new Setup();
      const client = setup.open();
      auth(client, REAUTHENTICATE, "later");
      setup.decide(client, { code });
      const packet = client.take(PacketType.DISCONNECT);
      assertEquals(packet.reasonCode, shown);
      assertEquals(setup.told.failures, []);
    }
  });

  test("[policy/redirected] it may be sent elsewhere", () => {
    const setup = new Setup();
    const client = setup.open();
    auth(client, REAUTHENTICATE, "later");
    setup.decide(client, { code: 0x9c, serverReference: "b.example" });
    assertEquals(assertEnded(client, 0x9c, "policy/redirected").properties?.serverReference, "b.example");
  });

  const wrong: [string, number, string, (client: StubClient) => void][] = [
    ["another method", 0x82, "MQTT-4.12.1-1", (client) => auth(client, REAUTHENTICATE, "good", "other")],
    [
      "AUTH 0x18 when none is under way",
      0x82,
      "4.12/not-under-way",
      (client) => auth(client, CONTINUE, "good"),
    ],
    ["AUTH 0x00", 0x82, "MQTT-3.15.2-1", (client) => auth(client, 0, "good")],
    ["an empty AUTH", 0x82, "MQTT-4.12.1-1", (client) => client.raw(0xf0, 0)],
  ];
  for (const [what, code, rule, send] of wrong) {
    test(`[${rule}] ${what} ends the connection`, () => {
      const { told, open } = bound(new Setup());
      const client = open();
      send(client);
      assertEnded(client, code, rule as never);
      told.assertEnded("stub", code, rule as never);
    });
  }

  test("[4.12/not-under-way] a second AUTH before the answer to the first ends the connection", () => {
    for (
      const [reasonCode, data] of [[REAUTHENTICATE, "first"], [REAUTHENTICATE, "later"], [
        CONTINUE,
        "later",
      ]] as const
    ) {
      const setup = new Setup();
      const client = setup.open();
      auth(client, REAUTHENTICATE, data);
      if (data === "first") takeAuth(client);
      auth(client, reasonCode, "good");
      assertEnded(client, 0x82, "4.12/not-under-way");
      setup.decide(client, { code: 0 });
      setup.pair.assertEmpty();
    }
  });

  test("[MQTT-4.12.0-7] AUTH on a connection without a method ends it", () => {
    const { told, pair } = bound(new Setup());
    for (const code of [CONTINUE, REAUTHENTICATE]) {
      const client = pair.connect();
      auth(client, code, "good");
      assertEnded(client, 0x82, "MQTT-4.12.0-7");
      told.assertEnded("stub", 0x82, "MQTT-4.12.0-7");
    }
  });

  test("an answer that comes after the connection is gone changes nothing", () => {
    const setup = new Setup();
    const client = setup.open();
    auth(client, REAUTHENTICATE, "later");
    client.disconnect();
    setup.decide(client, { code: 0 });
    assertEquals(setup.told.failures, []);
    setup.pair.assertEmpty();
  });
});

/** Its methods as functions of their own. */
function bound(setup: Setup) {
  const { told, requests, pair } = setup;
  return { told, requests, pair, begin: setup.begin.bind(setup), open: setup.open.bind(setup) };
}
