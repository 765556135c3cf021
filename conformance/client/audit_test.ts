/**
 * Audits of Clients: MQTT.js, whose faults are known, and one that breaks the rules on purpose.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { auth, bytes, connect as connectPacket, field, packet, property, TYPE, u16 } from "../wire/bytes.ts";
import { parseCommand, skillsOf, valuesOf } from "./drivers/command.ts";
import type { ClientOrder, Driver, RunningClient, Where } from "./drivers/driver.ts";
import { AuditCallError, auditClient, type Level, mqttjsDriver, type Verdict } from "../mod.ts";
import { patient } from "../../src/testing/patience.ts";

async function verdictsOf(driver: Driver, level: Level): Promise<ReadonlyMap<string, Verdict>> {
  const report = await auditClient(driver, { levels: [level], patienceMs: 1_200, atOnce: 24 });
  const [found] = report.levels;
  assertEquals([report.role, found?.unreachable, found?.stopped], ["client", undefined, undefined]);
  const open = found!.cases.filter(({ verdict }) => verdict === "inconclusive");
  assertEquals(open.map(({ id, reason }) => `${id}: ${reason}`), []);
  return new Map([
    ...found!.cases.map(({ id, verdict }) => [id, verdict] as const),
    ...found!.statements.map(({ id, verdict }) => [id, verdict as Verdict] as const),
  ]);
}

describe("MQTT.js", () => {
  const expected: Readonly<Record<Level, Readonly<Record<string, Verdict>>>> = {
    5: {
      "MQTT-3.1.0-1": "pass",
      "MQTT-3.1.2-9": "pass",
      "MQTT-3.1.3-1": "pass",
      "MQTT-2.2.1-3": "pass",
      "MQTT-3.8.1-1": "pass",
      "MQTT-4.3.2-4": "pass",
      "MQTT-4.3.3-4": "pass",
      "MQTT-4.3.3-10": "pass",
      "MQTT-4.6.0-2": "pass",
      "MQTT-4.12.0-3": "pass",
      // It does not look at what the Server says it can take.
      "MQTT-3.2.2-11": "fail",
      "MQTT-3.2.2-14": "fail",
      "MQTT-3.3.4-7": "fail",
      // It has no session and takes the Server's word for one.
      "MQTT-3.2.2-4": "fail",
      // What it sends again has DUP 0.
      "MQTT-3.3.1-1": "fail",
      // It tells its application, and stays.
      "MQTT-3.3.1-4": "lenient",
    },
    4: {
      "MQTT311-3.1.0-1": "pass",
      "MQTT311-3.1.2-22": "pass",
      "MQTT311-4.3.2-2": "pass",
      "MQTT311-4.6.0-4": "pass",
      "MQTT311-3.14.4-2": "pass",
      "MQTT311-3.3.1-1": "fail",
      "MQTT311-3.3.1-4": "fail",
      "MQTT311-4.8.0-1": "fail",
    },
  };
  for (const level of [5, 4] as const) {
    test(`is audited at level ${level}`, patient, async () => {
      const found = await verdictsOf(await mqttjsDriver(), level);
      for (const [id, verdict] of Object.entries(expected[level])) {
        assertEquals([id, found.get(id)], [id, verdict]);
      }
    });
  }
});

/** Does what it is told as badly as it can. */
class BadClient implements RunningClient {
  readonly heard = [];
  readonly gone: Promise<void>;
  readonly words = "";
  readonly #order: ClientOrder;
  readonly #socket: Socket;

  constructor(order: ClientOrder, { host, port }: Where) {
    this.#order = order;
    this.#socket = connect(port, host);
    this.gone = new Promise((resolve) => this.#socket.on("close", () => resolve()));
    this.#socket.on("error", () => {});
    this.#socket.on("data", (data: Uint8Array) => this.#answer(data));
    const { level } = order;
    // The reserved flag, Will QoS 1 without a will, and User Name without its flag.
    const [first, ...rest] = connectPacket({ level, clientId: order.clientId });
    const body = bytes(Uint8Array.from(rest.slice(1)), field("user"));
    body[7] = 0x0b;
    this.#send(packet(first! >> 4, 0, body));
  }

  #answer(data: Uint8Array): void {
    const { level, subscribe = [], publish = [] } = this.#order;
    const none = level === 5 ? [0] : [];
    if (data[0] === 0x20) {
      if (this.#order.reauthenticate) this.#send(auth(0x19, property.authenticationMethod("another")));
      for (const { filter } of subscribe) {
        this.#send(packet(TYPE.SUBSCRIBE, 0, u16(0), none, field(filter), 3)); // Wrong flags, identifier 0, QoS 3.
      }
      for (const { topic, qos, payload } of publish) {
        const id = qos > 0 ? u16(7) : [];
        this.#send(packet(TYPE.PUBLISH, 8 | qos << 1, field(topic), id, none, payload)); // Always DUP and 7.
      }
    }
    if (data[0]! >> 4 === TYPE.PUBLISH) this.#send(packet(TYPE.PUBACK, 0, u16(1))); // Whatever it was.
    if (data[0]! >> 4 === TYPE.PUBREC) this.#send(packet(TYPE.PUBREL, 0, u16(9))); // Wrong flags and identifier.
  }

  #send(data: Uint8Array): void {
    this.#socket.write(data);
  }

  leave(): void {
    this.#send(packet(TYPE.DISCONNECT, 0));
    this.#send(packet(TYPE.PINGREQ, 0));
  }

  stop(): Promise<void> {
    this.#socket.destroy();
    return this.gone;
  }
}

const BAD: Driver = {
  name: "bad",
  skills: new Set(
    [
      "level 4",
      "level 5",
      "subscribe",
      "publish",
      "several messages",
      "retain",
      "authentication method",
      "re-authentication",
      "any text",
    ] as const,
  ),
  port: 0,
  connectMs: 2_000,
  flags: "--client",
  start: (order, where) => Promise.resolve(new BadClient(order, where)),
};

describe("a Client that breaks the rules", () => {
  const caught: Readonly<Record<string, readonly Level[]>> = {
    "client/3.1.2/protocol-name": [4, 5],
    "client/3.1.2/no-will": [4, 5],
    "client/3.1.2/no-credentials": [4, 5],
    "client/2.2.1/new-while-open": [4, 5],
    "client/2.2.1/of-subscribe-and-unsubscribe": [4, 5],
    "client/2.2.1/none-at-qos-0": [4, 5],
    "client/2.2.1/echoed-at-qos-1": [4, 5],
    "client/2.2.1/echoed-at-qos-2": [4, 5],
    "client/3.3.1/well-formed-at-every-qos": [4, 5],
    "client/3.3.2/hash-in-topic": [4, 5],
    "client/3.2.2/session-present-without-a-session": [5],
    "client/3.2.2/maximum-qos-0": [5],
    "client/3.2.2/maximum-packet-size": [5],
    "client/3.8.3/subscribe": [4, 5],
    "client/3.8.3/hash-in-the-middle": [4, 5],
    "client/3.14.4/disconnect": [4, 5],
    "client/4.3.1/qos-0": [4, 5],
    "client/4.3.1/qos-0-is-not-acknowledged": [4, 5],
    "client/4.3.2/first-time": [4, 5],
    "client/4.3.2/puback": [4, 5],
    "client/4.3.3/pubrel-for-pubrec": [4, 5],
    "client/4.3.3/pubrec-and-pubcomp": [4, 5],
    "client/4.5.0/unwanted-message": [4, 5],
    "client/4.12.1/same-method": [5],
    "client/4.6.0/pubacks-in-order": [4, 5],
    "client/4.6.0/pubrecs-in-order": [4, 5],
    "client/4.9.0/receive-maximum": [5],
    "client/3.3.1/qos-3": [4],
  };
  for (const level of [5, 4] as const) {
    test(`is caught at level ${level}`, patient, async () => {
      const found = await verdictsOf(BAD, level);
      const expected = Object.entries(caught).filter(([, levels]) => levels.includes(level)).map(([id]) =>
        id
      );
      assertEquals(
        expected.filter((id) => found.get(id) !== "fail").map((id) => `${id}: ${found.get(id)}`),
        [],
      );
      assertEquals(found.get("client/3.1/connect-comes-first"), "pass");
    });
  }
});

describe("--exec", () => {
  const order: ClientOrder = {
    level: 5,
    clientId: "a b",
    cleanStart: true,
    keepAlive: 60,
    reconnect: false,
    username: "it's",
  };
  const where = { host: "127.0.0.1", port: 1234, url: "mqtt://127.0.0.1:1234" };

  test("keeps values in one word, and leaves out what is not ordered", () => {
    const command = parseCommand("c 'x  y' -p {port} -i={client} {user?-u {user}} {session?-c} {retain?-r}");
    const words = command.words(valuesOf(order, where));
    assertEquals(words, ["c", "x  y", "-p", "1234", "-i=a b", "-u", "it's"]);
    const skills = skillsOf(command.uses);
    assert(skills.has("user name") && skills.has("session") && !skills.has("publish"));
  });

  test("may be told a URL in place of a port", () => {
    const command = parseCommand("c --url {url}");
    assertEquals(command.words(valuesOf(order, { ...where, url: "ws://127.0.0.1:1234/mqtt" })), [
      "c",
      "--url",
      "ws://127.0.0.1:1234/mqtt",
    ]);
  });

  for (const text of ["c", "c {port} {nothing}", "c {port", "c {port} 'x", ""]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assertThrows(() => parseCommand(text), AuditCallError);
    });
  }
});
