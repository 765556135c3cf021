/**
 * Hostile connections: each sends bytes laid out beforehand as fast as it is let, and remembers how it was ended.
 * Knows sockets, and of what comes only the packet types and the Reason Codes of CONNACK and DISCONNECT; refuses to know
 * which case it is used for.
 * @module
 */
import { connect as dial, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type Connect, decodePacket, Deframer, PacketType, type Suback } from "../../../src/codec/mod.ts";
import { connect, PINGREQ, subscribes } from "./bytes.ts";

/** Bytes that a connection has given to the system's care and its own before it waits. */
const WINDOW_BYTES = 1024 * 1024;
/** Connections that are being made at a time: some brokers' accept queues have a hundred places. */
const TOGETHER = 100;
/** What is waited for at most unless more is said: an attack that goes on for longer has been seen for long enough. */
export const PATIENCE_MS = 8_000;

/** The same behind a flood, which has been seen already. */
export const FLOOD_PATIENCE_MS = 3_000;
const LEVEL = 5;

/** How far an attack came: all its connections together. */
export interface Reached {
  readonly connections: number;
  /** Topic Filters that were granted. */
  readonly granted: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Waits in which nothing came, though the connection stood: the attack was broken off there. */
  readonly unanswered: number;
}

/** How a connection treats what comes. */
export type Reading = "packets" | "bytes" | "nothing";

/** A socket of an attacker, without TLS. */
export function socketTo(host: string, port: number): Socket {
  return dial({ host, port, noDelay: true, allowHalfOpen: true });
}

/** One connection. */
export class Attacker {
  /** The connection is over. */
  over = false;
  /** How the broker ended it, as `DISCONNECT 0x97`; undefined while it has not. */
  ended: string | undefined;
  /** Reason Code of the CONNACK. */
  connack: number | undefined;
  /** Goes on when the broker has ended its half. */
  stubborn = false;
  /** Packets that came, by type; PUBLISH only while packets are read. */
  readonly came: number[] = Array(16).fill(0);
  readonly #socket: Socket;
  readonly #patienceMs: number;
  readonly #deframer = new Deframer(Infinity);
  #reading: Reading = "packets";
  #ours = false;
  #waiting: (() => void)[] = [];
  #reason: string | undefined;
  /** Waits that the broker let pass, though the connection stood. */
  unanswered = 0;
  /** Topic Filters that were granted. */
  granted = 0;
  /** Bytes that were read. */
  receivedBytes = 0;

  /** `patienceMs`: for each thing that it waits for. */
  constructor(socket: Socket, patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#socket = socket;
    let failed: Error | undefined;
    socket.on("error", (error: Error) => failed = error);
    socket.on("connect", () => this.#wake());
    socket.on("drain", () => this.#wake());
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("end", () => void (this.stubborn || socket.end()));
    socket.on("close", () => {
      this.over = true;
      if (!this.#ours) this.ended = this.#reason ?? (failed === undefined ? "closed" : "reset");
      this.#wake();
    });
  }

  #received(chunk: Uint8Array): void {
    this.receivedBytes += chunk.length;
    if (this.#reading === "bytes") return;
    this.#deframer.receive(chunk, {
      frame: (bytes, at, body, end) => {
        const type = bytes[at]! >> 4;
        this.came[type]!++;
        if (type === PacketType.SUBACK) {
          const { reasonCodes } = decodePacket(bytes.slice(at, end), LEVEL) as Suback;
          this.granted += reasonCodes.filter((code) => code < 0x80).length;
        }
        if (type === PacketType.CONNACK || type === PacketType.DISCONNECT) {
          const isConnack = type === PacketType.CONNACK;
          const code = bytes.slice(body, end)[isConnack ? 1 : 0] ?? 0; // at every level
          if (isConnack) this.connack = code;
          if (code > 0) this.#reason = `${isConnack ? "CONNACK" : "DISCONNECT"} 0x${code.toString(16)}`;
        }
        return true;
      },
    });
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** From now on what comes is treated so. */
  read(reading: Reading): void {
    this.#reading = reading;
    if (reading === "nothing") this.#socket.pause();
    else this.#socket.resume();
  }

  /** Waits until the condition holds; false if the connection ended or the time is over before. */
  async until(condition: () => boolean, ms: number = this.#patienceMs): Promise<boolean> {
    const end = performance.now() + ms;
    while (!condition()) {
      const left = end - performance.now();
      if (this.over) return false;
      if (left <= 0) {
        this.unanswered++;
        return false;
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
    return true;
  }

  /** Waits for the TCP connection. */
  connected(): Promise<boolean> {
    return this.until(() => !this.#socket.connecting);
  }

  /** Sends bytes; resolves when more may be sent, in another turn of the loop. */
  async write(bytes: Uint8Array, ms?: number): Promise<void> {
    if (this.over) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength <= WINDOW_BYTES) await new Promise((resolve) => setImmediate(resolve));
    else await this.until(() => this.#socket.writableLength <= WINDOW_BYTES, ms);
  }

  /** Sends a CONNECT; whether it was accepted. */
  async hello(clientId: string, more: Partial<Connect> = {}): Promise<boolean> {
    await this.write(connect(clientId, more));
    await this.until(() => this.connack !== undefined);
    return this.connack === 0;
  }

  /** Sends a PINGREQ and waits for its answer: all before it has been taken. */
  async fence(ms?: number): Promise<boolean> {
    const before = this.came[PacketType.PINGRESP]!;
    await this.write(PINGREQ, ms);
    return this.until(() => this.came[PacketType.PINGRESP]! > before, ms);
  }

  /** Subscribes, in as many packets as it needs, and waits for the answers. */
  async subscribe(filters: Iterable<string>, qos: 0 | 1 | 2 = 0): Promise<boolean> {
    const before = this.came[PacketType.SUBACK]!;
    let sent = 0;
    for (const packet of subscribes(filters, qos)) {
      await this.write(packet);
      sent++;
    }
    return this.until(() => this.came[PacketType.SUBACK]! - before >= sent, 4 * this.#patienceMs);
  }

  /** Bytes that the system has taken from us. */
  get sentBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  /** Ends it with all it has still to send, as a Client that is content. */
  leave(bytes: Uint8Array): void {
    this.#ours = true;
    this.#socket.end(bytes);
  }

  /** Ends it at once. */
  reset(): void {
    this.#ours = true;
    if (this.#socket instanceof TLSSocket) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}

/** All connections of one run of a case, and what was seen beside the figures. */
export class Attack {
  readonly #host: string;
  readonly #port: number;
  readonly #scale: number;
  readonly #patienceMs: number;
  readonly #attackers: Attacker[] = [];
  readonly #onBegin: () => void | Promise<void>;
  /** How long an attack without an end of its own lasts. */
  readonly seconds: number;
  /** What a reader of the table should know. */
  readonly notes: string[] = [];
  /** It was stopped: nothing more is sent. */
  stopped = false;
  #serial = 0;

  /** `scale`: part of each number that `count()` is asked for. `onBegin`: awaited when everything is in place. */
  constructor(
    { host, port }: { readonly host: string; readonly port: number },
    { seconds, scale = 1, patienceMs = PATIENCE_MS, onBegin = () => {} }: {
      readonly seconds: number;
      readonly scale?: number;
      readonly patienceMs?: number;
      readonly onBegin?: () => void | Promise<void>;
    },
  ) {
    this.#host = host;
    this.#port = port;
    this.seconds = seconds;
    this.#scale = scale;
    this.#patienceMs = patienceMs;
    this.#onBegin = onBegin;
  }

  /** The number that a row names, or the part of it that is wanted here. */
  count(whole: number): number {
    return Math.max(1, Math.round(whole * this.#scale));
  }

  /** The number of levels whose 2^levels Topic Filters are that part of what a row names. */
  levels(whole: number): number {
    return Math.max(2, Math.round(whole + Math.log2(this.#scale)));
  }

  /** What comes now is the attack; what came before put things in place. */
  async begins(): Promise<void> {
    await this.#onBegin();
  }

  /** A Client Identifier of its own. */
  id(): string {
    return `attack-${++this.#serial}`;
  }

  /** One connection, without a CONNECT. */
  async dial(socket: Socket = socketTo(this.#host, this.#port)): Promise<Attacker> {
    const attacker = new Attacker(socket, this.#patienceMs);
    this.#attackers.push(attacker);
    if (this.stopped) attacker.reset();
    await attacker.connected();
    return attacker;
  }

  /** Does it for each index, a hundred at a time. */
  async each<T>(count: number, one: (index: number) => Promise<T>): Promise<T[]> {
    const all: T[] = [];
    for (let from = 0; from < count && !this.stopped; from += TOGETHER) {
      const some = Array.from({ length: Math.min(TOGETHER, count - from) }, (_, i) => one(from + i));
      all.push(...await Promise.all(some));
    }
    return all;
  }

  /** One accepted connection, or what has become of it. */
  async open(more: Partial<Connect> = {}): Promise<Attacker> {
    const attacker = await this.dial();
    await attacker.hello(more.clientId ?? this.id(), more);
    return attacker;
  }

  /** Sends the same bytes again and again, as long as an attack lasts. */
  async flood(attacker: Attacker, chunk: Uint8Array | ((round: number) => Uint8Array)): Promise<void> {
    const end = performance.now() + this.seconds * 1_000;
    for (let round = 0; performance.now() < end && !this.stopped && !attacker.over; round++) {
      await attacker.write(typeof chunk === "function" ? chunk(round) : chunk, end - performance.now());
    }
  }

  /** Nothing but time passes. */
  async rest(ms: number = this.seconds * 1_000): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** The same again and again by so many at a time, as long as an attack lasts or until one of them gives up with false. */
  async again(lanes: number, body: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + this.seconds * 1_000;
    await this.each(lanes, async () => {
      while (performance.now() < end && !this.stopped && await body());
    });
  }

  /** Readers of a Topic Filter, who have it when this resolves. */
  readers(count: number, filter: string, reading: Reading): Promise<Attacker[]> {
    return this.each(count, async () => {
      const reader = await this.open();
      await reader.subscribe([filter]);
      reader.read(reading);
      return reader;
    });
  }

  /** How far the attack came. */
  get reached(): Reached {
    const sum = (of: (one: Attacker) => number) => this.#attackers.reduce((all, one) => all + of(one), 0);
    return {
      connections: this.#attackers.length,
      granted: sum(({ granted }) => granted),
      sentBytes: sum(({ sentBytes }) => sentBytes),
      receivedBytes: sum(({ receivedBytes }) => receivedBytes),
      unanswered: sum(({ unanswered }) => unanswered),
    };
  }

  /** Waits until it came so far, or for as long as each thing is waited for. */
  async reaches(least: Partial<Reached>): Promise<void> {
    const end = performance.now() + this.#patienceMs;
    const isThere = (): boolean => {
      const { reached } = this;
      return Object.entries(least).every(([what, count]) => reached[what as keyof Reached] >= count);
    };
    while (!isThere() && performance.now() < end) await this.rest(5);
  }

  /** Connections that the broker has ended, by the reason. */
  ends(): Record<string, number> {
    const ends: Record<string, number> = {};
    for (const { ended } of this.#attackers) if (ended !== undefined) ends[ended] = (ends[ended] ?? 0) + 1;
    return ends;
  }

  /** Ends all connections. */
  stop(): void {
    this.stopped = true;
    for (const attacker of this.#attackers) attacker.reset();
  }
}
