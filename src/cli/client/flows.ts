/**
 * `plumb sub --stats`: which topics bring how much.
 * Knows topics and counts; refuses to know where a table goes.
 * @module
 */
import { grouped, sizeText } from "./rate.ts";
import type { Shown } from "./shown.ts";

/** Topics that are counted each; what comes to more is counted together. */
const TOPICS_MAX = 10_000;
const OTHERS = "(others)";

/** One topic. */
interface Flow {
  readonly topic: string;
  messages: number;
  bytes: number;
  bytesMax: number;
  retained: number;
  lastMs: number;
  /** At the last look. */
  before: number;
}

/** All topics. */
export class Flows {
  readonly #sinceMs: number;
  readonly #flows: Map<string, Flow> = new Map();
  #lookMs: number;

  /** `nowMs`: of a clock that never goes back. */
  constructor(nowMs: number) {
    this.#sinceMs = this.#lookMs = nowMs;
  }

  /** A message has come. */
  add({ topic, payload, retain }: Shown, nowMs: number): void {
    const name = this.#flows.has(topic) || this.#flows.size < TOPICS_MAX ? topic : OTHERS;
    let flow = this.#flows.get(name);
    if (flow === undefined) {
      flow = { topic: name, messages: 0, bytes: 0, bytesMax: 0, retained: 0, lastMs: nowMs, before: 0 };
      this.#flows.set(name, flow);
    }
    flow.messages++;
    flow.bytes += payload.length;
    flow.bytesMax = Math.max(flow.bytesMax, payload.length);
    if (retain) flow.retained++;
    flow.lastMs = nowMs;
  }

  /** A table of the topics with the most messages: `/s` since the last look, or with `isLast` since the first message could come. */
  table(nowMs: number, isLast: boolean, rows: number = Infinity): string {
    const sorted = this.#sorted();
    const seconds = Math.max(0.001, (nowMs - (isLast ? this.#sinceMs : this.#lookMs)) / 1000);
    const lines = sorted.slice(0, rows).map((flow) => [
      grouped(flow.messages),
      rateText((flow.messages - (isLast ? 0 : flow.before)) / seconds),
      sizeText(flow.bytes),
      sizeText(flow.bytes / flow.messages),
      sizeText(flow.bytesMax),
      grouped(flow.retained),
      `${((nowMs - flow.lastMs) / 1000).toFixed(1)} s`,
      printable(flow.topic),
    ]);
    this.#lookMs = nowMs;
    for (const flow of sorted) flow.before = flow.messages;
    const left = sorted.length - lines.length;
    const sum = (of: (flow: Flow) => number) => sorted.reduce((all, flow) => all + of(flow), 0);
    const total =
      `${grouped(sum(({ messages }) => messages))} messages, ${sizeText(sum(({ bytes }) => bytes))}, ` +
      `${grouped(sorted.length)} topics in ${((nowMs - this.#sinceMs) / 1000).toFixed(1)} s`;
    return [...aligned([HEAD, ...lines]), ...left > 0 ? [`and ${grouped(left)} topics more`] : [], total]
      .map((line) => `${line}\n`).join("");
  }

  /** The same for programs. */
  json(nowMs: number): string {
    const topics = this.#sorted().map(({ topic, messages, bytes, bytesMax, retained, lastMs }) => ({
      topic,
      messages,
      bytes,
      bytesMax,
      retained,
      lastSecondsAgo: (nowMs - lastMs) / 1000,
    }));
    return `${JSON.stringify({ seconds: (nowMs - this.#sinceMs) / 1000, topics })}\n`;
  }

  #sorted(): Flow[] {
    return [...this.#flows.values()].sort((a, b) =>
      b.messages - a.messages || (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0)
    );
  }
}

const HEAD = ["messages", "/s", "bytes", "mean", "largest", "retained", "last", "topic"];

function rateText(rate: number): string {
  return rate >= 100 ? grouped(rate) : rate.toFixed(1);
}

/** A topic is on one line, and does nothing to a terminal. */
function printable(topic: string): string {
  // deno-lint-ignore no-control-regex
  return topic.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** Numbers to the right, the topic to the left. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => column === HEAD.length - 1 ? cell : cell.padStart(widths[column]!)).join("  ")
  );
}
