/**
 * Payloads as values: bytes, text, JSON.
 * Knows how to get from one to the other; refuses to know topics.
 * @module
 */
import { MqttError } from "../client/error.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";

/** Bytes to values and back. */
export interface PayloadCodec<T> {
  /** The bytes of a value. */
  encode(value: T): Uint8Array;
  /** The value of bytes; throws for bytes that have none. */
  decode(bytes: Uint8Array): T;
  /** §3.3.2.3.9 for messages that name none. */
  readonly contentType?: string;
}

/** https://standardschema.dev: zod, valibot, arktype and others. */
export interface StandardSchema<T> {
  /** The door of the schema. */
  readonly "~standard": {
    readonly version: 1;
    validate(
      value: unknown,
    ): { readonly value: T } | { readonly issues: readonly unknown[] } | Promise<unknown>;
  };
}

/** A payload that does not decode. */
export class PayloadError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "PayloadError";
  /** Always "payload". */
  override readonly kind = "payload";
}

/** As it is. */
export const bytes: PayloadCodec<Uint8Array> = { encode: (value) => value, decode: (value) => value };

/** UTF-8. */
export const text: PayloadCodec<string> = {
  encode: bytesOf,
  decode(bytes) {
    const text = decodeUtf8(bytes, 0, bytes.length);
    if (text === undefined) throw new PayloadError("The payload is no UTF-8");
    return text;
  },
  contentType: "text/plain",
};

/** JSON, checked by a schema if there is one. */
export function json<T>(schema?: StandardSchema<T>): PayloadCodec<T> {
  return {
    encode: (value) => bytesOf(JSON.stringify(value)),
    decode(bytes) {
      let value: unknown;
      try {
        value = JSON.parse(text.decode(bytes));
      } catch (error) {
        throw new PayloadError("The payload is no JSON", error);
      }
      if (schema === undefined) return value as T;
      const result = schema["~standard"].validate(value);
      if (result instanceof Promise) {
        throw new PayloadError("The schema is asynchronous, which a payload cannot wait for");
      }
      if ("issues" in result && result.issues !== undefined) {
        throw new PayloadError("The payload does not match its schema", result.issues);
      }
      return (result as { readonly value: T }).value;
    },
    contentType: "application/json",
  };
}

/** The bytes of a text. @throws {PayloadError} for a lone surrogate, and for what is neither text nor bytes. */
export function bytesOf(payload: string | Uint8Array): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  if (typeof payload !== "string") throw new PayloadError("A payload is text or a Uint8Array");
  const bytes = encodeUtf8(payload);
  if (bytes === undefined) throw new PayloadError("A lone surrogate in a text");
  return bytes;
}
