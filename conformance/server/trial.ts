/**
 * What a running case is given: connections to the Server under audit, names of its own, and its transcript.
 * Knows one run of one case; refuses to know the other cases, which run at the same time.
 * @module
 */
import type { Transport } from "../../src/transport/transport.ts";
import {
  acknowledgement,
  connect,
  type ConnectParts,
  disconnect,
  type Level,
  options as optionsByte,
  property,
  publish,
  type PublishParts,
  subscribe,
  TYPE,
} from "../wire/bytes.ts";
import type { Part } from "../wire/bytes.ts";
import { whyUnsupported } from "../capability.ts";
import type { Seen } from "../wire/parse.ts";
import { hexCode, nameOf, Peer, type Transcript } from "../wire/peer.ts";
import { type Head, isUpgrade, MQTT, Socket } from "../wire/websocket.ts";
import type { OverWebSocket } from "./over_websocket.ts";
import type { Dial, Profile } from "./profile.ts";
import { check, type Ending, Finding } from "../verdict.ts";

/** What a trial is made of. */
export interface TrialOptions {
  readonly level: Level;
  readonly dial: Dial;
  readonly webSocket?: OverWebSocket | undefined;
  readonly profile: Profile;
  /** Letters and digits, different for each trial. */
  readonly unique: string;
  readonly patienceMs: number;
  /** ms, any origin. */
  readonly now: () => number;
}

/** A CONNECT that a case wants to be accepted; User Name and Password come from the profile. */
export type ConnectInit = Partial<Omit<ConnectParts, "level">>;

/** A Peer whose CONNECT was accepted. */
export interface Connected {
  readonly peer: Peer;
  readonly connack: Seen;
}

/** Long enough for a case, short for a target that cannot be cleaned. */
const KEPT_SECONDS = 60;

/** What a narrow connection takes above what it must. */
const NARROW_BYTES = 4;

/** One run of one case at one level. */
export class Trial {
  readonly level: Level;
  readonly profile: Profile;
  readonly transcript: Transcript = [];
  readonly #options: TrialOptions;
  readonly #startedAt: number;
  readonly #peers: Peer[] = [];
  readonly #sockets: Socket[] = [];
  readonly #retained: Set<string> = new Set();
  readonly #sessions: Set<string> = new Set();
  #nextId = 1;
  #silences = 0;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.level = options.level;
    this.profile = options.profile;
    this.#startedAt = options.now();
  }

  /** A Topic Name or filter that no other case uses; `name` may have levels and wildcards. */
  topic(name = "t"): string {
    return `plumb-audit/${this.#options.unique}/${name}`;
  }

  /** A Client Identifier that no other case uses; 23 letters and digits at most [MQTT-3.1.3-5]. */
  clientId(name = "a"): string {
    return `pa${this.#options.unique}${name}`.slice(0, 23);
  }

  /** A Packet Identifier that this trial has not used. */
  id(): number {
    return this.#nextId++;
  }

  /** A stream to the target on which nothing was sent. */
  async open(name = `peer ${this.#peers.length + 1}`): Promise<Peer> {
    return this.#peerOn(await this.#dialled(this.#options.dial), name);
  }

  async #dialled(dial: Dial): Promise<Transport> {
    try {
      return await dial();
    } catch (error) {
      throw new Finding(
        "inconclusive",
        `No connection to the target: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  #peerOn(transport: Transport, name: string): Peer {
    const { patienceMs, now } = this.#options;
    const { level, transcript } = this;
    const peer = new Peer(transport, {
      name,
      level,
      patienceMs,
      transcript,
      clock: () => now() - this.#startedAt,
      silent: () => this.#silences++,
    });
    this.#peers.push(peer);
    return peer;
  }

  /** Asks for a WebSocket and offers `protocols`; gives the head of the answer, whatever it is. */
  async upgrade(
    protocols: readonly string[] = [MQTT],
  ): Promise<{ readonly socket: Socket; readonly head: Head }> {
    const { webSocket, patienceMs, now } = this.#options;
    if (webSocket === undefined) throw new Finding("unsupported", whyUnsupported("websocket"));
    const socket = new Socket(await this.#dialled(webSocket.dial), "client");
    this.#sockets.push(socket);
    const peer = `websocket ${this.#sockets.length}`;
    socket.note = (text) => {
      const at = Math.round(now() - this.#startedAt);
      this.transcript.push({ at, peer, direction: "event", hex: "", text });
    };
    return { socket, head: await socket.ask({ ...webSocket, protocols }, patienceMs) };
  }

  /** A WebSocket on which nothing was sent, and the peer that sends and receives packets in its frames; inconclusive if there is none. */
  async openSocket(): Promise<{ readonly socket: Socket; readonly peer: Peer }> {
    const { socket, head } = await this.upgrade();
    if (!isUpgrade(head)) {
      throw new Finding("inconclusive", `An upgrade to WebSocket was to be granted; it answers ${head.line}`);
    }
    return { socket, peer: this.#peerOn(socket, `peer ${this.#peers.length + 1}`) };
  }

  /** The bytes of a CONNECT with the profile's credentials; a retained will is cleared when the case is over. */
  connectBytes(init: ConnectInit = {}): Uint8Array {
    const { username, password } = this.profile;
    const will = init.will;
    if (will?.retain === true && typeof will.topic === "string") this.#retained.add(will.topic);
    return connect({
      clientId: this.clientId(),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...init,
      level: this.level,
    });
  }

  /** A connection whose CONNECT was accepted; inconclusive if it is not. */
  async connect(init: ConnectInit = {}, name?: string): Promise<Peer> {
    return (await this.connectAnd(init, name)).peer;
  }

  /** The same, with the CONNACK. */
  async connectAnd(init: ConnectInit = {}, name?: string): Promise<Connected> {
    const clientId = init.clientId ?? this.clientId(String(this.#peers.length + 1));
    const peer = await this.open(
      name ?? `client ${typeof clientId === "string" ? clientId : this.#peers.length + 1}`,
    );
    if (typeof clientId === "string" && init.cleanStart === false) this.#sessions.add(clientId);
    peer.send(this.connectBytes({ ...init, clientId }));
    const connack = await peer.next();
    if (connack === undefined || connack.type !== TYPE.CONNACK || connack.code !== 0) {
      const came = connack === undefined
        ? "nothing"
        : connack.type === "end"
        ? "the end of the connection"
        : connack.type === TYPE.CONNACK
        ? `CONNACK ${hexCode(connack.code ?? 0)}`
        : `packet type ${connack.type}`;
      throw new Finding("inconclusive", `A plain CONNECT was to be accepted; ${came} came`);
    }
    return { peer, connack };
  }

  /**
   * Sends a CONNECT that breaks the format of §3.1; the connection must end. At level 5 a CONNACK with one of `codes` may
   * go first; at level 4 nothing may [MQTT311-3.1.4-1].
   */
  async malformedConnect(packet: Uint8Array, codes: readonly number[] = [0x81], why = ""): Promise<void> {
    const peer = await this.open();
    peer.send(packet);
    if (this.level === 5) return void await peer.refused(codes, why);
    const came = await peer.rest(why);
    peer.ending = "silent close";
    const first = came[0];
    check(
      first === undefined,
      `The connection was to be closed without a packet${why === "" ? "" : `, ${why}`}; ` +
        `${first && nameOf(first.type)} came`,
    );
  }

  /** A Client to which one message of that QoS was sent; its exchange is open under `id`. */
  async delivery(qos: 1 | 2, init: ConnectInit = {}): Promise<{ readonly peer: Peer; readonly id: number }> {
    const topic = this.topic("delivery");
    const peer = await this.connect(init);
    await this.subscribeAt(peer, topic, qos);
    await this.published(await this.connect(), { topic, qos });
    const { id, qos: came } = await peer.expect(TYPE.PUBLISH);
    if (id === undefined || came !== qos) {
      throw new Finding("inconclusive", `A message of QoS ${qos} was to be delivered; QoS ${came} came`);
    }
    return { peer, id };
  }

  /** A connection whose session goes on, or begins, and is kept for a minute; `clientId` is the same unless given. */
  async session(init: ConnectInit = {}, name?: string): Promise<Connected> {
    return await this.connectAnd({
      clientId: this.clientId("s"),
      ...init,
      cleanStart: false,
      properties: [property.sessionExpiry(KEPT_SECONDS), ...init.properties ?? []],
    }, name);
  }

  /** The same for a session that is there already; inconclusive if the target did not keep it. */
  async resume(init: ConnectInit = {}, name?: string): Promise<Peer> {
    const { peer, connack } = await this.session(init, name);
    if (connack.sessionPresent !== true) {
      throw new Finding("inconclusive", "The session was to be kept; CONNACK has Session Present 0");
    }
    return peer;
  }

  /** Publishes and takes all acknowledgements; returns the first Reason Code. Inconclusive if it refuses. */
  async published(peer: Peer, parts: Omit<PublishParts, "level">): Promise<number> {
    const { qos = 0, id = this.id() } = parts;
    peer.send(this.publish({ ...parts, id }));
    if (qos === 0) return 0;
    const [first, last] = qos === 1 ? [TYPE.PUBACK] : [TYPE.PUBREC, TYPE.PUBCOMP];
    const { id: answered, code = 0 } = await peer.pick(first!);
    check(answered === id, `${nameOf(first!)} has id ${answered}, its PUBLISH ${id}`);
    if (code >= 0x80) throw new Finding("inconclusive", `A PUBLISH was refused with ${hexCode(code)}`);
    if (last === undefined) return code;
    peer.send(acknowledgement(TYPE.PUBREL, id));
    const pubcomp = await peer.pick(last);
    check(pubcomp.id === id, `PUBCOMP has id ${pubcomp.id}, its PUBREL ${id}`);
    return code;
  }

  /** Subscribes and takes the SUBACK, which must grant; returns its code. What the target sends first stays for later. */
  async subscribe(
    peer: Peer,
    filter: Part,
    bits: number = optionsByte(2),
    all: readonly Part[] = [],
  ): Promise<number> {
    const id = this.id();
    peer.send(subscribe(this.level, id, [[filter, bits]], all));
    const suback = await peer.pick(TYPE.SUBACK); // what matches may come first (§3.8.4)
    check(suback.id === id, `SUBACK has id ${suback.id}, its SUBSCRIBE ${id}`);
    const code = suback.codes?.[0] ?? 0x80;
    check(code < 0x80, `The subscription was to be granted; SUBACK has ${hexCode(code)}`);
    return code;
  }

  /** Subscribes at that very QoS; unsupported if less is granted. */
  async subscribeAt(peer: Peer, filter: Part, qos: number, all: readonly Part[] = []): Promise<void> {
    const granted = await this.subscribe(peer, filter, optionsByte(qos), all);
    if (granted !== qos) throw new Finding("unsupported", `QoS ${granted} is granted, QoS ${qos} is needed`);
  }

  /** A connection that takes its CONNACK, a PUBLISH on `topic("x")`, and hardly more: no room for explanations. */
  async narrow(init: ConnectInit = {}): Promise<{ readonly peer: Peer; readonly size: number }> {
    const { connack, peer: wide } = await this.connectAnd();
    wide.abort();
    const message = this.publish({ topic: this.topic("x"), qos: 1 });
    const size = Math.max(connack.raw.length, message.length) + NARROW_BYTES;
    const all = [property.maximumPacketSize(size), ...init.properties ?? []];
    return { peer: await this.connect({ ...init, properties: all }), size };
  }

  /** The bytes of a PUBLISH; retained topics are cleared when the case is over. */
  publish(parts: Omit<PublishParts, "level">): Uint8Array {
    if (parts.retain === true && typeof parts.topic === "string") this.#retained.add(parts.topic);
    return publish({ ...parts, level: this.level });
  }

  /** The highest QoS up to `most` that the target takes from a Client. */
  qos(most: number): number {
    return Math.min(most, this.profile.maximumQos);
  }

  /** Leaves the target as it was: no retained message, no session, no connection. */
  async cleanUp(): Promise<void> {
    for (const peer of this.#peers) peer.abort();
    try {
      for (const clientId of this.#sessions) {
        const peer = await this.connect({ clientId, cleanStart: true }, "clean-up");
        peer.send(disconnect());
        peer.close();
      }
      if (this.#retained.size > 0) {
        const peer = await this.connect({}, "clean-up");
        for (const topic of this.#retained) peer.send(publish({ level: this.level, topic, retain: true }));
        await peer.barrier();
        peer.send(disconnect());
        peer.close();
      }
    } catch { /* The verdict stands; a target that cannot be cleaned is the next case's trouble. */ }
    for (const peer of this.#peers) peer.abort();
    for (const socket of this.#sockets) socket.abort();
  }

  /** Resolves after `ms`; for timing cases only. */
  async wait(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** How the target ended the connections that it had to end. */
  get endings(): Ending[] {
    return this.#peers.map((peer) => peer.ending).filter((ending) => ending !== undefined);
  }

  /** How often nothing came for as long as the case was willing to wait, or more than it could read. */
  get silences(): number {
    return this.#silences;
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
