/** Limits of all Clients with one user name: their sessions, and the bytes that wait in these. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { MESSAGE_OVERHEAD_BYTES } from "../delivery/message.ts";
import { MODEST_BYTES } from "../engine/outflow.ts";
import { assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import { Life } from "../testing/restarts.ts";
import { Ledger } from "./ledger.ts";
import { LIMITS, type Limits, type Verdict } from "./mod.ts";
import { type Charged, UserAccount, Users } from "./users.ts";

const KEPT = { cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;
const FULL = [0x97, "limit/user-sessions"] as const;

function setup(limits: Partial<Limits>): { pair: Pair; told: Told } {
  const told = new Told();
  return { told, pair: new Pair({ limits, takeoverByOthers: true, hooks: told.hooks }) };
}

/** A Client whose session stays. */
function enter(pair: Pair, clientId: string, username?: string, init: ConnectInit = {}): StubClient {
  return pair.connect({ ...KEPT, clientId, ...username !== undefined && { username }, ...init });
}

/** The same, if it is refused: `assertNotAccepted()` says how. */
function knock(pair: Pair, clientId: string, username: string, init: ConnectInit = {}): StubClient {
  const client = pair.open(init.level ?? 5);
  client.connect({ ...KEPT, clientId, username, ...init });
  return client;
}

describe("userSessionsMax", () => {
  for (const level of [3, 4, 5] as const) {
    test(`[limit/user-sessions] one session more than a user may have is refused at level ${level}, and no other user's`, () => {
      const { pair, told } = setup({ userSessionsMax: 2 });
      enter(pair, "1", "ada").lose();
      enter(pair, "2", "ada");
      const init = { level, cleanStart: true, properties: {} };
      assertNotAccepted(knock(pair, "3", "ada", init), level === 5 ? 0x97 : 3, "limit/user-sessions");
      told.assertRefused(...FULL);
      assertEquals(told.limits, [{ limit: "userSessionsMax", who: "ada" }]);
      assertEquals(pair.broker.stats.limits, { userSessionsMax: 1 });
      assertEquals(pair.broker.stats.refusals, { "limit/user-sessions": 1 });
      enter(pair, "3", "grace");
      for (const id of ["4", "5", "6"]) enter(pair, id);
      assertEquals(pair.broker.stats.sessions, 6);
    });
  }

  test("a Client that has a session already comes again, with it or with a new one", () => {
    const { pair } = setup({ userSessionsMax: 1 });
    const first = enter(pair, "1", "ada");
    const second = enter(pair, "1", "ada");
    assertEquals([first.over, second.connack!.sessionPresent], [true, true]);
    second.lose();
    assertEquals(enter(pair, "1", "ada").connack!.sessionPresent, true);
    assertEquals(enter(pair, "1", "ada", { cleanStart: true }).connack!.sessionPresent, false);
  });

  test("a session that has ended leaves its place", () => {
    const { pair } = setup({ userSessionsMax: 1 });
    enter(pair, "1", "ada").lose();
    assertNotAccepted(knock(pair, "2", "ada"), ...FULL);
    pair.advance(600_000);
    enter(pair, "2", "ada").disconnect(0, { sessionExpiryInterval: 0 });
    enter(pair, "3", "ada");
  });

  test("a session counts for the user who connected last", () => {
    const { pair, told } = setup({ userSessionsMax: 1 });
    enter(pair, "1", "ada").lose();
    enter(pair, "2", "grace");
    assertNotAccepted(knock(pair, "1", "grace"), ...FULL);
    told.assertRefused(...FULL);
    enter(pair, "2").lose();
    const taken = enter(pair, "1", "grace");
    assertEquals(taken.connack!.sessionPresent, true);
    enter(pair, "3", "ada");
    assertNotAccepted(knock(pair, "2", "ada"), ...FULL);
  });

  test("a Client that is refused leaves the connection that its Client Identifier has", () => {
    const { pair } = setup({ userSessionsMax: 1 });
    const ada = enter(pair, "1", "ada");
    enter(pair, "2", "grace");
    assertNotAccepted(knock(pair, "1", "grace"), ...FULL);
    ada.assertSilent();
  });

  test("the name is the one that the verdict gives, and the verdict may have another limit for it", () => {
    const authenticate = ({ username }: { username: string | undefined }): Verdict =>
      username === "gateway"
        ? { code: 0, limits: { userSessionsMax: 3 } }
        : { code: 0, username: username === "unproved" ? null : "device" };
    const pair = new Pair({ limits: { userSessionsMax: 1 }, authenticate });
    enter(pair, "1", "ada");
    assertNotAccepted(knock(pair, "2", "grace"), ...FULL);
    for (const id of ["3", "4"]) enter(pair, id, "unproved");
    for (const id of ["5", "6", "7"]) enter(pair, id, "gateway");
    assertNotAccepted(knock(pair, "8", "gateway"), ...FULL);
  });

  test("§4.12.1 a Client that authenticates anew under another name takes its session along", () => {
    const names = ["ada", "grace"];
    const pair = new Pair({
      limits: { userSessionsMax: 1 },
      authenticationMethods: ["M"],
      authenticate: ({ method, username }) =>
        method === undefined
          ? { code: 0, username: username ?? null }
          : { code: 0, username: names.shift()! },
    });
    const properties = { ...KEPT.properties, authenticationMethod: "M" };
    const client = enter(pair, "1", undefined, { properties });
    client.send({
      type: PacketType.AUTH,
      reasonCode: 0x19,
      properties: { authenticationMethod: "M" },
    });
    enter(pair, "2", "ada");
    assertNotAccepted(knock(pair, "3", "grace"), ...FULL);
  });

  test("§4.12.1 and so it is after a crash, though its connection never ended", () => {
    const names = ["ada", "grace"];
    const life = new Life({
      authenticationMethods: ["M"],
      authenticate: () => ({ code: 0, username: names.shift()! }),
    });
    const properties = { ...KEPT.properties, authenticationMethod: "M" };
    const client = life.connect({ clientId: "1", properties });
    client.send({ type: PacketType.AUTH, reasonCode: 0x19, properties: { authenticationMethod: "M" } });
    life.restart();
    assertEquals(life.pair.broker.session("1")?.user, "grace");
  });

  test("holds after a restart: the user of a session is in its record", () => {
    const life = new Life({ limits: { userSessionsMax: 1 }, takeoverByOthers: true });
    life.connect({ clientId: "1", username: "ada" }).lose();
    life.connect({ clientId: "1", username: "grace" }).lose();
    life.restart();
    assertNotAccepted(knock(life.pair, "2", "grace"), ...FULL);
    life.connect({ clientId: "2", username: "ada" });
    life.restart(600_000);
    life.connect({ clientId: "3", username: "grace" });
  });

  test("holds at once when it is changed, and nobody is dropped; 0 is no limit", () => {
    const { pair } = setup({});
    const clients = ["1", "2", "3"].map((id) => enter(pair, id, "ada"));
    const change = (userSessionsMax: number) =>
      pair.broker.reconfigure(
        pair.broker.nextPolicy({ limits: { userSessionsMax } }),
        new Map(),
        {},
        pair.now,
      );
    change(2);
    for (const client of clients) client.assertSilent();
    clients[0]!.disconnect(0, { sessionExpiryInterval: 0 });
    assertNotAccepted(knock(pair, "4", "ada"), ...FULL);
    change(0);
    enter(pair, "4", "ada");
    change(3);
    assertNotAccepted(knock(pair, "5", "ada"), ...FULL);
    enter(pair, "4", "ada");
  });
});

const PAYLOAD = new Uint8Array(1_000);
/** For four of these messages. */
const ROOM = { userQueuedBytesMax: 4 * (MESSAGE_OVERHEAD_BYTES + PAYLOAD.length + 100) };

/** A Client that is away, and whose session gets what is published to its Client Identifier. */
function away(pair: Pair, clientId: string, username?: string): void {
  const client = enter(pair, clientId, username);
  client.subscribe(clientId);
  client.lose();
}

/** The Reason Code for a message with 1,000 bytes to this topic. */
function publish(publisher: StubClient, topic: string, properties = {}): number {
  publisher.publish({ topic, qos: 1, payload: PAYLOAD, properties });
  return publisher.take(PacketType.PUBACK).reasonCode;
}

/** How many of these messages are taken before one is refused (0x97). */
function taken(publisher: StubClient, ...topics: string[]): number {
  for (let count = 0; count < 100; count++) {
    const code = publish(publisher, topics[count % topics.length]!);
    if (code !== 0) {
      assertEquals(code, 0x97);
      return count;
    }
  }
  throw new Error("all are taken");
}

describe("userQueuedBytesMax", () => {
  test("bounds what waits in all sessions of a user together, and in no other session", () => {
    const { pair, told } = setup(ROOM);
    for (const id of ["1", "2", "3"]) away(pair, id, "ada");
    const publisher = pair.connect({ clientId: "publisher", username: "ada" });
    assertEquals(taken(publisher, "1", "2", "3"), 4);
    assertEquals(told.limits, [{ limit: "userQueuedBytesMax", who: "2" }]);
    assertEquals(told.drops, [{ topic: "2", clientId: "2", reason: "userQueuedBytesMax" }]);
    away(pair, "4", "grace");
    away(pair, "5");
    assertEquals(taken(publisher, "4"), 4);
    for (let i = 0; i < 20; i++) assertEquals(publish(publisher, "5"), 0);
  });

  for (const gone of ["is read", "expires", "goes with its session"] as const) {
    test(`there is room again when what waits ${gone}`, () => {
      const { pair } = setup(ROOM);
      for (const id of ["1", "2"]) away(pair, id, "ada");
      const publisher = pair.connect({ clientId: "publisher" });
      const properties = gone === "expires" ? { messageExpiryInterval: 10 } : {};
      for (let i = 0; i < 4; i++) assertEquals(publish(publisher, "1", properties), 0);
      assertEquals(taken(publisher, "2"), 0);
      if (gone === "is read") enter(pair, "1", "ada");
      if (gone === "goes with its session") enter(pair, "1", "ada", { cleanStart: true });
      if (gone === "expires") {
        pair.advance(11_000);
        publish(publisher, "1"); // the session gives up what has expired when it needs room
      }
      assertEquals(taken(publisher, "2"), gone === "expires" ? 3 : 4);
    });
  }

  test("what waits goes with the session to the user who connected last", () => {
    const { pair } = setup(ROOM);
    away(pair, "1", "ada");
    away(pair, "2", "ada");
    away(pair, "3", "grace");
    const publisher = pair.connect({ clientId: "publisher" });
    const properties = { ...KEPT.properties, receiveMaximum: 1 };
    assertEquals(taken(publisher, "1"), 4);
    enter(pair, "1", "grace", { properties }).lose(); // one of the four is in flight from now on
    assertEquals([taken(publisher, "3"), taken(publisher, "2")], [1, 4]);
  });

  test("holds for what the store alone has, after a restart too", () => {
    const life = new Life({ limits: ROOM });
    for (const id of ["1", "2"]) away(life.pair, id, "ada");
    const publisher = () => life.pair.connect({ clientId: "publisher" });
    assertEquals(taken(publisher(), "1", "2"), 4);
    life.restart();
    assertEquals(taken(publisher(), "1"), 0);
    enter(life.pair, "2", "ada");
    assertEquals(taken(publisher(), "1"), 2);
  });

  test("[limit/queue] ends a connected Client that does not keep up, and spares one that does", () => {
    const { pair, told } = setup(ROOM);
    away(pair, "1", "ada");
    const publisher = pair.connect({ clientId: "publisher" });
    assertEquals(taken(publisher, "1"), 4);
    const slow = enter(pair, "2", "ada", { properties: { ...KEPT.properties, receiveMaximum: 1 } });
    slow.subscribe("2");
    const most = Math.ceil(MODEST_BYTES / 1_000);
    for (let i = 0; i < most && !slow.over; i++) publish(publisher, "2");
    assert(pair.broker.session("2")!.queuedBytes > MODEST_BYTES / 2, "it is spared at first");
    while (!slow.over) publish(publisher, "2");
    slow.takePublishes();
    assertEnded(slow, 0x97, "limit/queue");
    assert(pair.broker.session("2")!.queuedBytes < MODEST_BYTES + 2_000);
    assertEquals(told.limits.map(({ limit, who }) => `${limit} ${who}`), [
      "userQueuedBytesMax 1",
      "userQueuedBytesMax 2",
    ]);
  });

  test("§4.8.2 a group of Clients who are away takes messages again when another session of their user has room", () => {
    const { pair } = setup(ROOM);
    away(pair, "1", "ada");
    for (const id of ["2", "3"]) {
      const member = enter(pair, id, "ada");
      member.subscribe("$share/g/s");
      member.lose();
    }
    const publisher = pair.connect({ clientId: "publisher" });
    assertEquals([taken(publisher, "1"), publish(publisher, "s"), publish(publisher, "s")], [4, 0x97, 0x97]);
    enter(pair, "1", "ada");
    assertEquals(taken(publisher, "s"), 4);
  });

  test("is no limit if it is 0", () => {
    const { pair } = setup({ userQueuedBytesMax: 0 });
    away(pair, "1", "ada");
    const publisher = pair.connect({ clientId: "publisher" });
    for (let i = 0; i < 20; i++) assertEquals(publish(publisher, "1"), 0);
  });
});

test("the defaults leave a home with 500 devices of one user alone", () => {
  assert(LIMITS.userSessionsMax.default >= 100 * 500);
  assert(LIMITS.userQueuedBytesMax.default >= 500 * 1024 * 1024);
});

describe("the counts of users are compared with their sessions", () => {
  /** Two sessions of Ada. */
  function begin(): { users: Users; sessions: [Charged, Charged] } {
    const users = new Users(new Ledger());
    const charged = (): Charged => {
      let own: UserAccount | undefined;
      return {
        queuedBytes: 0,
        get account() {
          return own;
        },
        set account(account) {
          if (own !== undefined) own.sessions--;
          if (account !== undefined) account.sessions++;
          own = account;
        },
      };
    };
    const sessions: [Charged, Charged] = [charged(), charged()];
    for (const session of sessions) users.charge(session, "ada");
    return { users, sessions };
  }

  test("nothing is left of a user without sessions", () => {
    const { users, sessions } = begin();
    users.assertInvariants(sessions);
    for (const session of sessions) users.charge(session, undefined);
    users.assertInvariants([]);
    assertEquals(users.sessionsOf("ada"), 0);
  });

  for (
    const [what, wrong] of [
      ["sessions of a user", ({ sessions }) => sessions[0].account!.sessions++],
      ["bytes that wait in the sessions of a user", ({ sessions }) => sessions[0].account!.queuedBytes++],
      ["the account of a user", ({ sessions }) => {
        const other = new UserAccount("ada");
        for (const session of sessions) session.account = other;
      }],
    ] as [string, (scene: ReturnType<typeof begin>) => void][]
  ) {
    test(what, () => {
      const scene = begin();
      wrong(scene);
      assertThrows(() => scene.users.assertInvariants(scene.sessions), Error, what);
    });
  }

  test("users that have sessions", () => {
    const { users } = begin();
    assertThrows(() => users.assertInvariants([]), Error, "users that have sessions");
  });
});
