/**
 * §4.12, RFC 5802, RFC 7677 SCRAM as enhanced authentication: the Client proves that it knows its password, and the Server that it
 * knows the Client. What is kept is no password, and what is sent neither.
 * Knows the exchange; refuses to know where keys are kept.
 *
 * A user that is not there has a salt too, always the same one, and is refused where a wrong password is.
 * @module
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { AuthenticationRequest, Verdict } from "../broker/mod.ts";
import { HASHES } from "./hash.ts";
import { ACCEPTED, CONTINUE, type LinkAnswer, type LoginLink } from "./link.ts";
import type { Users } from "./password.ts";
import { saslprep } from "./saslprep.ts";
import {
  type ClientFirst,
  readClientFinal,
  readClientFirst,
  serverFinal,
  serverFirst,
} from "./scram_message.ts";
import {
  DIGEST_BYTES,
  type Mechanism,
  MECHANISMS,
  SALT_BYTES,
  SCRAM_ROUNDS,
  type ScramKeys,
} from "./verifier.ts";

/** Users, and the key of the salts of users that are not there. */
export interface ScramUsers extends Users {
  /** Undefined for one of this process. */
  readonly fakeSaltKey: Uint8Array | undefined;
}

/** The state between the two messages of a Client. */
interface Challenged {
  readonly first: ClientFirst;
  readonly challenge: string;
  readonly nonce: string;
  readonly keys: ScramKeys;
}

const NONCE_BYTES = 18;

/** Lets in the users of a file that have a line for SCRAM: `plumb passwd --scram`. */
export function scramLink(file: ScramUsers): LoginLink {
  const fakes = new Fakes(file);
  const ask = (request: AuthenticationRequest): LinkAnswer => {
    const { method, kind, data, state } = request;
    if (!isMechanism(method)) return undefined;
    if (kind === "continue" && state !== undefined) return prove(file, method, state as Challenged, data);
    if (kind !== "continue" && (data === undefined || data.length === 0)) {
      return { code: CONTINUE, authenticationData: new Uint8Array() };
    }
    const first = readClientFirst(data);
    if (first === undefined) return "the Client's first message is none of SCRAM without channel binding";
    const fake = fakes.of(method, userOf(first)); // made for each, so that both take the same work
    return challenge(first, file.users.get(userOf(first))?.scram.get(method) ?? fake);
  };
  const nameOf = ({ state, data }: AuthenticationRequest): string | undefined => {
    const first = (state as Challenged | undefined)?.first ?? readClientFirst(data);
    return first && userOf(first);
  };
  return { name: "scram", methods: MECHANISMS, ask, atOnce: ask, userOf: nameOf };
}

function isMechanism(method: string | undefined): method is Mechanism {
  return (MECHANISMS as readonly (string | undefined)[]).includes(method);
}

function challenge(first: ClientFirst, keys: ScramKeys): Verdict {
  const nonce = first.nonce + randomBytes(NONCE_BYTES).toString("base64");
  const text = serverFirst(nonce, keys.salt, keys.rounds);
  const state: Challenged = { first, challenge: text, nonce, keys };
  return { code: CONTINUE, authenticationData: bytesOf(text), state };
}

function prove(
  file: ScramUsers,
  mechanism: Mechanism,
  { first, challenge, nonce, keys }: Challenged,
  data: Uint8Array | undefined,
): LinkAnswer {
  const final = readClientFinal(data);
  if (final === undefined || final.proof.length !== keys.storedKey.length) {
    return "the Client's last message is none of SCRAM";
  }
  if (final.nonce !== nonce || final.header !== first.header) return "the messages do not belong together";
  const hash = HASHES[mechanism];
  const signed = `${first.bare},${challenge},${final.withoutProof}`;
  const signature = createHmac(hash, keys.storedKey).update(signed).digest();
  const clientKey = signature.map((byte, index) => byte ^ final.proof[index]!);
  const isRight = timingSafeEqual(createHash(hash).update(clientKey).digest(), keys.storedKey);
  const isTheirs = file.users.get(userOf(first))?.scram.get(mechanism) === keys;
  if (!isRight || !isTheirs) return "unknown user, or wrong password";
  const proof = createHmac(hash, keys.serverKey).update(signed).digest();
  return { code: ACCEPTED, username: userOf(first), authenticationData: bytesOf(serverFinal(proof)) };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function userOf({ username }: ClientFirst): string {
  return saslprep(username) ?? username;
}

/** Keys of users that are not there, which no password fits. A name has always the same salt, and rounds as a user that is there. */
class Fakes {
  readonly #file: ScramUsers;
  readonly #ownKey = randomBytes(32);
  #of: ScramUsers["users"] | undefined;
  #known: ReadonlyMap<Mechanism, readonly ScramKeys[]> = new Map();

  constructor(file: ScramUsers) {
    this.#file = file;
  }

  of(mechanism: Mechanism, username: string): ScramKeys {
    const { users, fakeSaltKey = this.#ownKey } = this.#file;
    if (this.#of !== users) {
      this.#of = users;
      const all = [...users.values()];
      this.#known = new Map(MECHANISMS.map((one) => [one, all.flatMap(({ scram }) => scram.get(one) ?? [])]));
    }
    const known = this.#known.get(mechanism)!;
    const hash = createHmac("sha512", fakeSaltKey).update(`${mechanism}:${username}`).digest();
    const like = known[hash.readUInt32BE() % (known.length || 1)];
    const bytes = DIGEST_BYTES[mechanism];
    const unknown = new Uint8Array(randomBytes(2 * bytes));
    return {
      mechanism,
      rounds: like?.rounds ?? SCRAM_ROUNDS,
      salt: new Uint8Array(hash.subarray(4, 4 + (like?.salt.length ?? SALT_BYTES))),
      storedKey: unknown.subarray(0, bytes),
      serverKey: unknown.subarray(bytes),
    };
  }
}
