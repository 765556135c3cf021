/**
 * One connection of a load, over any carrier: it sends bytes laid out beforehand, and counts what comes.
 * Knows the heads of frames; refuses to decode any packet.
 * @module
 */
import { randomBytes } from "node:crypto";
import { encodePacket } from "../../../src/codec/mod.ts";
import { dial } from "../../../src/runtime/dial.ts";
import { CA } from "../../../src/testing/tls.ts";
import type { Transport, TransportHandler } from "../../../src/transport/transport.ts";
import { connectOf } from "../../lib/raw_client.ts";

/** How packets travel. */
export interface Carrier {
  /** As it stands in the table. */
  readonly name: string;
  /** By which the broker listens. */
  readonly scheme: "mqtt" | "mqtts" | "ws" | "wss";
  /** Each packet has a frame of its own; else a batch has one. */
  readonly isSingle?: true;
}

const NOTHING = new Uint8Array();
const CONNACK_BYTES = 4;
/** What an answer to an upgrade ends with. */
const HEAD_END = [13, 10, 13, 10];

/** Each with a key of its own, as RFC 6455 has it. */
function request(): Uint8Array {
  const lines = [
    "GET /mqtt HTTP/1.1",
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt",
  ];
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

function isWebSocket({ scheme }: Carrier): boolean {
  return scheme.startsWith("ws");
}

/** These packets as they travel from a Client. */
export function carried(packets: readonly Uint8Array[], carrier: Carrier): Uint8Array {
  if (!isWebSocket(carrier)) return joined(packets);
  return joined((carrier.isSingle ? packets : [joined(packets)]).map(masked));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function masked(payload: Uint8Array, i: number): Uint8Array {
  const { length } = payload;
  const key = Uint8Array.of(0x9d, 0x37, i & 255, i * 7 & 255);
  const head = length < 126 ? [length | 0x80] : [126 | 0x80, length >> 8, length & 255];
  return joined([Uint8Array.of(0x82, ...head), key, payload.map((byte, at) => byte ^ key[at & 3]!)]);
}

/** What a Client sends first: made beforehand, so that a burst costs its Clients little. */
export interface Words {
  /** Undefined where there is no upgrade. */
  readonly request: Uint8Array | undefined;
  readonly connect: Uint8Array;
}

/** Those of a Client with that identifier. */
export function wordsOf(carrier: Carrier, id: string): Words {
  return {
    request: isWebSocket(carrier) ? request() : undefined,
    connect: carried([encodePacket(connectOf(4, id), 4)], carrier),
  };
}

/** A Client that has its CONNACK. */
export async function client(port: number, carrier: Carrier, words: Words): Promise<Wire> {
  const wire = await Wire.dial(port, carrier, words.request);
  wire.send(words.connect);
  await wire.take(CONNACK_BYTES);
  return wire;
}

/** One connection. */
export class Wire implements TransportHandler {
  readonly #transport: Transport;
  readonly #isFramed: boolean;
  #unsent: Uint8Array = NOTHING;
  /** Bytes of packets that came and were not taken. */
  #length = 0;
  #wanted = 0;
  #wake: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  /** Bytes of `HEAD_END` that have come last. */
  #ending = 0;
  /** Bytes of the present frame that are to come. */
  #left = 0;
  /** The header of a frame, as far as it has come. */
  #header: number[] = [];

  private constructor(transport: Transport, isFramed: boolean) {
    this.#transport = transport;
    this.#isFramed = isFramed;
    transport.start(this);
  }

  /** Connects, and upgrades. */
  static async dial(port: number, carrier: Carrier, request: Uint8Array | undefined): Promise<Wire> {
    const isSecure = carrier.scheme === "mqtts" || carrier.scheme === "wss";
    const transport = await dial({ host: "127.0.0.1", port }, isSecure ? { ca: CA } : undefined);
    const wire = new Wire(transport, request !== undefined);
    if (request === undefined) return wire;
    wire.send(request);
    await wire.take(0);
    return wire;
  }

  send(bytes: Uint8Array): void {
    this.#unsent = this.#unsent.length === 0 ? bytes : joined([this.#unsent, bytes]);
    this.drained();
  }

  drained(): void {
    if (this.#unsent.length > 0) this.#unsent = this.#unsent.subarray(this.#transport.write(this.#unsent));
  }

  /** When so many bytes of packets have come, more than were taken before. */
  take(bytes: number): Promise<void> {
    this.#wanted = bytes;
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      this.#fail = reject;
      this.#serve();
    });
  }

  close(): void {
    this.#fail = undefined;
    this.#transport.abort();
  }

  received(chunk: Uint8Array): void {
    if (this.#isFramed) this.#deframe(chunk);
    else this.#length += chunk.length;
    this.#serve();
  }

  closed(error?: Error): void {
    this.#fail?.(error ?? new Error("A connection was lost"));
  }

  #serve(): void {
    const isUpgraded = !this.#isFramed || this.#ending === HEAD_END.length;
    const wake = this.#wake;
    if (wake === undefined || !isUpgraded || this.#length < this.#wanted) return;
    this.#length -= this.#wanted;
    this.#wake = undefined;
    wake();
  }

  #deframe(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.#ending < HEAD_END.length) {
      const byte = chunk[at++];
      this.#ending = byte === HEAD_END[this.#ending] ? this.#ending + 1 : byte === HEAD_END[0] ? 1 : 0;
    }
    while (at < chunk.length) {
      if (this.#left > 0) {
        const length = Math.min(this.#left, chunk.length - at);
        this.#left -= length;
        this.#length += length;
        at += length;
        continue;
      }
      const header = this.#header;
      header.push(chunk[at++]!);
      const short = header[1] ?? 0;
      const bytes = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (header.length < bytes) continue;
      this.#left = header.length === 2 ? short : header.slice(2).reduce((sum, byte) => sum * 256 + byte, 0);
      this.#header = [];
    }
  }
}
