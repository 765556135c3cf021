/**
 * One raw connection of the auditor: sends any bytes, reads packets with a parser of its own, keeps the transcript.
 * Knows packets as bytes; refuses to know which behaviour is right.
 * @module
 */
import type { Transport } from "../../src/transport/transport.ts";
import { acknowledgement, disconnect, hex, type Level, type Part, pingreq, TYPE } from "./bytes.ts";
import { describe } from "./describe.ts";
import { packetSize, parse, payloadText, type Seen } from "./parse.ts";
import { check, type Ending, fail, Finding } from "../verdict.ts";

/** One line of a transcript. */
export interface TranscriptLine {
  /** ms since the case began. */
  readonly at: number;
  /** Which connection of the case. */
  readonly peer: string;
  /** From the auditor's side. */
  readonly direction: "sent" | "received" | "event";
  /** Lower-case hex of the bytes; long packets are cut, as `…` shows. */
  readonly hex: string;
  /** The same in words. */
  readonly text: string;
}

/** All connections of one case write into one. */
export type Transcript = TranscriptLine[];

/** Bytes of one packet that a transcript shows. */
const SHOWN_BYTES = 512;

/** More than any case needs (hundreds): a target that sends without end is not read to the end. */
const RECEIVED_BYTES_MAX = 16 * 2 ** 20;
const RECEIVED_PACKETS_MAX = 10_000;
/** ms: a timer that is so late says that this process stood still, and not that the target did. */
const STANDSTILL_MS = 100;

/** Nothing more will come. */
export interface End {
  readonly type: "end";
  readonly how: "close" | "reset";
}

/** What a `Peer` needs to know. */
export interface PeerOptions {
  readonly name: string;
  readonly level: Level;
  /** How long an answer may take. */
  readonly patienceMs: number;
  readonly transcript: Transcript;
  /** ms since the case began. */
  readonly clock: () => number;
  /** Called when nothing came within the time that a wait may take, or when packets come without an end. */
  readonly silent?: () => void;
}

/** One connection. */
export class Peer {
  readonly name: string;
  readonly level: Level;
  /** How the target ended it, where `refused()` has looked. */
  ending: Ending | undefined;
  readonly #transport: Transport;
  readonly #options: PeerOptions;
  #unsent: Uint8Array[] = [];
  /** `close()` was called. */
  #closing = false;
  #partial: Uint8Array = new Uint8Array(0);
  #inbox: (Seen | End)[] = [];
  #waiting: (() => void) | undefined;
  #over = false;
  #bytes = 0;
  #packets = 0;

  constructor(transport: Transport, options: PeerOptions) {
    this.name = options.name;
    this.level = options.level;
    this.#options = options;
    this.#transport = transport;
    transport.start({
      received: (chunk) => this.#received(chunk),
      drained: () => this.#flush(),
      closed: (error) => this.#ended(error === undefined ? "close" : "reset"),
    });
  }

  /** Whether the stream is over and everything it brought was read. */
  get drained(): boolean {
    return this.#over && this.#inbox.length <= 1;
  }

  /** Sends bytes, whatever they are. */
  send(...packets: readonly Uint8Array[]): void {
    for (const data of packets) {
      this.#note("sent", data, describe(data, this.level));
      this.#unsent.push(data);
    }
    this.#flush();
  }

  /** The next packet, or the end; undefined if neither comes within `ms`. */
  async next(ms: number = this.#options.patienceMs): Promise<Seen | End | undefined> {
    if (this.#inbox.length === 0) await this.#arrival(ms);
    this.#checkFlood();
    const first = this.#inbox[0];
    if (first !== undefined && first.type !== "end") this.#inbox.shift(); // the end stays for the next call
    return first;
  }

  /** The next packet, which must be of `type` and well formed; `why` completes "expected SUBACK, …". */
  async expect(type: number, why = ""): Promise<Seen> {
    const seen = await this.next();
    const wanted = `${nameOf(type)} was expected${why === "" ? "" : `, ${why}`}`;
    if (seen === undefined) return fail(`${wanted}; nothing came for ${this.#options.patienceMs} ms`);
    if (seen.type === "end") return fail(`${wanted}; the connection ended (${seen.how})`);
    if (seen.type !== type) return fail(`${wanted}; ${describe(seen.raw, this.level)} came`);
    check(seen.faults.length === 0, `${nameOf(type)} is malformed: ${seen.faults.join(", ")}`);
    return seen;
  }

  /** The next PUBLISH; acknowledgements that come first are passed over. */
  async expectPublish(why = ""): Promise<Seen> {
    for (;;) {
      const seen = this.#inbox[0] ?? await this.peek();
      if (seen !== undefined && seen.type !== "end" && ACKNOWLEDGEMENTS.includes(seen.type)) {
        this.#inbox.shift();
      } else return await this.expect(TYPE.PUBLISH, why);
    }
  }

  /** The first packet of `type` to come, well formed; others that come before it stay to be read. */
  async pick(type: number, why = ""): Promise<Seen> {
    const wanted = `${nameOf(type)} was expected${why === "" ? "" : `, ${why}`}`;
    for (let at = 0;; at++) {
      if (at === this.#inbox.length) await this.#arrival(this.#options.patienceMs);
      this.#checkFlood();
      const seen = this.#inbox[at];
      if (seen === undefined) return fail(`${wanted}; it did not come in ${this.#options.patienceMs} ms`);
      if (seen.type === "end") return fail(`${wanted}; the connection ended (${seen.how})`);
      if (seen.type !== type) continue;
      this.#inbox.splice(at, 1);
      check(seen.faults.length === 0, `${nameOf(type)} is malformed: ${seen.faults.join(", ")}`);
      return seen;
    }
  }

  /** The next PUBLISH, its exchange brought to the end; acknowledgements that come first are passed over. */
  async take(why = ""): Promise<Seen> {
    const seen = await this.expectPublish(why);
    if (seen.qos === 0) return seen;
    if (seen.qos === 1) this.send(acknowledgement(TYPE.PUBACK, seen.id!));
    else {
      this.send(acknowledgement(TYPE.PUBREC, seen.id!));
      const pubrel = await this.pick(TYPE.PUBREL, "for its PUBREC was sent");
      check(pubrel.id === seen.id, `PUBREL has id ${pubrel.id}, its PUBREC ${seen.id}`);
      this.send(acknowledgement(TYPE.PUBCOMP, seen.id!));
    }
    return seen;
  }

  /** Answers a PUBLISH by its QoS, and PUBREL by PUBCOMP; other packets are let be. */
  acknowledge(seen: Seen): void {
    const { type, qos, id = 0 } = seen;
    if (type === TYPE.PUBREL) this.send(acknowledgement(TYPE.PUBCOMP, id));
    else if (type === TYPE.PUBLISH && qos === 1) this.send(acknowledgement(TYPE.PUBACK, id));
    else if (type === TYPE.PUBLISH && qos === 2) this.send(acknowledgement(TYPE.PUBREC, id));
  }

  /**
   * Every PUBLISH before the one on the topic `last`, and those that a barrier finds behind it; all are acknowledged as
   * they come. What was published before `last` by the same Client and is not among them will not come.
   */
  async gather(last: string): Promise<Seen[]> {
    const found: Seen[] = [];
    const take = (seen: Seen) => {
      this.acknowledge(seen);
      if (seen.type === TYPE.PUBLISH && seen.topic !== last) found.push(seen);
      check(
        seen.type !== TYPE.PUBLISH || seen.faults.length === 0,
        `PUBLISH is malformed: ${seen.faults.join(", ")}`,
      );
    };
    for (;;) {
      const seen = await this.next();
      const wanted = `A PUBLISH on ${JSON.stringify(last)} was expected`;
      if (seen === undefined) return fail(`${wanted}; nothing came for ${this.#options.patienceMs} ms`);
      if (seen.type === "end") return fail(`${wanted}; the connection ended (${seen.how})`);
      take(seen);
      if (seen.type === TYPE.PUBLISH && seen.topic === last) break;
    }
    for (const seen of await this.barrier()) take(seen);
    return found;
  }

  /** Takes every PUBLISH up to and with the one whose payload is `last`. */
  async takeUntil(last: string): Promise<Seen[]> {
    const all: Seen[] = [];
    for (;;) {
      const seen = await this.take(`${JSON.stringify(last)} at the latest`);
      all.push(seen);
      if (payloadText(seen) === last) return all;
    }
  }

  /** Sends PINGREQ and returns what came before its PINGRESP: all that was under way (a barrier instead of a wait). */
  async barrier(): Promise<Seen[]> {
    this.send(pingreq());
    const before: Seen[] = [];
    for (;;) {
      const seen = await this.next();
      if (seen === undefined) {
        return fail(`PINGRESP was expected; nothing came for ${this.#options.patienceMs} ms`);
      }
      if (seen.type === "end") return fail(`PINGRESP was expected; the connection ended (${seen.how})`);
      if (seen.type === TYPE.PINGRESP) return before;
      before.push(seen);
    }
  }

  /** Sends PINGREQ and returns what came before its PINGRESP or before the end: for what the target may close upon. */
  async answers(): Promise<Seen[]> {
    this.send(pingreq());
    const before: Seen[] = [];
    for (;;) {
      const seen = await this.next();
      if (seen === undefined) {
        return fail(`Neither PINGRESP nor the end came for ${this.#options.patienceMs} ms`);
      }
      if (seen.type === "end" || seen.type === TYPE.PINGRESP) return before;
      before.push(seen);
    }
  }

  /** Fails if a PUBLISH is under way. */
  async expectNoPublish(why: string): Promise<void> {
    const came = (await this.barrier()).find((seen) => seen.type === TYPE.PUBLISH);
    if (came !== undefined) fail(`No PUBLISH was expected, ${why}; ${describe(came.raw, this.level)} came`);
  }

  /**
   * The target must end the connection, and may say why first. Any of `codes` passes, so does a silent close; another
   * code is lenient, staying is a failure. Without `codes` any code will do. Packets sent before are passed over.
   */
  async refused(codes: readonly number[] = [], why = ""): Promise<Ending> {
    const before = why === "" ? "" : `, ${why}`;
    let code: number | undefined;
    for (;;) {
      const seen = await this.next();
      if (seen === undefined) {
        this.ending = "hang";
        return fail(
          `The connection was to be closed${before}; it stayed open for ${this.#options.patienceMs} ms`,
        );
      }
      if (seen.type === "end") {
        this.ending = code !== undefined ? "code" : seen.how === "reset" ? "reset" : "silent close";
        if (code !== undefined && codes.length > 0 && !codes.includes(code)) {
          throw new Finding(
            "lenient",
            `Reason ${hexCode(code)} came${before}; ${codes.map(hexCode).join(" or ")} is named`,
          );
        }
        return this.ending;
      }
      if (seen.type === TYPE.CONNACK || seen.type === TYPE.DISCONNECT) {
        if (seen.type === TYPE.CONNACK && seen.code === 0) return fail(`CONNACK accepts${before}`);
        code = seen.code;
      }
    }
  }

  /** The same where the text does not say that the target must notice: staying is lenient. */
  async shouldRefuse(codes: readonly number[] = [], why = ""): Promise<void> {
    try {
      await this.refused(codes, why);
    } catch (error) {
      throw error instanceof Finding && error.verdict === "fail"
        ? new Finding("lenient", error.message)
        : error;
    }
  }

  /** Reads nothing any more, so that what the target sends waits with the target when the buffers between are full. */
  stopReading(): void {
    this.#note("event", new Uint8Array(0), "the auditor stops reading");
    this.#transport.pause();
  }

  /** Reads again. */
  readOn(): void {
    this.#note("event", new Uint8Array(0), "the auditor reads on");
    this.#transport.resume();
  }

  /** Ends the connection without a word. */
  abort(): void {
    if (!this.#over) this.#note("event", new Uint8Array(0), "the auditor resets the connection");
    this.#transport.abort();
  }

  /** Says good-bye: DISCONNECT, then the end of our half; the stream is over when it returns. */
  async leave(code?: number, all?: readonly Part[]): Promise<void> {
    this.send(disconnect(code, all));
    this.close();
    await this.closed("for DISCONNECT was sent");
  }

  /** Ends our half, when all that was to be sent is with the transport. */
  close(): void {
    this.#closing = true;
    this.#flush();
  }

  /** Resolves when the stream is over, or rejects as a failure. */
  async closed(why = ""): Promise<void> {
    for (;;) {
      const seen = await this.next();
      if (seen === undefined) {
        fail(`The connection was to be closed${why === "" ? "" : `, ${why}`}; it stayed open`);
      }
      if (seen.type === "end") return;
    }
  }

  /** What still comes until the connection ends, which it must. */
  async rest(why = ""): Promise<Seen[]> {
    const all: Seen[] = [];
    for (;;) {
      const seen = await this.next();
      if (seen === undefined) {
        return fail(`The connection was to be closed${why === "" ? "" : `, ${why}`}; it stayed open`);
      }
      if (seen.type === "end") return all;
      all.push(seen);
    }
  }

  /** Resolves when something more arrives, or after `ms` in which this process could have read it. */
  async #arrival(ms: number): Promise<void> {
    const { clock, silent } = this.#options;
    await new Promise<void>((resolve) => {
      let due = clock() + ms;
      const over = () => {
        const lateMs = clock() - due;
        if (lateMs > STANDSTILL_MS) return wait(Math.min(lateMs, ms)); // what came meanwhile is not read yet
        silent?.();
        resolve();
      };
      const wait = (ms: number) => {
        due = clock() + ms;
        timer = setTimeout(over, ms);
      };
      let timer = setTimeout(over, ms);
      this.#waiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#waiting = undefined;
  }

  /** The next packet, or the end, which stays to be read. */
  async peek(ms?: number): Promise<Seen | End | undefined> {
    const seen = await this.next(ms);
    if (seen !== undefined && seen.type !== "end") this.#inbox.unshift(seen);
    return seen;
  }

  #flush(): void {
    while (this.#unsent.length > 0) {
      const first = this.#unsent[0]!;
      const taken = this.#transport.write(first);
      if (taken < first.length) {
        this.#unsent[0] = first.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
    if (this.#closing) this.#transport.close();
  }

  #received(chunk: Uint8Array): void {
    if (this.#flooded) return;
    this.#bytes += chunk.length;
    const data = new Uint8Array(this.#partial.length + chunk.length);
    data.set(this.#partial);
    data.set(chunk, this.#partial.length);
    let at = 0;
    while (!this.#flooded) {
      const size = packetSize(data.subarray(at));
      if (size === 0) break;
      const raw = data.slice(at, size < 0 ? data.length : at + size);
      at += raw.length;
      const seen = parse(raw, this.level);
      this.#note("received", raw, describe(raw, this.level));
      this.#push(seen);
      this.#packets++;
    }
    this.#partial = data.slice(at);
    if (!this.#flooded) return;
    this.#note("event", new Uint8Array(0), `the auditor resets the connection: ${this.#flood}`);
    this.#options.silent?.();
    this.#transport.abort();
  }

  get #flooded(): boolean {
    return this.#bytes > RECEIVED_BYTES_MAX || this.#packets > RECEIVED_PACKETS_MAX;
  }

  get #flood(): string {
    return `${this.#packets} packets in ${this.#bytes} bytes came, and no end`;
  }

  #checkFlood(): void {
    if (this.#flooded) fail(this.#flood);
  }

  #ended(how: "close" | "reset"): void {
    this.#over = true;
    this.#note("event", this.#partial, `the connection ended (${how})`);
    this.#push({ type: "end", how });
  }

  #push(seen: Seen | End): void {
    this.#inbox.push(seen);
    this.#waiting?.();
  }

  #note(direction: TranscriptLine["direction"], data: Uint8Array, text: string): void {
    const shown = data.length > SHOWN_BYTES ? `${hex(data.subarray(0, SHOWN_BYTES))}…` : hex(data);
    const { transcript, clock, name } = this.#options;
    transcript.push({ at: Math.round(clock()), peer: name, direction, hex: shown, text });
  }
}

const ACKNOWLEDGEMENTS: readonly number[] = [TYPE.PUBACK, TYPE.PUBREC, TYPE.PUBREL, TYPE.PUBCOMP];

/** `PUBLISH` for 3. */
export function nameOf(type: number): string {
  return Object.entries(TYPE).find(([, value]) => value === type)?.[0] ?? `packet type ${type}`;
}

/** `0x81`. */
export function hexCode(code: number): string {
  return `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}
