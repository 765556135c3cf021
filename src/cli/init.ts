/**
 * `plumb init`: a directory with a certificate, a user, permissions and settings, after five questions or by flags.
 * Knows questions, and the texts of the files; refuses to know how passwords are hashed and certificates made.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { quoted } from "../config/write.ts";
import { faultOfName } from "../login/password_lines.ts";
import { NO_VARIABLES } from "./environment.ts";
import { CallError, STATUS, STATUS_HELP } from "./error.ts";
import { flagsHelp, HELP_ROWS, helpAsked, type OptionRow, readFlags } from "./flags.ts";
import { hostName, machineNames } from "./machine_names.ts";
import { DEFAULT_CONFIG } from "./options.ts";
import { ownCertificate } from "./own_certificate.ts";
import { fileOfUser, firstLine, hiddenPassword } from "./passwd.ts";
import { say } from "./terminal.ts";

const ROWS: readonly OptionRow[] = [
  { name: "name", kind: "text", value: "HOST", about: "the name by which Clients call this machine" },
  { name: "user", kind: "text", value: "NAME", about: "the first user, who may do everything" },
  {
    name: "password-stdin",
    kind: "flag",
    about: "the user's password is the first line of stdin; without it, and without a terminal, one is made",
  },
  {
    name: "local",
    kind: "choice",
    choices: ["open", "closed"],
    value: "HOW",
    about: "whether programs on this machine come in without a password: open, closed",
  },
  {
    name: "topics",
    kind: "choice",
    choices: ["all", "own"],
    value: "WHICH",
    about: "what other users may do: everything (all), or only below users/NAME/ (own)",
  },
  { name: "yes", short: "y", kind: "flag", about: "ask nothing: what no flag says is the default" },
  ...HELP_ROWS,
];

const MADE_PASSWORD_BYTES = 15;
const PASSWORDS = "passwords";
const PERMISSIONS = "permissions.toml";
const DATA = "data";

/** The answers. */
interface Answers {
  readonly host: string;
  readonly user: string;
  readonly password: string;
  /** Whether it was made here, and has to be shown. */
  readonly isMade: boolean;
  readonly isLocalOpen: boolean;
  readonly hasOwnTopics: boolean;
}

/**
 * Asks, and writes the directory; gives the exit status.
 * @throws {CallError} when the call is wrong, or a file is there already.
 */
export async function initMain(args: readonly string[]): Promise<number> {
  const said = readFlags(args, NO_VARIABLES, { rows: ROWS, positionals: 1, help: "plumb help init" });
  if (helpAsked(said) !== undefined) {
    await say(initHelp());
    return STATUS.good;
  }
  const [directory = "."] = said.positionals;
  const files = [DEFAULT_CONFIG, PASSWORDS, PERMISSIONS];
  const there = files.find((file) => existsSync(join(directory, file)));
  if (there !== undefined) {
    throw new CallError(`${join(directory, there)} is there already; name another directory`);
  }
  const answers = await ask((name) => said.given.get(name)?.at(-1));
  const { host, user, password } = answers;
  const passwords = await fileOfUser(user, password);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    write(directory, PASSWORDS, passwords);
    write(directory, PERMISSIONS, permissionsText(answers));
    write(directory, DEFAULT_CONFIG, configText(answers));
  } catch (error) {
    throw new CallError(`${directory} cannot be written: ${(error as Error).message}`);
  }
  const { caFile } = await ownCertificate(
    join(directory, DATA),
    [...new Set([host, ...machineNames()])],
    Date.now(),
  );
  await say(whatNext(directory, resolve(caFile!), answers));
  return STATUS.good;
}

function write(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, name), text, { flag: "wx", mode: 0o600 });
}

/** What flags do not say is asked on a terminal. */
async function ask(flag: (name: string) => string | undefined): Promise<Answers> {
  const isAsking = process.stdin.isTTY === true && flag("yes") !== "true";
  const question = async (text: string, otherwise: string): Promise<string> => {
    if (!isAsking) return otherwise;
    const lines = createInterface({ input: process.stdin, output: process.stdout });
    try {
      return (await lines.question(`${text} [${otherwise}] `)).trim() || otherwise;
    } finally {
      lines.close();
    }
  };
  const host = flag("name") ??
    await question("By which name or address do Clients call this machine?", hostName());
  if (!/^[\w.:-]{1,255}$/.test(host)) {
    throw new CallError(`${JSON.stringify(host)} is no name or address of a machine`);
  }
  const user = flag("user") ?? await question("What is the first user called?", "admin");
  const fault = faultOfName(user);
  if (fault !== undefined) throw new CallError(`the name of the user is ${fault}`);
  const { password, isMade } = await passwordOf(user, flag("password-stdin") === "true", isAsking);
  const local = flag("local") ??
    await question(
      "May programs on this machine come in without a password (open), or not (closed)?",
      "open",
    );
  const topics = flag("topics") ??
    await question("May other users do everything (all), or only below users/NAME/ (own)?", "own");
  oneOf("open or closed", ["open", "closed"], local);
  oneOf("all or own", ["all", "own"], topics);
  return { host, user, password, isMade, isLocalOpen: local === "open", hasOwnTopics: topics === "own" };
}

function oneOf(which: string, answers: readonly string[], answer: string): void {
  if (!answers.includes(answer)) throw new CallError(`the answer is ${which}, not ${JSON.stringify(answer)}`);
}

async function passwordOf(
  user: string,
  isOnStdin: boolean,
  isAsking: boolean,
): Promise<{ readonly password: string; readonly isMade: boolean }> {
  const password = isOnStdin ? await firstLine() : isAsking ? hiddenPassword(user, true) : "";
  if (isOnStdin && password === "") throw new CallError("the password on stdin is empty");
  if (password !== "") return { password, isMade: false };
  return { password: Buffer.from(randomBytes(MADE_PASSWORD_BYTES)).toString("base64url"), isMade: true };
}

function configText({ host, isLocalOpen }: Answers): string {
  return `# Written by \`plumb init\`. \`plumb --help-all\` says what the settings mean, \`plumb config show\` what holds.
# Changes of this file and of those that it names hold at once; nobody is disconnected.

# Sessions, messages, and the certificate that the broker makes.
data = "${DATA}"

# On this machine without TLS; for all others with it.
listen = ["mqtt://localhost:1883", "mqtts://[::]:8883"]

# What users may do: plumb acl test --permissions ${PERMISSIONS} --user NAME publish TOPIC
permissions = "${PERMISSIONS}"

[tls]
# Names for the certificate, besides those that the machine knows of.
names = [${quoted(host)}]
# A certificate of your own: certificate = "chain.pem", key = "key.pem"

[login]
# Users: plumb passwd ${PASSWORDS} NAME
password-file = "${PASSWORDS}"
# From where Clients may come without a user name: "loopback" is this machine, "never", "always".
anonymous = "${isLocalOpen ? "loopback" : "never"}"
`;
}

function permissionsText({ user, isLocalOpen, hasOwnTopics }: Answers): string {
  const all = 'allow = [{ publish = "#", subscribe = "#", share = ["*"] }]';
  return `# What Clients may do. What no rule allows is denied.

[user.${quoted(user)}]
${all}
${
    isLocalOpen
      ? `\n# Clients without a user name: by plumb.toml, those of this machine.\n[anonymous]\n${all}\n`
      : ""
  }
[everyone]
${hasOwnTopics ? 'allow = [{ publish = "users/%u/#", subscribe = "users/%u/#" }]' : all}
`;
}

function whatNext(directory: string, ca: string, { host, user, password, isMade }: Answers): string {
  const config = directory === "." ? "" : ` --config ${shell(join(directory, DEFAULT_CONFIG))}`;
  return `${directory}: ${DEFAULT_CONFIG}, ${PASSWORDS}, ${PERMISSIONS} and ${DATA}/tls are written.
${isMade ? `\nThe password of ${JSON.stringify(user)}, which is shown only now: ${password}\n` : ""}
Start it:
  plumb${config}

mosquitto_sub:
  mosquitto_sub -h ${host} -p 8883 --cafile ${shell(ca)} -u ${shell(user)} -P PASSWORD -t '#' -v

Home Assistant (Settings, Devices & services, Add integration, MQTT, advanced options):
  Broker ${host}, Port 8883, Username ${user}, its password; Broker certificate validation: Custom, with ${ca}

A phone (any MQTT app):
  Host ${host}, Port 8883, TLS on, CA certificate ${ca}, User ${user}, its password
`;
}

/** A word of a shell. */
function shell(text: string): string {
  return /^[\w./+@:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Its help. */
function initHelp(): string {
  return [
    "plumb init [flags] [DIR]\n\n" +
    `Writes ${DEFAULT_CONFIG}, a password file, permissions and a certificate to DIR (default: here), and says what to type\n` +
    "where. On a terminal it asks what the flags do not say.",
    ...flagsHelp([{ title: "Flags", rows: ROWS }], true),
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
