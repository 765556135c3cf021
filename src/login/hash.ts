/**
 * Hashes of passwords. They take long on purpose: worker.ts calls them, and no thread that serves Clients.
 * Knows the computations; refuses to know users.
 * @module
 */
import * as crypto from "node:crypto";
import type { Argon2id, Mechanism, ScramKeys, Verifier } from "./verifier.ts";

/** What a thread is asked. */
export type HashJob =
  | { readonly verify: Verifier }
  | { readonly argon2id: Omit<Argon2id, "digest"> }
  | { readonly scram: Pick<ScramKeys, "mechanism" | "rounds" | "salt"> };

/** The answer to `verify`, to `argon2id`, and to `scram`. */
export type HashAnswer = boolean | Uint8Array | Pick<ScramKeys, "storedKey" | "serverKey">;

/** Bytes of the digests that we make. */
const TAG_BYTES = 32;

/** Does one job. */
export async function doHashJob(job: HashJob, password: Uint8Array): Promise<HashAnswer> {
  if ("argon2id" in job) return await argon2id(password, job.argon2id, TAG_BYTES);
  if ("scram" in job) return scramKeysOf(password, job.scram);
  const { digest } = job.verify;
  return crypto.timingSafeEqual(await digestOf(password, job.verify), digest);
}

async function digestOf(password: Uint8Array, one: Verifier): Promise<Uint8Array> {
  switch (one.scheme) {
    case "argon2id":
      return await argon2id(password, one, one.digest.length);
    case "sha512":
      return crypto.createHash("sha512").update(password).update(one.salt).digest();
    case "pbkdf2-sha512":
      return crypto.pbkdf2Sync(password, one.salt, one.rounds, one.digest.length, "sha512");
  }
}

/** RFC 5802, section 3. */
function scramKeysOf(
  password: Uint8Array,
  { mechanism, rounds, salt }: Pick<ScramKeys, "mechanism" | "rounds" | "salt">,
): Pick<ScramKeys, "storedKey" | "serverKey"> {
  const hash = HASHES[mechanism];
  const length = hash === "sha512" ? 64 : 32;
  const salted = crypto.pbkdf2Sync(password, salt, rounds, length, hash);
  const key = (what: string) => crypto.createHmac(hash, salted).update(what).digest();
  const storedKey = crypto.createHash(hash).update(key("Client Key")).digest();
  return { storedKey: new Uint8Array(storedKey), serverKey: new Uint8Array(key("Server Key")) };
}

/** The hash of each mechanism. */
export const HASHES: Readonly<Record<Mechanism, "sha256" | "sha512">> = {
  "SCRAM-SHA-512": "sha512",
  "SCRAM-SHA-256": "sha256",
};

type Cost = Omit<Argon2id, "scheme" | "digest">;

/** `node:crypto` has it on Bun, and on Node from 24.7 on; Web Crypto on Deno. */
interface Argon2Sync {
  argon2Sync?(algorithm: "argon2id", parameters: {
    message: Uint8Array;
    nonce: Uint8Array;
    parallelism: number;
    memory: number;
    passes: number;
    tagLength: number;
  }): Uint8Array;
}

async function argon2id(password: Uint8Array, cost: Cost, bytes: number): Promise<Uint8Array> {
  const { memoryKib: memory, passes, lanes: parallelism, salt: nonce } = cost;
  const { argon2Sync } = crypto as Argon2Sync;
  if (argon2Sync !== undefined) {
    const parameters = { message: password, nonce, parallelism, memory, passes, tagLength: bytes };
    return new Uint8Array(argon2Sync("argon2id", parameters));
  }
  const { subtle } = globalThis.crypto;
  const algorithm = { name: "Argon2id", nonce, parallelism, memory, passes };
  const key = await subtle.importKey("raw-secret" as "raw", password.slice(), "Argon2id", false, [
    "deriveBits",
  ]);
  return new Uint8Array(await subtle.deriveBits(algorithm as { name: string }, key, bytes * 8));
}
