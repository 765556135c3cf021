/**
 * Packets as they pass: of one Client, one address, or about topics, in both directions, until a bound is reached.
 * Knows how to stand between a connection and its stream, and what is a secret; refuses to know what is done with the packets.
 *
 * While nothing is traced there is no trace of this: a connection has its stream itself. A trace puts a probe between, and takes it out
 * at its end. Why: spec/decisions/0042-explain-and-trace.md
 * @module
 */
import { decodePacket } from "../codec/decode.ts";
import { Deframer, type FrameHandler } from "../codec/deframer.ts";
import { encodePacket } from "../codec/encode.ts";
import { UsageError } from "../codec/error.ts";
import type { Packet, ProtocolLevel, Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import type { Link } from "../engine/link.ts";
import { matches, parseFilter } from "../topic/filter.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import type { Broker } from "./broker.ts";
import type { Connection } from "./connection.ts";
import { watch } from "./observer.ts";
import type { Open } from "./open.ts";

/** In place of what only two may know. */
const MASK: Uint8Array = /* @__PURE__ */ Uint8Array.from({ length: 8 }, () => 0x2a);
/** Packet Identifiers of one connection that a trace of topics waits for. */
const IDENTIFIERS_MAX = 65_536;
/** Packets of a connection that are kept until it shows whose it is. */
const KEPT_MAX = 4;
/** Connections that are over are forgotten when this many more are watched than there are. */
const OVER_MAX = 1_024;

/** What is traced, and how much of it. One of the first three is given. */
export interface TraceOptions {
  /** §3.1.3.1 Client Identifier. */
  readonly client?: string | undefined;
  /** §4.7 Topic Filter: PUBLISH on its topics, what acknowledges them, and subscriptions to it. */
  readonly topic?: string | undefined;
  /** An IP address, of any port. */
  readonly address?: string | undefined;
  /** Packets, 1 to 100,000; default 1,000. */
  readonly packetsMax?: number | undefined;
  /** Bytes of frames that are handed over, 1 to 64 MiB; default 1 MiB. */
  readonly bytesMax?: number | undefined;
  /** Bytes of a payload that are handed over, 0 to 1 MiB; default 256. */
  readonly payloadBytesMax?: number | undefined;
  /** 1 ms to an hour; default 10 s. It ends with the first packet behind that: call `end()` if none comes. */
  readonly milliseconds?: number | undefined;
}

/** One packet, without its secrets: passwords and Authentication Data have eight asterisks instead. */
export interface TracedPacket {
  /** When it passed: ms since the epoch. */
  readonly at: number;
  /** `in` from the Client, `out` to it. */
  readonly direction: "in" | "out";
  /** Numbers the connections of a trace, from 1 on. */
  readonly connection: number;
  /** Where the Client connects from. */
  readonly peer: PeerInfo;
  /** §3.1.3.1 undefined before it is known. */
  readonly clientId: string | undefined;
  /** §3.1.2.2 */
  readonly level: ProtocolLevel;
  /** Bytes of the packet as it passed. */
  readonly bytes: number;
  /** The first bytes of the frame: all but what is too long of its payload. The receiver's own. */
  readonly frame: Uint8Array;
  /** The packet, its payload cut off like that; undefined if it is not well formed. */
  readonly packet: Packet | undefined;
  /** §3.3.2.1 of a PUBLISH, with its Topic Alias resolved. */
  readonly topic: string | undefined;
  /** What is not well formed. */
  readonly fault: string | undefined;
}

/** Why a trace has ended. */
export type TraceEnd = "packets" | "bytes" | "time" | "stopped";

/** Told in the middle of the broker's work: to be quick. Exceptions are reported by the hook `failed`. */
export interface TraceEvents {
  /** A packet has passed. */
  seen(packet: TracedPacket): void;
  /** Once, at the end. */
  ended(why: TraceEnd): void;
}

type Bound = "packetsMax" | "bytesMax" | "payloadBytesMax" | "milliseconds";

/** The bounds: default, least and most. */
const BOUNDS: Readonly<Record<Bound, readonly [usual: number, least: number, most: number]>> = {
  packetsMax: [1_000, 1, 100_000],
  bytesMax: [1_048_576, 1, 67_108_864],
  payloadBytesMax: [256, 0, 1_048_576],
  milliseconds: [10_000, 1, 3_600_000],
};

/**
 * Begins a trace at `now`, ms since the epoch. Several may run at once.
 * @throws {UsageError} for options that say not what, or say too much.
 */
export function trace(broker: Broker, options: TraceOptions, events: TraceEvents, now: number): Trace {
  const { client, topic, address } = options;
  const given = [client, topic, address].filter((one) => one !== undefined);
  if (given.length !== 1 || typeof given[0] !== "string") {
    throw new UsageError("A trace is of one Client, of one address, or of one Topic Filter");
  }
  if (topic !== undefined) {
    const filter = parseFilter(topic);
    if (typeof filter === "string" || filter.share !== undefined) {
      throw new UsageError(`${JSON.stringify(topic.slice(0, 200))} is no Topic Filter that can be traced`);
    }
  }
  const bounds = {} as Record<Bound, number>;
  for (const name of Object.keys(BOUNDS) as Bound[]) {
    const [usual, least, most] = BOUNDS[name];
    const value = options[name] ?? usual;
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new UsageError(`${name} is a whole number from ${least} to ${most}, not ${value}`);
    }
    bounds[name] = value;
  }
  return tracerOf(broker).begin(new Trace(broker, { client, topic, address, ...bounds }, events, now));
}

interface Checked extends Readonly<Record<Bound, number>> {
  readonly client: string | undefined;
  readonly topic: string | undefined;
  readonly address: string | undefined;
}

/** One trace. */
export class Trace {
  /** @internal */
  readonly options: Checked;
  readonly #broker: Broker;
  readonly #events: TraceEvents;
  readonly #until: number;
  #packets = 0;
  #bytes = 0;
  #isOver = false;

  /** @internal `trace()` makes them. */
  constructor(broker: Broker, options: Checked, events: TraceEvents, now: number) {
    this.#broker = broker;
    this.options = options;
    this.#events = events;
    this.#until = now + options.milliseconds;
  }

  /** Packets so far. */
  get packets(): number {
    return this.#packets;
  }

  /** Ends it, if it has not ended. */
  end(why: TraceEnd = "stopped"): void {
    if (this.#isOver) return;
    this.#isOver = true;
    tracerOf(this.#broker).ended(this);
    this.#tell(() => this.#events.ended(why));
  }

  /** @internal */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @internal A packet passes that it is about. */
  saw(packet: TracedPacket): void {
    if (this.#isOver) return;
    if (packet.at >= this.#until) return this.end("time");
    const { packetsMax, bytesMax } = this.options;
    if (this.#bytes + packet.frame.length > bytesMax) return this.end("bytes");
    this.#bytes += packet.frame.length;
    this.#packets++;
    this.#tell(() => this.#events.seen(packet));
    if (this.#packets >= packetsMax) this.end("packets");
  }

  #tell(call: () => unknown): void {
    const { failed } = this.#broker.inside.parts.observer;
    try {
      watch(call(), failed);
    } catch (error) {
      failed(error);
    }
  }
}

/** All traces of one broker, and the probes that they need. */
class Tracer {
  readonly #broker: Broker;
  readonly #traces: Set<Trace> = new Set();
  readonly #probes: Map<Connection, Probe> = new Map();
  #connections = 0;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  begin(trace: Trace): Trace {
    const { inputs, parts, sessions, connections } = this.#broker.inside;
    inputs.run(parts.turn.now, () => {
      if (trace.isOver) return;
      this.#traces.add(trace);
      this.#broker.onOpened = (connection) => this.#opened(connection);
      const { client, address } = trace.options;
      if (client !== undefined) {
        const open = sessions.get(client)?.connection;
        for (const one of connections.living()) {
          if (one.client === undefined || one.client === open?.client) this.#watch(one, trace);
        }
      } else {
        for (const one of connections.living()) {
          if (address === undefined || one.peer.address === address) this.#watch(one, trace);
        }
      }
    });
    return trace;
  }

  #opened(connection: Connection): void {
    for (const trace of this.#traces) {
      const { address } = trace.options;
      if (address === undefined || connection.peer.address === address) this.#watch(connection, trace);
    }
    if (this.#probes.size > this.#broker.connections + OVER_MAX) this.#forgetOver();
  }

  #watch(connection: Connection, trace: Trace): void {
    let probe = this.#probes.get(connection);
    if (probe === undefined) {
      probe = new Probe(this.#broker, connection, ++this.#connections, () => this.#leave(connection));
      this.#probes.set(connection, probe);
    }
    probe.add(trace);
  }

  #forgetOver(): void {
    const { connections } = this.#broker.inside;
    const there = new Set([...connections.living(), ...connections.closing()]);
    for (const connection of this.#probes.keys()) if (!there.has(connection)) this.#probes.delete(connection);
  }

  /** No trace wants to know of a connection any more. */
  #leave(connection: Connection): void {
    const { inputs, parts } = this.#broker.inside;
    inputs.run(parts.turn.now, () => {
      const probe = this.#probes.get(connection);
      if (probe === undefined || probe.isWanted) return;
      probe.leave();
      this.#probes.delete(connection);
    });
  }

  ended(trace: Trace): void {
    this.#traces.delete(trace);
    if (this.#traces.size === 0) this.#broker.onOpened = undefined;
    for (const probe of [...this.#probes.values()]) probe.drop(trace);
  }
}

const TRACERS: WeakMap<Broker, Tracer> = /* @__PURE__ */ new WeakMap();

function tracerOf(broker: Broker): Tracer {
  let tracer = TRACERS.get(broker);
  if (tracer === undefined) TRACERS.set(broker, tracer = new Tracer(broker));
  return tracer;
}

/** What a trace of topics knows of one connection. */
class Exchanges {
  /** §2.2.1 of packets that it is about, by the side that chose the identifier. */
  readonly in: Set<number> = new Set();
  readonly out: Set<number> = new Set();
}

/** Stands between one connection and its stream. */
class Probe implements FrameHandler {
  readonly #broker: Broker;
  readonly #connection: Connection;
  readonly #number: number;
  readonly #unwanted: () => void;
  readonly #traces: Map<Trace, Exchanges> = new Map();
  readonly #leave: () => void;
  #frames!: FrameHandler;
  #link!: Link;
  /** §3.1.3.1 undefined before it is known. */
  #clientId: string | undefined;
  /** What came before that. */
  #kept: TracedPacket[] | undefined = [];
  /** The frame is offered again. */
  #isOffered = false;
  /** §3.3.2.3.4 by alias, as far as they were seen. */
  readonly #aliasesIn: Map<number, string> = new Map();
  readonly #aliasesOut: Map<number, string> = new Map();

  constructor(broker: Broker, connection: Connection, number: number, unwanted: () => void) {
    this.#broker = broker;
    this.#connection = connection;
    this.#number = number;
    this.#unwanted = unwanted;
    const { client } = connection;
    if (client !== undefined) this.#knows(client.clientId);
    this.#leave = connection.watch(({ frames, transport, link }) => {
      this.#frames = frames;
      this.#link = link;
      const out = (frame: Uint8Array) => this.#saw("out", frame);
      return { frames: this, transport: new WatchedTransport(transport, link, out) };
    });
    const open = client && broker.inside.sessions.get(client.clientId)?.connection;
    for (const [topic, alias] of open?.aliasesSet ?? []) this.#aliasesOut.set(alias, topic);
  }

  get isWanted(): boolean {
    return this.#traces.size > 0;
  }

  add(trace: Trace): void {
    this.#traces.set(trace, new Exchanges());
  }

  drop(trace: Trace): void {
    if (this.#traces.delete(trace) && !this.isWanted) this.#unwanted();
  }

  /** Takes itself out. */
  leave(): void {
    this.#leave();
  }

  // Frames that come.

  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
    if (!this.#isOffered && this.isWanted) this.#saw("in", bytes.subarray(at, end));
    const isTaken = this.#frames.frame(bytes, at, body, end);
    this.#isOffered = !isTaken;
    return isTaken;
  }

  begun(bytes: Uint8Array, at: number, body: number, until: number): void {
    this.#frames.begun?.(bytes, at, body, until);
  }

  tooLarge(bytes: Uint8Array, at: number, body: number, until: number): boolean {
    return this.#frames.tooLarge?.(bytes, at, body, until) ?? false;
  }

  // All of them.

  #knows(clientId: string): void {
    this.#clientId = clientId;
    for (const trace of [...this.#traces.keys()]) {
      const { client } = trace.options;
      if (client !== undefined && client !== clientId) this.drop(trace);
    }
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const packet of kept) this.#hand({ ...packet, clientId });
  }

  /** Nothing that goes wrong here reaches the connection. */
  #saw(direction: "in" | "out", frame: Uint8Array): void {
    if (!this.isWanted) return;
    try {
      this.#look(direction, frame);
    } catch (error) {
      this.#broker.inside.parts.observer.failed(error);
    }
  }

  #look(direction: "in" | "out", frame: Uint8Array): void {
    const { level } = this.#link;
    let packet: Packet | undefined;
    let fault: string | undefined;
    try {
      packet = decodePacket(frame, level);
    } catch (error) {
      fault = error instanceof Error ? error.message : `${error}`;
    }
    const topic = packet?.type === PacketType.PUBLISH ? this.#topicOf(packet, direction) : undefined;
    const traced: TracedPacket = {
      at: this.#broker.inside.parts.turn.now,
      direction,
      connection: this.#number,
      peer: this.#connection.peer,
      clientId: this.#clientId,
      level: packet?.type === PacketType.CONNECT ? packet.level : level,
      bytes: frame.length,
      // What comes first and is no packet may be a request of another protocol, with secrets of its own.
      frame: packet === undefined && this.#connection.client === undefined
        ? frame.subarray(0, headerBytes(frame))
        : frame,
      packet,
      topic,
      fault,
    };
    if (this.#kept === undefined) return this.#hand(traced);
    if (this.#kept.length < KEPT_MAX) this.#kept.push({ ...traced, ...ownOf(traced.frame, packet, level) });
    if (packet?.type === PacketType.CONNECT && packet.clientId !== "") this.#knows(packet.clientId);
    else if (packet?.type === PacketType.CONNACK) {
      this.#knows(packet.properties?.assignedClientIdentifier ?? this.#connection.client?.clientId ?? "");
    } else if (
      direction === "in" && packet?.type !== PacketType.CONNECT && packet?.type !== PacketType.AUTH
    ) this.#knows("");
  }

  /** §3.3.2.3.4 the topic, whatever stands in the packet. */
  #topicOf({ topic, properties }: Publish, direction: "in" | "out"): string | undefined {
    const alias = properties?.topicAlias;
    if (alias === undefined) return topic;
    const aliases = direction === "in" ? this.#aliasesIn : this.#aliasesOut;
    if (topic !== "") aliases.set(alias, topic);
    const known = aliases.get(alias);
    if (known !== undefined || direction === "out") return known;
    const clientId = this.#connection.client?.clientId;
    const open = clientId === undefined ? undefined : this.#broker.inside.sessions.get(clientId)?.connection;
    const bytes = (open as Open | undefined)?.aliases.get(alias);
    return bytes && decodeUtf8(bytes, 0, bytes.length);
  }

  #hand(traced: TracedPacket): void {
    for (const [trace, exchanges] of [...this.#traces]) {
      const { topic, payloadBytesMax } = trace.options;
      if (topic !== undefined && !isAbout(topic, traced, exchanges)) continue;
      const { frame, packet, level } = traced;
      trace.saw({ ...traced, ...shownOf(frame, packet, level, payloadBytesMax) });
    }
  }
}

/** Whether a packet is about topics that a filter matches. */
function isAbout(filter: string, { packet, topic, direction }: TracedPacket, exchanges: Exchanges): boolean {
  if (packet === undefined) return false;
  const own = exchanges[direction];
  const peers = exchanges[direction === "in" ? "out" : "in"];
  switch (packet.type) {
    case PacketType.PUBLISH:
      if (topic === undefined || !matches(filter, topic)) return false;
      note(own, packet.packetId);
      return true;
    case PacketType.PUBACK:
    case PacketType.PUBCOMP:
      return peers.delete(packet.packetId);
    case PacketType.PUBREC:
      return packet.reasonCode < 0x80 ? peers.has(packet.packetId) : peers.delete(packet.packetId);
    case PacketType.PUBREL:
      return own.has(packet.packetId);
    case PacketType.SUBSCRIBE:
      if (!packet.subscriptions.some((one) => overlaps(filter, one.filter))) return false;
      note(own, packet.packetId);
      return true;
    case PacketType.UNSUBSCRIBE:
      if (!packet.filters.some((one) => overlaps(filter, one))) return false;
      note(own, packet.packetId);
      return true;
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
      return peers.delete(packet.packetId);
    default:
      return false;
  }
}

function note(identifiers: Set<number>, packetId: number | undefined): void {
  if (packetId !== undefined && identifiers.size < IDENTIFIERS_MAX) identifiers.add(packetId);
}

/** Whether some topic matches both filters. */
function overlaps(filter: string, subscribed: string): boolean {
  const parsed = parseFilter(subscribed);
  if (typeof parsed === "string") return false;
  const [one, other] = [filter.split("/"), parsed.match.split("/")];
  for (let i = 0;; i++) {
    if (one[i] === "#" || other[i] === "#") return true;
    if (i >= one.length || i >= other.length) return one.length === other.length;
    if (one[i] !== other[i] && one[i] !== "+" && other[i] !== "+") return false;
  }
}

/** Bytes and packet of one that is kept: masked, since they outlive their chunk. */
function ownOf(frame: Uint8Array, packet: Packet | undefined, level: ProtocolLevel): Shown {
  return shownOf(frame, packet, level, Infinity);
}

type Shown = Pick<TracedPacket, "frame" | "packet">;

/** Bytes and packet as they may be shown: copies without secrets, and with so much of a payload. */
function shownOf(
  frame: Uint8Array,
  packet: Packet | undefined,
  level: ProtocolLevel,
  payloadBytesMax: number,
): Shown {
  const type = frame[0]! >> 4;
  if (packet === undefined) { // nothing shows where a secret is
    const isOpen = type !== PacketType.CONNECT && type !== PacketType.CONNACK && type !== PacketType.AUTH;
    const bytes = isOpen ? Math.min(frame.length, 64 + payloadBytesMax) : headerBytes(frame);
    return { frame: frame.slice(0, bytes), packet };
  }
  if (packet.type === PacketType.PUBLISH) {
    const hidden = Math.max(0, packet.payload.length - payloadBytesMax);
    const own = frame.slice(0, frame.length - hidden);
    const payload = own.subarray(own.length - (packet.payload.length - hidden));
    return { frame: own, packet: copied({ ...packet, payload }) };
  }
  const masked = withoutSecrets(packet, payloadBytesMax);
  return { frame: masked === packet ? frame.slice() : encodePacket(masked, level), packet: copied(masked) };
}

/** §2.1.4 */
function headerBytes(frame: Uint8Array): number {
  let bytes = 2;
  while (bytes < 5 && bytes < frame.length && frame[bytes - 1]! > 127) bytes++;
  return bytes;
}

/** The packet itself if it has none. */
function withoutSecrets(packet: Packet, payloadBytesMax: number): Packet {
  if (packet.type === PacketType.CONNECT) {
    const { password, will, properties } = packet;
    return {
      ...packet,
      ...password !== undefined && { password: MASK },
      ...will !== undefined && { will: { ...will, payload: will.payload.subarray(0, payloadBytesMax) } },
      ...properties?.authenticationData !== undefined &&
        { properties: { ...properties, authenticationData: MASK } },
    };
  }
  if (packet.type !== PacketType.CONNACK && packet.type !== PacketType.AUTH) return packet;
  const { properties } = packet;
  if (properties?.authenticationData === undefined) return packet;
  return { ...packet, properties: { ...properties, authenticationData: MASK } } as Packet;
}

/** Binary values of a packet are views of a chunk that others use again. */
function copied<T extends Packet>(packet: T): T {
  return own(packet) as T;
}

function own(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice();
  if (Array.isArray(value)) return value.map(own);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, own(one)]));
}

/** The transport of a connection, and what it has taken, in frames. */
class WatchedTransport implements Transport {
  readonly #inner: Transport;
  readonly #link: Link;
  readonly #frames: FrameHandler;
  readonly #deframer: Deframer = new Deframer(Infinity);
  /** The next byte begins a packet, or stands in one that is seen from its beginning. */
  #isSeen: boolean;

  constructor(inner: Transport, link: Link, saw: (frame: Uint8Array) => void) {
    this.#inner = inner;
    this.#link = link;
    this.#isSeen = !link.blocked; // else a packet may have been written in part
    this.#frames = {
      frame: (bytes, at, _body, end) => {
        saw(bytes.subarray(at, end));
        return true;
      },
    };
  }

  get label(): string {
    return this.#inner.label;
  }

  get memoryBytes(): number {
    return this.#inner.memoryBytes ?? 0;
  }

  get isUnpausable(): boolean {
    return this.#inner.isUnpausable === true;
  }

  start(handler: TransportHandler): void {
    this.#inner.start(handler);
  }

  write(chunk: Uint8Array): number {
    const isLast = this.#link.outbox.size === chunk.length;
    const taken = this.#inner.write(chunk);
    if (this.#isSeen) this.#deframer.receive(chunk.subarray(0, taken), this.#frames);
    else if (isLast && taken === chunk.length) this.#isSeen = true;
    return taken;
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(): void {
    this.#inner.close();
  }

  abort(): void {
    this.#inner.abort();
  }
}
