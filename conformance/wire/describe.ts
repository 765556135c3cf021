/**
 * A packet in one line of words, for transcripts and messages.
 * Knows names; refuses to judge.
 * @module
 */
import { reasonName } from "../../src/codec/reason_code.ts";
import { type Level, TYPE } from "./bytes.ts";
import { packetSize, parse, type Seen, type SeenProperty } from "./parse.ts";

/** The property names of §2.2.2.2. */
const PROPERTY_NAMES: Readonly<Record<number, string>> = {
  0x01: "Payload Format Indicator",
  0x02: "Message Expiry Interval",
  0x03: "Content Type",
  0x08: "Response Topic",
  0x09: "Correlation Data",
  0x0b: "Subscription Identifier",
  0x11: "Session Expiry Interval",
  0x12: "Assigned Client Identifier",
  0x13: "Server Keep Alive",
  0x15: "Authentication Method",
  0x16: "Authentication Data",
  0x17: "Request Problem Information",
  0x18: "Will Delay Interval",
  0x19: "Request Response Information",
  0x1a: "Response Information",
  0x1c: "Server Reference",
  0x1f: "Reason String",
  0x21: "Receive Maximum",
  0x22: "Topic Alias Maximum",
  0x23: "Topic Alias",
  0x24: "Maximum QoS",
  0x25: "Retain Available",
  0x26: "User Property",
  0x27: "Maximum Packet Size",
  0x28: "Wildcard Subscription Available",
  0x29: "Subscription Identifier Available",
  0x2a: "Shared Subscription Available",
};

/** Characters of a text or payload that are shown. */
const SHOWN = 48;

/** `PUBLISH topic "a/b" QoS 1 id 1 payload 3 bytes "abc"`; bytes that are no packet are called so. */
export function describe(raw: Uint8Array, level: Level): string {
  if (raw.length === 0) return "nothing";
  if (packetSize(raw) !== raw.length) return `${raw.length} bytes that are no whole packet`;
  const seen = parse(raw, level);
  const name = Object.entries(TYPE).find(([, type]) => type === seen.type)?.[0] ?? `type ${seen.type}`;
  const faults = seen.faults.length === 0 ? "" : ` (malformed: ${seen.faults.join(", ")})`;
  return [name, ...details(seen, level), ...seen.properties.map(property)].join(" ") + faults;
}

function details(seen: Seen, level: Level): string[] {
  const out: string[] = [];
  const { connect } = seen;
  if (connect !== undefined) {
    out.push(`level ${connect.version}`, `flags 0x${connect.flags.toString(16).padStart(2, "0")}`);
    out.push(`keep alive ${connect.keepAlive} s`, `client ${quote(connect.clientId)}`);
    if (connect.willTopic !== undefined) out.push(`will ${quote(connect.willTopic)}`);
    if (connect.username !== undefined) out.push(`user ${quote(connect.username)}`);
    if (connect.password !== undefined) out.push("with a password");
  }
  if (seen.sessionPresent !== undefined) out.push(`session present ${seen.sessionPresent ? 1 : 0}`);
  if (seen.topic !== undefined) out.push(`topic ${quote(seen.topic)}`);
  if (seen.qos !== undefined) out.push(`QoS ${seen.qos}`);
  if (seen.dup === true) out.push("DUP");
  if (seen.retain === true) out.push("RETAIN");
  if (seen.id !== undefined) out.push(`id ${seen.id}`);
  if (seen.code !== undefined) out.push(code(seen.type, seen.code, level));
  if (seen.codes !== undefined) {
    out.push(`codes ${seen.codes.map((one) => code(seen.type, one, level)).join(", ")}`);
  }
  for (const { filter, options } of seen.filters ?? []) {
    out.push(
      `${quote(filter)}${options === undefined ? "" : ` options 0x${options.toString(16).padStart(2, "0")}`}`,
    );
  }
  if (seen.payload !== undefined) out.push(`payload ${payload(seen.payload)}`);
  return out;
}

function code(type: number, value: number, level: Level): string {
  const number = `0x${value.toString(16).toUpperCase().padStart(2, "0")}`;
  return level === 5 ? `${number} ${reasonName(type as Parameters<typeof reasonName>[0], value)}` : number;
}

function property({ id, value }: SeenProperty): string {
  const shown = Array.isArray(value)
    ? value.map((text) => quote(String(text))).join("=")
    : quoteIfText(value as string | number);
  return `[${PROPERTY_NAMES[id] ?? id}: ${shown}]`;
}

function quoteIfText(value: string | number): string {
  return typeof value === "string" ? quote(value) : String(value);
}

function quote(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}

function payload(data: Uint8Array): string {
  const text = new TextDecoder().decode(data.subarray(0, SHOWN));
  // deno-lint-ignore no-control-regex
  const printable = !/[\u0000-\u001f\ufffd]/.test(text);
  return `${data.length} bytes${printable && data.length > 0 ? ` ${quote(text)}` : ""}`;
}
