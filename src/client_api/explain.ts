/**
 * Errors of a Client in words.
 * Knows the names of codes, and the words for rules; refuses to know what is done about them. Loaded only where it is imported.
 * @module
 */
import { MqttError, RefusedError, ServerError } from "../client/error.ts";
import { PeerError } from "../codec/error.ts";
import { PacketType } from "../codec/packet_type.ts";
import { reasonName } from "../codec/reason_code.ts";
import { wordsOf } from "../codec/words.ts";

/** §3.2.2.3 of MQTT 3.1.1. */
const RETURN_CODES: readonly string[] = [
  "Accepted",
  "Unacceptable protocol version",
  "Identifier rejected",
  "Server unavailable",
  "Bad user name or password",
  "Not authorized",
];

/** One line: what went wrong, with the names of codes, and what was below it. */
export function explain(error: unknown): string {
  if (!(error instanceof MqttError)) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
  const { cause } = error;
  const below = cause instanceof Error && cause.message !== error.message ? ` (${explain(cause)})` : "";
  if (error instanceof RefusedError) {
    const { packet, reasonCode, reasonString } = error;
    const type = PacketType[packet as keyof typeof PacketType];
    const name = packet === "CONNACK" && reasonCode < 0x80
      ? RETURN_CODES[reasonCode]
      : reasonName(type, reasonCode);
    return `The Server refuses by ${packet}: ${name}${
      reasonString === undefined ? "" : `, ${JSON.stringify(reasonString)}`
    }`;
  }
  if (error instanceof ServerError && cause instanceof PeerError) {
    return `The Server broke the standard: ${error.rule}: ${wordsOf(cause)}`;
  }
  return `${error.message}${below}`;
}
