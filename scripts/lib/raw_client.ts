/**
 * One TCP connection to a broker that sends what it is told, packets or any bytes, and reads back packets or nothing.
 * Knows sockets and the codec; refuses to know what a Client should do.
 * @module
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { decodePacket } from "../../src/codec/decode.ts";
import { Deframer } from "../../src/codec/deframer.ts";
import { encodePacket } from "../../src/codec/encode.ts";
import type { Connect, Packet, ProtocolLevel } from "../../src/codec/packet.ts";
import { PacketType } from "../../src/codec/packet_type.ts";
import { within } from "./within.ts";

/** What a connection tells. */
export interface RawHandler {
  /** A packet of that many bytes came. Without this what comes is read and thrown away. */
  packet?(packet: Packet, bytes: number): void;
  /** What came is no packet of the level: the broker's fault. */
  broken?(error: unknown): void;
  /** The connection is over. */
  closed?(): void;
}

/** One connection. Payloads that it hands on are its own. */
export class RawClient {
  level: ProtocolLevel;
  /** The connection is over. */
  over = false;
  readonly #socket: Socket;
  readonly #deframer: Deframer = new Deframer(Infinity);
  readonly #connected: Promise<boolean>;
  readonly #closed: Promise<void>;

  /** `ca`: the certificates that are trusted, for TLS. */
  constructor(port: number, level: ProtocolLevel, handler: RawHandler = {}, host = "127.0.0.1", ca?: string) {
    this.level = level;
    const socket = ca === undefined
      ? connect({ port, host, noDelay: true })
      : connectTls({ port, host, ca }).setNoDelay();
    this.#socket = socket;
    socket.on("error", () => {}); // resets are part of the game; `close` follows
    socket.on("data", (chunk: Uint8Array) => {
      if (handler.packet === undefined) return;
      try {
        this.#deframer.receive(chunk, {
          frame: (bytes, at, _body, end) => {
            handler.packet!(decodePacket(bytes.slice(at, end), this.level), end - at);
            return true;
          },
        });
      } catch (error) {
        handler.broken?.(error);
        this.reset();
      }
    });
    this.#connected = new Promise((resolve) => {
      socket.on("connect", () => resolve(true));
      socket.on("close", () => resolve(false));
    });
    this.#closed = new Promise((resolve) =>
      socket.on("close", () => {
        this.over = true;
        handler.closed?.();
        resolve();
      })
    );
  }

  /** Waits until the connection is made; false if it cannot be. */
  connected(): Promise<boolean> {
    return within(this.#connected, "a TCP connection");
  }

  /** Waits until the connection is over. */
  closed(ms?: number): Promise<void> {
    return within(this.#closed, "the end of a TCP connection", ms);
  }

  /** Sends a packet. */
  send(packet: Packet): void {
    this.write(encodePacket(packet, this.level));
  }

  /** Sends bytes. */
  write(bytes: Uint8Array): void {
    if (!this.over) this.#socket.write(bytes);
  }

  /** Bytes given to `write()` that the broker's side has not taken yet. */
  get pending(): number {
    return this.#socket.writableLength;
  }

  /** Reads no more. */
  freeze(): void {
    this.#socket.pause();
  }

  /** Reads again. */
  thaw(): void {
    this.#socket.resume();
  }

  /** Our end's port, once the connection is made. */
  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  /** Ends our half. */
  end(): void {
    this.#socket.end();
  }

  /** Ends both at once, with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** A CONNECT: clean, without Keep Alive, unless more is said. */
export function connectOf(level: ProtocolLevel, clientId: string, more: Partial<Connect> = {}): Connect {
  return { type: PacketType.CONNECT, level, cleanStart: true, keepAlive: 0, clientId, ...more };
}
