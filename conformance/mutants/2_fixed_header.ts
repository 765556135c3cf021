/**
 * Breaks of §2.1.
 * @module
 */
import { TYPE } from "../wire/bytes.ts";
import type { Mutant, SourceMutant } from "./mutant.ts";
import { unseenMalformed } from "./dropped_packet.ts";

const CONNECTION = "src/broker/connection.ts";
const ACKNOWLEDGEMENT = "src/codec/acknowledgement.ts";

/** A packet type that no Client may send. */
function passedOver(name: string, type: number): SourceMutant {
  const find = "decode(reader, first, level); // a malformed packet is refused as malformed";
  return {
    kills: `2.1.2/${name}`,
    file: CONNECTION,
    find,
    replace: `if (type === ${type}) return true;\n    ${find}`,
  };
}

/** Flags that are not looked at. */
function flags(name: string, file: string, find: string, replace = ""): SourceMutant {
  return { kills: `2.1.3/flags-of-${name}`, file, find, replace };
}

function acknowledgementFlags(name: "puback" | "pubrec" | "pubcomp"): SourceMutant {
  const find = 'else requireFlags(flags, 0, "MQTT-2.1.3-1");';
  const type = `PacketType.${name.toUpperCase()}`;
  return flags(name, ACKNOWLEDGEMENT, find, find.replace("else", `else if (type !== ${type})`));
}

/** For the cases of `cases/2_fixed_header.ts`. */
export const MUTANTS: readonly Mutant[] = [
  passedOver("type-0", 0),
  {
    kills: "2.1.2/type-0-begun",
    file: "src/codec/first_byte.ts",
    find: 'case 0:\n      throw malformed("2.1.2/reserved-type");',
    replace: "case 0:\n      return;",
  },
  {
    kills: "2.1.2/type-15",
    file: CONNECTION,
    find: "this.#auth(decodeAuth(reader, flags, level));",
    replace: "if (level === 5) this.#auth(decodeAuth(reader, flags, level));",
  },
  passedOver("client-sends-connack", TYPE.CONNACK),
  passedOver("client-sends-suback", TYPE.SUBACK),
  passedOver("client-sends-unsuback", TYPE.UNSUBACK),
  passedOver("client-sends-pingresp", TYPE.PINGRESP),
  flags("connect", "src/codec/connect.ts", 'requireFlags(flags, 0, "MQTT-2.1.3-1");'),
  acknowledgementFlags("puback"),
  acknowledgementFlags("pubrec"),
  acknowledgementFlags("pubcomp"),
  unseenMalformed("2.1.4/subscribe-ends-early", TYPE.SUBSCRIBE),
  unseenMalformed("2.1.4/connect-ends-early", TYPE.CONNECT),
  {
    kills: "2.1.4/bytes-behind-the-end",
    file: "src/codec/ping.ts",
    find: "reader.end();\n  return { type: PacketType.PINGREQ };",
    replace: "return { type: PacketType.PINGREQ };",
  },
];
