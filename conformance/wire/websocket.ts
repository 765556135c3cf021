/**
 * §6 The auditor's own WebSocket, for either role: sends packets in frames of any form, right or wrong, and keeps what frames came.
 * Knows the upgrade and the frames of RFC 6455 as bytes; refuses to know packets, and which behaviour is right.
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import type { Transport, TransportHandler } from "../../src/transport/transport.ts";
import { Finding } from "../verdict.ts";

/** RFC 6455 §5.2 */
export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** One frame that is to be sent. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Uint8Array;
  /** The last frame of its message; default true. */
  readonly isFinal?: boolean;
}

/** One data frame that came. */
export interface SeenFrame {
  readonly opcode: number;
  /** Bytes of its payload. */
  readonly length: number;
}

/** How the bytes of packets become frames. */
export type Framing = (bytes: Uint8Array) => readonly Frame[];

/** One binary frame. */
export const whole: Framing = (payload) => [{ opcode: OPCODE.BINARY, payload }];

/** One text frame. */
export const asText: Framing = (payload) => [{ opcode: OPCODE.TEXT, payload }];

/** A frame, each a message of its own, for every `size` bytes. */
export function cut(size: number): Framing {
  return (bytes) => pieces(bytes, size).map((payload) => ({ opcode: OPCODE.BINARY, payload }));
}

/** One message in fragments of `size` bytes; `opcode` is that of the first one. */
export function fragments(size: number, opcode: number = OPCODE.BINARY): Framing {
  return (bytes) => {
    const all = pieces(bytes, size);
    return all.map((payload, at) => ({
      opcode: at === 0 ? opcode : OPCODE.CONTINUATION,
      payload,
      isFinal: at === all.length - 1,
    }));
  };
}

/** The frames of `framing`, each behind one of these. */
export function mixed(framing: Framing, ...between: readonly Frame[]): Framing {
  return (bytes) => framing(bytes).flatMap((one) => [...between, one]);
}

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, at) => bytes.subarray(at * size, (at + 1) * size),
  );
}

/** The head of a request or of an answer. */
export interface Head {
  /** The request line, or the status line. */
  readonly line: string;
  /** Values by name in lower case; those of one name are joined by commas. */
  readonly fields: ReadonlyMap<string, string>;
}

/** A request for an upgrade. */
export interface UpgradeCall {
  /** With the port. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** What is offered, in this order. */
  readonly protocols: readonly string[];
}

/** The subprotocol of MQTT [MQTT-6.0.0-3] [MQTT-6.0.0-4]. */
export const MQTT = "mqtt";

/** RFC 6455 §1.3 */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEAD_BYTES_MAX = 16_384;
/** No target needs longer frames to answer what the auditor sends. */
const FRAME_BYTES_MAX = 16 * 2 ** 20;
const FINAL = 0x80;
const MASKED = 0x80;
const NORMAL_CLOSURE = Uint8Array.of(0x03, 0xe8);
const NOTHING = new Uint8Array(0);

/** One WebSocket over a stream that is not started: as a transport, its bytes are the payloads of data frames of any kind. */
export class Socket implements Transport, TransportHandler {
  readonly label: string;
  /** How what is written becomes frames. */
  framing: Framing = whole;
  /** The data frames that came. */
  readonly seen: SeenFrame[] = [];
  /** Told of what is no packet; set by who keeps a transcript. */
  note: (text: string) => void = () => {};
  readonly #below: Transport;
  readonly #isClient: boolean;
  #isUpgraded = false;
  #partial: Uint8Array = NOTHING;
  #unsent: Uint8Array[] = [];
  /** A `write()` was not taken. */
  #owesDrained = false;
  #isFragmented = false;
  #pongs = 0;
  #isClosing = false;
  /** What came before `start()`. */
  #early: Uint8Array[] = [];
  #end: { readonly error: Error | undefined } | undefined;
  #handler: TransportHandler | undefined;
  #changed: (() => void) | undefined;

  constructor(below: Transport, role: "client" | "server") {
    this.label = below.label;
    this.#below = below;
    this.#isClient = role === "client";
    below.start(this);
  }

  // ── The upgrade ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Asks for the upgrade; gives the head of the answer, whatever it is. Rejects if none comes. */
  async ask({ host, target, protocols }: UpgradeCall, patienceMs: number): Promise<Head> {
    const key = randomBytes(16).toString("base64");
    this.note(`the auditor asks for an upgrade at ${target} and offers ${protocols.join(", ")}`);
    this.#sendHead([
      `GET ${target} HTTP/1.1`,
      `Host: ${host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${key}`,
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Protocol: ${protocols.join(", ")}`,
    ]);
    const head = await this.#head(patienceMs);
    this.note(`it answers ${head.line}, subprotocol ${head.fields.get("sec-websocket-protocol") ?? "none"}`);
    if (isUpgrade(head)) {
      if (head.fields.get("sec-websocket-accept") !== acceptOf(key)) {
        throw new Finding("inconclusive", "The answer to the upgrade has a wrong Sec-WebSocket-Accept");
      }
      this.#begin();
    }
    return head;
  }

  /** Waits for a request and grants what it asks for, with the subprotocol `mqtt` or else the first that is offered; gives the head of the request. */
  async grant(patienceMs: number): Promise<Head> {
    const head = await this.#head(patienceMs);
    const { line, fields } = head;
    const offered = protocolsIn(head);
    const selected = offered.includes(MQTT) ? MQTT : offered[0];
    this.note(`it asks ${line} and offers ${offered.join(", ") || "no subprotocol"}`);
    const key = fields.get("sec-websocket-key");
    if (!line.startsWith("GET ") || key === undefined) {
      throw new Finding("inconclusive", `An upgrade to WebSocket was to be asked for; ${line} came`);
    }
    this.#sendHead([
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${acceptOf(key)}`,
      ...selected === undefined ? [] : [`Sec-WebSocket-Protocol: ${selected}`],
    ]);
    this.#begin();
    return head;
  }

  #sendHead(lines: readonly string[]): void {
    this.#down(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  }

  async #head(patienceMs: number): Promise<Head> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const end = headEnd(this.#partial);
      if (end > 0) {
        const head = headOf(this.#partial.subarray(0, end));
        this.#partial = this.#partial.slice(end);
        return head;
      }
      const why = this.#end !== undefined
        ? `the connection ended${this.#end.error === undefined ? "" : ` (${this.#end.error.message})`}`
        : this.#partial.length > HEAD_BYTES_MAX
        ? `${this.#partial.length} bytes came, and no end of a head`
        : performance.now() >= until
        ? `nothing more came for ${patienceMs} ms`
        : undefined;
      if (why !== undefined) {
        const what = this.#isClient ? "An answer to the upgrade" : "A request for an upgrade to WebSocket";
        throw new Finding("inconclusive", `${what} was expected; ${why}`);
      }
      await this.#change(until - performance.now());
    }
  }

  #begin(): void {
    this.#isUpgraded = true;
    const rest = this.#partial;
    this.#partial = NOTHING;
    if (rest.length > 0) this.received(rest);
  }

  // ── As a transport ─────────────────────────────────────────────────────────────────────────────────────────────────

  start(handler: TransportHandler): void {
    this.#handler = handler;
    for (const chunk of this.#early) handler.received(chunk);
    this.#early = [];
    if (this.#end !== undefined) this.#tellEnd();
  }

  /** Takes all, or nothing as long as something of what was taken is not sent. */
  write(chunk: Uint8Array): number {
    if (this.#isClosing) return 0;
    this.#owesDrained = this.#unsent.length > 0;
    if (this.#owesDrained) return 0;
    const frames = this.framing(chunk);
    if (this.framing !== whole) {
      this.note(`that goes in ${frames.length} frames: ${frames.slice(0, 8).map(wordsFor).join(", ")}`);
    }
    for (const one of frames) this.#send(one);
    return chunk.length;
  }

  pause(): void {
    this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }

  /** RFC 6455 §7.1.2 */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#send({ opcode: OPCODE.CLOSE, payload: NORMAL_CLOSURE });
  }

  abort(): void {
    this.#isClosing = true;
    this.#below.abort();
  }

  /** Sends a frame that is no part of a packet. */
  send(one: Frame): void {
    this.note(`the auditor sends ${wordsFor(one)}`);
    this.#send(one);
  }

  /** Sends a Ping and waits for the Pong: what was sent before has been read. False if none comes. */
  async pinged(patienceMs: number): Promise<boolean> {
    const [before, until] = [this.#pongs, performance.now() + patienceMs];
    this.send({ opcode: OPCODE.PING, payload: Uint8Array.of(0x70) });
    while (this.#pongs === before && this.#end === undefined && performance.now() < until) {
      await this.#change(until - performance.now());
    }
    return this.#pongs > before;
  }

  // ── From below ─────────────────────────────────────────────────────────────────────────────────────────────────────

  received(chunk: Uint8Array): void {
    if (this.#end !== undefined) return;
    const data = new Uint8Array(this.#partial.length + chunk.length);
    data.set(this.#partial);
    data.set(chunk, this.#partial.length);
    this.#partial = data;
    if (this.#isUpgraded) this.#readFrames();
    this.#changed?.();
  }

  drained(): void {
    this.#flush();
    if (!this.#owesDrained || this.#unsent.length > 0) return;
    this.#owesDrained = false;
    this.#handler?.drained();
  }

  closed(error?: Error): void {
    this.#ended(error);
  }

  #readFrames(): void {
    let at = 0;
    const data = this.#partial;
    while (this.#end === undefined) {
      const found = frameAt(data, at, !this.#isClient, this.#isFragmented);
      if (found === undefined) break;
      if (typeof found === "string") {
        this.note(`it breaks the form of WebSocket frames: ${found}`);
        this.#ended(new Error(found));
        return this.#below.abort();
      }
      at = found.end;
      this.#take(found);
    }
    this.#partial = data.slice(at);
  }

  #take({ opcode, isFinal, payload }: FoundFrame): void {
    if (opcode <= OPCODE.BINARY) {
      this.#isFragmented = !isFinal;
      this.seen.push({ opcode, length: payload.length });
      if (opcode !== OPCODE.BINARY) this.note(`it sends ${wordsFor({ opcode, payload })}`);
      if (payload.length === 0) return;
      if (this.#handler === undefined) this.#early.push(payload);
      else this.#handler.received(payload);
      return;
    }
    this.note(`it sends ${wordsFor({ opcode, payload })}`);
    if (opcode === OPCODE.PONG) this.#pongs++;
    else if (opcode === OPCODE.PING) this.#send({ opcode: OPCODE.PONG, payload });
    else {
      if (!this.#isClosing) this.#send({ opcode: OPCODE.CLOSE, payload: payload.subarray(0, 2) });
      this.#isClosing = true;
      this.#below.close();
      this.#ended(undefined);
    }
  }

  #ended(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#changed?.();
    if (this.#handler !== undefined) this.#tellEnd();
  }

  #tellEnd(): void {
    const { error } = this.#end!;
    if (error === undefined) this.#handler!.closed();
    else this.#handler!.closed(error);
  }

  /** Resolves when something has come or ended, or after `ms`. */
  async #change(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
      timer = setTimeout(resolve, ms);
    });
    this.#changed = undefined;
    clearTimeout(timer);
  }

  #send(one: Frame): void {
    this.#down(bytesOf(one, this.#isClient ? randomBytes(4) : undefined));
  }

  #down(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    this.#flush();
  }

  #flush(): void {
    while (this.#unsent.length > 0) {
      const first = this.#unsent[0]!;
      const taken = this.#below.write(first);
      if (taken < first.length) {
        this.#unsent[0] = first.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
  }
}

/** Whether an answer upgrades to WebSocket. */
export function isUpgrade({ line }: Head): boolean {
  return /^HTTP\/1\.1 101\b/.test(line);
}

/** The subprotocols that a head names. */
export function protocolsIn({ fields }: Head): string[] {
  return (fields.get("sec-websocket-protocol") ?? "").split(",").map((one) => one.trim()).filter((one) =>
    one !== ""
  );
}

function acceptOf(key: string): string {
  return createHash("sha1").update(key + ACCEPT_SUFFIX).digest("base64");
}

function headEnd(bytes: Uint8Array): number {
  for (let at = 3; at < bytes.length; at++) {
    if (bytes[at] === 10 && bytes[at - 1] === 13 && bytes[at - 2] === 10 && bytes[at - 3] === 13) {
      return at + 1;
    }
  }
  return 0;
}

function headOf(bytes: Uint8Array): Head {
  const [line = "", ...rest] = new TextDecoder().decode(bytes).trimEnd().split("\r\n");
  const fields = new Map<string, string>();
  for (const one of rest) {
    const colon = one.indexOf(":");
    const name = one.slice(0, colon).trim().toLowerCase();
    const value = one.slice(colon + 1).trim();
    const known = fields.get(name);
    fields.set(name, known === undefined ? value : `${known}, ${value}`);
  }
  return { line: line.slice(0, 200), fields };
}

interface FoundFrame extends Frame {
  readonly isFinal: boolean;
  readonly end: number;
}

/** The frame at `at`; what is wrong with it; or undefined if more is needed. */
function frameAt(
  data: Uint8Array,
  at: number,
  isMasked: boolean,
  isFragmented: boolean,
): FoundFrame | string | undefined {
  if (data.length - at < 2) return undefined;
  const [first, second] = [data[at]!, data[at + 1]!];
  const opcode = first & 0x0f;
  const isFinal = (first & FINAL) !== 0;
  const isControl = opcode >= OPCODE.CLOSE;
  if ((first & 0x70) !== 0) return "reserved bits are set";
  if (opcode > OPCODE.PONG || opcode > OPCODE.BINARY && !isControl) return `opcode ${opcode} is reserved`;
  if ((second & MASKED) !== 0 !== isMasked) {
    return isMasked ? "a frame of a Client is not masked" : "a frame of a Server is masked";
  }
  if (isControl && (!isFinal || (second & 0x7f) > 125)) return "a control frame is long or in fragments";
  if (!isControl && (opcode === OPCODE.CONTINUATION) !== isFragmented) {
    return isFragmented ? "a message begins within another one" : "a message goes on that has not begun";
  }
  let body = at + 2;
  let length = second & 0x7f;
  const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
  if (data.length < body + extended) return undefined;
  if (extended > 0) {
    length = data.subarray(body, body + extended).reduce((sum, byte) => sum * 256 + byte, 0);
    if (length < (extended === 2 ? 126 : 65_536)) return "a length is not in its shortest form";
    body += extended;
  }
  if (length > FRAME_BYTES_MAX) return `a frame has ${length} bytes`;
  const key = isMasked ? data.subarray(body, body += 4) : undefined;
  if (data.length < body + length) return undefined;
  const payload = data.slice(body, body + length);
  if (key !== undefined) mask(payload, key);
  return { opcode, isFinal, payload, end: body + length };
}

/** RFC 6455 §5.2 */
function bytesOf({ opcode, payload, isFinal = true }: Frame, key: Uint8Array | undefined): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 0xff] : [
    127,
    ...[56, 48, 40, 32, 24, 16, 8, 0].map((bits) => Math.floor(length / 2 ** bits) % 256),
  ];
  if (key !== undefined) size[0]! |= MASKED;
  const head = [(isFinal ? FINAL : 0) | opcode, ...size, ...key ?? []];
  const all = new Uint8Array(head.length + length);
  all.set(head);
  all.set(payload, head.length);
  if (key !== undefined) mask(all.subarray(head.length), key);
  return all;
}

/** RFC 6455 §5.3 */
function mask(payload: Uint8Array, key: Uint8Array): void {
  for (let at = 0; at < payload.length; at++) payload[at]! ^= key[at % 4]!;
}

/** `a text frame of 2 bytes`. */
function wordsFor({ opcode, payload, isFinal = true }: Frame): string {
  const name = Object.entries(OPCODE).find(([, value]) => value === opcode)?.[0].toLowerCase() ??
    `opcode ${opcode}`;
  const code = opcode === OPCODE.CLOSE && payload.length >= 2
    ? ` with code ${payload[0]! * 256 + payload[1]!}`
    : "";
  return `a ${name} frame of ${payload.length} bytes${code}${isFinal ? "" : ", and its message goes on"}`;
}
