/**
 * The line on stderr that says how fast messages go, while a terminal shows stderr and something else the messages.
 * Knows numbers and the terminal; refuses to know messages.
 * @module
 */
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";

const REFRESH_MS = 500;

/** Shown until `end()`. */
export class RateLine {
  #messages = 0;
  #bytes = 0;
  #before = 0;
  #beforeMs: number = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** `isShown`: nothing else writes to the terminal. */
  constructor(isShown: boolean) {
    if (isShown && process.stderr.isTTY === true) this.#timer = setInterval(() => this.#show(), REFRESH_MS);
  }

  /** One message more. */
  count(bytes: number): void {
    this.#messages++;
    this.#bytes += bytes;
  }

  /** Takes the line away. */
  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    process.stderr.write("\r\x1b[K");
  }

  #show(): void {
    const now = performance.now();
    const rate = (this.#messages - this.#before) * 1000 / (now - this.#beforeMs);
    this.#before = this.#messages;
    this.#beforeMs = now;
    const line = `${grouped(this.#messages)} messages  ${grouped(rate)}/s  ${sizeText(this.#bytes)}`;
    process.stderr.write(`\r${line.slice(0, (process.stderr.columns || 80) - 1)}\x1b[K`);
  }
}

/** `1,234` */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `1.2 MiB` */
export function sizeText(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}
