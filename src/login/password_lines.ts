/**
 * The lines of a password file: `USER:VERIFIER`. A user may have one line for passwords, and one for each SCRAM mechanism.
 * Knows lines and their faults; refuses to know files and passwords.
 * @module
 */
import { Buffer } from "node:buffer";
import {
  formatVerifier,
  type Mechanism,
  parseVerifier,
  type ScramKeys,
  type Verifier,
  VerifierError,
} from "./verifier.ts";

/** One user. */
export interface User {
  /** Of the line for passwords. */
  readonly verifier: Verifier | undefined;
  /** Of the lines for SCRAM. */
  readonly scram: ReadonlyMap<Mechanism, ScramKeys>;
}

/** A line that counts for nothing. */
export interface LineFault {
  /** From 1. */
  readonly line: number;
  /** What is wrong, without anything of the line but the user. */
  readonly what: string;
}

/** A file, read. */
export interface PasswordLines {
  readonly users: ReadonlyMap<string, User>;
  readonly faults: readonly LineFault[];
  /** Makes the salts of users that are not there; see `scram.ts`. */
  readonly fakeSaltKey: Uint8Array | undefined;
}

const FAKE_SALT_KEY = "#fake-salt-key:";

/** The line of a key for fake salts. */
export function fakeSaltKeyLine(key: Uint8Array): string {
  return FAKE_SALT_KEY + Buffer.from(key).toString("base64");
}

/** Reads all lines; a bad one is a fault, and the rest holds. Verifiers of `before` whose text is the same are kept as they are. */
export function readPasswordLines(text: string, before?: ReadonlyMap<string, User>): PasswordLines {
  const users = new Map<string, { verifier: Verifier | undefined; scram: Map<Mechanism, ScramKeys> }>();
  const faults: LineFault[] = [];
  let fakeSaltKey: Uint8Array | undefined;
  for (const [index, raw] of text.replace(/^\ufeff/, "").split("\n").entries()) {
    const line = raw.replace(/\r$/, "");
    if (line.startsWith(FAKE_SALT_KEY)) {
      fakeSaltKey = new Uint8Array(Buffer.from(line.slice(FAKE_SALT_KEY.length), "base64"));
    }
    if (line.trim() === "" || line.startsWith("#")) continue;
    const fault = (what: string) => faults.push({ line: index + 1, what });
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const wrong = colon < 0 ? "no colon behind the user name" : faultOfName(name);
    if (wrong !== undefined) {
      fault(wrong);
      continue;
    }
    try {
      const one = parseVerifier(line.slice(colon + 1).trim());
      const user = users.get(name) ?? { verifier: undefined, scram: new Map() };
      const old = before?.get(name);
      if ("mechanism" in one) {
        if (user.scram.has(one.mechanism)) {
          fault(`a second ${one.mechanism} line of this user: the first holds`);
        } else user.scram.set(one.mechanism, same(old?.scram.get(one.mechanism), one));
      } else if (user.verifier !== undefined) fault("a second password of this user: the first holds");
      else user.verifier = same(old?.verifier, one);
      users.set(name, user);
    } catch (error) {
      if (!(error instanceof VerifierError)) throw error;
      fault(error.message);
    }
  }
  return { users, faults, fakeSaltKey };
}

function same<One extends Verifier | ScramKeys>(old: One | undefined, one: One): One {
  return old !== undefined && formatVerifier(old) === formatVerifier(one) ? old : one;
}

/** Why a text cannot be a user name in a file; undefined if it can. */
export function faultOfName(name: string): string | undefined {
  if (name === "") return "an empty user name";
  if (name.includes(":")) return "a colon in the user name";
  if (name.startsWith("#")) return "a user name that begins with #, as a comment does";
  if (/[\p{Cc}\ufeff]/u.test(name) || !name.isWellFormed()) return "a user name with a control character";
  return name.trim() === name ? undefined : "a user name with a blank at its end";
}

/** Whether a line is of this user, a good one or not. */
export function hasUser(text: string, name: string): boolean {
  return text.split("\n").some((line) => line.startsWith(`${name}:`));
}

/** The text with the lines of a user replaced, at their place or at the end; without lines the user is gone. */
export function withUser(text: string, name: string, verifiers: readonly (Verifier | ScramKeys)[]): string {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  const isOfUser = (line: string) => line.startsWith(`${name}:`);
  const first = lines.findIndex(isOfUser);
  const rest = lines.filter((line) => !isOfUser(line));
  rest.splice(
    first < 0 ? rest.length : first,
    0,
    ...verifiers.map((one) => `${name}:${formatVerifier(one)}`),
  );
  return rest.map((line) => `${line}\n`).join("");
}
