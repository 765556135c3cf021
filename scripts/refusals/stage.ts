/**
 * A broker and one Client that is refused, at one level, and what that Client gets to see of it.
 * Knows how an answer is written down; refuses to know which one is right.
 * @module
 */
import type { Broker, BrokerHooks, BrokerOptions, Refusal, Rule } from "../../src/broker/mod.ts";
import type { Packet, ProtocolLevel } from "../../src/codec/packet.ts";
import { PacketType } from "../../src/codec/packet_type.ts";
import { type ConnectInit, Pair, type StubClient } from "../../src/testing/pair.ts";
import type { MemoryOptions } from "../../src/transport/memory.ts";

/** The levels of the table, in its order. */
export const LEVELS: readonly ProtocolLevel[] = [5, 4, 3];

/** One refusal, and how a Client comes by it. */
export interface Scene {
  /** The rule that it breaks. */
  readonly rule: Rule;
  /** The packet of the Client that is refused, or what else happens: a heading of the table. */
  readonly on: string;
  /** What is wrong, for the table. */
  readonly when: string;
  /** The levels at which it can happen; all if left out. */
  readonly levels?: readonly ProtocolLevel[];
  /** The levels at which the owner is told by the hook `limited` alone. */
  readonly untold?: readonly ProtocolLevel[];
  /** Brings it about. */
  readonly run: (stage: Stage) => void;
}

/** What came of a scene. */
export interface Seen {
  /** What the Client gets: packets with their codes, or that it is closed. */
  readonly answer: string;
  /** The rules of the refusals that the owner is told of. */
  readonly rules: readonly string[];
}

/** A scene, and what came of it at each level at which it can happen. */
export interface Played {
  readonly scene: Scene;
  readonly seen: ReadonlyMap<ProtocolLevel, Seen>;
}

/** Plays a scene at each level. */
export function play(scene: Scene): Played {
  const seen = new Map<ProtocolLevel, Seen>();
  for (const level of scene.levels ?? LEVELS) {
    const stage = new Stage(level);
    scene.run(stage);
    seen.set(level, stage.seen());
  }
  return { scene, seen };
}

/** A broker under virtual time, and the Client that is watched. */
export class Stage {
  readonly level: ProtocolLevel;
  readonly #rules: string[] = [];
  /** What happens besides what is sent. */
  readonly #effects: Set<string> = new Set();
  #pair: Pair | undefined;
  #client: StubClient | undefined;

  constructor(level: ProtocolLevel) {
    this.level = level;
  }

  /** The broker; one without options, if `broker()` has not made another one. */
  get pair(): Pair {
    return this.#pair ?? this.broker();
  }

  /** The Client that is watched. */
  get client(): StubClient {
    return this.#client ?? this.connect();
  }

  /** Makes the broker. */
  broker(options: BrokerOptions = {}): Pair {
    const note = ({ rule }: Refusal) => void this.#rules.push(rule);
    const hooks: BrokerHooks = {
      refused: (_peer, refusal) => note(refusal),
      disconnected: (_client, _clean, refusal) => refusal && note(refusal),
      denied: (_client, refusal) => note(refusal),
      discarded: (_client, refusal) => {
        this.#effects.add("dropped");
        note(refusal);
      },
      revoked: () => {
        this.#effects.add("the subscription ends");
        this.#rules.push("policy/not-authorized");
      },
      failed: () => {}, // errors that a scene makes
    };
    return this.#pair = new Pair({ ...options, hooks });
  }

  /** A Client that has sent nothing yet. */
  open(options: MemoryOptions = {}): StubClient {
    return this.#client = this.pair.open(this.level, options);
  }

  /** A Client whose CONNECT was accepted. */
  connect(init: ConnectInit = {}, options: MemoryOptions = {}): StubClient {
    return this.#client = this.pair.connect({ level: this.level, ...init }, options);
  }

  /** Another one, of level 5. */
  other(init: ConnectInit = {}): StubClient {
    return this.pair.connect({ clientId: "other", ...init });
  }

  /** A call of the owner. */
  owner(call: (broker: Broker, now: number) => void): void {
    call(this.pair.broker, this.pair.now);
    this.pair.settle();
  }

  /** What a scene has found besides what the Client gets. */
  saw(effect: string): void {
    this.#effects.add(effect);
  }

  /** What the watched Client has got and not taken. */
  seen(): Seen {
    this.pair.settle();
    const { inbox, over } = this.client;
    const parts = inbox.filter(({ type }) => type !== PacketType.PUBLISH).map((packet) =>
      this.#written(packet)
    );
    const isTold = inbox.some(({ type }) => type === PacketType.CONNACK || type === PacketType.DISCONNECT);
    if (over && !isTold) parts.push("closed");
    parts.push(...this.#effects);
    return { answer: parts.length === 0 ? "nothing" : parts.join(", "), rules: this.#rules };
  }

  #written(packet: Packet): string {
    const name = Object.entries(PacketType).find(([, type]) => type === packet.type)![0];
    if ("reasonCodes" in packet) return [name, ...packet.reasonCodes.map(hex)].join(" ");
    if (!("reasonCode" in packet)) return name;
    if (this.level === 5) return `${name} ${hex(packet.reasonCode)}`;
    return packet.type === PacketType.CONNACK ? `${name} ${packet.reasonCode}` : name;
  }
}

/** A Reason Code as the standard writes it. */
export function hex(code: number): string {
  return `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}
