/**
 * RFC 5802, section 7 The messages of SCRAM, without channel binding.
 * Knows their form; refuses to know keys.
 * @module
 */
import { Buffer } from "node:buffer";

/** The first message of a Client. */
export interface ClientFirst {
  readonly username: string;
  readonly nonce: string;
  /** `n,,` or `y,,`, with an authorization identity perhaps. */
  readonly header: string;
  /** The message without the header. */
  readonly bare: string;
}

/** The last message of a Client. */
export interface ClientFinal {
  /** The header, as it was sent before. */
  readonly header: string;
  readonly nonce: string;
  readonly proof: Uint8Array;
  /** The message without the proof. */
  readonly withoutProof: string;
}

const TEXT_BYTES_MAX = 4_096;

/** Reads bytes as a text; undefined if they are none. */
function textOf(data: Uint8Array | undefined): string | undefined {
  if (data === undefined || data.length > TEXT_BYTES_MAX) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    return undefined;
  }
}

/** Reads the first message; undefined if it is none, needs channel binding or an extension, or asks to act for another user. */
export function readClientFirst(data: Uint8Array | undefined): ClientFirst | undefined {
  const match = /^([ny],(?:a=([^,]+))?,)(n=([^,]+),r=([!-+\--~]+)(?:,[a-zA-Z]=[^,]+)*)$/.exec(
    textOf(data) ?? "",
  );
  if (match === null) return undefined;
  const [, header, authorized, bare, name, nonce] = match as unknown as [
    string,
    string,
    string?,
    string?,
    string?,
    string?,
  ];
  const username = decodeName(name!);
  if (username === undefined || (authorized !== undefined && decodeName(authorized) !== username)) {
    return undefined;
  }
  return { username, nonce: nonce!, header: header!, bare: bare! };
}

/** Reads the last message; undefined if it is none. */
export function readClientFinal(data: Uint8Array | undefined): ClientFinal | undefined {
  const match = /^(c=([A-Za-z0-9+/]+={0,2}),r=([!-+\--~]+)(?:,[a-zA-Z]=[^,]+)*),p=([A-Za-z0-9+/]+={0,2})$/
    .exec(textOf(data) ?? "");
  if (match === null) return undefined;
  const [, withoutProof, channel, nonce, proof] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
  ];
  return {
    header: Buffer.from(channel, "base64").toString("utf8"),
    nonce,
    proof: new Uint8Array(Buffer.from(proof, "base64")),
    withoutProof,
  };
}

/** The first message of a Server. */
export function serverFirst(nonce: string, salt: Uint8Array, rounds: number): string {
  return `r=${nonce},s=${Buffer.from(salt).toString("base64")},i=${rounds}`;
}

/** The last message of a Server. */
export function serverFinal(signature: Uint8Array): string {
  return `v=${Buffer.from(signature).toString("base64")}`;
}

function decodeName(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text) || text.includes("\0")) return undefined;
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
