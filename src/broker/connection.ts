/**
 * §3.12, §3.14, §4.2, §4.13, §3.1.2.10, §3.2.2.2 One Network Connection on the Server: its phases, its ends, its silence, and each packet to the
 * file of its name.
 * Knows how a connection begins and ends; refuses to know the effects of a packet.
 *
 * Phases: waiting (for CONNECT), authenticating, open, closing (our last bytes are on their way), closed. Each carries its own data.
 * Ends: `refuse()` before it is open, `end()` of an open one by us, `#leave()` for both and for the Client's DISCONNECT, `closed()` when
 * the transport is over. `Open.fail()` puts off `end()` to the end of the turn.
 * @module
 */
import { decodeAcknowledgement } from "../codec/acknowledgement.ts";
import { decodeAuth } from "../codec/auth.ts";
import { decodeConnect } from "../codec/connect.ts";
import { decode } from "../codec/decode.ts";
import type { FrameHandler } from "../codec/deframer.ts";
import { decodeDisconnect } from "../codec/disconnect.ts";
import { invariant, PeerError, protocolError, refused } from "../codec/error.ts";
import type { Auth, Connect, Disconnect } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { ToleranceName } from "../codec/mend.ts";
import { decodePingreq } from "../codec/ping.ts";
import type { Reader } from "../codec/reader.ts";
import { isReasonAllowed, isReasonAllowedFrom } from "../codec/reason_code.ts";
import { decodeSubscribe } from "../codec/subscribe.ts";
import { decodeUnsubscribe } from "../codec/unsubscribe.ts";
import { wordsOf } from "../codec/words.ts";
import { Link, type LinkHandler, Pause } from "../engine/link.ts";
import { MODEST_BYTES } from "../engine/outflow.ts";
import type { Deadline } from "../engine/timers.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { acknowledgePacket } from "./acknowledge.ts";
import { aliasBytes } from "./alias.ts";
import { Authenticating, authKind, CONTINUE, refusalOf, requestOfClient, requestOfConnect } from "./auth.ts";
import type { Batch } from "./batch.ts";
import { checkBeginning, notConnect, refuseTls } from "./beginning.ts";
import { type Budget, COST, type Postponed } from "./budget.ts";
import { accept, checkConnect, levelAsked, loginOf, ownBytes, refusingConnack } from "./connect.ts";
import type { Connections, GivesWay } from "./connections.ts";
import type { Inputs } from "./inputs.ts";
import { OBJECT_BYTES } from "./ledger.ts";
import type { LimitName } from "./limits.ts";
import type { HoldsMemory, MemoryLimit } from "./memory_limit.ts";
import type { Relay } from "./nodes.ts";
import { type Ending, Open } from "./open.ts";
import type { AuthenticationRequest, ClientInfo, RefusedClient, Verdict } from "./options.ts";
import { checkVerdict } from "./owner.ts";
import type { Parts } from "./parts.ts";
import { type PermissionHandler, Permissions } from "./permissions.ts";
import { type Policy, policyOf } from "./policy.ts";
import { isLater } from "./question.ts";
import { type Rated, RateLimit } from "./rate.ts";
import { reasonString, type Refusal, UNSAFE } from "./refusal.ts";
import type { Change } from "./reconfigure.ts";
import { changeRights, changeRightsLater } from "./regrant.ts";
import type { Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import { subscribePacket, unsubscribePacket } from "./subscribe.ts";
import { Tolerance, type Tolerant, TolerantLink } from "./tolerance.ts";
import type { Suspect } from "./turn.ts";
import { willBytes } from "./will.ts";

/** Above `outboundBytesMax` only answers are added; a peer that makes us answer this much more without reading is cut off. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** Bytes kept of a connection that waits for a later turn; above it the transport is not read. */
const POSTPONED_BYTES_MAX = 64 * 1024;

/** §2.1.4 a node may send whatever a packet can hold: what it passes on was looked at where it came in. */
const NODE_FRAME_BYTES_MAX = 268_435_460;

/** §3.1.2.2 the variable header of a CONNECT to its Protocol Version. */
const CONNECT_LEVEL_BYTES = 7;

/** The parts of a broker that all its connections use. */
export interface Host {
  readonly parts: Parts;
  readonly inputs: Inputs;
  readonly sessions: Sessions;
  readonly batch: Batch;
  readonly budget: Budget;
  readonly connections: Connections<Connection>;
  readonly memory: MemoryLimit<Connection>;
  /** For packets but PUBLISH, one at a time. */
  readonly reader: Reader;
  /** The Server is shutting down: no CONNECT is accepted. */
  isStopping(): boolean;
}

/** One connection at one moment. */
export interface ConnectionStats {
  /** Bytes written to it since it began, sent or waiting. */
  readonly sentBytes: number;
  /** Bytes that wait for the peer to read them, or for a commit. */
  readonly waitingBytes: number;
  /** Bytes kept from the Client: an incomplete packet, or packets behind one that waits for its verdict. */
  readonly keptBytes: number;
}

/** @internal Puts something between a connection and its stream. */
export type Between = (
  own: { readonly frames: FrameHandler; readonly transport: Transport; readonly link: Link },
) => { readonly frames: FrameHandler; readonly transport: Transport };

type Phase =
  | { readonly kind: "waiting" }
  | Authenticating
  | Open
  | Relay
  | { readonly kind: "closing" }
  | { readonly kind: "closed" };

const WAITING: Phase = { kind: "waiting" };
const CLOSING: Phase = { kind: "closing" };
const CLOSED: Phase = { kind: "closed" };

/** §3.2.2.2 for CONNACK, which has no 0x8B. */
const SHUTTING_DOWN: Refusal = {
  code: 0x88,
  rule: "limit/unavailable",
  message: "The Server is shutting down",
};

const AUTHENTICATOR_FAILED: Verdict = { code: 0x88, reasonString: "The authenticator failed" };

/** What a CONNECT says of its Client, without what only the authenticator may see. */
function claimOf({ clientId, username, level }: Connect): RefusedClient {
  return { clientId, username, level };
}

/** One connection. Its driver calls `received`, `drained` and `closed`; all else is the engine's. */
export class Connection
  implements
    Deadline,
    FrameHandler,
    LinkHandler,
    PermissionHandler,
    GivesWay,
    HoldsMemory,
    Ending,
    Postponed,
    Suspect,
    Rated,
    Tolerant {
  /** For the timers. */
  heapIndex: number = -1;
  /** For the timers. */
  heapTime = 0;
  /** For the budget. */
  debt = 0;
  /** For the budget. */
  isPostponed = false;
  /** Where it comes from. */
  readonly peer: PeerInfo;
  readonly #host: Host;
  #policy: Policy;
  /** The policy of the listener, whose place others take when it is changed. */
  #listener: Policy;
  readonly #link: Link;
  readonly #permissions: Permissions;
  readonly #rate: RateLimit | undefined;
  /** Takes the frames: this connection, or in front of it its rate limit, and in front of that its tolerance. */
  #frames: FrameHandler;
  #phase: Phase = WAITING;
  /** The authenticator is asked and has not answered. */
  #isAsking = false;
  /** The transport is over, and packets that came by it wait. */
  #isLost = false;
  #lastReceivedAt: number;

  /** `Broker.opened()` makes them. */
  constructor(host: Host, transport: Transport, peer: PeerInfo, policy: Policy) {
    const { turn, observer } = host.parts;
    this.#host = host;
    this.peer = peer;
    this.#policy = this.#listener = policy;
    const isTolerant = policy.tolerate.length > 0;
    this.#link = new (isTolerant ? TolerantLink : Link)(transport, policy.limits.connectBytesMax, turn, this);
    this.#permissions = new Permissions(policy, turn, observer, this);
    const isRated = RateLimit.isNeeded(policy.limits);
    this.#rate = isRated ? new RateLimit(this.#link, this, turn, policy.limits) : undefined;
    const frames = this.#rate ?? this;
    this.#frames = this.#link instanceof TolerantLink
      ? new Tolerance(policy.tolerate, this.#link, frames, host.batch, this)
      : frames;
    this.#lastReceivedAt = turn.now;
    turn.timers.schedule(this, turn.now + policy.limits.connectTimeoutMs);
    turn.ledger.connections += this.ownBytes;
  }

  /** The Client, once its CONNECT is accepted. */
  get client(): ClientInfo | undefined {
    return this.#phase.kind === "open" ? this.#phase.client : undefined;
  }

  /**
   * @internal Has frames that come and bytes that leave go through what `between` gives, until the function that is returned takes it out
   * again. Not while an input of this connection is worked on.
   */
  watch(between: Between): () => void {
    const link = this.#link;
    const [frames, transport] = [this.#frames, link.transport];
    const watched = between({ frames, transport, link });
    this.#frames = watched.frames;
    link.transport = watched.transport;
    return () => {
      this.#frames = frames;
      link.transport = transport;
    };
  }

  /** When the last bytes came: ms since the epoch. */
  get heardAt(): number {
    return this.#lastReceivedAt;
  }

  /** How it is at present. */
  get stats(): ConnectionStats {
    const { outbox, keptBytes } = this.#link;
    return { sentBytes: outbox.position, waitingBytes: outbox.size, keptBytes };
  }

  /** @internal The policies of listeners have changed. */
  follow({ policyOf, nextOf }: Change): void {
    this.#policy = policyOf(this.#policy);
    const phase = this.#phase;
    if (phase.kind === "open") phase.policy = this.#policy;
    const next = nextOf(this.#listener);
    if (next === undefined) return;
    this.#listener = next;
    if (!this.#permissions.follow(next.permissions) || phase.kind !== "open") return;
    changeRightsLater(this.#host.parts, phase.session, this.#permissions.rightsOf(phase.client));
  }

  // Inputs.

  /** Bytes arrived. Never throws. `chunk` is the engine's only during the call. */
  received(chunk: Uint8Array, now: number): void {
    const { inputs } = this.#host;
    if (inputs.isInside) {
      const own = chunk.slice();
      return inputs.later(now, () => this.#received(own, now));
    }
    inputs.begin(now);
    try {
      this.#received(chunk, now);
    } finally {
      inputs.end();
    }
  }

  #received(chunk: Uint8Array, now: number): void {
    if (this.#isOver) return; // [MQTT-3.1.4-6]
    if (this.#phase.kind === "relaying") return this.#phase.sent(chunk);
    this.#lastReceivedAt = now;
    const { budget } = this.#host;
    if (!budget.begin()) this.#postpone();
    budget.spendBytes(chunk.length);
    this.#host.parts.turn.traffic.bytesReceived += chunk.length;
    this.#link.endWait();
    try {
      try {
        this.#link.receive(chunk, this.#frames);
      } finally {
        this.#host.batch.end();
      }
      if (budget.isSpent) this.#postpone();
      this.#boundMemory();
      if (this.#link.paused) this.#boundPending();
      this.#relayKept();
    } catch (error) {
      this.#caught(error);
    }
    this.#host.parts.turn.chunkDone();
  }

  /** What came before it was known that another node is the home, the CONNECT among it, goes there. */
  #relayKept(): void {
    const phase = this.#phase;
    if (phase.kind === "relaying" && this.#link.keptBytes > 0) phase.sent(this.#link.takeKept());
  }

  /** The transport can take more. */
  drained(now: number): void {
    this.#host.inputs.run(now, () => {
      if (this.#phase === CLOSED) return;
      if (this.#phase.kind === "relaying") return this.#phase.clientDrained();
      this.#link.drained();
      if (this.#phase.kind === "open" && !this.#link.blocked) {
        this.#host.parts.deliverer.pump(this.#phase.session);
      }
    });
  }

  /** The transport is over. Packets that came before and wait, for a verdict say, are dealt with first, as if none had to wait. */
  closed(now: number): void {
    this.#host.inputs.run(now, () => {
      const { paused, keptBytes } = this.#link;
      const isOpen = this.#phase.kind === "open";
      const waits = isOpen && (this.isPostponed || this.#host.budget.isTurnSpent);
      if (!waits && (!paused || keptBytes === 0)) return this.#closed();
      this.#isLost = true;
      if (waits) this.#postpone();
      else if (isOpen) this.#boundLost();
    });
  }

  /** What the Client sends from here on, and what the end of its connection brings about, waits for a later turn. */
  #postpone(): void {
    this.#link.pause(Pause.TURN);
    const { budget, parts } = this.#host;
    if (parts.journal.isFull) parts.journal.postpone(this);
    else budget.postpone(this);
  }

  /** The later turn has come. */
  goOn(): void {
    try {
      this.#readOn(Pause.TURN);
    } catch (error) {
      this.#caught(error);
    }
  }

  /** Bounds the time for the verdicts that an open connection without a transport waits for; an earlier phase has its deadline. */
  #boundLost(): void {
    const { turn } = this.#host.parts;
    turn.timers.schedule(this, turn.now + this.#policy.limits.closeTimeoutMs);
  }

  #closed(): void {
    if (this.#phase === CLOSED) return;
    this.#unclaim();
    const before = this.#phase;
    this.#phase = CLOSED;
    this.#host.parts.turn.timers.cancel(this);
    this.#host.connections.ended(this);
    this.#host.memory.forget(this);
    this.#host.parts.turn.ledger.connections -= this.ownBytes;
    this.#rate?.stop();
    this.#link.discard();
    if (before.kind === "relaying") before.end();
    if (before.kind !== "open") return;
    before.ended();
    this.#host.sessions.left(before, false, undefined);
  }

  /** A deadline of this connection: for CONNECT, for a packet, or for the peer to close. */
  due(now: number): void {
    const { observer, turn } = this.#host.parts;
    if (this.#phase.kind === "closing") { // [limit/close-timeout]
      observer.limited("closeTimeoutMs", this.#link.transport.label);
      this.#abort();
    } else if (this.#phase.kind === "open" && this.#isLost && this.isPostponed) this.#boundLost();
    else if (this.#phase.kind === "open" && this.#isLost) {
      observer.limited("closeTimeoutMs", this.#link.transport.label);
      this.#closed();
    } else if (this.#isSilent(now)) turn.look(this);
  }

  /** Whether nothing has come for too long; else the deadline is set anew. */
  #isSilent(now: number): boolean {
    const phase = this.#phase;
    if (phase.kind !== "open") return !this.#isOver;
    if (phase.silenceMs === 0) return false;
    if (this.#link.isTransportPaused) this.#lastReceivedAt = now; // by us: its bytes wait in the kernel
    const silentAt = this.#lastReceivedAt + phase.silenceMs;
    if (silentAt <= now) return true;
    this.#host.parts.turn.timers.schedule(this, silentAt);
    return false;
  }

  /** The deadline has passed, and since then every socket has been looked at: a process that stood still has read what came meanwhile. */
  looked(): void {
    const { limits } = this.#policy;
    const { observer, turn } = this.#host.parts;
    if (!this.#isSilent(turn.now)) return;
    if (this.#phase.kind === "open") {
      const message = "No packet within 1.5 times the Keep Alive";
      this.end({ code: 0x8d, rule: "MQTT-3.1.2-22", message });
    } else {
      observer.limited("connectTimeoutMs", this.#link.transport.label);
      const message = `No accepted CONNECT within ${limits.connectTimeoutMs} ms (connectTimeoutMs)`;
      this.#refuse({ code: 0x80, rule: "limit/connect-timeout", message });
    }
  }

  get #isRelaying(): boolean {
    return this.#phase.kind === "relaying";
  }

  get #isOver(): boolean {
    return this.#phase === CLOSING || this.#phase === CLOSED;
  }

  /** Bounds the bytes kept behind a packet that waits for its verdict. */
  #boundPending(): void {
    const { keptBytes } = this.#link;
    if (this.isPostponed && keptBytes > POSTPONED_BYTES_MAX) return void this.#link.pauseTransport();
    if (keptBytes <= this.#policy.limits.pendingBytesMax || !this.#link.pauseTransport()) return;
    this.#host.parts.observer.limited("pendingBytesMax", this.#link.transport.label);
  }

  /** @internal One reason to pause is gone, and the link reads on if it was the last. */
  readOn(why: Pause): void {
    try {
      this.#readOn(why);
    } catch (error) {
      this.#caught(error);
    }
  }

  /** A limit holds the Client up. */
  limited(limit: LimitName): void {
    const { observer } = this.#host.parts;
    if (this.#phase.kind !== "open") observer.limited(limit, this.#link.transport.label);
    else observer.limited(limit, this.#phase.client.clientId, this.#phase.session);
  }

  /** [limit/rate] It was above its rate for too long; false if it is not open. */
  tooFast(): boolean {
    if (this.#phase.kind !== "open") return false;
    this.limited("overRateTimeoutMs");
    const message = "Above publishRateMax or bytesRateMax without a break (overRateTimeoutMs)";
    this.end({ code: 0x96, rule: "limit/rate", message });
    return true;
  }

  /** A packet was taken though it breaks the standard so. */
  tolerated(by: ToleranceName): void {
    this.#host.parts.observer.hooks.tolerated?.(by, this.peer, this.client);
  }

  /** One reason to read no further is gone. */
  #readOn(why: Pause): void {
    if (!this.#link.unpause(why) || this.#isOver) return;
    const { batch, budget } = this.#host;
    if (why !== Pause.TURN) budget.begin();
    try {
      this.#link.readOn(this.#frames);
    } finally {
      batch.end();
    }
    if (budget.isSpent) this.#postpone();
    this.#boundMemory();
    if (this.#link.paused) this.#boundPending();
    else if (this.#isLost) this.#closed();
  }

  // Memory.

  /** The memory that it takes without the bytes on their way. */
  get ownBytes(): number {
    return OBJECT_BYTES.connection + (this.#link.transport.memoryBytes ?? 0);
  }

  /** Bytes that would come free with the end of this connection; of payloads in several outboxes a part. */
  get heldBytes(): number {
    const { outbox, heldIn } = this.#link;
    if (this.#phase.kind === "relaying") return this.#phase.keptBytes;
    const { sharedBytes } = outbox;
    const shared = sharedBytes === 0 ? 0 : sharedBytes * this.#host.parts.turn.ledger.shareOfPayloads;
    return outbox.heldBytes + heldIn + shared + (this.#phase.kind === "open" ? this.#phase.heldBytes : 0);
  }

  /** While more memory is held than may be, no connection goes on that makes it still more by what it sends. */
  #boundMemory(): void {
    if (!this.#host.parts.turn.ledger.isAbove || this.#isOver) return;
    const aliases = this.#phase.kind === "open" ? aliasBytes(this.#phase.aliases) : 0;
    if (this.#link.heldIn + aliases > MODEST_BYTES) this.#host.memory.grows(this);
  }

  /** @internal */
  pauseForMemory(): void {
    if (this.#isOver) return;
    this.limited("memoryBytesMax");
    this.#link.pause(Pause.MEMORY);
    this.#link.pauseTransport();
  }

  /** @internal */
  resumeFromMemory(): void {
    this.readOn(Pause.MEMORY);
  }

  /** @internal */
  endForMemory(): void {
    if (this.#phase === CLOSED) return;
    if (this.#phase === CLOSING) return this.#abort(); // its last bytes are not read
    this.#link.cut();
    this.#caught(refused(0x97, "limit/memory", "Holds too much of the memory there is (memoryBytesMax)"));
  }

  // Frames.

  /** One frame; false if it must be offered again, since the authorizer takes time. */
  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
    const phase = this.#phase;
    if (phase.kind !== "open") {
      this.#host.parts.turn.traffic.packetsReceived++;
      this.#early(bytes, at, body, end);
      return !this.#isRelaying; // then the home is to get it: it is kept
    }
    const first = bytes[at]!;
    const isTaken = first >> 4 === PacketType.PUBLISH
      ? this.#host.batch.add(phase, bytes, at, body, end)
      : this.#packet(phase, bytes, first, body, end);
    if (!isTaken) this.#link.pause(Pause.VERDICT);
    else if (this.#host.budget.isSpent) this.#postpone();
    return isTaken;
  }

  /** A frame whose rest is still to come. */
  begun(bytes: Uint8Array, at: number, body: number, until: number): void {
    const phase = this.#phase;
    const { kind } = phase;
    if (kind === "closing" || kind === "closed" || kind === "relaying") return;
    if (kind === "open" && phase.session.isNode) return; // it answers as well as it asks
    const { level } = this.#link;
    if (kind === "waiting" && body > 0) this.#link.level = levelAsked(bytes, body, until); // for the answer
    checkBeginning(kind, level, bytes, at, body, until);
    this.#link.level = level;
  }

  /** A CONNECT that is too large is answered in its level [MQTT-3.2.2-7], which its first bytes show: they are waited for. */
  tooLarge(bytes: Uint8Array, _at: number, body: number, until: number): boolean {
    if (this.#phase !== WAITING) return false;
    if (body === 0 || until - body < CONNECT_LEVEL_BYTES) return true;
    this.#link.level = levelAsked(bytes, body, until);
    return false;
  }

  /** Packets of an open connection but PUBLISH. */
  #packet(open: Open, bytes: Uint8Array, first: number, body: number, end: number): boolean {
    const { parts, batch, budget } = this.#host;
    batch.end();
    budget.spend(COST.packet);
    const { level } = this.#link;
    const type = first >> 4;
    if (!open.session.isNode) parts.turn.traffic.packetsReceived++;
    else if (parts.nodes!.packet(open, type, bytes, first, body, end)) return true;
    if (type >= PacketType.PUBACK && type <= PacketType.PUBCOMP) {
      this.#acknowledgement(open, type as 4 | 5 | 6 | 7, bytes, first, body, end);
      return true;
    }
    const reader = this.#host.reader.aim(bytes, body, end);
    const flags = first & 15;
    switch (type) {
      case PacketType.PINGREQ:
        decodePingreq(reader, flags, level);
        this.#link.answer(PacketType.PINGRESP << 4, -1, 0); // [MQTT-3.12.4-1]
        return true;
      case PacketType.SUBSCRIBE:
        return subscribePacket(parts, open, decodeSubscribe(reader, flags, level));
      case PacketType.UNSUBSCRIBE:
        unsubscribePacket(parts, open, decodeUnsubscribe(reader, flags, level));
        return true;
      case PacketType.DISCONNECT:
        this.#disconnect(decodeDisconnect(reader, flags, level), open);
        return true;
      case PacketType.AUTH:
        this.#auth(decodeAuth(reader, flags, level));
        return true;
      case PacketType.CONNECT:
        throw protocolError("MQTT-3.1.0-2", "A second CONNECT");
    }
    decode(reader, first, level); // a malformed packet is refused as malformed
    throw protocolError("3.1.0/direction", `Packet type ${type} is not for a Client to send`);
  }

  #acknowledgement(
    open: Open,
    type: 4 | 5 | 6 | 7,
    bytes: Uint8Array,
    first: number,
    body: number,
    end: number,
  ): void {
    let id = end - body === 2 ? bytes[body]! << 8 | bytes[body + 1]! : 0;
    let code = 0;
    if (id === 0 || (first & 15) !== (type === PacketType.PUBREL ? 2 : 0)) { // not of the shortest form, or wrong
      const reader = this.#host.reader.aim(bytes, body, end);
      const packet = decodeAcknowledgement(type, reader, first & 15, this.#link.level);
      id = packet.packetId;
      code = packet.reasonCode;
    }
    acknowledgePacket(this.#host.parts, open, type, id, code);
  }

  /** Before the CONNECT is accepted only it, AUTH and DISCONNECT are taken. */
  #early(bytes: Uint8Array, at: number, body: number, end: number): void {
    const first = bytes[at]!;
    const reader = this.#host.reader.aim(bytes, body, end);
    if (this.#phase.kind === "waiting") {
      if (first >> 4 !== PacketType.CONNECT) throw notConnect(bytes, at, end);
      this.#link.level = levelAsked(bytes, body, end);
      refuseTls(bytes, at, end);
      this.#link.aside = end - at;
      return this.#connect(decodeConnect(reader, first & 15));
    }
    const { level } = this.#link;
    if (first >> 4 === PacketType.AUTH) return this.#auth(decodeAuth(reader, first & 15, level));
    if (first >> 4 === PacketType.DISCONNECT) {
      return this.#disconnect(decodeDisconnect(reader, first & 15, level), undefined);
    }
    throw protocolError("MQTT-3.1.2-30", "Neither AUTH nor DISCONNECT while authentication goes on");
  }

  /**
   * @internal The other end is a node of the same Server: it is open from the start, without CONNECT, and its session is that of the node.
   */
  join(session: Session): void {
    const { parts } = this.#host;
    const link = this.#link;
    parts.turn.timers.cancel(this);
    link.level = 5;
    link.limitFrames(NODE_FRAME_BYTES_MAX, NODE_FRAME_BYTES_MAX);
    const connect: Connect = {
      type: PacketType.CONNECT,
      level: 5,
      clientId: session.clientId,
      cleanStart: false,
      keepAlive: 0,
      properties: { receiveMaximum: 65_535 },
    };
    const client: ClientInfo = { ...loginOf({ code: 0 }, undefined), ...connect, peer: this.peer };
    const open = this.#phase = new Open({
      link,
      connect,
      client,
      session,
      isResumed: true,
      will: undefined,
      policy: this.#policy,
      permissions: this.#permissions,
      turn: parts.turn,
      ending: this,
    });
    session.serve(open, this.#policy.limits);
    parts.nodes!.joined(this, open);
  }

  // §3.1, §3.15 Coming in.

  /** A CONNECT that is well formed. */
  #connect(connect: Connect): void {
    const link = this.#link;
    const { properties = {} } = connect;
    link.level = connect.level;
    const { nodes, turn } = this.#host.parts;
    const home = nodes === undefined || this.#host.isStopping()
      ? undefined
      : nodes.relay(connect, this.peer, this.#listener, link.transport);
    if (home !== undefined) {
      this.#phase = home;
      turn.timers.cancel(this);
      link.aside = 0;
      return this.#host.connections.relayed(this);
    }
    this.#host.budget.spend(COST.connect);
    link.maximumPacketSize = properties.maximumPacketSize ?? Infinity;
    link.explains = properties.requestProblemInformation ?? true;
    const phase = this.#phase = new Authenticating(ownBytes(connect));
    if (this.#host.isStopping()) throw refused(SHUTTING_DOWN.code, SHUTTING_DOWN.rule, SHUTTING_DOWN.message);
    this.#requirePlace(connect.clientId);
    checkConnect(this.#policy, connect);
    const data = properties.authenticationData;
    this.#ask(requestOfConnect("connect", phase.connect, this.peer, data));
  }

  /**
   * Throws if `connectionsMax` connections are open and this Client has none of them. Called when the CONNECT comes, so that no
   * Client authenticates in vain, and again when it is accepted, since others may have been accepted in between.
   */
  #requirePlace(clientId: string): void {
    const { connections, sessions, parts } = this.#host;
    if (connections.open < this.#policy.limits.connectionsMax) return;
    if (sessions.get(clientId)?.connection !== undefined) return; // [MQTT-3.1.4-3] that one ends
    parts.observer.limited("connectionsMax", this.#link.transport.label);
    throw refused(0x97, "limit/connections", "As many connections as may be open (connectionsMax)");
  }

  /** Asks the authenticator; nothing is read until it has answered, unless the connection is open. */
  #ask(request: AuthenticationRequest): void {
    this.#isAsking = true;
    const answer = this.#verdictOf(request);
    if (!isLater(answer)) return this.#decided(answer);
    if (this.#phase.kind !== "open") this.#link.pause(Pause.VERDICT);
    this.#host.parts.turn.ask({
      kind: "authenticate",
      later: answer,
      answered: (verdict: Verdict) => this.#answered(verdict),
      rejected: (error) => {
        this.#host.parts.observer.failed(error);
        this.#answered(AUTHENTICATOR_FAILED);
      },
    });
  }

  #verdictOf(request: AuthenticationRequest): ReturnType<NonNullable<Policy["authenticate"]>> {
    const { authenticate } = this.#listener; // the one that holds now, also for a Client that authenticates anew
    if (authenticate === undefined) return { code: 0 };
    try {
      return authenticate(request);
    } catch (error) {
      this.#host.parts.observer.failed(error);
      return AUTHENTICATOR_FAILED;
    }
  }

  /** The authenticator's answer has come; too late if the connection is over. */
  #answered(verdict: Verdict): void {
    if (!this.#isAsking || this.#isOver) return;
    try {
      this.#decided(verdict);
      if (!this.#permissions.isWaiting) this.#readOn(Pause.VERDICT);
    } catch (error) {
      this.#caught(error);
    }
  }

  /** The authorizer's answers have come. */
  permitted(): void {
    const phase = this.#phase;
    try {
      if (phase.kind === "authenticating" && phase.verdict !== undefined) this.#accept(phase, phase.verdict);
      if (!this.#permissions.isWaiting) this.#readOn(Pause.VERDICT);
    } catch (error) {
      this.#caught(error);
    }
  }

  /** Nonsense of an authenticator is for its owner to see, and a no for the Client. */
  #checked(answer: Verdict): Verdict {
    const phase = this.#phase;
    try {
      if (phase.kind === "open") return checkVerdict(answer, this.#policy, phase.authenticationMethod, true);
      const method = phase.kind === "authenticating" ? phase.method : undefined;
      return checkVerdict(answer, this.#policy, method, false);
    } catch (error) {
      this.#host.parts.observer.failed(error);
      return AUTHENTICATOR_FAILED;
    }
  }

  #decided(answer: Verdict): void {
    this.#isAsking = false;
    const verdict = this.#checked(answer);
    const phase = this.#phase;
    if (phase.kind === "open") return this.#decidedAnew(phase, verdict);
    if (phase.kind !== "authenticating") return;
    if (verdict.code === CONTINUE) {
      phase.state = verdict.state;
      return this.#sendAuth(CONTINUE, phase.method, verdict); // [MQTT-4.12.0-2]
    }
    if (verdict.code === 0) return this.#accept(phase, verdict);
    this.#refuse(refusalOf(verdict), verdict.serverReference); // [MQTT-4.12.0-4] [MQTT-3.1.4-2]
  }

  #accept(phase: Authenticating, verdict: Verdict): void {
    const { parts, sessions, connections } = this.#host;
    phase.verdict = verdict;
    if (verdict.limits !== undefined) this.#policy = policyOf({ limits: verdict.limits }, this.#policy);
    const isReplaced = this.#isLost && sessions.get(phase.connect.clientId)?.connection !== undefined;
    if (isReplaced) return this.#close(); // the Client has come again: [MQTT-3.1.4-3] is not for a connection that is over
    this.#requirePlace(phase.connect.clientId);
    if (this.#isClaimed(phase, verdict) === "later") return this.#link.pause(Pause.VERDICT);
    const answer = accept(parts, sessions, {
      link: this.#link,
      peer: this.peer,
      policy: this.#policy,
      permissions: this.#permissions,
      ending: this,
      phase,
      verdict,
      opened: (open) => {
        this.#phase = open;
        this.#link.aside = 0;
        connections.opened(this);
        parts.turn.traffic.accepted(connections.open);
        this.#link.limitFrames(this.#policy.limits.packetBytesMax, this.#policy.limits.controlBytesMax);
        this.#link.answerBytesMax = open.bytesMax + ANSWER_BYTES_MAX;
        if (this.#isLost) this.#boundLost();
        else if (open.silenceMs === 0) parts.turn.timers.cancel(this);
        else parts.turn.timers.schedule(this, parts.turn.now + open.silenceMs);
        open.loginEnds(verdict.expiresAt);
      },
    });
    if (answer === "later") this.#link.pause(Pause.VERDICT);
    else if (answer !== undefined) this.#refuse(answer);
    else this.#claimOver(phase);
  }

  /** [MQTT-3.1.4-3] Whether the Client has nothing at another node; "later" if that is not known. */
  #isClaimed(phase: Authenticating, verdict: Verdict): "later" | undefined {
    const { nodes } = this.#host.parts;
    const { clientId, username } = phase.connect;
    if (nodes === undefined || clientId === "" || phase.isClaimed) return undefined;
    const claim = {
      clientId,
      username: loginOf(verdict, username).username,
      takesOver: this.#policy.takeoverByOthers,
    };
    phase.isClaimed = true;
    return nodes.claim(claim, this);
  }

  /** A Client that is not accepted gives its Client Identifier back. */
  #unclaim(): void {
    if (this.#phase.kind === "authenticating") this.#claimOver(this.#phase);
  }

  #claimOver(phase: Authenticating): void {
    if (!phase.isClaimed) return;
    phase.isClaimed = false;
    this.#host.parts.nodes!.claimOver(phase.connect.clientId, this);
  }

  /** The answer of that has come. */
  claimed(refusal: Refusal | undefined): void {
    const phase = this.#phase;
    if (phase.kind !== "authenticating" || phase.verdict === undefined) return;
    try {
      if (refusal !== undefined) this.#refuse(refusal);
      else this.#accept(phase, phase.verdict);
      if (!this.#permissions.isWaiting) this.#readOn(Pause.VERDICT);
    } catch (error) {
      this.#caught(error);
    }
  }

  /** §3.15 An AUTH from the Client. */
  #auth(packet: Auth): void {
    const phase = this.#phase;
    if (phase.kind !== "open" && phase.kind !== "authenticating") return;
    const isOpen = phase.kind === "open";
    const method = isOpen ? phase.authenticationMethod : phase.method;
    const isReauthenticating = isOpen && phase.reauthentication !== undefined;
    const kind = authKind(packet, { method, isOpen, isReauthenticating, isAsking: this.#isAsking });
    if (isOpen && kind === "reauthenticate") phase.reauthentication = { state: undefined };
    const data = packet.properties?.authenticationData;
    const request = isOpen
      ? requestOfClient(kind, phase.client, method, data, phase.reauthentication?.state)
      : requestOfConnect(kind, phase.connect, this.peer, data, phase.state);
    this.#ask(request);
  }

  /** §4.12.1 An open connection has been authenticated anew. */
  #decidedAnew(open: Open, verdict: Verdict): void {
    const { code } = verdict;
    if (code === CONTINUE) {
      open.reauthentication = { state: verdict.state };
      return this.#sendAuth(CONTINUE, open.authenticationMethod, verdict); // [MQTT-4.12.0-2]
    }
    open.reauthentication = undefined;
    if (code !== 0) { // [MQTT-4.12.1-2]
      const refusal = refusalOf(verdict);
      const isAllowed = isReasonAllowed(PacketType.DISCONNECT, code);
      return this.end(isAllowed ? refusal : { ...refusal, code: 0x87 }, verdict.serverReference);
    }
    open.renew(loginOf(verdict, open.client.username));
    this.#host.sessions.assign(open.session, open.client.username, this.peer.address);
    this.#host.parts.journal.saved(open.session);
    open.loginEnds(verdict.expiresAt);
    changeRights(this.#host.parts, open.session, this.#permissions.rightsOf(open.client));
    this.#sendAuth(0, open.authenticationMethod, verdict);
  }

  /** Sends AUTH; a Client that cannot take it would wait for ever, so its connection ends. */
  #sendAuth(reasonCode: number, method: string | undefined, { authenticationData }: Verdict): void {
    const properties = {
      ...(method !== undefined && { authenticationMethod: method }), // [MQTT-4.12.0-5]
      ...(authenticationData !== undefined && { authenticationData }),
    };
    if (this.#link.send({ type: PacketType.AUTH, reasonCode, properties })) return;
    const refusal = { code: 0x95, rule: "MQTT-3.1.2-24", message: "AUTH does not fit" } as const;
    if (this.#phase.kind === "open") this.end(refusal);
    else this.#refuse(refusal);
  }

  // Ends.

  /** §3.14 the Client ends the connection. */
  #disconnect({ reasonCode, properties }: Disconnect, open: Open | undefined): void {
    if (!isReasonAllowedFrom("client", PacketType.DISCONNECT, reasonCode)) {
      throw protocolError("2.4/reason-code", "A Reason Code that only a Server sends");
    }
    if (properties?.serverReference !== undefined) {
      throw protocolError("3.14.2.2.5/from-client", "Server Reference from a Client");
    }
    if (open === undefined) return this.#close();
    const { session, policy } = open;
    const expiry = properties?.sessionExpiryInterval;
    if (expiry !== undefined) {
      if (open.expiryAsked === 0 && expiry !== 0) {
        const message = "Session Expiry Interval set on DISCONNECT after 0 on CONNECT";
        throw protocolError("3.14.2.2.2/expiry-from-zero", message);
      }
      session.expirySeconds = Math.min(expiry, policy.limits.sessionExpirySecondsMax);
    }
    const discards = reasonCode === 0 && open.forgetWill(); // [MQTT-3.14.4-3] [MQTT-3.1.2-10]
    this.#leave(open, true, undefined);
    if (discards) this.#host.parts.journal.commitSoon(); // or a crash would bring it back
  }

  /** Ends an open connection: DISCONNECT where the level has it, then the close. */
  end(refusal: Refusal, serverReference?: string): void {
    const open = this.#phase;
    if (open.kind !== "open") return;
    const { level } = this.#link;
    const { isAccepted } = open; // else no CONNACK has gone out: [MQTT-3.14.0-1] [MQTT-3.2.0-2]
    if (!isAccepted) {
      open.forgetWill();
      const connack = refusingConnack(level, refusal);
      if (connack !== undefined) this.#link.send(connack);
    } else if (level === 5) {
      const properties = { reasonString: reasonString(refusal), ...(serverReference && { serverReference }) }; // no Session Expiry Interval: [MQTT-3.14.2-2]
      this.#link.send({ type: PacketType.DISCONNECT, reasonCode: refusal.code, properties });
    }
    this.#leave(open, false, refusal);
    if (!isAccepted && !open.isResumed) this.#host.sessions.end(open.session); // the Client has none: [MQTT-3.2.2-4]
  }

  /** §3.2.2.2 a CONNACK with the reason where the level has one for it, then the close [MQTT-3.2.2-7]. */
  #refuse(refusal: Refusal, serverReference?: string): void {
    const { rule } = refusal;
    const isAnswered = this.#phase !== WAITING || (rule !== "MQTT-3.1.0-1" && rule !== "limit/connecting");
    if (isAnswered) {
      const redirect = rule === "policy/redirected" ? this.#policy.redirect?.serverReference : undefined;
      const connack = refusingConnack(this.#link.level, refusal, serverReference ?? redirect);
      if (connack !== undefined) this.#link.send(connack);
    }
    const client = this.#phase.kind === "authenticating" ? claimOf(this.#phase.connect) : undefined;
    this.#host.parts.observer.refused(this.peer, refusal, client);
    this.#close(); // [MQTT-3.1.4-1] [MQTT-3.1.4-2] [MQTT-4.13.2-1]
  }

  /** Sends the bytes in the outbox, then closes; the session goes on without this connection. */
  #leave(open: Open, isClean: boolean, refusal: Refusal | undefined): void {
    open.ended();
    this.#close();
    this.#host.sessions.left(open, isClean, refusal);
  }

  #close(): void {
    const { turn } = this.#host.parts;
    if (this.#phase.kind === "relaying") this.#phase.end();
    this.#unclaim();
    this.#phase = CLOSING; // nothing is sent from here on: [MQTT-3.14.4-1]
    if (this.#isLost) return this.#closed();
    this.#host.connections.closes(this);
    this.#rate?.stop();
    turn.timers.schedule(this, turn.now + this.#policy.limits.closeTimeoutMs);
    this.#link.end();
  }

  /** @internal Its place is taken by another one: nothing of it counts any more. */
  abandon(): void {
    if (this.#phase !== CLOSED) this.#abort();
  }

  #abort(): void {
    this.#link.transport.abort();
    this.#closed();
  }

  /** Compares what the ledger has of its link with the link, for `Broker.assertInvariants()`; returns the latter. */
  counted(): { incoming: number; outgoing: number; aliases: number; wills: number; sharedPieces: number } {
    const { counted, outbox, heldIn } = this.#link;
    const open = this.#phase.kind === "open" ? this.#phase : undefined;
    invariant(counted.incoming === heldIn, "bytes kept of a connection");
    invariant(counted.isTouched || counted.outgoing === outbox.heldBytes, "bytes of an outbox");
    return {
      ...counted,
      aliases: open === undefined ? 0 : aliasBytes(open.aliases) + open.aliasBytes,
      wills: open === undefined ? 0 : willBytes(open.will),
      sharedPieces: outbox.sharedPieces,
    };
  }

  /** The Server is shutting down: an open connection gets DISCONNECT, one that authenticates gets CONNACK, any other one is closed. */
  shutDown(refusal: Refusal): void {
    if (this.#phase.kind === "open") this.end(refusal);
    else if (this.#phase.kind === "authenticating") this.#refuse(SHUTTING_DOWN);
    else if (!this.#isOver) this.#close();
  }

  /** A closing connection is over by then at the latest: ms since the epoch. */
  closeBy(at: number): void {
    if (this.heapIndex >= 0 && this.heapTime > at) this.#host.parts.turn.timers.schedule(this, at);
  }

  /** [limit/connecting] A new connection takes the place of this one, which is not open. */
  giveWay(): void {
    this.#host.parts.observer.limited("connectingMax", this.#link.transport.label);
    if (!this.#isOver) {
      const message = "Too many connections without an accepted CONNECT (connectingMax)";
      this.#refuse({ code: 0x97, rule: "limit/connecting", message });
    }
    this.#abort();
  }

  /** The one place where a peer's fault becomes an answer (§4.13). */
  #caught(error: unknown): void {
    if (!(error instanceof PeerError)) {
      this.#host.parts.observer.failed(error);
      error = refused(0x83, "MQTT-4.13.1-1", "An error of the Server");
    }
    const { code, rule, message } = error as PeerError;
    const refusal: Refusal = { code, rule, message: wordsOf({ rule, message }) };
    try {
      if (this.#phase.kind === "open") this.end(refusal);
      else if (!this.#isOver) this.#refuse(refusal);
    } catch (again) { // not even the DISCONNECT could be sent
      this.#host.parts.observer.failed(again);
      this.#abort();
    }
  }

  // Calls of the link.

  /** There may be room now that the outbox is written. */
  flushed(): void {
    const phase = this.#phase;
    if (phase.kind !== "open" || this.#link.blocked || !phase.session.hasMore) return;
    this.#host.parts.deliverer.pump(phase.session);
  }

  /** The store works again: messages of a backlog that could not be read are asked for anew. */
  retry(): void {
    if (this.#phase.kind === "open" && (this.#phase.session.backlog?.paged ?? 0) > 0) this.#link.touch();
  }

  /** Answers are not read. */
  answersUnread(): void {
    if (this.#phase.kind !== "open") return;
    const { client, session } = this.#phase;
    this.#host.parts.observer.limited("outboundBytesMax", client.clientId, session);
    const message = "Answers are not read (outboundBytesMax)";
    this.#phase.fail({ code: 0x97, rule: "limit/outbound", message });
  }

  /** The commit that held bytes wait for has failed: they are never sent, and the connection ends. */
  unsafe(): void {
    if (this.#phase.kind === "open") this.end(UNSAFE);
    else this.#link.flush();
  }
}
