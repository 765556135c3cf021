/**
 * Any command line as a Client under audit.
 * Knows processes; refuses to know what a command does beyond the placeholders it has.
 * @module
 */
import process from "node:process";
import { type ChildProcess, spawn } from "node:child_process";
import { type Command, parseCommand, skillsOf, valuesOf } from "./command.ts";
import type { ClientOrder, Driver, Heard, RunningClient, Where } from "./driver.ts";

/** Characters of its words that are kept. */
const WORDS_KEPT = 500;

/**
 * Reads the command line.
 * @throws {AuditCallError} if it is none.
 */
export function execDriver(text: string): Driver {
  const command = parseCommand(text);
  return {
    name: command.words({})[0]!,
    skills: skillsOf(command.uses),
    port: 0,
    connectMs: 5_000,
    flags: `--client --exec '${text.replaceAll("'", `'\\''`)}'`,
    start: (order, where) => Promise.resolve(start(command, order, where)),
  };
}

function start(command: Command, order: ClientOrder, where: Where): RunningClient {
  const [program, ...args] = command.words(valuesOf(order, where));
  const byInput = command.uses.has("stdin");
  const heard: Heard[] = [];
  let words = "";
  let child: ChildProcess;
  try {
    child = spawn(program!, args, { stdio: [byInput ? "pipe" : "ignore", "pipe", "pipe"] });
  } catch (error) {
    // An argument that no process can be given, as one with U+0000.
    const never = { heard, gone: Promise.resolve(), leave: () => {}, stop: () => Promise.resolve() };
    return { ...never, words: error instanceof Error ? error.message : String(error) };
  }
  let over = false;
  const gone = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      words += error.message;
      resolve();
    });
    child.on("exit", () => over = true);
    child.on("close", () => resolve());
  });
  child.stderr?.on("data", (data: Uint8Array) => {
    words = (words + new TextDecoder().decode(data)).slice(-WORDS_KEPT);
  });
  let line = "";
  child.stdout?.on("data", (data: Uint8Array) => {
    const lines = (line + new TextDecoder().decode(data)).split("\n");
    line = lines.pop()!;
    heard.push(...lines.map((payload) => ({ payload })));
  });
  child.stdin?.on("error", () => {}); // The Client may be gone before it has read.
  if (byInput) child.stdin?.write((order.publish ?? []).map(({ payload }) => `${payload}\n`).join(""));
  return {
    heard,
    gone,
    get words() {
      return words.trim().split("\n").at(-1) ?? "";
    },
    leave() {
      if (byInput) child.stdin?.end();
      else child.kill("SIGTERM");
    },
    async stop() {
      if (child.pid !== undefined && !over) endProcess(child.pid);
      await gone;
    },
  };
}

/** `child.kill()` does nothing the second time on some runtimes, and a Client may ignore what is polite. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch { /* It is gone. */ }
}
