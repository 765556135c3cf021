/**
 * Numbers in words: with units, as short as they can be read.
 * Knows how a number looks; refuses to know where it comes from.
 * @module
 */

const whole: Intl.NumberFormat = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `1,234,567` */
export function count(value: number): string {
  return whole.format(value);
}

/** `no messages`, `1 message`, `1,234 messages` */
export function counted(value: number, one: string, many: string = `${one}s`): string {
  return value === 0 ? `no ${many}` : `${count(value)} ${value === 1 ? one : many}`;
}

/** Three digits: `0.25`, `7.1`, `34`, `1,234`. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || size >= 99.5) return count(value);
  return String(Number(value.toPrecision(size < 1 ? 2 : size < 9.95 ? 2 : 3)));
}

/** `7.1/s` */
export function rate(value: number): string {
  return `${short(value)}/s`;
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `17 B`, `1.5 KiB`, `230 MiB` */
export function bytes(value: number): string {
  let at = 0;
  let left = value;
  while (Math.abs(left) >= 1024 && at < BYTE_UNITS.length - 1) {
    left /= 1024;
    at++;
  }
  return `${at === 0 ? count(left) : short(left)} ${BYTE_UNITS[at]}`;
}

/** From seconds: `0.4 ms`, `35 s`, `5 min 2 s`, `2 h 5 min`, `4 d 3 h`. */
export function duration(seconds: number): string {
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return `${short(seconds * 1_000_000)} µs`;
  if (seconds < 1) return `${short(seconds * 1_000)} ms`;
  if (seconds < 60) return `${short(seconds)} s`;
  const all = Math.round(seconds);
  const [days, hours, minutes, rest] = [
    Math.floor(all / 86_400),
    Math.floor(all / 3_600) % 24,
    Math.floor(all / 60) % 60,
    all % 60,
  ];
  const parts = days > 0
    ? [[days, "d"], [hours, "h"]]
    : hours > 0
    ? [[hours, "h"], [minutes, "min"]]
    : [[minutes, "min"], [rest, "s"]];
  return parts.filter(([value]) => value !== 0).map((part) => part.join(" ")).join(" ");
}

/** A moment (ms since 1970) as `2026-11-30 21:15:02`, in the time of the reader. */
export function moment(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms)}`;
}

/** `21:15:02`, in the time of the reader. */
export function clock(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}

/** `memoryBytesMax` as `memory bytes max`. */
export function spaced(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
}

/** A value with the unit that the broker names. */
export function withUnit(value: number, unit: string): string {
  if (unit === "bytes") return bytes(value);
  if (unit === "seconds" || unit === "s") return duration(value);
  if (unit === "ms") return duration(value / 1_000);
  return `${count(value)} ${unit}`.trimEnd();
}

/** A histogram: counts of values up to each bound, and of those above the last one. */
export interface Histogram {
  readonly bounds: readonly number[];
  /** One more than there are bounds; each for itself, not added up. */
  readonly counts: readonly number[];
}

/** The value that the share `part` of all values does not exceed: the upper bound of its bucket. Undefined if there are none. */
export function quantile({ bounds, counts }: Histogram, part: number): number | undefined {
  const all = counts.reduce((sum, one) => sum + one, 0);
  if (all === 0) return undefined;
  let left = all * part;
  for (const [at, one] of counts.entries()) {
    left -= one;
    if (left <= 0) return bounds[Math.min(at, bounds.length - 1)];
  }
  return bounds.at(-1);
}

/** A payload as text if it is UTF-8 that can be shown; else undefined. */
export function textOf(payload: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
    // deno-lint-ignore no-control-regex
    return /[\u0000-\u0008\u000e-\u001f\u007f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Bytes as `00ff10 …`, sixteen in a line. */
export function hex(payload: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < payload.length; at += 16) {
    lines.push([...payload.subarray(at, at + 16)].map((one) => one.toString(16).padStart(2, "0")).join(" "));
  }
  return lines.join("\n");
}

/** JSON of more than this many characters is shown with its lines. */
const ONE_LINE = 72;

/** JSON with its lines, or the text as it is. */
export function readable(text: string): string {
  if (text.length <= ONE_LINE || !/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}

/** Base64 as bytes. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
