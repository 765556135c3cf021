/**
 * Log lines for people and for programs.
 * Knows levels, formats, and how much is written; refuses to know events of a broker.
 * @module
 */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { isatty } from "node:tty";
import type { LimitRow } from "../broker/limits.ts";
import { OnceAMinute } from "../login/once_a_minute.ts";
import { writeStderr } from "../runtime/stderr.ts";

/** From most to least. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "off"] as const;
/** How a line is written. */
export const LOG_FORMATS = ["logfmt", "json"] as const;

/** Every limit of the log; on the command line `logLinesPerSecondMax` is `--log-lines-per-second-max`. */
export const LOG_LIMITS: Readonly<Record<LogLimitName, Omit<LimitRow, "scope">>> = {
  logTextCharactersMax: {
    default: 200,
    least: 16,
    most: 65_536,
    unit: "characters",
    about: "characters of a text that a peer has chosen, such as a Client Identifier; the rest is cut",
  },
  logLinesPerSecondMax: {
    default: 100,
    least: 1,
    most: 1_000_000,
    unit: "lines",
    about: 'lines with one message in a second; then one line says "and N more"',
  },
  logWaitingCharactersMax: {
    default: 1024 * 1024,
    least: 4096,
    most: 1024 * 1024 * 1024,
    unit: "characters",
    about: "characters of lines that wait while stderr is not read; above it lines are dropped, and counted",
  },
};

/** The name of a limit. */
export type LogLimitName = "logTextCharactersMax" | "logLinesPerSecondMax" | "logWaitingCharactersMax";

/** The fields of a line besides its message; undefined is left out. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where lines go. */
export interface LogStream {
  /** Calls `done` when the system has the text; not called again before. */
  write(text: string, done: () => void): unknown;
  /** A terminal shows colours. */
  readonly colours: boolean;
}

/** How to log. */
export interface LogOptions {
  readonly level: typeof LOG_LEVELS[number];
  readonly format: typeof LOG_FORMATS[number];
  readonly stream: LogStream;
  /** In place of the defaults of `LOG_LIMITS`. */
  readonly limits?: Partial<Readonly<Record<LogLimitName, number>>>;
  /** ms since the epoch. */
  readonly clock?: () => number;
}

/** Lines with one message, in the present second. */
interface Kind {
  readonly level: number;
  readonly message: string;
  sinceMs: number;
  written: number;
  /** Not written, since there were too many. */
  more: number;
}

/** A line that is left out for now. */
interface Line {
  readonly message: string;
  readonly fields: Fields;
}

/** So much is written at once: memory does not hold a line for each of a burst of thousands of Clients. */
const WRITE_NOW_CHARACTERS = 16 * 1024;
const SECOND_MS = 1000;
/** How long the end of the process waits for stderr to be read. */
const FLUSH_MS = 1000;
const WARN = LOG_LEVELS.indexOf("warn");

/** A log. Lines of one turn of the event loop are written together: a burst of Clients does not cost a system call each. */
export class Log {
  #least = 0;
  #format: LogOptions["format"] = "logfmt";
  readonly #stream: LogStream;
  readonly #clock: () => number;
  #limits: Readonly<Record<LogLimitName, number>>;
  readonly #kinds = new Map<string, Kind>();
  readonly #causes = new OnceAMinute<Line>();
  #lines = "";
  #isWriting = false;
  #dropped = 0;
  #flushed: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ stream, clock = Date.now, ...changeable }: LogOptions) {
    this.#stream = stream;
    this.#clock = clock;
    this.#limits = this.change(changeable);
  }

  /** Goes on with these. Returns the limits that hold. */
  change(
    { level, format, limits = {} }: Pick<LogOptions, "level" | "format" | "limits">,
  ): Readonly<Record<LogLimitName, number>> {
    this.#least = LOG_LEVELS.indexOf(level);
    this.#format = format;
    const limit = (name: LogLimitName) => limits[name] ?? LOG_LIMITS[name].default;
    return this.#limits = {
      logTextCharactersMax: limit("logTextCharactersMax"),
      logLinesPerSecondMax: limit("logLinesPerSecondMax"),
      logWaitingCharactersMax: limit("logWaitingCharactersMax"),
    };
  }

  /** Whether it goes to a terminal that shows colours. */
  get colours(): boolean {
    return this.#stream.colours;
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

  /**
   * A warning that strangers can bring about at will: one a minute for each cause. Of those that are left out the last one is written when
   * the minute is over, with how many `more` there were. At level debug all are written.
   */
  warnSeldom(cause: string, message: string, fields: Fields): void {
    if (!this.shows("warn")) return;
    if (this.#causes.isDue(cause, this.#clock(), { message, fields })) {
      return this.warn(message, { ...fields, more: this.#causes.left(cause) || undefined });
    }
    this.debug(message, fields);
    this.#tellLater();
  }

  error(message: string, fields: Fields = {}): void {
    this.#log(3, message, fields);
  }

  /** A text that a peer has chosen, no longer than `logTextCharactersMax`. */
  cut(text: string): string {
    const { logTextCharactersMax: most } = this.#limits;
    if (text.length <= most) return text;
    const isInPair = /[\ud800-\udbff]/.test(text[most - 1]!);
    return `${text.slice(0, isInPair ? most - 1 : most)}… (${text.length} characters)`;
  }

  /** Writes all lines that wait; resolves when the system has them, or after a second in which it does not take them. */
  async flush(): Promise<void> {
    this.#tellMore(true);
    const written = new Promise<void>((resolve) => this.#flushed.push(resolve));
    this.#write();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, FLUSH_MS));
    await Promise.race([written, late]);
    clearTimeout(timer);
  }

  #log(level: number, message: string, fields: Fields): void {
    if (level < this.#least) return;
    const now = this.#clock();
    if (this.#allows(now, level, message)) this.#put(now, level, message, fields);
  }

  /** Whether there may be one line more of this kind now. */
  #allows(now: number, level: number, message: string): boolean {
    let kind = this.#kinds.get(message);
    if (kind === undefined) {
      kind = { level, message, sinceMs: now, written: 0, more: 0 };
      this.#kinds.set(message, kind);
    } else if (now - kind.sinceMs >= SECOND_MS || now < kind.sinceMs) {
      this.#tell(now, kind);
      kind.sinceMs = now;
      kind.written = 0;
    }
    if (kind.written++ < this.#limits.logLinesPerSecondMax) return true;
    kind.more++;
    this.#tellLater();
    return false;
  }

  #tellLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#tellMore(), SECOND_MS);
    this.#timer.unref();
  }

  /** Tells of what was left out, as far as it is time, or the log ends. */
  #tellMore(isLast = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { item: { message, fields }, more } of this.#causes.overdue(this.#clock(), isLast)) {
      this.warn(message, { ...fields, more: more || undefined });
    }
    for (const kind of this.#kinds.values()) this.#tell(this.#clock(), kind);
    if (!isLast && this.#causes.hasMore) this.#tellLater();
  }

  /** Says how many lines of a kind were not written. */
  #tell(now: number, kind: Kind): void {
    const { level, message, more } = kind;
    if (more === 0) return;
    kind.more = 0;
    this.#put(now, level, `and ${more} more`, { of: message, more });
  }

  /** A line that another process has written, without its end, as it is. */
  passOn(line: string): void {
    if (!this.#isFull()) this.#add(`${line}\n`);
  }

  #put(now: number, level: number, message: string, fields: Fields): void {
    if (!this.#isFull()) this.#add(this.#line(now, level, message, fields));
  }

  /** Whether too much waits to be written; then one line more is left out. */
  #isFull(): boolean {
    const isFull = this.#lines.length >= this.#limits.logWaitingCharactersMax;
    if (isFull) this.#dropped++;
    return isFull;
  }

  #add(line: string): void {
    if (this.#lines === "" && !this.#isWriting) setImmediate(() => this.#write());
    this.#lines += line;
    if (this.#lines.length >= WRITE_NOW_CHARACTERS) this.#write();
  }

  #write(): void {
    if (this.#isWriting) return;
    let lines = this.#lines;
    this.#lines = "";
    if (this.#dropped > 0) {
      const fields = { count: this.#dropped, why: "stderr was not read" };
      lines += this.#line(this.#clock(), WARN, "log lines dropped", fields);
      this.#dropped = 0;
    }
    if (lines === "") {
      for (const flushed of this.#flushed.splice(0)) flushed();
      return;
    }
    this.#isWriting = true;
    this.#stream.write(lines, () => {
      this.#isWriting = false;
      this.#write();
    });
  }

  #line(now: number, level: number, message: string, fields: Fields): string {
    const time = new Date(now).toISOString();
    const line = this.#format === "json"
      ? json({ time, level: LOG_LEVELS[level], msg: message, ...fields })
      : this.#logfmt(time, level, message, fields);
    return `${line}\n`;
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
  return /^[\w.:/@[\]+$#-]+$/.test(text) ? text : json(text);
}

/** JSON in which no character acts on what shows it: controls, breaks of lines, changes of direction, and what is not to be seen. */
function json(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    // An astral character is two code units, and an escape for each.
    character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""));
}

/** stderr, whose loss (a pipe that is closed) does not end the broker. A process that reads it may have a terminal. */
export function stderrStream(noColor: boolean, isTerminal: boolean = isatty(2)): LogStream {
  return {
    write: (text, done) => void writeStderr(text).then(done),
    colours: isTerminal && !noColor,
  };
}
