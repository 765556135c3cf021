/**
 * The executable: `plumb [command] [flags]`.
 * Knows the commands and the exit status; refuses to know their work.
 * @module
 */
import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { type ConfigFile, readConfig } from "../config/file.ts";
import { configFileOf, mayRead } from "./config_file.ts";
import { environment } from "./environment.ts";
import { CallError, STATUS } from "./error.ts";
import { Log, stderrStream } from "./log.ts";
import { nearest } from "./nearest.ts";
import { callOf, DEFAULT_CONFIG, helpText, type Settings, settingsOfCall } from "./options.ts";
import { checkSettings, serveCommand, type Source } from "./serve.ts";
import { complain, say } from "./terminal.ts";
import { VERSION } from "./version.ts";
import { shardOrderOf } from "./cluster/order.ts";
import { clusterOf } from "./cluster/settings.ts";
import type { ServePart } from "./part.ts";
import { orderOf } from "./workers/worker.ts";

/** Each gives the exit status. A rarely used command is loaded only then. */
const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  serve,
  audit: async (args) => await (await import("./audit.ts")).auditMain(args, environment),
  acl: async (args) => await (await import("./acl.ts")).aclMain(args, environment),
  bench: async (args) => await (await import("./bench.ts")).benchMain(args, environment),
  ...Object.fromEntries(["backup", "export", "verify", "compact"].map((name) => [name, store(name)])),
  cluster: async (args) => await (await import("./cluster/status.ts")).clusterMain(args, environment),
  config: async (args) => await (await import("./config.ts")).configMain(args, environment),
  explain: async (args) => await (await import("./explain.ts")).explainMain(args, environment),
  "home-assistant": async (args) =>
    await (await import("./home_assistant.ts")).homeAssistantMain(args, environment, serve),
  init: async (args) => await (await import("./init.ts")).initMain(args),
  import: async (args) => await (await import("./import.ts")).importMain(args, environment),
  page: async (args) => await (await import("./page.ts")).pageMain(args, environment),
  passwd: async (args) => await (await import("./passwd.ts")).passwdMain(args, environment),
  trace: async (args) => await (await import("./trace.ts")).traceMain(args, environment),
  pub: async (args) => await (await import("./pub.ts")).pubMain(args, environment),
  request: async (args) => await (await import("./request.ts")).requestMain(args, environment),
  sub: async (args) => await (await import("./sub.ts")).subMain(args, environment),
  help: async ([command, ...more]) => {
    if (more.length > 0) throw new CallError(`unexpected argument ${JSON.stringify(more[0])}`);
    const isAll = command !== undefined && command !== "help";
    return await (isAll ? commandOf(command) : serve)([isAll ? "--help-all" : "--help"]);
  },
  version: async () => {
    await say(`plumb ${VERSION}\n`);
    return STATUS.good;
  },
};

if (isMainThread) {
  const [first, ...rest] = process.argv.slice(2);
  const named = first !== undefined && !first.startsWith("-");
  process.exit(await run(named ? first : "serve", named ? rest : process.argv.slice(2)));
} else { // compiled to one file, it is the script of its threads too; each begins only if it is the one that is meant
  await import("../store/worker.ts");
  await import("../bench/worker.ts");
  await import("../login/worker.ts");
  await import("../store/snapshot_thread.ts");
  await import("../rules/worker.ts");
}

/** Does a command; gives the exit status. */
async function run(name: string, args: readonly string[]): Promise<number> {
  try {
    return await commandOf(name)(args);
  } catch (error) {
    await complain(
      error instanceof CallError
        ? error.message.split("\n").map((line) => `plumb: ${line}\n`).join("")
        : `plumb: an error of its own: ${error instanceof Error ? error.stack ?? error.message : error}\n`,
    );
    return STATUS.cannot;
  }
}

function commandOf(name: string): (args: readonly string[]) => Promise<number> {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name]!;
  const meant = nearest(name, Object.keys(COMMANDS));
  const hint = meant === undefined ? "plumb help names all" : `did you mean ${meant}?`;
  throw new CallError(`unknown command ${JSON.stringify(name)}; ${hint}`);
}

function store(name: string): (args: readonly string[]) => Promise<number> {
  return async (args) => await (await import("./store.ts")).storeMain(name, args, environment);
}

async function serve(args: readonly string[], ready?: () => void): Promise<number> {
  const call = callOf(args, environment);
  if (call.help !== undefined || call.version) {
    await say(call.version ? `plumb ${VERSION}\n` : helpText(call.help === "all"));
    return STATUS.good;
  }
  const file = await configFileOf(call);
  const part = await partOf();
  const settingsOf = (file: ConfigFile | undefined) => {
    const settings = settingsOfCall(call, file);
    return part?.own(settings) ?? settings;
  };
  const settings = settingsOf(file);
  const { logLevel: level, logFormat: format, logLimits: limits } = settings;
  const stream = stderrStream((environment("NO_COLOR") ?? "") !== "", part?.order.colours);
  const log = new Log({ level: call.isCheck ? "off" : level, format, limits, stream });
  if (call.config === undefined && !mayRead(DEFAULT_CONFIG)) {
    log.warn(`${DEFAULT_CONFIG} is not looked for`, { advice: `--allow-read=${DEFAULT_CONFIG}` });
  }
  if (call.isCheck) {
    await checkSettings(settings, log);
    await say("ok\n");
    return STATUS.good;
  }
  try {
    const source = file && sourceOf(file, settingsOf);
    if (part !== undefined) {
      part.log = log;
      return await serveCommand(settings, log, source, (addresses) => part.ready(addresses), part);
    }
    const plan = clusterOf(settings);
    if (plan !== undefined) {
      const { superviseMember } = await import("./cluster/supervisor.ts");
      return await superviseMember({ settings, cluster: plan.cluster, args, log, ready });
    }
    if (settings.workers !== 1) {
      const { supervise, workersOf } = await import("./workers/supervisor.ts");
      const count = workersOf(settings.workers, log);
      if (count > 1) return await supervise({ count, settings, args, log, ready });
    }
    return await serveCommand(settings, log, source, ready);
  } finally {
    await log.flush();
  }
}

/** What this process is among several, if another one has started it for that. */
async function partOf(): Promise<
  (ServePart & { readonly order: { readonly colours: boolean } }) | undefined
> {
  const worker = orderOf(environment);
  if (worker !== undefined) return new (await import("./workers/part.ts")).WorkerPart(worker);
  const shard = shardOrderOf(environment);
  return shard && new (await import("./cluster/part.ts")).ShardPart(shard);
}

/** All settings, read again from this file. */
function sourceOf(file: ConfigFile, settingsOf: (file: ConfigFile) => Settings): Source {
  const { path } = file;
  let { text } = file;
  return {
    path,
    get text() {
      return text;
    },
    read: async () => {
      const again = await readConfig(path);
      text = again.text;
      return settingsOf(again);
    },
  };
}
