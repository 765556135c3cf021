/**
 * §3.1 CONNECT, its first place on a connection, its fields and its flags: what a Server under audit must do.
 * @module
 */
import {
  bytes,
  connect,
  field,
  type Level,
  packet,
  type Part,
  pingreq,
  subscribe,
  TYPE,
  u16,
} from "../../wire/bytes.ts";
import { type CaseInit, type RuleId, type ServerCase, serverCases } from "../../case.ts";
import { hexCode } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** What shows a Server's check of the format at both levels. */
const FORMAT: readonly RuleId[] = ["MQTT-3.1.4-1", "MQTT311-3.1.4-1"];

/** A CONNECT that does not fit §3.1. */
interface Malformed {
  readonly statements?: readonly RuleId[];
  readonly levels?: CaseInit<Trial>["levels"];
  /** Completes "Sends a CONNECT …". */
  readonly does: string;
  make(t: Trial): Uint8Array;
}

const MALFORMED: Readonly<Record<string, Malformed>> = {
  "reserved-flag": {
    statements: ["MQTT-3.1.2-3", "MQTT311-3.1.2-3"],
    does: "with bit 0 of the Connect Flags set",
    make: (t) => withFlags(t, 0x03),
  },
  "will-qos-3": {
    statements: ["MQTT-3.1.2-12", "MQTT311-3.1.2-14"],
    does: "with a will of QoS 3",
    make: (t) => t.connectBytes({ will: { topic: t.topic("will"), qos: 3 } }),
  },
  "will-qos-without-will": {
    does: "with Will QoS 1 and Will Flag 0",
    make: (t) => withFlags(t, 0x0a),
  },
  "will-retain-without-will": {
    does: "with Will Retain 1 and Will Flag 0",
    make: (t) => withFlags(t, 0x22),
  },
  "will-is-missing": {
    does: "with Will Flag 1 that ends behind the Client Identifier",
    make: (t) => withFlags(t, 0x06),
  },
  "will-is-not-announced": {
    does: "with Will Flag 0 that has a will all the same",
    make: (t) => withFlags(t, 0x02, t.level === 5 ? [0] : [], field(t.topic("will")), field("gone")),
  },
  "will-payload-is-missing": {
    does: "with Will Flag 1 that ends behind the Will Topic",
    make: (t) => withFlags(t, 0x06, t.level === 5 ? [0] : [], field(t.topic("will"))),
  },
  "user-name-is-missing": {
    does: "with User Name Flag 1 that ends behind the Client Identifier",
    make: (t) => withFlags(t, 0x82),
  },
  "user-name-is-not-announced": {
    does: "with User Name Flag 0 that has a User Name all the same",
    make: (t) => withFlags(t, 0x02, field("user")),
  },
  "password-is-missing": {
    does: "with Password Flag 1 that ends behind the User Name",
    make: (t) => withFlags(t, 0xc2, field("user")),
  },
  "password-is-not-announced": {
    does: "with Password Flag 0 that has a Password all the same",
    make: (t) => withFlags(t, 0x82, field("user"), field("password")),
  },
  "password-without-user-name": {
    statements: ["MQTT311-3.1.2-22"],
    levels: [4],
    does: "with Password Flag 1 and User Name Flag 0, which MQTT 3.1.1 forbids",
    make: (t) => withFlags(t, 0x42, field("password")),
  },
  "client-id-is-missing": {
    does: "that ends behind its variable header",
    make: ({ level }) => packet(TYPE.CONNECT, 0, field("MQTT"), level, 2, u16(0), level === 5 ? [0] : []),
  },
  "keep-alive-is-missing": {
    does: "that ends behind the Connect Flags",
    make: ({ level }) => packet(TYPE.CONNECT, 0, field("MQTT"), level, 2),
  },
};

/** A CONNECT with these flags and nothing behind the Client Identifier but `rest`. */
function withFlags(t: Trial, flags: number, ...rest: readonly Part[]): Uint8Array {
  const { level } = t;
  const head = [field("MQTT"), level, flags, u16(0), level === 5 ? [0] : []];
  return packet(TYPE.CONNECT, 0, head, field(t.clientId("m")), rest);
}

const BOTH: readonly Level[] = [4, 5];

const FLAGS: Record<string, CaseInit<Trial>> = Object.fromEntries(
  Object.entries(MALFORMED).map(([name, { statements = [], levels = BOTH, does, make }]) => [name, {
    statements: [...statements, ...FORMAT],
    levels,
    does: `Sends a CONNECT ${does}.`,
    requires: levels.includes(5)
      ? "The connection is closed{5|; CONNACK 0x81 may say why}{4|, and no CONNACK comes}."
      : "The connection is closed without a CONNACK.",
    async run(t) {
      await t.malformedConnect(make(t));
    },
  }]),
);

/** Names that are not the one of MQTT, with the version of the level. */
const WRONG_NAMES: readonly string[] = ["mqtt", "MQTTT", "MQT", "", "MQIsdp"];
/** Versions that no standard has. */
const WRONG_VERSIONS: readonly number[] = [0, 1, 2, 6, 0x7f];

/** Cases of §3.1 about the packet itself. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("3.1", {
    "first-packet-is-another": {
      statements: ["MQTT-3.1.0-1", "MQTT311-3.1.0-1"],
      levels: [4, 5],
      does: "Begins connections with PINGREQ, SUBSCRIBE and PUBLISH in place of CONNECT.",
      requires: "They are closed without an answer to that packet, and nobody receives the message.",
      async run(t) {
        const subscriber = await t.connect();
        await t.subscribe(subscriber, t.topic(), 0);
        const all = [
          pingreq(),
          subscribe(t.level, t.id(), [[t.topic(), 0]]),
          t.publish({ topic: t.topic() }),
        ];
        for (const data of all) {
          const peer = await t.open();
          peer.send(data);
          const answers = await peer.rest("for its first packet is not CONNECT");
          const wrong = answers.find(({ type }) => type !== TYPE.DISCONNECT && type !== TYPE.CONNACK);
          check(wrong === undefined, `Packet type ${wrong?.type} came as an answer`);
        }
        await subscriber.expectNoPublish("for it came before CONNECT");
      },
    },
    "first-packet-begun": {
      statements: ["MQTT-3.1.0-1", "MQTT311-3.1.0-1"],
      levels: [4, 5],
      does: "Begins a connection with a line of HTTP, by the standard the beginning of a longer PUBACK.",
      requires:
        "It should be closed at once, without CONNACK 0; a Server that waits for the rest is lenient.",
      async run(t) {
        const peer = await t.open();
        peer.send(bytes("GET / HTTP/1.1\r\n"));
        await peer.shouldRefuse([], "for its first packet is not CONNECT");
      },
    },
    "second-connect": {
      statements: ["MQTT-3.1.0-2", "MQTT311-3.1.0-2"],
      levels: [4, 5],
      does: "Sends the same CONNECT a second time on one connection.",
      requires: "The connection is closed{5|; DISCONNECT 0x82 may say why}.",
      async run(t) {
        const clientId = t.clientId("twice");
        const peer = await t.connect({ clientId });
        peer.send(t.connectBytes({ clientId }));
        await peer.refused([0x82]);
      },
    },
  }),
  ...serverCases("3.1.2", {
    "protocol-name": {
      statements: ["MQTT-3.1.2-1", "MQTT311-3.1.2-1"],
      levels: [4, 5],
      does:
        "Sends CONNECT packets whose Protocol Name is not MQTT: another case, longer, shorter, empty, of MQTT 3.1.",
      requires: "Each connection is closed; a CONNACK may say why.",
      async run(t) {
        for (const name of WRONG_NAMES) {
          if (name === "MQIsdp" && t.level === 4) continue; // a Server may go on by MQTT 3.1 then
          const peer = await t.open();
          peer.send(t.connectBytes({ protocolName: field(name) }));
          await peer.refused([], `for the Protocol Name is ${JSON.stringify(name)}`);
        }
      },
    },
    "protocol-version": {
      statements: ["MQTT-3.1.2-2", "MQTT311-3.1.2-2"],
      levels: [4, 5],
      does: "Sends CONNECT packets of versions that do not exist, in the layout of the level.",
      requires:
        "Each connection is closed. A Server of MQTT 3.1.1 alone answers with CONNACK 0x01 first; one of 5.0 may answer or not.",
      async run(t) {
        const speaks5 = t.level === 5 || await accepts5(t);
        for (const version of speaks5 ? WRONG_VERSIONS : [...WRONG_VERSIONS, 5]) {
          const peer = await t.open();
          peer.send(t.connectBytes({ version }));
          const ending = await peer.refused([], `for there is no version ${version}`);
          if (!speaks5) check(ending === "code", `CONNACK 0x01 was to be sent for version ${version}`);
        }
      },
    },
    ...FLAGS,
    "password-alone": {
      statements: ["MQTT-3.1.4-5"],
      levels: [5],
      does: "Sends a CONNECT with a Password and no User Name, which MQTT 5.0 allows.",
      requires: "It is not called malformed: it is accepted, unless the password is not.",
      async run(t) {
        const peer = await t.open();
        peer.send(withFlags(t, 0x42, field("password")));
        const connack = await peer.next();
        const code = connack?.type === TYPE.CONNACK ? connack.code ?? 0 : undefined;
        if (code === 0x86 || code === 0x87) {
          throw new Finding("inconclusive", `It was refused with ${hexCode(code)}, which is its right`);
        }
        if (code !== 0) {
          fail(`CONNACK 0x00 was expected; ${code === undefined ? "none came" : `${hexCode(code)} came`}`);
        }
      },
    },
  }),
  ...serverCases("3.1.3", {
    "will-topic-is-empty": {
      statements: ["3.1.3.3/empty"],
      levels: [4, 5],
      does: "Sends a CONNECT whose Will Topic has no characters.",
      requires: "The connection is closed; a CONNACK may say why.",
      async run(t) {
        const peer = await t.open();
        peer.send(t.connectBytes({ will: { topic: "" } }));
        await peer.refused(t.level === 5 ? [0x81, 0x82, 0x90] : []);
      },
    },
    "will-topic-has-wildcards": {
      statements: ["3.1.3.3/wildcard"],
      levels: [4, 5],
      does:
        "Sends CONNECT packets whose Will Topic has a wildcard, and resets the connection if it is accepted.",
      requires: "The connection should be closed at once; in any case no message with such a topic is sent.",
      async run(t) {
        for (const topic of [t.topic("+/will"), t.topic("will/#")]) {
          const subscriber = await t.connect();
          await t.subscribe(subscriber, t.topic("#"), 0);
          const clientId = t.clientId("will");
          const peer = await t.open();
          peer.send(t.connectBytes({ clientId, will: { topic } }));
          const first = await peer.next();
          if (first?.type !== TYPE.CONNACK || first.code !== 0) {
            if (first === undefined) fail("Neither CONNACK nor the end of the connection came");
            continue;
          }
          peer.abort();
          await t.connect({ clientId }); // now the first one is over
          await subscriber.expectNoPublish("for there is no such topic");
          throw new Finding("lenient", `The Will Topic ${JSON.stringify(topic)} is accepted`);
        }
      },
    },
  }),
];

/** Whether the target takes a CONNECT of 5.0. */
async function accepts5(t: Trial): Promise<boolean> {
  const peer = await t.open("version 5");
  const { username, password } = t.profile;
  const credentials = { ...(username && { username }), ...(password && { password }) };
  peer.send(connect({ level: 5, clientId: t.clientId("five"), ...credentials }));
  const connack = await peer.next();
  peer.abort();
  return connack?.type === TYPE.CONNACK && connack.code === 0;
}
