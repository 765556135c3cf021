/**
 * Log lines for people and for programs.
 * Knows levels and formats; refuses to know events of a broker.
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";

/** From most to least. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "off"] as const;
/** How a line is written. */
export const LOG_FORMATS = ["logfmt", "json"] as const;

/** The fields of a line besides its message; undefined is left out. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where lines go. */
export interface LogStream {
  write(text: string, done?: () => void): unknown;
  /** A terminal shows colours. */
  readonly colours: boolean;
}

/** How to log. */
export interface LogOptions {
  readonly level: typeof LOG_LEVELS[number];
  readonly format: typeof LOG_FORMATS[number];
  readonly stream: LogStream;
  /** ms since the epoch. */
  readonly clock?: () => number;
}

/** So much is written at once: memory does not hold a line for each of a burst of thousands of Clients. */
const WRITE_NOW_CHARACTERS = 16 * 1024;

/** A log. Lines of one turn of the event loop are written together: a burst of Clients does not cost a system call each. */
export class Log {
  readonly #least: number;
  readonly #format: LogOptions["format"];
  readonly #stream: LogStream;
  readonly #clock: () => number;
  #lines = "";

  constructor({ level, format, stream, clock = Date.now }: LogOptions) {
    this.#least = LOG_LEVELS.indexOf(level);
    this.#format = format;
    this.#stream = stream;
    this.#clock = clock;
  }

  /** Whether lines of this level are written. */
  shows(level: Exclude<typeof LOG_LEVELS[number], "off">): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#least;
  }

  debug(message: string, fields: Fields = {}): void {
    this.#log(0, message, fields);
  }

  info(message: string, fields: Fields = {}): void {
    this.#log(1, message, fields);
  }

  warn(message: string, fields: Fields = {}): void {
    this.#log(2, message, fields);
  }

  error(message: string, fields: Fields = {}): void {
    this.#log(3, message, fields);
  }

  /** Writes all lines that wait; resolves when the system has them. */
  flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = "";
    return new Promise((resolve) => this.#stream.write(lines, resolve));
  }

  #log(level: number, message: string, fields: Fields): void {
    if (level < this.#least) return;
    const time = new Date(this.#clock()).toISOString();
    const line = this.#format === "json"
      ? JSON.stringify({ time, level: LOG_LEVELS[level], msg: message, ...fields })
      : this.#logfmt(time, level, message, fields);
    if (this.#lines === "") setImmediate(() => this.#lines === "" || this.flush());
    this.#lines += `${line}\n`;
    if (this.#lines.length >= WRITE_NOW_CHARACTERS) this.flush();
  }

  #logfmt(time: string, level: number, message: string, fields: Fields): string {
    const { colours } = this.#stream;
    const name: string = LOG_LEVELS[level]!;
    let line = `time=${time} level=${colours ? COLOURS[level] + name + PLAIN : name} msg=${quoted(message)}`;
    for (const key in fields) {
      const value = fields[key];
      if (value !== undefined) line += ` ${colours ? FAINT + key + PLAIN : key}=${quoted(String(value))}`;
    }
    return line;
  }
}

const PLAIN = "\x1b[0m";
const FAINT = "\x1b[2m";
const COLOURS = ["\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"] as const;

/** As it is, when that can be read back; else as JSON, so that no Client can forge a line or colour our terminal. */
function quoted(text: string): string {
  return /^[\w.:/@[\]+$#-]+$/.test(text) ? text : JSON.stringify(text).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Characters that JSON leaves as they are and a terminal interprets: C1 controls and changes of direction. */
const UNPRINTABLE = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** stderr, whose loss (a pipe that is closed) does not end the broker. */
export function stderrStream(noColor: boolean): LogStream {
  const { stderr } = process;
  stderr.on("error", () => {});
  return {
    write: (text, done) => stderr.write(text, () => done?.()),
    colours: stderr.isTTY === true && !noColor,
  };
}
