/**
 * `plumb audit`: how it is called.
 * Knows its flags and the terminal; refuses to know what an audit is.
 * @module
 */
import process from "node:process";
import { type AuditCall, auditCommand, type Terminal } from "../../conformance/main.ts";
import { AuditCallError, DEFAULT_AT_ONCE, DEFAULT_PATIENCE_MS } from "../../conformance/mod.ts";
import { TOLERATED } from "../../conformance/server/tolerated.ts";
import type { TlsClientOptions } from "../runtime/dial.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS, STATUS_HELP } from "./error.ts";
import {
  type Flags,
  flagsHelp,
  HELP_ROWS,
  helpAsked,
  type OptionGroup,
  readFlags,
  type Said,
} from "./flags.ts";
import { runtime, say } from "./terminal.ts";
import { TRUST_OPTIONS, trustOf } from "./trust.ts";
import { withScheme } from "./url.ts";

const PREFIX = "PLUMB_AUDIT_";

/** All flags of `plumb audit`. */
export const AUDIT_OPTIONS: readonly OptionGroup[] = [
  {
    title: "What to audit",
    rows: [
      {
        name: "level",
        kind: "choice",
        choices: ["5", "4"],
        about: "the protocol level, 5 is MQTT 5.0 and 4 is 3.1.1; default both",
      },
      {
        name: "only",
        kind: "list",
        value: "ID",
        about:
          "a case, a statement or a section; may be given more than once: 3.3.1/qos-3, MQTT-3.3.1-4, 3.3",
      },
      { name: "timing", kind: "flag", about: "run the cases that wait on purpose too (keep-alive, expiry)" },
      {
        name: "profile",
        rare: true,
        kind: "text",
        value: "FILE.toml",
        about:
          "a file with facts that cannot be probed: username, password, authentication-method, authentication-data (a list), " +
          "forbidden-topic, product, tolerates (a list)",
      },
      {
        name: "tolerates",
        kind: "list",
        choices: Object.keys(TOLERATED),
        rare: true,
        value: "NAME",
        about:
          `a deviation that the target's owner has switched on, so that it is lenient by option and no fail; may be given more than ` +
          `once: ${Object.keys(TOLERATED).join(", ")}`,
      },
      { name: "product", kind: "text", value: "NAME", about: "the name of the target, for the reports" },
    ],
  },
  {
    title: "A Client in place of a Server: the auditor plays the Server to it",
    rows: [
      {
        name: "client",
        kind: "flag",
        rare: true,
        about: "audit a Client; one of the next three says which; with --cert and --key over TLS",
      },
      {
        name: "exec",
        kind: "text",
        rare: true,
        value: "COMMAND",
        about:
          "a command line: --exec 'mosquitto_sub -p {port} -V {version} -i {client} -t {topic} -q {qos}'; " +
          "{user?-u {user}} stands only where there is a user; others: {host} {url} {keepalive} {message} {stdin} " +
          "{retain?-r} {session?-c} {expiry} {password} {unsubscribe} {willtopic} {willmessage} {willqos} " +
          "{willretain?...} {receivemaximum} {topicaliasmaximum} {maximumpacketsize}",
      },
      {
        name: "driver",
        kind: "choice",
        choices: ["mqttjs", "plumb"],
        rare: true,
        about: "MQTT.js, or Plumb's own Client, in this process",
      },
      {
        name: "port",
        rare: true,
        kind: "integer",
        value: "N",
        least: 1,
        most: 65_535,
        about: "wait here for a Client that you start by hand, once for each case, as the output asks",
      },
      {
        name: "websocket",
        kind: "flag",
        rare: true,
        about: "wait for the Client over WebSocket: {url} is ws://HOST:PORT/mqtt then, or wss:// with --cert",
      },
    ],
  },
  TRUST_OPTIONS,
  {
    title: "How",
    rows: [
      {
        name: "patience",
        rare: true,
        kind: "integer",
        value: "MS",
        least: 50,
        most: 600_000,
        default: String(DEFAULT_PATIENCE_MS),
        about: "how long an answer may take (ms)",
      },
      {
        name: "at-once",
        rare: true,
        kind: "integer",
        value: "N",
        least: 1,
        most: 1000,
        default: String(DEFAULT_AT_ONCE),
        about: "cases that run at the same time",
      },
    ],
  },
  {
    title: "Results",
    rows: [
      {
        name: "report",
        kind: "list",
        value: "FILE",
        about:
          "write a report: FILE.html, .json, .md, .xml (JUnit), .svg (a badge); may be given more than once",
      },
      { name: "json", kind: "flag", about: "results as JSON on stdout" },
    ],
  },
  {
    title: "In place of an audit",
    rows: [
      {
        name: "list",
        kind: "flag",
        about: "count the statements that have a case, and name the statements that have none",
      },
      { name: "diff", kind: "flag", about: "compare two reports: --diff A.json B.json" },
    ],
  },
  { title: "Other", rows: HELP_ROWS },
];

const FLAGS: Flags = {
  rows: AUDIT_OPTIONS.flatMap(({ rows }) => rows),
  positionals: 2,
  prefix: PREFIX,
  help: "plumb help audit",
};

/**
 * Does it; gives the exit status.
 * @throws {CallError} when the call is wrong.
 */
export async function auditMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readFlags(args, environment, FLAGS);
  const terminal = terminalOf(environment);
  const asked = helpAsked(said);
  if (asked !== undefined) {
    await terminal.out(auditHelp(asked === "all"));
    return STATUS.good;
  }
  const is = (name: string) => said.given.get(name)?.at(-1) === "true";
  const isOfServer = !["diff", "list", "client"].some(is);
  const positionals = isOfServer ? said.positionals.map(withScheme) : said.positionals;
  try {
    const tls = await trustOf(said, is("client") ? ["mqtts:"] : positionals);
    return await auditCommand(callOf(said.given, positionals, tls), terminal);
  } catch (error) {
    throw error instanceof AuditCallError ? new CallError(error.message) : error;
  }
}

function callOf(given: Said["given"], positionals: readonly string[], tls: TlsClientOptions): AuditCall {
  const one = (name: string) => given.get(name)?.at(-1);
  const is = (name: string) => one(name) === "true";
  const level = one("level");
  return {
    positionals,
    levels: level === undefined ? [5, 4] : [level === "5" ? 5 : 4],
    timing: is("timing"),
    only: given.get("only") ?? [],
    reports: given.get("report") ?? [],
    json: is("json"),
    list: is("list"),
    diff: is("diff"),
    profile: one("profile"),
    tolerates: given.get("tolerates") ?? [],
    product: one("product"),
    tls,
    patienceMs: Number(one("patience") ?? DEFAULT_PATIENCE_MS),
    client: is("client"),
    webSocket: is("websocket"),
    chosen: {
      exec: one("exec"),
      driver: one("driver"),
      drivers: { plumb: async () => (await import("./client/audited_client.ts")).auditedClient },
      port: one("port") === undefined ? undefined : Number(one("port")),
    },
    atOnce: Number(one("at-once") ?? DEFAULT_AT_ONCE),
  };
}

function terminalOf(environment: Environment): Terminal {
  const plain = (environment("NO_COLOR") ?? "") !== "";
  return {
    out: (text) => say(text),
    err: (text) => say(text, process.stderr),
    colour: process.stdout.isTTY === true && !plain,
    columns: process.stderr.isTTY === true ? process.stderr.columns ?? 80 : undefined,
    runtime: runtime(),
  };
}

/** The help of `plumb audit`. */
export function auditHelp(isAll = false): string {
  return [
    "plumb audit [flags] [mqtt[s]://][USER[:PASSWORD]@]HOST[:PORT]   holds a Server against the standard, by statement\n" +
    "plumb audit [flags] ws[s]://HOST[:PORT][/PATH]                  the same over WebSocket\n" +
    "plumb audit --client --exec COMMAND [flags]                     the same with a Client\n" +
    "plumb audit --diff A.json B.json                                compares two reports",
    ...flagsHelp(AUDIT_OPTIONS, isAll),
    ...isAll ? [] : ["plumb help audit names all flags."],
    "Every flag has an environment variable: --at-once is PLUMB_AUDIT_AT_ONCE. The command line wins.",
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
