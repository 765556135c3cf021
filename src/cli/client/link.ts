/**
 * The connection of `plumb pub`, `plumb sub` and `plumb request`: how it begins, and how its end becomes an exit status.
 * Knows the Client, its errors and the terminal; refuses to know what is sent.
 * @module
 */
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { ClientDriver } from "../../client_api/client.ts";
import { dialByScheme } from "../../client_api/dial.ts";
import { explain } from "../../client_api/explain.ts";
import { ALL_PARTS } from "../../client_api/parts.ts";
import { type MqttError, RefusedError } from "../../client/error.ts";
import { UsageError } from "../../codec/error.ts";
import { CallError, STATUS } from "../error.ts";
import { complain } from "../terminal.ts";
import type { ClientCall } from "./call.ts";

/** Statuses of these commands besides those of all. */
export const CLIENT_STATUS = {
  /** As mosquitto's tools: the time of -W is over. */
  timedOut: 27,
  /** As a program that SIGPIPE ends: nothing reads its output. */
  outputClosed: 141,
} as const;

/** What a command ends with. */
export interface End {
  readonly status: number;
  /** For stderr. */
  readonly why?: string;
}

/** One connection after another to one Server. */
export class ClientLink {
  readonly driver: ClientDriver;
  /** Resolves with the first reason to end. */
  readonly ended: Promise<End>;
  readonly #call: ClientCall;
  readonly #closeMs: number;
  #end!: (end: End) => void;
  #isEnding = false;
  #isRefused = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** A signal or the time of -W ended it, so that the Server is to publish the will. */
  #isInterrupted = false;
  #notes: Promise<void> = Promise.resolve();

  /**
   * `closeMs`: how long what is under way, and then the Server's end of the connection, is waited for when the command ends.
   * @throws {CallError} for what no CONNECT can have.
   */
  constructor(call: ClientCall, closeMs: number = CLOSE_MS) {
    this.#call = call;
    this.#closeMs = closeMs;
    const options = { ...call.options, limits: { ...call.options.limits, closeTimeoutMs: closeMs } };
    this.driver = asCall(() => new ClientDriver(ALL_PARTS, dialByScheme, call.url, options));
    this.ended = new Promise((resolve) => this.#end = resolve);
  }

  /** Ends the command, if nothing has. */
  end(end: End): void {
    this.#isEnding = true;
    this.#end(end);
  }

  /** Ctrl-C and SIGTERM are a good end. */
  endsBySignal(): void {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, this.#interrupt);
  }

  readonly #interrupt = (): void => {
    this.#isInterrupted = true;
    this.end({ status: STATUS.good });
  };

  /** The time of -W begins; `isGood`: its end is what the command is for. */
  endsAfter(seconds: number | undefined, isGood = false): void {
    if (seconds === undefined || seconds === 0) return;
    this.#timer = setTimeout(() => {
      this.#isInterrupted = true;
      this.end(
        isGood
          ? { status: STATUS.good }
          : { status: CLIENT_STATUS.timedOut, why: `the ${seconds} s of -W are over` },
      );
    }, seconds * 1000);
  }

  /** Connects; false if the command has come to its end before. */
  async begin(): Promise<boolean> {
    const { driver } = this;
    driver.on("disconnected", (event) => {
      const { error, retryAt } = event as { readonly error: MqttError; readonly retryAt: number | undefined };
      if (retryAt !== undefined) this.note(`${explain(error)}; connecting again`);
    }, undefined);
    driver.on("closed", (event) => {
      const { error } = event as { readonly error: MqttError | undefined };
      if (!this.#isEnding) this.end(endOf(error));
    }, undefined);
    const begun = driver.begin();
    begun.catch(() => {}); // a signal may have come first
    try {
      const first = await Promise.race([begun, this.ended]);
      return first === undefined;
    } catch (error) {
      this.end(endOf(error));
      return false;
    }
  }

  /** Whether the command has come to its end. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Nothing more can be written to stdout; `isClosed`: nothing reads it. */
  readonly outputFailed = ({ message }: Error, isClosed: boolean): void =>
    this.end(
      isClosed ? { status: CLIENT_STATUS.outputClosed } : { status: STATUS.found, why: `stdout: ${message}` },
    );

  /** Something was refused: the command goes on, and ends with 1. */
  refused(text: string): void {
    this.#isRefused = true;
    this.note(text);
  }

  /** Waits for the end, closes the connection, says why, and does `last`; gives the exit status. */
  async finish(last?: () => Promise<void>): Promise<number> {
    const { status, why } = await this.ended;
    clearTimeout(this.#timer);
    const isWithWill = this.#call.hasWill && this.#isInterrupted && this.driver.level === 5;
    const closing = this.driver.close({
      ...this.#call.closing,
      timeoutMs: this.#closeMs,
      withWill: isWithWill,
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, this.#interrupt);
    await closing; // another Ctrl-C ends the process
    if (why !== undefined) this.note(why);
    await last?.();
    await this.#notes;
    return status === STATUS.good && this.#isRefused ? STATUS.found : status;
  }

  /** One line on stderr. */
  note(text: string): void {
    if (!this.#call.isQuiet) this.#notes = this.#notes.then(() => complain(`plumb: ${text}\n`));
  }
}

/** ms: for a command that reads. */
const CLOSE_MS = 5_000;

/** What an error means for the command. */
export function endOf(error: unknown): End {
  if (error === undefined) return { status: STATUS.good };
  if (error instanceof RefusedError && error.packet === "CONNACK") {
    return { status: error.reasonCode, why: explain(error) };
  }
  if (error instanceof UsageError || error instanceof CallError) {
    return { status: STATUS.cannot, why: error.message };
  }
  return { status: STATUS.found, why: explain(error) };
}

/** Does it; what it cannot do is a mistake of the call. @throws {CallError} */
function asCall<T>(does: () => T): T {
  try {
    return does();
  } catch (error) {
    throw error instanceof UsageError ? new CallError(error.message) : error;
  }
}
