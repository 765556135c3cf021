/**
 * The executable: `plumb [command] [flags]`.
 * Knows the commands and the exit status; refuses to know their work.
 * @module
 */
import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { environment } from "./environment.ts";
import { CallError, WorkError } from "./error.ts";
import { Log, stderrStream } from "./log.ts";
import { nearest } from "./nearest.ts";
import { helpText, settingsOf } from "./options.ts";
import { serveCommand } from "./serve.ts";
import { say } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** Each gives the exit status. The first is the default; a rarely used command is loaded only then. */
const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  serve,
  audit: async (args) => await (await import("./audit.ts")).auditMain(args, environment),
  bench: async (args) => await (await import("./bench.ts")).benchMain(args, environment),
  ...Object.fromEntries(["backup", "verify", "compact"].map((name) => [name, store(name)])),
};

if (isMainThread) {
  const [first, ...rest] = process.argv.slice(2);
  const named = first !== undefined && !first.startsWith("-");
  process.exit(await run(named ? first : "serve", named ? rest : process.argv.slice(2)));
} else { // compiled to one file, it is the script of its threads too; each begins only if it is the one that is meant
  await import("../store/worker.ts");
  await import("../bench/worker.ts");
}

/** Does a command; gives the exit status. */
async function run(name: string, args: readonly string[]): Promise<number> {
  try {
    if (!Object.hasOwn(COMMANDS, name)) {
      const known = nearest(name, Object.keys(COMMANDS));
      throw new CallError(`unknown command ${JSON.stringify(name)}; did you mean ${known}?`);
    }
    return await COMMANDS[name]!(args);
  } catch (error) {
    if (!(error instanceof CallError || error instanceof WorkError)) throw error;
    await say(`plumb: ${error.message}\n`, process.stderr);
    return error instanceof CallError ? 2 : 1;
  }
}

function store(name: string): (args: readonly string[]) => Promise<number> {
  return async (args) => await (await import("./store.ts")).storeMain(name, args, environment);
}

async function serve(args: readonly string[]): Promise<number> {
  const settings = settingsOf(args, environment);
  if (settings.help || settings.version) {
    await say(settings.help ? helpText() : `plumb ${VERSION}\n`);
    return 0;
  }
  const { logLevel: level, logFormat: format } = settings;
  const log = new Log({ level, format, stream: stderrStream((environment("NO_COLOR") ?? "") !== "") });
  await serveCommand(settings, log);
  await log.flush();
  return 0;
}
