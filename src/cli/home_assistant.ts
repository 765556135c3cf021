/**
 * `plumb home-assistant`: the broker as an app of Home Assistant, whose users come in, and which is told where the broker is.
 * Knows the files of an app and the Supervisor's API; refuses to know how a broker is started.
 * @module
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { quoted } from "../config/write.ts";
import { fetchBounded } from "../login/fetch.ts";
import { SUPERVISOR_USERS } from "../login/home_assistant.ts";
import { faultOfName } from "../login/password_lines.ts";
import type { Environment } from "./environment.ts";
import { CallError, fileTrouble, STATUS, STATUS_HELP } from "./error.ts";
import { fileOfUser } from "./passwd.ts";
import { complain, say } from "./terminal.ts";

/** Where the Supervisor keeps what an app is to know, and lets it write. */
const DATA = "/data";
const TRIES = 10;
const TRY_MS = 1_000;
const PORT = 1883;

/** `options.json`. */
interface AppOptions {
  readonly logins?: readonly { readonly username: string; readonly password: string }[];
  readonly log_level?: string;
  readonly certfile?: string;
  readonly keyfile?: string;
}

type Passwords = Readonly<Record<typeof SUPERVISOR_USERS[number], string>>;

/** Runs `plumb serve` with these flags; calls `ready` once it listens. */
type Serve = (args: readonly string[], ready: () => void) => Promise<number>;

/**
 * Writes the settings, starts the broker, and tells the Supervisor; gives the exit status.
 * @throws {CallError}
 */
export async function homeAssistantMain(
  args: readonly string[],
  environment: Environment,
  serve: Serve,
): Promise<number> {
  const [first] = args;
  if (first === "--help" || first === "-h") {
    await say(homeAssistantHelp());
    return STATUS.good;
  }
  const isNamed = first !== undefined && !first.startsWith("-");
  const directory = isNamed ? first : DATA;
  const token = environment("SUPERVISOR_TOKEN") ?? "";
  if (token === "") throw new CallError("SUPERVISOR_TOKEN is not set: Home Assistant sets it for its apps");
  const supervisor = environment("PLUMB_SUPERVISOR_URL") ?? "http://supervisor";
  const passwords = await writeSettings(directory, token, supervisor);
  const flags = ["--config", join(directory, "plumb.toml"), ...args.slice(isNamed ? 1 : 0)];
  return await serve(flags, () => void announce(supervisor, token, passwords));
}

/** The settings of the app, from what Home Assistant's page has. */
async function writeSettings(directory: string, token: string, supervisor: string): Promise<Passwords> {
  const options = optionsOf(join(directory, "options.json"));
  const passwords = ownPasswords(join(directory, "system_user.json"));
  const users = SUPERVISOR_USERS.map((username) => ({
    username: username as string,
    password: passwords[username],
  }));
  const lines: string[] = [];
  for (const { username, password } of [...users, ...options.logins ?? []]) {
    lines.push(await fileOfUser(username, password));
  }
  write(join(directory, "passwords"), lines.join(""));
  write(join(directory, "supervisor.headers"), `Authorization: Bearer ${token}\n`);
  write(join(directory, "plumb.toml"), configText(options, `${supervisor}/auth`));
  mkdirSync(join(directory, "store"), { recursive: true, mode: 0o700 });
  return passwords;
}

/** @throws {CallError} for a file that is not as the app's schema has it. */
function optionsOf(path: string): AppOptions {
  let options: AppOptions;
  try {
    options = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new CallError(`${path}: ${error instanceof SyntaxError ? "it is no JSON" : fileTrouble(error)}`);
  }
  for (const { username, password } of options.logins ?? []) {
    const isOwn = SUPERVISOR_USERS.some((own) => own === username);
    const fault = isOwn ? "a user of Home Assistant's own" : faultOfName(username ?? "");
    if (fault !== undefined) throw new CallError(`${path}: logins: ${JSON.stringify(username)} is ${fault}`);
    if (typeof password !== "string" || password === "") {
      throw new CallError(`${path}: logins: ${JSON.stringify(username)} has no password`);
    }
  }
  return options;
}

/** Those of the last start, since Home Assistant remembers them; else new ones. */
function ownPasswords(path: string): Passwords {
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8"));
  const made = () => randomBytes(32).toString("base64url");
  const passwords = { homeassistant: made(), addons: made() };
  write(path, JSON.stringify(passwords));
  return passwords;
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 });
  } catch (error) {
    throw new CallError(`${path}: ${fileTrouble(error)}`);
  }
}

/** Users of the file, and those of Home Assistant. */
function configText({ log_level: level, certfile, keyfile }: AppOptions, auth: string): string {
  const hasTls = certfile !== undefined && keyfile !== undefined && existsSync(`/ssl/${certfile}`);
  const tls = hasTls
    ? `tls.certificate = ${quoted(`/ssl/${certfile}`)}\ntls.key = ${quoted(`/ssl/${keyfile}`)}\n`
    : "";
  return `# Written by plumb home-assistant at each start.
data = "store"
${level === undefined ? "" : `log.level = ${quoted(level)}\n`}${tls}
[[login]]
kind = "password-file"
file = "passwords"

[[login]]
kind = "home-assistant"
url = ${quoted(auth)}
headers-file = "supervisor.headers"
verdict-ms = 60000

[[listener]]
url = "mqtt://0.0.0.0:${PORT}"

[[listener]]
url = "mqtts://0.0.0.0:8883"

[[listener]]
url = "ws://0.0.0.0:8080"
websocket.metrics = true
`;
}

/** Tells Home Assistant, and other apps, where the broker is. */
async function announce(supervisor: string, token: string, passwords: Passwords): Promise<void> {
  const of = (username: typeof SUPERVISOR_USERS[number]) => ({
    host: hostname(),
    port: PORT,
    ssl: false,
    protocol: "3.1.1", // the Supervisor takes 3.1 and 3.1.1 alone; Home Assistant has a setting of its own
    username,
    password: passwords[username],
  });
  const ask = async (method: string, path: string, body?: unknown): Promise<void> => {
    for (let left = TRIES - 1;; left--) {
      try {
        const { status } = await fetchBounded(`${supervisor}${path}`, {
          method,
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          ...body !== undefined && { body: JSON.stringify(body) },
          timeoutMs: 10_000,
          bytesMax: 64 * 1024,
        });
        if (status === 200 || method === "DELETE") return;
        if (status < 500 || left === 0) throw new CallError(`${path}: status ${status}`);
      } catch (error) {
        if (left === 0 || error instanceof CallError) throw error;
      }
      await setTimeout(TRY_MS);
    }
  };
  try {
    await ask("POST", "/discovery", { service: "mqtt", config: of("homeassistant") });
    await ask("DELETE", "/services/mqtt"); // of an earlier run
    await ask("POST", "/services/mqtt", of("addons"));
  } catch (error) {
    await complain(`plumb: Home Assistant could not be told of the broker: ${(error as Error).message}\n`);
  }
}

/** The help. */
export function homeAssistantHelp(): string {
  return [
    "plumb home-assistant [DIR] [flags of plumb serve]\n\n" +
    "Runs the broker as an app of Home Assistant. DIR (/data) has options.json, which Home Assistant writes. Users of Home\n" +
    "Assistant come in with their passwords, besides the logins of options.json; Home Assistant and other apps are told of\n" +
    "the broker, and get users of their own.",
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
