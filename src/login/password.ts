/**
 * §3.1.3.5, §3.1.3.6 User names and passwords of a file.
 * Knows that a user who is not there and a password that is wrong cost the same, and get the same answer; refuses to know the forms
 * of a verifier.
 *
 * A password is remembered for a time, right or wrong, under a keyed hash: hundreds of devices that come back at once would else keep
 * a core busy for half a minute, and so would one that comes with a wrong one again and again (decision 0025).
 * @module
 */
import { randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import type { AuthenticationRequest } from "../broker/mod.ts";
import type { HashPool } from "./hash_pool.ts";
import { KnownSecrets } from "./known_secrets.ts";
import { ACCEPTED, BUSY, LATER, type LinkAnswer, type LoginLink } from "./link.ts";
import { type NumberRow, numbersOf } from "./options.ts";
import type { User } from "./password_lines.ts";
import { ARGON2ID, type Verifier } from "./verifier.ts";

/** The numbers of the memory of passwords. */
export const PASSWORD_NUMBERS: Readonly<Record<"rememberedMax" | "rememberedMs", NumberRow>> = {
  rememberedMax: {
    default: 10_000,
    least: 0,
    most: 10_000_000,
    unit: "passwords",
    about: "right passwords that are remembered, and as many wrong ones; 0 is none",
  },
  rememberedMs: {
    default: 3_600_000,
    least: 0,
    most: 86_400_000,
    unit: "ms",
    about: "how long a password is remembered; 0 is never",
  },
};

/** How passwords are checked. */
export type PasswordOptions = Partial<Readonly<Record<keyof typeof PASSWORD_NUMBERS, number>>>;

/** The users of a file, or others. */
export interface Users {
  /** By name. */
  readonly users: ReadonlyMap<string, User>;
}

/** Accepts a right password; else passes on, so that the next link sees no difference between a wrong one and an unknown user. */
export function passwordLink(file: Users, pool: HashPool, options: PasswordOptions = {}): LoginLink {
  const { rememberedMax, rememberedMs } = numbersOf(PASSWORD_NUMBERS, options);
  const remembered = new KnownSecrets<Verifier>(rememberedMax, rememberedMs);
  /**
   * Wrong passwords of one state of the users: with another one all are forgotten, of users that are there and of others, so that the time
   * of an answer does not tell the ones from the others.
   */
  const wrongs = new WeakMap<Users["users"], KnownSecrets<Wrong>>();
  const dummies = new Dummies();

  function wrongsOf(users: Users["users"]): KnownSecrets<Wrong> {
    const known = wrongs.get(users) ?? new KnownSecrets<Wrong>(rememberedMax, rememberedMs);
    wrongs.set(users, known);
    return known;
  }

  async function check(username: string, password: Uint8Array): Promise<LinkAnswer> {
    const { users } = file;
    const verifier = users.get(username)?.verifier;
    const dummy = dummies.of(username, users); // made for each, so that both take the same work
    const isRight = await pool.do({ verify: verifier ?? dummy }, password);
    if (isRight === undefined) return { code: BUSY, why: "too many passwords wait to be hashed" };
    const key = remembered.keyOf(username, password);
    const isStillTheirs = verifier !== undefined && file.users.get(username)?.verifier === verifier;
    if (isRight !== true || !isStillTheirs) {
      wrongsOf(users).set(key, { verifier });
      return whyOf(verifier);
    }
    remembered.set(key, verifier);
    return { code: ACCEPTED, username };
  }

  /** LATER if it must be hashed. */
  function atOnce({ method, username, password }: AuthenticationRequest): LinkAnswer | typeof LATER {
    if (method !== undefined || username === undefined || password === undefined) return undefined;
    const key = remembered.keyOf(username, password);
    const theirs = file.users.get(username)?.verifier;
    const verifier = remembered.get(key);
    if (verifier !== undefined && theirs === verifier) return { code: ACCEPTED, username };
    const wrong = wrongsOf(file.users).get(key);
    return wrong !== undefined && wrong.verifier === theirs ? whyOf(theirs) : LATER;
  }

  return {
    name: "password file",
    atOnce,
    ask(request) {
      const known = atOnce(request);
      return known === LATER ? check(request.username!, request.password!) : known;
    },
  };
}

function whyOf(verifier: Verifier | undefined): string {
  return verifier === undefined ? "unknown user" : "wrong password";
}

/** A password that did not fit this verifier, or that of a user that is not there. */
interface Wrong {
  readonly verifier: Verifier | undefined;
}

/**
 * Verifiers of users that are not there. Each name has the costs of a user that is there, always of the same one, so that a file of
 * several forms does not tell by its time which names it has.
 */
class Dummies {
  readonly #names = new KnownSecrets<never>(0, 0);
  readonly #bytes = new Uint8Array(randomBytes(64));
  #of: ReadonlyMap<string, User> | undefined;
  #verifiers: readonly Verifier[] = [];

  of(username: string, users: ReadonlyMap<string, User>): Verifier {
    if (this.#of !== users) {
      this.#of = users;
      this.#verifiers = [...users.values()].flatMap(({ verifier }) => verifier ?? []);
    }
    const number = Buffer.from(this.#names.keyOf(username), "base64").readUInt32BE();
    const like = this.#verifiers[number % (this.#verifiers.length || 1)] ?? DEFAULT;
    const digest = this.#bytes.slice(0, like.digest.length);
    return { ...like, digest };
  }
}

const DEFAULT: Verifier = {
  scheme: "argon2id",
  ...ARGON2ID,
  salt: new Uint8Array(16),
  digest: new Uint8Array(32),
};
