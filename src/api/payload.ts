/**
 * Payloads in JSON.
 * Knows base64 and UTF-8; refuses to know topics.
 * @module
 */
import { Buffer } from "node:buffer";

/** As base64 and, if it is UTF-8, as a text. */
export function shownPayload(payload: Uint8Array): { payloadBase64: string; text: string | null } {
  const payloadBase64 = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("base64");
  try {
    return {
      payloadBase64,
      text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload),
    };
  } catch {
    return { payloadBase64, text: null };
  }
}
