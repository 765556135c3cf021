/**
 * Breaks of §3.1 in the packet itself.
 * @module
 */
import { TYPE } from "../wire/bytes.ts";
import { afterLength } from "./changed_connack.ts";
import type { Mutant, SourceMutant } from "./mutant.ts";
import { unseenMalformed } from "./dropped_packet.ts";

const CONNECT = "src/codec/connect.ts";
const CONNECTION = "src/broker/connection.ts";
const TRAILING = "reader.end(); // [MQTT-3.1.2-16] [MQTT-3.1.2-18]";
const WILL_TOPIC = "const topic = reader.utf8(); // [MQTT-3.1.3-11]";

function codec(name: string, find: string, replace = ""): SourceMutant {
  return { kills: name.includes("/") ? name : `3.1.2/${name}`, file: CONNECT, find, replace };
}

/** A field that the flags announce may be missing. */
function missing(name: string, rule: string): SourceMutant {
  return codec(
    name,
    "if (level === 3) return false;",
    `if (level === 3 || rule === "${rule}") return false;`,
  );
}

/** For the cases of `cases/3_1_connect_format.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.1/first-packet-is-another",
    file: CONNECTION,
    find: "if (first >> 4 !== PacketType.CONNECT) throw notConnect(bytes, at, end);",
    replace: "if (first >> 4 !== PacketType.CONNECT) return;",
  },
  {
    kills: "3.1/first-packet-begun",
    file: "src/broker/beginning.ts",
    find: "if (type !== PacketType.CONNECT) throw notConnect(bytes, at, until);",
    replace: "if (type !== PacketType.CONNECT) return;",
  },
  {
    kills: "3.1/second-connect",
    file: CONNECTION,
    find: 'throw protocolError("MQTT-3.1.0-2", "A second CONNECT");',
    replace: "return true;",
  },
  codec("protocol-name", 'if (name === "MQTT") {', 'if (name.toUpperCase() === "MQTT") {'),
  {
    ...codec(
      "protocol-version",
      "if (version === 5) return 5;",
      "if (version === 5 || version === 0) return 5;",
    ),
    levels: [5],
  },
  {
    ...codec(
      "protocol-version",
      "if ((version & ~BRIDGE) === 4) return 4;",
      "if ((version & ~BRIDGE) === 4 || version === 0) return 4;",
    ),
    levels: [4],
  },
  codec(
    "reserved-flag",
    'if ((flags & RESERVED) !== 0) throw malformed("MQTT-3.1.2-3");',
  ),
  {
    kills: "3.1.2/will-qos-3",
    toBroker(raw) {
      const flags = afterLength(raw) + 7;
      if (raw[0] !== TYPE.CONNECT << 4 || (raw[flags]! & 0x18) !== 0x18) return [raw];
      const changed = raw.slice();
      changed[flags]! &= ~0x08;
      return [changed];
    },
  },
  codec(
    "will-qos-without-will",
    'if ((flags & WILL_QOS) !== 0) throw malformed("MQTT-3.1.2-11");',
  ),
  codec(
    "will-retain-without-will",
    'if ((flags & WILL_RETAIN) !== 0) throw malformed("MQTT-3.1.2-13");',
  ),
  codec(
    "will-is-missing",
    "if ((flags & WILL_FLAG) !== 0) packet.will",
    "if ((flags & WILL_FLAG) !== 0 && reader.left > 0) packet.will",
  ),
  codec("will-is-not-announced", TRAILING),
  codec(
    "will-payload-is-missing",
    "payload: reader.binary(),",
    "payload: reader.left === 0 ? new Uint8Array(0) : reader.binary(),",
  ),
  missing("user-name-is-missing", "MQTT-3.1.2-17"),
  codec("user-name-is-not-announced", TRAILING),
  missing("password-is-missing", "MQTT-3.1.2-19"),
  codec("password-is-not-announced", TRAILING),
  codec("password-without-user-name", "if (level === 4) checkPasswordFlag(flags);"),
  codec(
    "client-id-is-missing",
    'if (reader.left === 0) throw malformed("MQTT-3.1.3-3");',
    "if (reader.left === 0) return;",
  ),
  unseenMalformed("3.1.2/keep-alive-is-missing", TYPE.CONNECT),
  codec("password-alone", "if (level === 4) checkPasswordFlag(flags);", "checkPasswordFlag(flags);"),
  codec("3.1.3/will-topic-is-empty", WILL_TOPIC, 'const topic = reader.utf8() || "x";'),
  codec("3.1.3/will-topic-has-wildcards", WILL_TOPIC, 'const topic = reader.utf8().replace(/[+#]/g, "x");'),
];
