/** §2.4 Reason Codes: the table in the code against the table of the standard. @module */
import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { PacketType } from "./packet_type.ts";
import { isReasonAllowed, isReasonAllowedFrom, ReasonCode, reasonName } from "./reason_code.ts";

interface Row {
  readonly code: number;
  readonly name: string;
  readonly packets: readonly string[];
  readonly sentBy: readonly string[];
  readonly disputed: readonly string[];
}

const ROWS: readonly Row[] = readFileSync(
  new URL("../../spec/mqtt-5.0-reason-codes.tsv", import.meta.url),
  "utf8",
)
  .trimEnd().split("\n").slice(1).map((line) => {
    const [hex, name, packets, , sentBy, disputed] = line.split("\t");
    return {
      code: Number(hex),
      name: name!,
      packets: packets!.split(","),
      sentBy: sentBy!.split(","),
      disputed: disputed ? disputed.split(",") : [],
    };
  });

/** `role` may send `code` in `packet`, by the standard's tables. */
function listed(role: string, packet: string, code: number): boolean {
  return ROWS.some((row) => {
    const at = row.packets.indexOf(packet);
    return row.code === code && at >= 0 && (row.sentBy[at] === role || row.sentBy[at] === "both");
  });
}

describe("Reason Codes", () => {
  test("names are those of the standard, in each packet", () => {
    for (const { code, name, packets } of ROWS) {
      for (const packet of packets) {
        assertEquals(reasonName(PacketType[packet as keyof typeof PacketType], code), name);
      }
    }
    assertEquals(reasonName(PacketType.PUBACK, 0x7f), "Unknown 0x7F");
    assertEquals(reasonName(PacketType.PUBACK, 300), "Unknown 0x12C");
  });

  test("[2.4/reason-code] each side may send what the standard's tables list, and what they dispute", () => {
    for (const [packet, type] of Object.entries(PacketType)) {
      for (let code = 0; code < 256; code++) {
        const disputedFromServer = code === 0x8c && packet === "DISCONNECT";
        const disputedFromClient = code === 0x9b && packet === "DISCONNECT";
        const server = listed("server", packet, code) || disputedFromServer;
        const client = listed("client", packet, code) || disputedFromClient;
        const what = `${packet} 0x${code.toString(16)}`;
        assertEquals(isReasonAllowedFrom("server", type, code), server, what);
        assertEquals(isReasonAllowedFrom("client", type, code), client, what);
        assertEquals(isReasonAllowed(type, code), server || client, what);
      }
    }
    assertEquals(ROWS.filter((row) => row.disputed.length > 0).map((row) => row.code), [0x8c]);
  });

  test("ReasonCode has each name of the standard", () => {
    const plain = (name: string): string => name.replaceAll(/[ -]/g, "").toLowerCase();
    const named = Object.entries(ReasonCode).map(([name, code]) => `${plain(name)} ${code}`);
    assertEquals(new Set(named), new Set(ROWS.map((row) => `${plain(row.name)} ${row.code}`)));
  });

  test("numbers that are no byte are no Reason Code", () => {
    for (const code of [-1, 256, 1.5, NaN]) assertEquals(isReasonAllowed(PacketType.CONNACK, code), false);
  });
});
