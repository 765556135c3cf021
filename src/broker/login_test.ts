/** §4.12 A verdict beyond yes and no: groups, claims, limits, a state of its own, and an end. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { AuthProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import type { AuthenticationRequest, BrokerOptions, Verdict } from "./mod.ts";

const METHOD = "m";

/** A pair whose authenticator gives these verdicts in turn, and the last one again and again. */
function deciding(verdicts: readonly unknown[], options: BrokerOptions = {}) {
  const told = new Told();
  const requests: AuthenticationRequest[] = [];
  const pair = new Pair({
    hooks: told.hooks,
    authenticationMethods: [METHOD],
    authenticate: (request) => {
      requests.push(request);
      return verdicts[Math.min(requests.length, verdicts.length) - 1] as Verdict;
    },
    ...options,
  });
  return { told, requests, pair };
}

function auth(client: StubClient, reasonCode: number): void {
  const properties: AuthProperties = { authenticationMethod: METHOD };
  client.send({ type: PacketType.AUTH, reasonCode, properties });
}

const enhanced = { properties: { authenticationMethod: METHOD } };

describe("what a login brings", () => {
  test("groups and claims are the Client's, copied, and without a prototype", () => {
    const groups = ["a", "b"];
    const claims = { tenant: "t" };
    const { pair } = deciding([{ code: 0, groups, claims }]);
    const { client } = pair.connect().connection;
    groups.push("c");
    claims.tenant = "other";
    assertEquals([client?.groups, client?.claims.tenant], [["a", "b"], "t"]);
    assertEquals(client?.claims.constructor, undefined);
  });

  test("without them there are none", () => {
    const { client } = deciding([{ code: 0 }]).pair.connect().connection;
    assertEquals([client?.groups, Object.keys(client!.claims)], [[], []]);
  });

  test("a name that is not proved can be taken away", () => {
    const { pair } = deciding([{ code: 0, username: null }]);
    assertEquals(pair.connect({ username: "root" }).connection.client?.username, undefined);
  });

  test("limits hold for this connection alone", () => {
    const { pair } = deciding([{ code: 0, limits: { receiveMaximum: 7, packetBytesMax: 64 } }, { code: 0 }]);
    const first = pair.connect();
    const second = pair.connect({ clientId: "second" });
    assertEquals(first.connack?.properties?.receiveMaximum, 7);
    assertEquals(second.connack?.properties?.receiveMaximum, 1_000);
    second.publish({ topic: "t", payload: "x".repeat(100) });
    second.assertSilent();
    first.publish({ topic: "t", payload: "x".repeat(100) });
    assertEnded(first, 0x95, "2.1.4/too-large");
  });

  test("nonsense is the authenticator's fault, and a no for the Client", () => {
    const wrong = [
      { groups: "a" },
      { groups: [1] },
      { claims: { a: 1 } },
      { claims: null },
      { expiresAt: NaN },
      { expiresAt: "soon" },
      { limits: { receiveMaximum: 0 } },
      { limits: { connectionsMax: 1 } },
      { limits: { publishRateMax: 1 } },
      { limits: { addressConnectionsMax: 1 } },
      { limits: { unknown: 1 } },
      { limits: 1 },
      { why: 1 },
    ];
    for (const part of wrong) {
      const { pair, told } = deciding([{ code: 0, ...part }]);
      const client = pair.open();
      client.connect();
      assertNotAccepted(client, 0x88, "policy/not-authorized");
      assertEquals(told.failures.length, 1, JSON.stringify(part));
    }
  });
});

test("why a login is refused is for the owner: the Client sees the rule alone, at the start and anew", () => {
  const whys: unknown[] = [];
  const { pair } = deciding([{ code: 0x87, why: "token: expired" }, { code: 0 }, {
    code: 0x87,
    why: "other",
  }], {
    hooks: {
      refused: (_, { why }) => whys.push(why),
      disconnected: (_, __, refusal) => whys.push(refusal?.why),
    },
  });
  const first = pair.open();
  first.connect(enhanced);
  const { reasonString } = first.take(PacketType.CONNACK).properties ?? {};
  assertEquals(reasonString, "policy/not-authorized: The authenticator says no");
  const second = pair.connect(enhanced);
  auth(second, 0x19);
  assertEquals(second.take(PacketType.DISCONNECT).properties?.reasonString, reasonString);
  assertEquals(whys, ["token: expired", "other"]);
});

describe("the state of an exchange", () => {
  test("each request brings back the state of the verdict before it, at the start and anew", () => {
    const [a, b] = [{ a: 1 }, { b: 2 }];
    const verdicts = [
      { code: 0x18, state: a },
      { code: 0x18, state: b },
      { code: 0, state: "too late" },
      { code: 0x18, state: a },
      { code: 0 },
      { code: 0 },
    ];
    const { pair, requests } = deciding(verdicts);
    const client = pair.open();
    client.connect(enhanced);
    client.take(PacketType.AUTH);
    auth(client, 0x18);
    client.take(PacketType.AUTH);
    auth(client, 0x18);
    client.take(PacketType.CONNACK);
    auth(client, 0x19);
    client.take(PacketType.AUTH);
    auth(client, 0x18);
    assertEquals(client.take(PacketType.AUTH).reasonCode, 0);
    auth(client, 0x19);
    assertEquals(client.take(PacketType.AUTH).reasonCode, 0);
    assertEquals(requests.map(({ state }) => state), [undefined, a, b, undefined, a, undefined]);
  });
});

describe("[policy/login-expired] a login with an end", () => {
  test("ends the connection at that time, and not before", () => {
    const { pair, told } = deciding([]);
    const expiresAt = pair.now + 60_000;
    const setup = deciding([{ code: 0, expiresAt }]);
    setup.pair.now = pair.now;
    const client = setup.pair.connect({ keepAlive: 0 });
    setup.pair.advance(59_999);
    client.assertSilent();
    setup.pair.advance(1);
    assertEnded(client, 0x87, "policy/login-expired");
    setup.told.assertEnded("stub", 0x87, "policy/login-expired");
    setup.pair.assertEmpty();
    assertEquals(told.failures, []);
  });

  test("at level 4 the connection is closed", () => {
    const probe = new Pair();
    const { pair } = deciding([{ code: 0, expiresAt: probe.now + 1_000 }]);
    const client = pair.open(4);
    client.connect({ level: 4 });
    client.take(PacketType.CONNACK);
    pair.advance(1_000);
    assertClosed(client);
    assertEquals(client.inbox, []);
  });

  test("a new login puts it off, or takes it away", () => {
    const probe = new Pair();
    const at = (ms: number) => ({ code: 0, expiresAt: probe.now + ms });
    const { pair } = deciding([at(1_000), at(5_000), { code: 0 }, at(9_000)]);
    const client = pair.open();
    client.connect(enhanced);
    client.take(PacketType.CONNACK);
    pair.advance(900);
    auth(client, 0x19);
    client.take(PacketType.AUTH);
    pair.advance(4_000);
    client.assertSilent();
    auth(client, 0x19);
    client.take(PacketType.AUTH);
    pair.advance(1_000);
    client.assertSilent();
    auth(client, 0x19);
    client.take(PacketType.AUTH);
    pair.advance(10_000);
    assertEnded(client, 0x87, "policy/login-expired");
  });

  test("a connection that ends before leaves no deadline", () => {
    const probe = new Pair();
    const { pair } = deciding([{ code: 0, expiresAt: probe.now + 1_000_000 }]);
    pair.connect().disconnect();
    pair.assertEmpty();
  });
});

test("[limit/logins] too many at a time: 0x89, and 3 below level 5", () => {
  for (const level of [4, 5] as const) {
    const { pair, told } = deciding([{ code: 0x89 }]);
    const client = pair.open(level);
    client.connect({ level });
    assertNotAccepted(client, level === 5 ? 0x89 : 3, "limit/logins");
    told.assertRefused(0x89, "limit/logins");
  }
});

test("[limit/failed-logins] no further one is tried: 0x9F, and below level 5 code 3, with which Clients come again", () => {
  for (const level of [4, 5] as const) {
    const { pair, told } = deciding([{ code: 0x9f }]);
    const client = pair.open(level);
    client.connect({ level });
    assertNotAccepted(client, level === 5 ? 0x9f : 3, "limit/failed-logins");
    told.assertRefused(0x9f, "limit/failed-logins");
  }
});
