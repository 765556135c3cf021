/**
 * One connection of a load, over TCP or WebSocket: it sends bytes laid out beforehand, and counts what comes.
 * Knows the heads of frames; refuses to decode any packet.
 * @module
 */
import { connect, type Socket } from "node:net";

/** How packets travel: as they are, each in a frame of its own, or a batch in one frame. */
export type Carrier = "tcp" | "ws, a frame each" | "ws, one frame";

const REQUEST = [
  "GET /mqtt HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: mqtt",
  "",
  "",
].join("\r\n");

/** These packets as they travel from a Client. */
export function carried(packets: readonly Uint8Array[], carrier: Carrier): Uint8Array {
  if (carrier === "tcp") return joined(packets);
  return joined((carrier === "ws, one frame" ? [joined(packets)] : packets).map(masked));
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

/** One connection. */
export class Wire {
  readonly #socket: Socket;
  /** Bytes of packets that came and were not taken. */
  #length = 0;
  #wanted = 0;
  #wake: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  /** The end of the upgrade's answer is still to come. */
  #isUpgrading: boolean;
  #head = "";
  /** Bytes of the present frame that are to come. */
  #left = 0;
  /** The header of a frame, as far as it has come. */
  #header: number[] = [];

  private constructor(socket: Socket, carrier: Carrier) {
    this.#socket = socket;
    this.#isUpgrading = carrier !== "tcp";
    socket.on("data", (chunk: Uint8Array) => {
      if (carrier === "tcp") this.#length += chunk.length;
      else this.#deframe(chunk);
      if (this.#wake !== undefined && !this.#isUpgrading && this.#length >= this.#wanted) this.#serve();
    });
    socket.on("error", (error) => this.#fail?.(error));
    socket.on("close", () => this.#fail?.(new Error("A connection was lost")));
  }

  /** Connects, and upgrades. */
  static async dial(port: number, carrier: Carrier): Promise<Wire> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const wire = new Wire(socket, carrier);
    if (carrier === "tcp") return wire;
    socket.write(REQUEST);
    await wire.take(0);
    return wire;
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** When so many bytes of packets have come, more than were taken before. */
  take(bytes: number): Promise<void> {
    this.#wanted = bytes;
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      this.#fail = reject;
      if (!this.#isUpgrading && this.#length >= bytes) this.#serve();
    });
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #serve(): void {
    const wake = this.#wake!;
    this.#length -= this.#wanted;
    this.#wake = undefined;
    wake();
  }

  #deframe(chunk: Uint8Array): void {
    let at = 0;
    if (this.#isUpgrading) {
      while (at < chunk.length && !this.#head.endsWith("\r\n\r\n")) {
        this.#head += String.fromCharCode(chunk[at++]!);
      }
      this.#isUpgrading = !this.#head.endsWith("\r\n\r\n");
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
