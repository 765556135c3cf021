/**
 * `plumb acl test` and `plumb acl import`: how they are called, and their output.
 * Knows flags and lines; refuses to know how rules are read and asked.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { SETTINGS } from "../config/schema.ts";
import type { Action, Explained, Rule } from "../permissions/mod.ts";
import { configFileOf } from "./config_file.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS } from "./error.ts";
import {
  type Flags,
  flagsHelp,
  HELP_ROWS,
  helpAsked,
  type OptionGroup,
  type OptionRow,
  readFlags,
  type Said,
} from "./flags.ts";
import { nearest } from "./nearest.ts";
import { CONFIG_ROW } from "./options.ts";
import { type PermissionFiles, readRules, textOf } from "./permissions.ts";
import { say } from "./terminal.ts";

const ROWS: readonly OptionRow[] = [
  ...SETTINGS.filter(({ key }) => key === "permissions" || key === "mosquitto-acl").map((
    { rare: _, ...row },
  ) => row),
  { ...CONFIG_ROW, about: "settings that name the permissions, if no flag does" },
  {
    name: "user",
    kind: "text",
    value: "NAME",
    about: "the Client's user name; without it the Client has none",
  },
  { name: "client", kind: "text", value: "ID", default: "client", about: "its Client Identifier" },
  {
    name: "group",
    kind: "list",
    value: "NAME",
    about: "a group that its login names; may be given more than once",
  },
  {
    name: "claim",
    kind: "list",
    value: "NAME=VALUE",
    about: "a claim of its login; may be given more than once",
  },
  {
    name: "qos",
    kind: "integer",
    least: 0,
    most: 2,
    value: "N",
    default: "0",
    about: "of the message, or asked for",
  },
  { name: "retain", kind: "flag", about: "the message is to be retained" },
  { name: "json", kind: "flag", about: "the verdict as JSON" },
  ...HELP_ROWS,
];

const ACTIONS: readonly string[] = ["publish", "subscribe", "receive"];
/** Status of `plumb acl test`: 1 is a verdict, not a fault. */
const STATUS_OF_TEST = "Exit status: 0 allowed, 1 not allowed, 2 it was called wrong or cannot be done.";

/**
 * Does one of them; gives the exit status.
 * @throws {CallError} when the call is wrong, or a file is not right.
 */
export async function aclMain(args: readonly string[], environment: Environment): Promise<number> {
  const flags: Flags = { rows: ROWS, positionals: 3, help: "plumb help acl" };
  const said = readFlags(args, environment, flags);
  if (helpAsked(said) !== undefined) {
    await say(aclHelp());
    return STATUS.good;
  }
  const [command, ...more] = said.positionals;
  if (command === "import") return await importAcl(more);
  if (command === "test") return await testAcl(said, more);
  if (command === undefined) throw new CallError("say what: plumb acl test or plumb acl import");
  const meant = nearest(command, ["test", "import"]);
  throw new CallError(
    `unknown: plumb acl ${command}; ${
      meant === undefined ? "it is test or import" : `did you mean ${meant}?`
    }`,
  );
}

async function importAcl([file, extra]: readonly string[]): Promise<number> {
  if (file === undefined) throw new CallError("say which: plumb acl import FILE");
  if (extra !== undefined) throw new CallError(`unexpected argument ${JSON.stringify(extra)}`);
  const { PermissionsError, readMosquittoAcl, writePermissions } = await import("../permissions/mod.ts");
  try {
    const { data, notes } = readMosquittoAcl(await textOf(file), file);
    await say(writePermissions(data, [`From ${file}, by plumb acl import.`, ...notes]));
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    throw new CallError(error.message);
  }
  return STATUS.good;
}

async function testAcl(said: Said, [action, topic]: readonly string[]): Promise<number> {
  const { given } = said;
  const one = (name: string) => given.get(name)?.at(-1);
  if (action === undefined || !ACTIONS.includes(action)) {
    throw new CallError(`say what: plumb acl test ${ACTIONS.join("|")} TOPIC`);
  }
  if (topic === undefined) throw new CallError(`say which topic: plumb acl test ${action} TOPIC`);
  const { parseFilter } = await import("../topic/filter.ts");
  const { isTopicName } = await import("../topic/name.ts");
  if (action === "subscribe" ? typeof parseFilter(topic) === "string" : !isTopicName(topic)) {
    throw new CallError(`${JSON.stringify(topic)} is no Topic ${action === "subscribe" ? "Filter" : "Name"}`);
  }
  const read = await readRules(await filesOf(one));
  if (read === undefined) {
    throw new CallError("say where the permissions are: --permissions FILE, or --config FILE");
  }
  const claims = Object.fromEntries((given.get("claim") ?? []).map((claim) => {
    const at = claim.indexOf("=");
    if (at < 1) throw new CallError(`--claim takes NAME=VALUE, not ${JSON.stringify(claim)}`);
    return [claim.slice(0, at), claim.slice(at + 1)];
  }));
  const { Permissions } = await import("../permissions/mod.ts");
  const client = {
    clientId: one("client") ?? "client",
    username: one("user"),
    groups: given.get("group") ?? [],
    claims,
  };
  const qos = Number(one("qos") ?? 0) as QoS;
  const isRetained = one("retain") === "true";
  const verdict = new Permissions(read.rules).explain(client, action as Action, topic, qos, isRetained);
  await say(one("json") === "true" ? `${JSON.stringify(jsonOf(verdict))}\n` : textFor(verdict));
  return verdict.isAllowed ? STATUS.good : STATUS.found;
}

/** Of flags and variables, else of the file of settings. */
async function filesOf(one: (name: string) => string | undefined): Promise<PermissionFiles> {
  const flags = { permissions: one("permissions"), mosquittoAcl: one("mosquitto-acl") };
  if (flags.permissions !== undefined || flags.mosquittoAcl !== undefined) return flags;
  const file = await configFileOf({ config: one("config") });
  const inFile = (name: string) => file?.values.get(name)?.values.at(-1);
  return { permissions: inFile("permissions"), mosquittoAcl: inFile("mosquitto-acl") };
}

function textFor({ isAllowed, isNarrowed, qos, rules, why }: Explained): string {
  const verdict = isAllowed
    ? `allowed${qos === undefined ? "" : ` at QoS ${qos}`}${isNarrowed ? ", each message checked" : ""}`
    : "not allowed (0x87)";
  const reasons = rules.map(written);
  if (why !== undefined) reasons.unshift(why);
  if (reasons.length === 0 && isNarrowed) reasons.push("no rule lets any message of it through");
  return [...reasons.length === 0 ? [verdict] : reasons.map((reason) => `${verdict}: ${reason}`)].join("\n") +
    "\n";
}

function written({ place, effect, action, pattern }: Rule): string {
  return `${place}: ${effect} ${action} ${pattern.text}`;
}

function jsonOf({ isAllowed, isNarrowed, qos, rules, why }: Explained): object {
  return {
    allowed: isAllowed,
    ...(qos !== undefined && { qos, checked: isNarrowed }),
    rules: rules.map(({ place, effect, action, pattern }) => ({
      place,
      effect,
      action,
      pattern: pattern.text,
    })),
    ...(why !== undefined && { why }),
  };
}

/** The help of both. */
export function aclHelp(): string {
  const groups: OptionGroup[] = [{ title: "Flags of plumb acl test", rows: ROWS }];
  return [
    "plumb acl test [flags] publish|subscribe|receive TOPIC\nplumb acl import FILE",
    "test prints whether a Client may do that, and the file and line of the rule that decided.\n" +
    "import prints what an ACL file of mosquitto's says as a file for --permissions.",
    ...flagsHelp(groups, true),
    "Every flag has an environment variable: --permissions is PLUMB_PERMISSIONS. The command line wins.",
    STATUS_OF_TEST,
  ].join("\n\n") + "\n";
}
