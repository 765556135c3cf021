/**
 * A process that runs `plumb serve` for another one: how it is started, and what it says.
 * Knows its stdin and stderr; refuses to know what it is for, and when it is started again.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { ownProgram } from "../../runtime/program.ts";
import { CallError, STATUS } from "../error.ts";
import { Lines } from "./lines.ts";

/** What a line of news begins with. */
export const NEWS = "plumb-worker ";

/** How a process ended. */
export interface End {
  readonly status: number | null;
  readonly signal: string | null;
}

/** The same as fields of a line of the log. */
export function fieldsOf({ status, signal }: End): { readonly status?: number; readonly signal?: string } {
  if (signal !== null) return { signal };
  return status === null ? {} : { status };
}

/** What a process is started with, and who hears of it. */
export interface ChildOptions {
  /** Of `programOf()`. */
  readonly program: readonly string[];
  /** Those of `plumb serve`. */
  readonly args: readonly string[];
  /** The variable that tells it what it is, and its value. */
  readonly variable: string;
  readonly order: unknown;
  /** A line on stderr that is no news. */
  said(line: string): void;
  /** News, not checked: whoever has started it trusts it. */
  news(news: unknown): void;
  /** It could not be started; `ended()` follows. */
  troubled(why: string): void;
  /** It has ended, and all that it has said was told. Called once. */
  ended(end: End): void;
}

/**
 * How processes are started that do what this one does; `flag` is what asks for them.
 * @throws {CallError} where processes may not be started.
 */
export function programOf(flag: string): readonly string[] {
  const program = ownProgram();
  if (program !== undefined) return program;
  throw new CallError(`${flag} needs -A on Deno: it starts processes, and they may do what this one may`);
}

/** A process. */
export class Child {
  readonly #process: ChildProcess;

  constructor(options: ChildOptions) {
    const { program: [command, ...before], args, variable, order } = options;
    const { NOTIFY_SOCKET: _, ...variables } = process.env; // how the whole is, is for this process to say
    const child = this.#process = spawn(command!, [...before, "serve", ...args], {
      env: { ...variables, [variable]: JSON.stringify(order) },
      stdio: ["pipe", "inherit", "pipe"],
    });
    const said = new Lines((line) => {
      if (line.startsWith(NEWS)) options.news(JSON.parse(line.slice(NEWS.length)));
      else options.said(line);
    });
    child.stderr!.on("data", (bytes: Uint8Array) => said.push(bytes));
    child.stdin!.on("error", () => {}); // it has ended
    let isOver = false;
    const ended = (end: End) => {
      if (isOver) return;
      isOver = true;
      said.end();
      options.ended(end);
    };
    child.once("error", ({ message }) => {
      options.troubled(message);
      ended({ status: STATUS.cannot, signal: null });
    });
    child.once("close", (status, signal) => ended({ status, signal }));
  }

  /** Tells it in a line what to do. */
  tell(order: string): void {
    this.#process.stdin?.write(`${order}\n`);
  }

  /** Ends it at once. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }
}
