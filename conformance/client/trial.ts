/**
 * What a running case is given to audit a Client: a listening Server that does what the case says, and the Client's end.
 * Knows one run of one case; refuses to know which Client it is.
 * @module
 */
import { type Listener, listenTcp } from "../../src/runtime/listen.ts";
import type { CertificateAndKey } from "../../src/runtime/tls/tls.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { acknowledgement, publish, type PublishParts, TYPE } from "../wire/bytes.ts";
import type { Level } from "../wire/bytes.ts";
import { describe } from "../wire/describe.ts";
import {
  type ClientOrder,
  type Driver,
  type Heard,
  type OrderedMessage,
  type RunningClient,
  type Skill,
  skillsFor,
} from "./drivers/driver.ts";
import type { Seen } from "../wire/parse.ts";
import { nameOf, Peer, type Transcript } from "../wire/peer.ts";
import { type Head, Socket } from "../wire/websocket.ts";
import { connack, type ConnackParts, pingresp, suback, unsuback } from "./server_packets.ts";
import { check, type Ending, fail, Finding } from "../verdict.ts";

/** What a trial is made of. */
export interface ClientTrialOptions {
  readonly level: Level;
  readonly driver: Driver;
  /** Whether the Client is to come over WebSocket. */
  readonly webSocket: boolean;
  /** The certificate that is shown, if the Client is to come over TLS. */
  readonly tls: CertificateAndKey | undefined;
  /** Letters and digits, different for each trial. */
  readonly unique: string;
  readonly patienceMs: number;
  /** ms, any origin. */
  readonly now: () => number;
}

/** An order; what is left out is a plain connection. */
export type OrderInit = Partial<Omit<ClientOrder, "level">>;

/** A connection of the Client that was accepted, with its CONNECT. */
export interface Accepted {
  readonly peer: Peer;
  readonly connect: Seen;
}

/** The WebSocket below a connection, and how the Client asked for it. */
export interface UpgradedFrom {
  readonly socket: Socket;
  readonly head: Head;
}

/** How `serve()` goes about it. */
export interface Service {
  /** Served up to and with the packet for which this is true. */
  readonly until?: (seen: Seen) => boolean;
  /** What is sent for a packet in place of the usual answer; undefined for the usual one. */
  readonly answer?: (seen: Seen) => readonly Uint8Array[] | undefined;
  /** Silence that ends it; default the patience. */
  readonly ms?: number;
}

/** What was served. */
export interface Served {
  readonly all: readonly Seen[];
  /** Why it is over. */
  readonly end: "until" | "end" | "silence";
}

/** Seconds; no case without `timing` takes as long. */
const KEEP_ALIVE = 60;
/** Silence after which a Client that need not say anything will not. */
const QUIET_MS = 400;
/** Identifiers of messages that only show that everything before them was read. */
const BARRIER_ID = 60_000;
/** Longer than any case. */
const KEPT_SECONDS = 300;
/** §3.1.2.4 in Connect Flags. */
const CLEAN_START = 2;
const HOST = "127.0.0.1";

/** One run of one case at one level. */
export class ClientTrial {
  readonly level: Level;
  readonly transcript: Transcript = [];
  readonly #options: ClientTrialOptions;
  readonly #startedAt: number;
  readonly #peers: Peer[] = [];
  readonly #sockets: Socket[] = [];
  readonly #upgrades: Map<Peer, UpgradedFrom> = new Map();
  /** Why a connection did not come to TLS, or did not become a WebSocket. */
  #notUpgraded: string | undefined;
  /** Connections that no case has asked for yet. */
  readonly #calling: Peer[] = [];
  #called: (() => void) | undefined;
  #listener: Listener | undefined;
  #running: RunningClient | undefined;
  #order: ClientOrder | undefined;
  #barriers = 0;

  constructor(options: ClientTrialOptions) {
    this.#options = options;
    this.level = options.level;
    this.#startedAt = options.now();
  }

  /** A Topic Name that no other case uses. */
  topic(name = "t"): string {
    return `plumb-audit/${this.#options.unique}/${name}`;
  }

  /** A payload that no other case has. */
  payload(name: string): string {
    return `${this.#options.unique}-${name}`;
  }

  /** A message to be ordered; all are on one topic unless they say otherwise. */
  message(name: string, qos: 0 | 1 | 2, more: Partial<OrderedMessage> = {}): OrderedMessage {
    return { topic: this.topic("out"), payload: this.payload(name), qos, ...more };
  }

  /** Ends the case as unsupported unless the Client has these skills. */
  needs(...skills: readonly Skill[]): void {
    const missing = skills.find((skill) => !this.#options.driver.skills.has(skill));
    if (missing !== undefined) throw new Finding("unsupported", `The Client cannot be told: ${missing}`);
  }

  /** Whether it can be told that. */
  has(skill: Skill): boolean {
    return this.#options.driver.skills.has(skill);
  }

  /** What the Client was told. */
  get order(): ClientOrder {
    return this.#order!;
  }

  /** Opens the door and starts the Client. */
  async start(init: OrderInit = {}): Promise<void> {
    const { driver, unique, webSocket, tls } = this.#options;
    this.#order = {
      level: this.level,
      clientId: `pa${unique}`.slice(0, 23),
      cleanStart: true,
      keepAlive: KEEP_ALIVE,
      reconnect: false,
      ...init,
    };
    this.needs(...skillsFor(this.#order));
    this.#listener = await this.#listen((transport) => {
      if (webSocket) void this.#upgrade(transport);
      else this.#come(transport);
    });
    const { port } = this.#listener;
    const scheme = `${webSocket ? "ws" : "mqtt"}${tls === undefined ? "" : "s"}`;
    const url = `${scheme}://${HOST}:${port}${webSocket ? "/mqtt" : ""}`;
    this.#running = await driver.start(this.#order, { host: HOST, port, url });
    void this.#running.gone.then(() => this.#called?.());
  }

  async #listen(accept: (transport: Transport) => void): Promise<Listener> {
    const { driver: { port }, tls } = this.#options;
    if (tls === undefined) return await listenTcp({ host: HOST, port }, accept);
    const { listenTls } = await import("../../src/runtime/tls/tls.ts");
    const handshakeFailed = (_: unknown, { message }: Error) => void (this.#notUpgraded = message);
    return await listenTls({ host: HOST, port, tls, handshakeFailed }, accept);
  }

  #come(transport: Transport, from?: UpgradedFrom): void {
    const { patienceMs, now } = this.#options;
    const peer = new Peer(transport, {
      name: `connection ${this.#peers.length + 1}`,
      level: this.level,
      patienceMs,
      transcript: this.transcript,
      clock: () => now() - this.#startedAt,
    });
    if (from !== undefined) this.#upgrades.set(peer, from);
    this.#peers.push(peer);
    this.#calling.push(peer);
    this.#called?.();
  }

  async #upgrade(transport: Transport): Promise<void> {
    const { patienceMs, now } = this.#options;
    const socket = new Socket(transport, "server");
    this.#sockets.push(socket);
    const name = `websocket ${this.#sockets.length}`;
    socket.note = (text) => {
      const at = Math.round(now() - this.#startedAt);
      this.transcript.push({ at, peer: name, direction: "event", hex: "", text });
    };
    try {
      const head = await socket.grant(patienceMs);
      this.#come(socket, { socket, head });
    } catch (error) {
      if (!(error instanceof Finding)) throw error;
      this.#notUpgraded = error.message;
      socket.abort();
    }
  }

  /** The WebSocket below a connection. */
  webSocketOf(peer: Peer): UpgradedFrom {
    return this.#upgrades.get(peer)!;
  }

  /** The next connection; undefined if the Client is gone or takes longer than it may. */
  async accept(ms: number = this.#options.driver.connectMs): Promise<Peer | undefined> {
    if (this.#calling.length === 0) {
      let gone = false;
      void this.#running!.gone.then(() => gone = true);
      await Promise.resolve(); // in which one may come, where it comes without a socket
      if (!gone && this.#calling.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          this.#called = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        this.#called = undefined;
      }
    }
    return this.#calling.shift();
  }

  /** The next connection with its CONNECT, which is answered; inconclusive if there is none. */
  async acceptConnect(parts: ConnackParts = {}): Promise<Accepted> {
    const accepted = await this.acceptUnanswered();
    accepted.peer.send(connack(this.level, parts));
    return accepted;
  }

  /** The same without the answer. */
  async acceptUnanswered(): Promise<Accepted> {
    const peer = await this.accept();
    if (peer === undefined) {
      throw new Finding("inconclusive", `The Client did not connect${this.#complaint}`);
    }
    return { peer, connect: await this.connectOf(peer) };
  }

  /** A connection of a Client that lost the last one and was told to come back; unsupported if it does not. */
  async comeBack(parts: ConnackParts = {}): Promise<Accepted> {
    const peer = await this.accept();
    if (peer === undefined) {
      throw new Finding("unsupported", `The Client did not come back${this.#complaint}`);
    }
    const connect = await this.connectOf(peer);
    if (parts.sessionPresent === true && (connect.connect!.flags & CLEAN_START) !== 0) {
      throw new Finding("unsupported", "The Client comes back with Clean Start 1");
    }
    peer.send(connack(this.level, parts));
    return { peer, connect };
  }

  /**
   * A Client that was ordered what it may not do, or may not under this CONNACK. It may refuse, even to connect, or do
   * less; what `breaks` finds words for must not come.
   */
  async forbidden(
    init: OrderInit,
    breaks: (seen: Seen) => string | undefined,
    parts: ConnackParts = {},
  ): Promise<void> {
    await this.start(init);
    const peer = await this.accept();
    if (peer === undefined) return;
    const first = await peer.next();
    if (first === undefined || first.type === "end") return;
    check(first.type === TYPE.CONNECT, `CONNECT was expected first; ${describe(first.raw, this.level)} came`);
    peer.send(connack(this.level, parts));
    for (const seen of (await this.watch(peer)).all) {
      const fault = breaks(seen);
      if (fault !== undefined) fail(`${nameOf(seen.type)} came: ${fault}`);
    }
  }

  /** An order of a session that outlives its connection, of a Client that comes back to it. */
  kept(init: OrderInit = {}): OrderInit {
    return {
      cleanStart: false,
      reconnect: true,
      ...this.level === 5 && { sessionExpiry: KEPT_SECONDS },
      ...init,
    };
  }

  /** Its first packet, which must be a CONNECT. */
  async connectOf(peer: Peer): Promise<Seen> {
    const first = await peer.next();
    if (first === undefined || first.type === "end") {
      const how = first === undefined ? "nothing came" : `the connection ended (${first.how})`;
      throw new Finding("inconclusive", `A CONNECT was to come; ${how}${this.#complaint}`);
    }
    check(first.type === TYPE.CONNECT, `CONNECT was expected first; ${describe(first.raw, this.level)} came`);
    return first;
  }

  /** A Client that has subscribed to `topic()` with QoS 2 and has its SUBACK. */
  async subscribed(init: OrderInit = {}, parts: ConnackParts = {}): Promise<Peer> {
    await this.start({ subscribe: [{ filter: this.topic(), qos: 2 }], ...init });
    const { peer } = await this.acceptConnect(parts);
    const subscribe = await this.brought(peer, TYPE.SUBSCRIBE);
    peer.send(this.answerTo(subscribe));
    return peer;
  }

  /** The usual answer of a Server; empty if there is none. */
  answerTo(seen: Seen): Uint8Array {
    const { type, id = 0, qos, filters = [] } = seen;
    switch (type) {
      case TYPE.SUBSCRIBE:
        return suback(this.level, id, filters.map(({ options = 0 }) => Math.min(options & 3, 2)));
      case TYPE.UNSUBSCRIBE:
        return unsuback(this.level, id, filters.map(() => 0));
      case TYPE.PINGREQ:
        return pingresp();
      case TYPE.PUBLISH:
        if (qos === 1) return acknowledgement(TYPE.PUBACK, id);
        if (qos === 2) return acknowledgement(TYPE.PUBREC, id);
        return new Uint8Array(0);
      case TYPE.PUBREC:
        return acknowledgement(TYPE.PUBREL, id);
      case TYPE.PUBREL:
        return acknowledgement(TYPE.PUBCOMP, id);
      default:
        return new Uint8Array(0);
    }
  }

  /** Plays the Server. */
  async serve(peer: Peer, { until, answer, ms = this.#options.patienceMs }: Service = {}): Promise<Served> {
    const all: Seen[] = [];
    for (;;) {
      const seen = await peer.next(ms);
      if (seen === undefined) return { all, end: "silence" };
      if (seen.type === "end") return { all, end: "end" };
      all.push(seen);
      const over = until?.(seen) === true;
      const own = answer?.(seen);
      const packets = own ?? [this.answerTo(seen)];
      peer.send(...packets.filter(({ length }) => length > 0));
      if (over) return { all, end: "until" };
    }
  }

  /** Plays the Server until the Client has been silent for a while: it will not say more. */
  async watch(peer: Peer, how: Omit<Service, "ms"> = {}): Promise<Served> {
    return await this.serve(peer, { ...how, ms: Math.min(QUIET_MS, this.#options.patienceMs) });
  }

  /** The next packet of `type`, unanswered, others before it served; unsupported if the Client does not bring it. */
  async brought(peer: Peer, type: number, is: (seen: Seen) => boolean = () => true): Promise<Seen> {
    const found = await this.#search(peer, type, is);
    if (typeof found !== "string") return found;
    throw new Finding("unsupported", `The Client was to send ${nameOf(type)}; ${found}${this.#complaint}`);
  }

  /** The same for what it owes us: fails if it does not come, or is malformed. */
  async owed(
    peer: Peer,
    type: number,
    why: string,
    is: (seen: Seen) => boolean = () => true,
  ): Promise<Seen> {
    const found = await this.#search(peer, type, is);
    if (typeof found === "string") return fail(`${nameOf(type)} was expected, ${why}; ${found}`);
    check(found.faults.length === 0, `${nameOf(type)} is malformed: ${found.faults.join(", ")}`);
    return found;
  }

  async #search(peer: Peer, type: number, is: (seen: Seen) => boolean): Promise<Seen | string> {
    const wanted = (seen: Seen) => seen.type === type && is(seen);
    const { all, end } = await this.serve(peer, {
      until: wanted,
      answer: (seen) => wanted(seen) ? [] : undefined,
    });
    if (end === "until") return all.at(-1)!;
    return end === "end" ? "the connection ended" : `nothing more came for ${this.#options.patienceMs} ms`;
  }

  /**
   * Sends a QoS 1 message that the Client must acknowledge, and serves up to its PUBACK: all that was sent before has
   * been read by then.
   */
  async barrier(peer: Peer, answer?: Service["answer"]): Promise<readonly Seen[]> {
    const id = BARRIER_ID + this.#barriers++;
    peer.send(this.publish({ topic: this.topic(), payload: "barrier", qos: 1, id }));
    const is = (seen: Seen) => seen.type === TYPE.PUBACK && seen.id === id;
    const { all, end } = await this.serve(peer, { until: is, ...answer && { answer } });
    if (end !== "until") {
      fail(
        `A PUBACK for the message ${id} was expected; ` +
          (end === "end" ? "the connection ended" : `it did not come in ${this.#options.patienceMs} ms`),
      );
    }
    return all.slice(0, -1);
  }

  /** The bytes of a PUBLISH. */
  publish(parts: Omit<PublishParts, "level">): Uint8Array {
    return publish({ ...parts, level: this.level });
  }

  /**
   * The Client has met what breaks the protocol. At level 4 it must close; at level 5 a Client should close, and should
   * say why before with one of `codes`, so that one that stays is lenient.
   */
  async refused(peer: Peer, codes: readonly number[], why: string): Promise<void> {
    if (this.level === 4) await peer.refused([], why);
    else await peer.shouldRefuse(codes, why);
  }

  /** What the application was given and has this payload; unsupported if the driver does not see it. */
  heard(payload: string): readonly Heard[] {
    const { heard } = this.#running!;
    if (heard === undefined) throw new Finding("unsupported", "What the Client hands over cannot be seen");
    return heard.filter((one) =>
      one.topic === undefined ? one.payload.includes(payload) : one.payload === payload
    );
  }

  /** Waits until the application was given `payload`; unsupported if it never is. */
  async handedOver(payload: string): Promise<readonly Heard[]> {
    const until = this.#options.now() + this.#options.patienceMs;
    while (this.#options.now() < until) {
      const found = this.heard(payload);
      if (found.length > 0) return found;
      await this.wait(20);
    }
    throw new Finding("unsupported", `What the Client hands over cannot be seen: ${payload} is not there`);
  }

  /** The Client is told to say good-bye. */
  leave(): void {
    this.#running!.leave();
  }

  /** Resolves after `ms`. */
  async wait(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Ends the Client and everything that was opened. */
  async cleanUp(): Promise<void> {
    await this.#listener?.close();
    for (const peer of this.#peers) peer.abort();
    await this.#running?.stop();
    for (const peer of this.#peers) peer.abort(); // Connections that came meanwhile.
    for (const socket of this.#sockets) socket.abort();
  }

  get #complaint(): string {
    const words = this.#running?.words ?? "";
    const why = this.#notUpgraded === undefined ? "" : `: ${this.#notUpgraded}`;
    return words === "" ? why : `${why} (it says: ${words})`;
  }

  /** What the Client says of itself. */
  get words(): string {
    return this.#running?.words ?? "";
  }

  /** Why a connection did not come to TLS, or did not become a WebSocket; undefined if each did. */
  get notUpgraded(): string | undefined {
    return this.#notUpgraded;
  }

  /** What the Client broke down with, if it did. */
  get broken(): string | undefined {
    return this.#running?.broken;
  }

  /** How the Client ended the connections that it had to end. */
  get endings(): Ending[] {
    return this.#peers.map((peer) => peer.ending).filter((ending) => ending !== undefined);
  }

  /** How long an answer may take. */
  get patienceMs(): number {
    return this.#options.patienceMs;
  }

  /** ms since the case began. */
  get elapsedMs(): number {
    return this.#options.now() - this.#startedAt;
  }
}
