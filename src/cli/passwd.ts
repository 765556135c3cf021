/**
 * `plumb passwd`: users of a password file, set, checked and deleted.
 * Knows flags, the terminal and the file; refuses to know how passwords are hashed.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import process from "node:process";
import { promptSecret } from "@std/cli/prompt-secret";
import { doHashJob } from "../login/hash.ts";
import {
  fakeSaltKeyLine,
  faultOfName,
  hasUser,
  readPasswordLines,
  type User,
  withUser,
} from "../login/password_lines.ts";
import { saslprep } from "../login/saslprep.ts";
import {
  ARGON2ID,
  MECHANISMS,
  SALT_BYTES,
  SCRAM_ROUNDS,
  type ScramKeys,
  type Verifier,
} from "../login/verifier.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS, STATUS_HELP } from "./error.ts";
import { flagsHelp, HELP_ROWS, helpAsked, type OptionRow, readFlags } from "./flags.ts";
import { say } from "./terminal.ts";

const ROWS: readonly OptionRow[] = [
  { name: "delete", kind: "flag", about: "delete the user" },
  {
    name: "check",
    kind: "flag",
    about: "only say whether the password is right: exit status 0, or 1 if it is not",
  },
  {
    name: "scram",
    kind: "flag",
    about: "also for SCRAM-SHA-256 and SCRAM-SHA-512, which a user keeps from then on",
  },
  ...HELP_ROWS,
];

/** MQTT has two bytes for the length. */
const PASSWORD_BYTES_MAX = 65_535;

/** Does the command; gives the exit status. */
export async function passwdMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readFlags(args, environment, {
    rows: ROWS,
    positionals: 2,
    prefix: "PLUMB_PASSWD_",
    help: "plumb passwd --help",
  });
  if (helpAsked(said) !== undefined) {
    await say(passwdHelp());
    return STATUS.good;
  }
  const [path, name] = said.positionals;
  const is = (flag: string) => said.given.get(flag)?.at(-1) === "true";
  if (path === undefined || name === undefined) throw new CallError("say which: plumb passwd FILE USER");
  if (is("delete") && (is("check") || is("scram"))) throw new CallError("--delete goes alone");
  if (is("check") && is("scram")) throw new CallError("--check and --scram exclude each other");
  const fault = faultOfName(name);
  if (fault !== undefined) throw new CallError(`USER is ${fault}`);
  const text = readOr(path, is("delete") || is("check") ? undefined : "");
  const user = readPasswordLines(text).users.get(name);
  if (is("check")) return await check(user, await passwordFor(name, false));
  if (is("delete")) {
    if (!hasUser(text, name)) throw new CallError(`${path} has no user ${JSON.stringify(name)}`);
    replace(path, withUser(text, name, []));
    await say(`${path}: user ${JSON.stringify(name)} deleted\n`);
    return STATUS.good;
  }
  const hasScram = is("scram") || (user !== undefined && user.scram.size > 0);
  const password = await passwordFor(name, true);
  const verifiers = await verifiersOf(password, hasScram);
  replace(path, withUser(hasScram ? withFakeSaltKey(text) : text, name, verifiers));
  await say(`${path}: user ${JSON.stringify(name)} ${user === undefined ? "added" : "changed"}\n`);
  return STATUS.good;
}

async function check(user: User | undefined, password: string): Promise<number> {
  const verify = user?.verifier;
  const isRight = verify !== undefined && await doHashJob({ verify }, Buffer.from(password)) === true;
  await say(isRight ? "the password is right\n" : "no such user, or another password\n");
  return isRight ? STATUS.good : STATUS.found;
}

/** The text of a password file with this user alone. */
export async function fileOfUser(name: string, password: string): Promise<string> {
  return withUser("", name, await verifiersOf(password, false));
}

/**
 * What a file keeps of a password; `hash` does the work.
 * @throws {CallError} for a password that SCRAM does not take.
 */
export async function verifiersOf(
  password: string,
  hasScram: boolean,
  hash: typeof doHashJob = doHashJob,
): Promise<(Verifier | ScramKeys)[]> {
  const salt = () => new Uint8Array(randomBytes(SALT_BYTES));
  const cost = { scheme: "argon2id", ...ARGON2ID, salt: salt() } as const;
  const digest = await hash({ argon2id: cost }, Buffer.from(password)) as Uint8Array;
  const verifiers: (Verifier | ScramKeys)[] = [{ ...cost, digest }];
  if (!hasScram) return verifiers;
  const prepared = saslprep(password);
  if (prepared === undefined) throw new CallError("the password has characters that SCRAM does not take");
  for (const mechanism of MECHANISMS) {
    const scram = { mechanism, rounds: SCRAM_ROUNDS, salt: salt() } as const;
    const keys = await hash({ scram }, Buffer.from(prepared)) as Pick<
      ScramKeys,
      "storedKey" | "serverKey"
    >;
    verifiers.push({ ...scram, ...keys });
  }
  return verifiers;
}

/** The text with a key for the salts of users that are not there. */
export function withFakeSaltKey(text: string): string {
  if (readPasswordLines(text).fakeSaltKey !== undefined) return text;
  return `${fakeSaltKeyLine(randomBytes(32))}\n${text}`;
}

/** Hidden on a terminal, and twice if it is new; else the first line of stdin. */
async function passwordFor(name: string, isNew: boolean): Promise<string> {
  const password = process.stdin.isTTY ? hiddenPassword(name, isNew) : await firstLine();
  if (password === "") {
    throw new CallError("the password is empty; it is asked for on a terminal, or the first line of stdin");
  }
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
    throw new CallError(`the password is above ${PASSWORD_BYTES_MAX} bytes`);
  }
  return password;
}

/** Asks for a password on the terminal, twice if it is new. */
export function hiddenPassword(name: string, isNew: boolean): string {
  const question = `${isNew ? "New password" : "Password"} of ${JSON.stringify(name)}:`;
  const password = promptSecret(question, { mask: "" }) ?? "";
  if (password !== "" && isNew && promptSecret("Once more:", { mask: "" }) !== password) {
    throw new CallError("the two passwords are not the same");
  }
  return password;
}

/** The first line of stdin. */
export async function firstLine(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  const [line = ""] = Buffer.concat(chunks).toString("utf8").split(/\r?\n/);
  return line;
}

/** The text of the file, without the mark that editors put before it; `without` if it is not there. */
function readOr(path: string, without: string | undefined): string {
  try {
    return readFileSync(path, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && without !== undefined) return without;
    throw new CallError(code === "ENOENT" ? `${path} is not there` : `${path} cannot be read: ${message}`);
  }
}

/**
 * In one step: a broker that reads meanwhile sees the old file or the new one. By default nobody but its owner can read it.
 * @throws {CallError}
 */
export function replace(path: string, text: string, mode: number = 0o600): void {
  let target = path;
  let temporary: string | undefined;
  try {
    let owner: { uid: number; gid: number } | undefined;
    try {
      target = realpathSync(path);
      owner = statSync(target);
    } catch { // it is new
    }
    temporary = `${target}.${randomBytes(6).toString("hex")}`;
    const file = openSync(temporary, "wx", mode);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (owner !== undefined && isRoot()) chownSync(temporary, owner.uid, owner.gid);
    renameSync(temporary, target);
  } catch (error) {
    if (temporary !== undefined) rmSync(temporary, { force: true });
    throw new CallError(`${path} cannot be written: ${(error as Error).message}`);
  }
}

/** Whether this process may give files to others; Deno may not let us know. */
function isRoot(): boolean {
  try {
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

/** The help. */
export function passwdHelp(): string {
  return [
    "plumb passwd [flags] FILE USER\n\n" +
    "Sets the password of a user of `plumb serve --password-file FILE`, which notices it by itself. The password is asked\n" +
    "for on a terminal, without showing it, or is the first line of stdin: it never stands on the command line.",
    ...flagsHelp([{ title: "Flags", rows: ROWS }], true),
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
