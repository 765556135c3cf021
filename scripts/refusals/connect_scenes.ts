/**
 * §3.1, §3.15 Refusals before a CONNECT is accepted, and of AUTH.
 * Knows how each comes about; refuses to know what the Client sees.
 * @module
 */
import { refusalOf } from "../../src/broker/auth.ts";
import { type BrokerOptions, MemoryStore, type Verdict } from "../../src/broker/mod.ts";
import type { ProtocolLevel } from "../../src/codec/packet.ts";
import { PacketType } from "../../src/codec/packet_type.ts";
import { isReasonAllowedFrom } from "../../src/codec/reason_code.ts";
import { binary, frame, properties, utf8 } from "../../src/testing/frame.ts";
import type { ConnectInit } from "../../src/testing/pair.ts";
import { connectFrame, type ConnectParts, firstPackets, laterPackets, type PacketScene } from "./packets.ts";
import { hex, type Scene, type Stage } from "./stage.ts";

const FIVE = { levels: [5] } as const;
const NOT_3 = { levels: [5, 4] } as const;
const NOT_5 = { levels: [4, 3] } as const;

const WILL = { topic: "w", payload: new Uint8Array(1), qos: 0, retain: false } as const;
const willPayload = (topic: string) => [utf8("stub"), utf8(topic), binary([1])];

/** A CONNECT with these parts. */
function connect(
  rule: PacketScene[0],
  when: string,
  parts: ConnectParts,
  setting?: PacketScene[3],
): PacketScene {
  return [rule, when, (level) => connectFrame(level, parts), setting];
}

/** The same with a Will on this topic; at level 5 with its properties. */
function withWill(
  rule: PacketScene[0],
  when: string,
  flags: number,
  topic: string,
  setting?: PacketScene[3],
): PacketScene {
  return [rule, when, (level) => {
    const [id, ...rest] = willPayload(topic);
    return connectFrame(level, { flags, payload: [id!, ...(level === 5 ? [properties()] : []), ...rest] });
  }, setting];
}

const BYTES: readonly PacketScene[] = [
  ["MQTT-3.1.0-1", "the first packet is another one", () => frame(0xc0)],
  connect("MQTT-2.1.3-1", "flags of the fixed header", { first: 0x11 }),
  [
    "1.5.5/fifth-byte",
    "a Remaining Length of five bytes",
    () => Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0xff, 1),
  ],
  ["MQTT-1.5.5-1", "a Remaining Length of more bytes than it needs", () => Uint8Array.of(0x10, 0x80, 0)],
  connect("2.1.4/too-large", "more bytes than connectBytesMax", { payload: [utf8("x".repeat(100))] }, {
    options: { limits: { connectBytesMax: 64 } },
  }),
  connect("MQTT-3.1.2-1", "another Protocol Name", { name: "MQTX" }),
  [
    "MQTT-3.1.2-2",
    "another Protocol Version",
    (level) => connectFrame(level, { version: level === 5 ? 6 : 2 }),
    NOT_3,
  ],
  connect("MQTT-3.1.2-3", "the reserved flag", { flags: 3 }, NOT_3),
  connect("MQTT-3.1.2-11", "a Will QoS without a Will", { flags: 0x0a }, NOT_3),
  connect("MQTT-3.1.2-13", "a Will Retain without a Will", { flags: 0x22 }, NOT_3),
  withWill("MQTT-3.1.2-12", "Will QoS 3", 0x1e, "w"),
  connect("MQTT311-3.1.2-22", "a password without a user name", {
    flags: 0x42,
    payload: [utf8("stub"), binary([1])],
  }, NOT_5),
  connect("MQTT-3.1.3-3", "no Client Identifier", { payload: [] }),
  connect("MQTT-3.1.2-9", "no Will where the flags announce one", { flags: 6 }),
  connect("MQTT-3.1.2-17", "no user name where the flags announce one", { flags: 0x82 }, NOT_3),
  connect("MQTT-3.1.2-19", "no password where the flags announce one", {
    flags: 0xc2,
    payload: [utf8("stub"), utf8("u")],
  }, NOT_3),
  withWill("3.1.3.3/empty", "an empty Will Topic", 6, ""),
  withWill("3.1.3.3/wildcard", "a wildcard in the Will Topic", 6, "w/+"),
  connect("2.1.4/short", "the packet ends inside a field", { payload: [[0, 9, 0x61]] }),
  connect("2.1.4/trailing", "bytes behind the last field", { payload: [utf8("stub"), 0] }),
  connect("MQTT-1.5.4-1", "a text that is not UTF-8", { payload: [utf8([0xff])] }),
  connect("MQTT-1.5.4-2", "a text with U+0000", { payload: [utf8([0])] }),
  connect("2.2.2.1/past-end", "a property runs past the end of its list", { properties: [0x11, 0, 0] }, FIVE),
  connect("2.2.2.2/unknown", "an unknown property", { properties: [0x70, 0] }, FIVE),
  connect("2.2.2.2/not-allowed", "a property of another packet", { properties: [0x23, 0, 1] }, FIVE),
  connect(
    "3.1.2.11.10/no-method",
    "Authentication Data without a method",
    { properties: [0x16, 0, 0] },
    FIVE,
  ),
  connect("3.1.3.1/level-3-empty", "an empty Client Identifier", { payload: [utf8("")] }, { levels: [3] }),
  connect("MQTT311-3.1.3-8", "an empty Client Identifier and Clean Session 0", {
    flags: 0,
    payload: [utf8("")],
  }, { levels: [4] }),
];

/** A CONNECT to a broker with these options. */
function told(
  rule: Scene["rule"],
  when: string,
  options: BrokerOptions,
  init: ConnectInit = {},
  setting: Pick<Scene, "levels"> = {},
): Scene {
  return {
    rule,
    on: "CONNECT",
    when,
    ...setting,
    run: (stage) => {
      stage.broker(options);
      stage.open().connect({ level: stage.level, ...init });
    },
  };
}

const VERDICTS: readonly Scene[] = Array.from({ length: 256 }, (_, code) => code)
  .filter((code) => code >= 0x80 && isReasonAllowedFrom("server", PacketType.CONNACK, code))
  .map((code) => {
    const verdict = {
      code,
      ...((code === 0x9c || code === 0x9d) && { serverReference: "b.example" }),
    } as Verdict;
    return told(refusalOf(verdict).rule, `the authenticator answers ${hex(code)}`, {
      authenticate: () => verdict,
    });
  });

const long = "x".repeat(20);
const NAME = { limits: { nameBytesMax: 16 } };

const POLICIES: readonly Scene[] = [
  told("limit/name-bytes", "a Client Identifier of more bytes than nameBytesMax", NAME, { clientId: long }),
  told("limit/name-bytes", "a user name of more bytes than nameBytesMax", NAME, { username: long }),
  told("limit/name-bytes", "a Will Topic of more bytes than nameBytesMax", NAME, {
    will: { ...WILL, topic: long },
  }),
  told("limit/topic-levels", "a Will Topic of more levels than topicLevelsMax", {
    limits: { topicLevelsMax: 2 },
  }, {
    will: { ...WILL, topic: "a/b/c" },
  }),
  told("MQTT-3.2.2-12", "a Will QoS above Maximum QoS", { maximumQos: 1 }, { will: { ...WILL, qos: 2 } }),
  told("MQTT-3.2.2-13", "Will Retain where nothing is retained", { retainAvailable: false }, {
    will: { ...WILL, retain: true },
  }),
  told("policy/not-authorized", "a Will that may not be published", { authorize: () => 0x87 }, {
    will: WILL,
  }),
  told("policy/dollar-topic", "a Will on a topic that begins with $", {}, { will: { ...WILL, topic: "$a" } }),
  told("policy/redirected", "the listener sends Clients elsewhere for now", {
    redirect: { code: 0x9c, serverReference: "b.example" },
  }),
  told("policy/redirected", "the listener sends Clients elsewhere for good", {
    redirect: { code: 0x9d, serverReference: "b.example" },
  }),
  told("MQTT-4.12.0-1", "an Authentication Method that is not known", {}, {
    properties: { authenticationMethod: "m" },
  }, FIVE),
  told("MQTT-3.1.2-24", "CONNACK is above the Client's Maximum Packet Size", {}, {
    properties: { maximumPacketSize: 8 },
  }, FIVE),
];

const NUMBERS: readonly Scene[] = [
  full("limit/sessions", "as many sessions as may be", { limits: { sessionsMax: 1 } }),
  {
    rule: "policy/session-of-another",
    on: "CONNECT",
    when: "the session under this Client Identifier is another user's",
    run: (stage) => {
      stage.pair.connect({ clientId: "mine", username: "owner" });
      stage.open().connect({ level: stage.level, clientId: "mine", username: "other" });
    },
  },
  full("limit/user-sessions", "as many sessions as a user may have", { limits: { userSessionsMax: 1 } }),
  full("limit/connections", "as many connections as may be", { limits: { connectionsMax: 1 } }),
  {
    rule: "limit/memory",
    on: "CONNECT",
    when: "no memory for one more session",
    run: (stage) => {
      stage.broker({ limits: { memoryBytesMax: 1024 * 1024 } });
      holdMemory(stage);
      stage.open().connect({ level: stage.level });
    },
  },
  {
    rule: "limit/store",
    on: "CONNECT",
    when: "a session to be stored while the store fails",
    run: (stage) => {
      failingStore(stage);
      stage.open().connect(keptAt(stage.level));
    },
  },
  {
    rule: "MQTT-4.13.1-1",
    on: "CONNECT",
    when: "an error of the Server, or of a function of its owner's",
    run: (stage) => {
      const of = () => {
        throw new Error("no database");
      };
      stage.broker({ permissions: { of } });
      stage.open().connect({ level: stage.level });
    },
  },
  {
    rule: "limit/unavailable",
    on: "CONNECT",
    when: "the Server shuts down",
    run: (stage) => {
      stage.broker({ authenticate: () => new Promise(() => {}) });
      stage.open().connect({ level: stage.level });
      stage.owner((broker, now) => broker.shutdown(now));
    },
  },
  {
    rule: "limit/connecting",
    on: "CONNECT",
    when: "a newer connection takes the place (connectingMax)",
    run: (stage) => {
      stage.broker({ limits: { connectingMax: 1 } });
      stage.open();
      stage.pair.open();
      stage.pair.settle();
    },
  },
  {
    rule: "limit/connect-timeout",
    on: "CONNECT",
    when: "no verdict within connectTimeoutMs",
    run: (stage) => {
      stage.broker({ authenticate: () => new Promise(() => {}) });
      stage.open().connect({ level: stage.level });
      stage.pair.advance(10_001);
    },
  },
];

/** One more than there may be. */
function full(rule: Scene["rule"], when: string, options: BrokerOptions): Scene {
  return {
    rule,
    on: "CONNECT",
    when,
    run: (stage) => {
      stage.broker(options);
      stage.other({ username: "user" });
      stage.open().connect({ level: stage.level, username: "user" });
    },
  };
}

/** A CONNECT whose session outlives its connection. */
export function keptAt(level: ProtocolLevel): ConnectInit {
  const kept = { level, cleanStart: false };
  return level === 5 ? { ...kept, properties: { sessionExpiryInterval: 60 } } : kept;
}

/** Another Client takes all the memory that there may be. */
export function holdMemory(stage: Stage): void {
  const other = stage.other();
  const payload = new Uint8Array(256 * 1024);
  for (let i = 0; i < 5; i++) other.publish({ topic: `${i}`, payload, retain: true });
}

/** A broker whose store has failed. */
export function failingStore(stage: Stage): void {
  const store = new MemoryStore();
  stage.broker({ store });
  const kept = stage.other({
    clientId: "kept",
    cleanStart: false,
    properties: { sessionExpiryInterval: 60 },
  });
  kept.subscribe("kept");
  kept.lose();
  store.commit = () => {
    throw new Error("disk full");
  };
  stage.pair.connect({ clientId: "other" }).publish({ topic: "kept", qos: 1 });
}

const METHOD: BrokerOptions = {
  authenticationMethods: ["m"],
  authenticate: ({ kind, data }) => kind === "connect" && data === undefined ? { code: 0 } : { code: 0x18 },
};
const INIT = { properties: { authenticationMethod: "m" } } as const;
const auth = (code: number, ...own: readonly (readonly number[])[]) => frame(0xf0, code, properties(...own));
const M = [0x15, ...utf8("m")];
const N = [0x15, ...utf8("n")];

/** A connected Client sends this AUTH. */
const AUTH_LATER: readonly PacketScene[] = [
  ["2.1.2/reserved-type", "AUTH before MQTT 5.0", () => frame(0xf0, 0), NOT_5],
  ["MQTT-3.15.1-1", "flags of the fixed header", () => frame(0xf1, 0x19, properties(M)), {
    ...FIVE,
    options: METHOD,
    init: INIT,
  }],
  ["MQTT-3.15.2-1", "another Reason Code", () => auth(0x87, M), { ...FIVE, options: METHOD, init: INIT }],
  ["MQTT-3.15.2-1", "Success, which the Server alone sends", () => auth(0, M), {
    ...FIVE,
    options: METHOD,
    init: INIT,
  }],
  ["3.15.2.2.2/no-method", "no Authentication Method", () => auth(0x19), {
    ...FIVE,
    options: METHOD,
    init: INIT,
  }],
  ["MQTT-4.12.0-7", "an AUTH where CONNECT had no method", () => auth(0x19, M), { ...FIVE, options: METHOD }],
  ["MQTT-4.12.1-1", "another method than that of CONNECT", () => auth(0x19, N), {
    ...FIVE,
    options: METHOD,
    init: INIT,
  }],
  ["4.12/not-under-way", "Continue while no authentication goes on", () => auth(0x18, M), {
    ...FIVE,
    options: METHOD,
    init: INIT,
  }],
];

/** A Client sends this after AUTH 0x18 of the Server, before it is accepted. */
function early(rule: Scene["rule"], when: string, bytes: Uint8Array): Scene {
  return {
    rule,
    on: "AUTH",
    when,
    ...FIVE,
    run: (stage) => {
      stage.broker({ ...METHOD, authenticate: () => ({ code: 0x18 }) });
      const client = stage.open();
      client.connect(INIT);
      client.take(PacketType.AUTH);
      client.write(bytes);
    },
  };
}

/** Of CONNECT. */
export const CONNECT_SCENES: readonly Scene[] = [
  ...firstPackets("CONNECT", BYTES),
  ...POLICIES,
  ...NUMBERS,
  ...VERDICTS,
];

/** Of AUTH. */
export const AUTH_SCENES: readonly Scene[] = [
  ...laterPackets("AUTH", AUTH_LATER),
  early("MQTT-4.12.0-5", "another method than that of CONNECT, before it is accepted", auth(0x18, N)),
  early("4.12.1/too-early", "Re-authenticate before CONNACK", auth(0x19, M)),
  early("MQTT-3.1.2-30", "another packet while authentication goes on", frame(0xc0)),
  {
    rule: "4.12/not-under-way",
    on: "AUTH",
    when: "Re-authenticate while an authentication goes on",
    ...FIVE,
    run: (stage) => {
      stage.broker(METHOD);
      const client = stage.connect(INIT);
      client.write(auth(0x19, M));
      client.take(PacketType.AUTH);
      client.write(auth(0x19, M));
    },
  },
  {
    rule: "policy/not-authorized",
    on: "AUTH",
    when: "the authenticator refuses a Client that authenticates anew",
    ...FIVE,
    run: (stage) => {
      stage.broker({ ...METHOD, authenticate: ({ kind }) => ({ code: kind === "connect" ? 0 : 0x87 }) });
      stage.connect(INIT).write(auth(0x19, M));
    },
  },
];
