/**
 * What was published, and what each reader has got of it: lost, doubled, in another order.
 * Knows numbers in topics, and which workers were killed meanwhile; refuses to know connections.
 * @module
 */
import type { QoS } from "../../../src/codec/mod.ts";

/** Who reads: one session, or all members of a shared group together. */
export interface ReaderInit {
  readonly name: string;
  readonly qos: 1 | 2;
  /** The workers that are home to its sessions. */
  readonly homes: readonly number[];
  /** §4.8.2 several sessions, whose messages have no common order. */
  readonly isGroup: boolean;
}

/** One topic, of one publisher and one QoS: its messages are numbered from 1. */
interface Line {
  readonly qos: QoS;
  /** The worker that is home to its publisher's session. */
  readonly home: number | undefined;
  last: number;
  /** Not acknowledged, with the workers that were killed since they were published. */
  readonly open: Map<number, Set<number>>;
  /** Messages whose exchange a kill has met. */
  readonly met: Map<number, ReadonlySet<number>>;
  /** Given up by the Client: they may have come or not. */
  readonly doubtful: Set<number>;
}

/** What one reader has got of one topic. */
interface Got {
  newest: number;
  readonly numbers: Set<number>;
}

/** What a reader has got. */
export interface Reader extends ReaderInit {
  /** Different messages at QoS 1 and 2. */
  count: number;
  readonly got: Map<string, Got>;
}

/** How it stands. */
export interface Tally {
  readonly acknowledged: number;
  readonly delivered: number;
  /** QoS 2 end to end. */
  readonly deliveredQos2: number;
  readonly lost: number;
  /** QoS 1 and QoS 0 again. */
  readonly repeated: number;
  /** QoS 2 again: the node of the publisher, or of the reader, was killed during the exchange. */
  readonly doubledByPublishersNode: number;
  readonly doubledByReadersNode: number;
  readonly doubledOtherwise: number;
}

/** All of a trial. */
export class Ledger {
  readonly #lines: Map<string, Line> = new Map();
  readonly #readers: Reader[] = [];
  readonly #problem: (text: string) => void;
  readonly #tally = {
    acknowledged: 0,
    delivered: 0,
    deliveredQos2: 0,
    lost: 0,
    repeated: 0,
    doubledByPublishersNode: 0,
    doubledByReadersNode: 0,
    doubledOtherwise: 0,
  };
  /** Messages at QoS 1 and 2. */
  #published = 0;

  constructor(problem: (text: string) => void) {
    this.#problem = problem;
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** Messages that the slowest reader has not got. */
  get ahead(): number {
    return this.#published - Math.min(...this.#readers.map(({ count }) => count));
  }

  /** Messages at QoS 1 and 2 without their acknowledgement. */
  get open(): number {
    return [...this.#lines.values()].reduce((sum, { open }) => sum + open.size, 0);
  }

  /** A reader has subscribed to all of it. */
  reader(init: ReaderInit): Reader {
    const reader: Reader = { ...init, count: 0, got: new Map() };
    this.#readers.push(reader);
    return reader;
  }

  /** A publisher begins a topic; `home` is that of its session, if it has one that lasts. */
  line(topic: string, qos: QoS, home: number | undefined): void {
    this.#lines.set(topic, { qos, home, last: 0, open: new Map(), met: new Map(), doubtful: new Set() });
  }

  /** The number of the next message of a topic. */
  publish(topic: string): number {
    const line = this.#lines.get(topic)!;
    const number = ++line.last;
    if (line.qos === 0) return number;
    this.#published++;
    line.open.set(number, new Set());
    return number;
  }

  /** Its exchange is over. */
  acknowledged(topic: string, number: number): void {
    this.#close(topic, number);
    this.#tally.acknowledged++;
  }

  /** The Client has given it up. */
  givenUp(topic: string, number: number): void {
    this.#close(topic, number);
    this.#lines.get(topic)!.doubtful.add(number);
    this.#published--;
  }

  #close(topic: string, number: number): void {
    const { open, met } = this.#lines.get(topic)!;
    const killed = open.get(number);
    if (killed !== undefined && killed.size > 0) met.set(number, killed);
    open.delete(number);
  }

  /** A worker is killed. */
  killed(worker: number): void {
    for (const { open } of this.#lines.values()) for (const killed of open.values()) killed.add(worker);
  }

  /** A reader gets a message. */
  delivered(reader: Reader, topic: string, number: number): void {
    const line = this.#lines.get(topic);
    if (line === undefined || !(number >= 1 && number <= line.last)) {
      return this.#problem(`${reader.name} gets ${number} on ${topic}, which was never sent`);
    }
    let got = reader.got.get(topic);
    if (got === undefined) reader.got.set(topic, got = { newest: 0, numbers: new Set() });
    const qos = Math.min(line.qos, reader.qos);
    if (got.numbers.has(number)) return this.#again(reader, topic, number, qos);
    if (number < got.newest && !reader.isGroup) {
      this.#problem(`${reader.name} gets ${number} on ${topic} behind ${got.newest}`);
    }
    got.newest = number;
    got.numbers.add(number);
    this.#tally.delivered++;
    if (line.qos > 0 && !line.doubtful.has(number)) reader.count++;
    if (qos === 2) this.#tally.deliveredQos2++;
  }

  #again(reader: Reader, topic: string, number: number, qos: number): void {
    if (qos < 2) return void this.#tally.repeated++;
    const { open, met, home } = this.#lines.get(topic)!;
    const killed = open.get(number) ?? met.get(number) ?? new Set();
    if (home !== undefined && killed.has(home)) this.#tally.doubledByPublishersNode++;
    else if (reader.homes.some((one) => killed.has(one))) this.#tally.doubledByReadersNode++;
    else {
      this.#tally.doubledOtherwise++;
      const during = killed.size === 0 ? "no kill" : `kills of ${[...killed].join(", ")}`;
      this.#problem(`${reader.name} gets ${number} on ${topic} again, with ${during} during its exchange`);
    }
  }

  /** Whether every reader has every message that was acknowledged. */
  get isComplete(): boolean {
    return this.open === 0 && this.#readers.every((reader) => this.#missing(reader).length === 0);
  }

  #missing({ got }: Reader): string[] {
    const missing: string[] = [];
    for (const [topic, { qos, last, open, doubtful }] of this.#lines) {
      if (qos === 0) continue;
      const numbers = got.get(topic)?.numbers;
      if (numbers?.size === last) continue;
      for (let number = 1; number <= last; number++) {
        if (numbers?.has(number) || open.has(number) || doubtful.has(number)) continue;
        missing.push(`${topic} ${number}`);
      }
    }
    return missing;
  }

  /** What is missing at present, in words. */
  get missing(): readonly string[] {
    const open = this.open > 0 ? [`${this.open} messages are not acknowledged`] : [];
    return this.#readers.flatMap((reader) => {
      const missing = this.#missing(reader);
      if (missing.length === 0) return [];
      return [
        `${reader.name} has not got ${missing.length} that were acknowledged: ${
          missing.slice(0, 10).join(", ")
        }`,
      ];
    }).concat(open);
  }

  /** No more comes: what is missing is lost. */
  end(): void {
    for (const reader of this.#readers) this.#tally.lost += this.#missing(reader).length;
    for (const text of this.missing) this.#problem(text);
  }
}
