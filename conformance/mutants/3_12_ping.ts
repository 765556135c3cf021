/**
 * Breaks of §3.12.
 * @module
 */
import type { Mutant } from "./mutant.ts";

/** For the cases of `cases/3_12_ping.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { kills: "3.12/answered", toAuditor: (packet) => packet[0] === 0xd0 ? [] : [packet] },
  {
    kills: "3.12/reserved-flags",
    file: "src/codec/ping.ts",
    find: 'requireFlags(flags, 0, "MQTT-2.1.3-1");\n  reader.end();\n  return { type: PacketType.PINGREQ };',
    replace: "return { type: PacketType.PINGREQ };",
  },
];
