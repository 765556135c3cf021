/**
 * §3.1.3.6 What is kept of a password: argon2id in the PHC form, mosquitto's `$6$` and `$7$`, and keys for SCRAM (RFC 5802, RFC 5803).
 * Knows the texts; refuses to know how they are computed.
 * @module
 */
import { Buffer } from "node:buffer";

/** What a password is held against. */
export type Verifier = Argon2id | Sha512 | Pbkdf2;

/** `$argon2id$v=19$m=19456,t=2,p=1$SALT$DIGEST` */
export interface Argon2id {
  /** Which form it is. */
  readonly scheme: "argon2id";
  /** KiB. */
  readonly memoryKib: number;
  /** Passes over the memory. */
  readonly passes: number;
  /** Degree of parallelism. */
  readonly lanes: number;
  /** Random bytes. */
  readonly salt: Uint8Array;
  /** What the password makes of the salt. */
  readonly digest: Uint8Array;
}

/** mosquitto's `$6$SALT$DIGEST`: SHA-512 of password and salt. */
export interface Sha512 {
  /** Which form it is. */
  readonly scheme: "sha512";
  /** Random bytes. */
  readonly salt: Uint8Array;
  /** What the password makes of the salt. */
  readonly digest: Uint8Array;
}

/** mosquitto's `$7$ROUNDS$SALT$DIGEST`: PBKDF2 with SHA-512. */
export interface Pbkdf2 {
  /** Which form it is. */
  readonly scheme: "pbkdf2-sha512";
  /** Rounds of PBKDF2. */
  readonly rounds: number;
  /** Random bytes. */
  readonly salt: Uint8Array;
  /** What the password makes of the salt. */
  readonly digest: Uint8Array;
}

/** The SCRAM mechanisms, the better one first. */
export const MECHANISMS = ["SCRAM-SHA-512", "SCRAM-SHA-256"] as const;
/** One of them. */
export type Mechanism = typeof MECHANISMS[number];

/** What is kept for SCRAM: `SCRAM-SHA-256$ROUNDS:SALT$STORED_KEY:SERVER_KEY`. */
export interface ScramKeys {
  /** §4.12 the Authentication Method. */
  readonly mechanism: Mechanism;
  /** Rounds of PBKDF2. */
  readonly rounds: number;
  /** Random bytes. */
  readonly salt: Uint8Array;
  /** RFC 5802, section 3: what the proof of a Client is held against. */
  readonly storedKey: Uint8Array;
  /** RFC 5802, section 3: what the Server proves itself with. */
  readonly serverKey: Uint8Array;
}

/** Bytes of a digest. */
export const DIGEST_BYTES: Readonly<Record<Mechanism, number>> = { "SCRAM-SHA-512": 64, "SCRAM-SHA-256": 32 };

/** What `plumb passwd` makes: 19 MiB, two passes. */
export const ARGON2ID = { memoryKib: 19_456, passes: 2, lanes: 1 } as const;
/** Bytes of the salts that `plumb passwd` makes. */
export const SALT_BYTES = 16;
/** Rounds of PBKDF2 for SCRAM. */
export const SCRAM_ROUNDS = 50_000;

/** A text that is none of these: its message says what would be right. */
export class VerifierError extends Error {
  override readonly name = "VerifierError";
}

/** Above it a file could stop the broker for minutes. */
const MEMORY_KIB_MAX = 1024 * 1024;
const PASSES_MAX = 64;
const LANES_MAX = 16;
const ROUNDS_MAX = 10_000_000;

/**
 * Reads one.
 * @throws {VerifierError}
 */
export function parseVerifier(text: string): Verifier | ScramKeys {
  if (text.startsWith("$argon2id$")) return argon2id(text);
  if (text.startsWith("$6$")) {
    const [, , salt, digest, more] = text.split("$");
    return {
      scheme: "sha512",
      salt: base64("salt", salt, 1, 64),
      digest: base64("digest", digest, 64, 64, more),
    };
  }
  if (text.startsWith("$7$")) {
    const [, , rounds, salt, digest, more] = text.split("$");
    return {
      scheme: "pbkdf2-sha512",
      rounds: count("rounds", rounds, 1, ROUNDS_MAX),
      salt: base64("salt", salt, 1, 256),
      digest: base64("digest", digest, 64, 64, more),
    };
  }
  const mechanism = MECHANISMS.find((one) => text.startsWith(`${one}$`));
  if (mechanism !== undefined) return scram(mechanism, text.slice(mechanism.length + 1));
  throw new VerifierError("not $argon2id$, $6$, $7$ or SCRAM-SHA-256$; plumb passwd writes such a line");
}

function argon2id(text: string): Argon2id {
  const [, , version, cost, salt, digest, more] = text.split("$");
  if (version !== "v=19") throw new VerifierError("argon2id of another version than v=19");
  const [, memory, passes, lanes] = /^m=(\d+),t=(\d+),p=(\d+)$/.exec(cost ?? "") ?? [];
  if (memory === undefined) throw new VerifierError("argon2id without m=…,t=…,p=…");
  const p = count("p", lanes, 1, LANES_MAX);
  return {
    scheme: "argon2id",
    memoryKib: count("m", memory, 8 * p, MEMORY_KIB_MAX),
    passes: count("t", passes, 1, PASSES_MAX),
    lanes: p,
    salt: base64("salt", salt, 8, 64),
    digest: base64("digest", digest, 16, 64, more),
  };
}

function scram(mechanism: Mechanism, text: string): ScramKeys {
  const [cost = "", keys = "", more] = text.split("$");
  const [rounds, salt, ...rest] = cost.split(":");
  const [storedKey, serverKey, ...others] = keys.split(":");
  const bytes = DIGEST_BYTES[mechanism];
  return {
    mechanism,
    rounds: count("rounds", rounds, 4_096, ROUNDS_MAX),
    salt: base64("salt", salt, 8, 64, rest[0]),
    storedKey: base64("stored key", storedKey, bytes, bytes),
    serverKey: base64("server key", serverKey, bytes, bytes, more ?? others[0]),
  };
}

function count(what: string, text: string | undefined, least: number, most: number): number {
  const number = /^[1-9]\d{0,8}$/.test(text ?? "") ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new VerifierError(`${what} is no whole number from ${least} to ${most}`);
}

/** `more` is text behind it, where nothing may stand. */
function base64(what: string, text = "", least: number, most: number, more?: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  const isOurs = withoutPadding(bytes.toString("base64")) === withoutPadding(text);
  if (isOurs && bytes.length >= least && bytes.length <= most && more === undefined) {
    return new Uint8Array(bytes);
  }
  const size = least === most ? `${least}` : `${least} to ${most}`;
  throw new VerifierError(`${what} is not ${size} bytes in base64${more === undefined ? "" : " at the end"}`);
}

function withoutPadding(text: string): string {
  return text.replace(/={0,2}$/, "");
}

function plain(bytes: Uint8Array): string {
  return withoutPadding(padded(bytes));
}

function padded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Writes one, as `parseVerifier` reads it. */
export function formatVerifier(one: Verifier | ScramKeys): string {
  if ("mechanism" in one) {
    const { mechanism, rounds, salt, storedKey, serverKey } = one;
    return `${mechanism}$${rounds}:${padded(salt)}$${padded(storedKey)}:${padded(serverKey)}`;
  }
  switch (one.scheme) {
    case "argon2id": {
      const cost = `m=${one.memoryKib},t=${one.passes},p=${one.lanes}`;
      return `$argon2id$v=19$${cost}$${plain(one.salt)}$${plain(one.digest)}`;
    }
    case "sha512":
      return `$6$${padded(one.salt)}$${padded(one.digest)}`;
    case "pbkdf2-sha512":
      return `$7$${one.rounds}$${padded(one.salt)}$${padded(one.digest)}`;
  }
}
