/**
 * Clients and an owner who acts inside his hooks: on the running broker itself, or on one to which the same calls are made right after
 * the input in which they were decided.
 * Knows what may be called where; refuses to know what should follow from it.
 * @module
 */
import {
  type BrokerHooks,
  type Connection,
  MemoryStore,
  type ReasonCode,
  type Refusal,
  type SessionStore,
  type Tap,
  type Verdict,
} from "../broker/mod.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Packet, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { bytesOf } from "./frame.ts";
import { Hand } from "./by_hand.ts";
import { HandStore } from "./hand_store.ts";
import { Pair, type StubClient } from "./pair.ts";

/** One call of the owner. */
export type OwnerCall =
  | {
    readonly call: "publish" | "inject";
    readonly topic: string;
    readonly qos: QoS;
    readonly retain: boolean;
  }
  | { readonly call: "disconnect"; readonly client: number; readonly moves: boolean }
  | { readonly call: "tap"; readonly filter: string }
  | { readonly call: "untap"; readonly index: number }
  | { readonly call: "shutdown" };

/** One thing that happens outside. */
export type Step =
  | {
    readonly step: "connect";
    readonly client: number;
    readonly clean: boolean;
    readonly keptSeconds: number;
    readonly receiveMaximum: number;
    readonly will: "none" | "now" | "late";
  }
  | {
    readonly step: "publish";
    readonly client: number;
    readonly topic: string;
    readonly qos: QoS;
    readonly retain: boolean;
    readonly count: number;
  }
  | {
    readonly step: "subscribe" | "unsubscribe";
    readonly client: number;
    readonly filter: string;
    readonly qos: QoS;
  }
  | { readonly step: "acknowledge"; readonly client: number; readonly count: number; readonly code: 0 | 0x83 }
  | { readonly step: "lose" | "leave" | "pause" | "resume" | "garble" | "stray"; readonly client: number }
  | { readonly step: "advance"; readonly ms: number }
  | { readonly step: "answer" }
  | { readonly step: "bring" }
  | { readonly step: "commit"; readonly fails: boolean };

/** Where an owner can act: the hooks, and the functions that the engine calls. */
export const PLACES = [
  "connected",
  "disconnected",
  "refused",
  "subscribed",
  "unsubscribed",
  "published",
  "delivered",
  "dropped",
  "denied",
  "discarded",
  "limited",
  "sessionEnded",
  "storeFailed",
  "storeRecovered",
  "failed",
  "authenticate",
  "authorize",
  "tap",
  "store",
] as const;
/** One of them. */
export type Place = typeof PLACES[number];

/** What a world is made of. */
export interface OwnerWorldOptions {
  /** `later`: the calls are made right after the input. */
  readonly when: "inside" | "later";
  readonly store: "none" | "memory" | "hand";
  /** Verdicts and permissions come when a step says so. */
  readonly isLate: boolean;
  /** The owner's decision when he is called. */
  readonly choose: (place: Place) => OwnerCall | undefined;
}

/** The Client Identifier that the authenticator cannot judge. */
export const BAD_CLIENT = 3;
const REASON: Refusal = { code: 0x98, rule: "policy/administrative", message: "The owner says so" };
const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** One broker, its Clients and its owner. */
export class OwnerWorld {
  readonly pair: Pair;
  readonly store: HandStore | undefined;
  /** The bytes that each connection has got, in the order of the connections. */
  readonly heard: string[][] = [];
  /** The owner's calls and what he was told, in order. */
  readonly log: string[] = [];
  /** How often the owner has acted in each place. */
  readonly acted: Map<Place, number> = new Map();
  readonly #options: OwnerWorldOptions;
  /** The last connection of each Client. */
  readonly #clients: (StubClient | undefined)[] = [];
  readonly #connections: Connection[] = [];
  readonly #owed: Map<StubClient, Packet[]> = new Map();
  readonly #taps: Tap[] = [];
  #asked: (() => void)[] = [];
  #later: (() => void)[] = [];
  #depth = 0;
  #serial = 0;

  constructor(options: OwnerWorldOptions) {
    this.#options = options;
    const { store, isLate } = options;
    const acting = store === "none"
      ? undefined
      : this.#acting(store === "hand" ? new HandStore() : new MemoryStore());
    this.store = acting instanceof HandStore ? acting : undefined;
    if (this.store !== undefined) this.store.slow = this.store.late = true;
    const hooks: Record<string, unknown> = {};
    for (const place of PLACES.slice(0, 15)) {
      hooks[place] = (...args: unknown[]) => {
        this.log.push(`${place} ${args.map(short).join(" ")}`);
        this.#act(place);
      };
    }
    this.pair = new Pair({
      ...(acting !== undefined && { store: acting }),
      hooks: hooks as BrokerHooks,
      limits: {
        queuedMessagesMax: 4,
        residentMessagesMax: 2,
        topicLevelsMax: 3,
        outboundBytesMax: 4096,
        retainedMessagesMax: 2,
      },
      authenticate: ({ clientId }) => {
        this.#act("authenticate");
        if (clientId === `c${BAD_CLIENT}`) return "nonsense" as unknown as Verdict;
        return this.#answer<Verdict>({ code: 0 }, isLate);
      },
      authorize: ({ topic }) => {
        this.#act("authorize");
        return this.#answer<ReasonCode>(topic === "no" ? 0x87 : 0, isLate);
      },
    });
    if (options.when === "later") this.#interpose();
  }

  #answer<T>(answer: T, isLate: boolean): T | Promise<T> {
    if (!isLate) return answer;
    const hand = new Hand<T>();
    this.#asked.push(() => hand.answer(answer));
    return hand.later;
  }

  /** A store whose calls are places to act. */
  #acting(store: MemoryStore): SessionStore {
    const act = () => this.#act("store");
    const all = store as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (
      const name of [
        "saved",
        "dropped",
        "subscribed",
        "unsubscribed",
        "queued",
        "advanced",
        "finished",
        "load",
        "commit",
      ]
    ) {
      const original = all[name]!.bind(store);
      all[name] = (...args) => {
        const result = original(...args);
        act();
        return result;
      };
    }
    return store;
  }

  /** Has the calls that wait made when an input has returned. */
  #interpose(): void {
    const broker = this.pair.broker as unknown as Record<string, (...args: unknown[]) => unknown>;
    const inputs = [
      "ticked",
      "answered",
      "rejected",
      "publish",
      "inject",
      "tap",
      "untap",
      "disconnect",
      "shutdown",
    ];
    for (const name of inputs) this.#wrap(broker, name);
    const flush = broker["flush"]!.bind(broker);
    broker["flush"] = (now) => {
      const questions = [...this.#input(() => flush(now)) as unknown[]];
      while (this.#makeCalls()) questions.push(...this.#input(() => flush(now)) as unknown[]);
      return questions;
    };
    const opened = broker["opened"]!.bind(broker);
    broker["opened"] = (...args) => {
      const connection = this.#input(() => opened(...args)) as Connection;
      for (const name of ["received", "drained", "closed"]) {
        this.#wrap(connection as unknown as Record<string, (...args: unknown[]) => unknown>, name);
      }
      this.#makeCalls();
      return connection;
    };
  }

  #wrap(target: Record<string, (...args: unknown[]) => unknown>, name: string): void {
    const original = target[name]!.bind(target);
    target[name] = (...args) => {
      const result = this.#input(() => original(...args));
      this.#makeCalls();
      return result;
    };
  }

  #input<T>(run: () => T): T {
    this.#depth++;
    try {
      return run();
    } finally {
      this.#depth--;
    }
  }

  /** Makes the calls that wait, one behind the other; false if there are none. */
  #makeCalls(): boolean {
    if (this.#depth > 0 || this.#later.length === 0) return false;
    while (this.#later.length > 0) {
      const call = this.#later.shift()!;
      this.#input(call);
    }
    return true;
  }

  #act(place: Place): void {
    const chosen = this.#options.choose(place);
    if (chosen === undefined) return;
    this.acted.set(place, (this.acted.get(place) ?? 0) + 1);
    const make = this.#callOf(chosen);
    if (this.#options.when === "inside") make();
    else this.#later.push(make);
  }

  /** The call, to be made now or later. The connection that it is about is the one of now. */
  #callOf(chosen: OwnerCall): () => void {
    const { broker } = this.pair;
    const { now } = this.pair;
    const text = `owner ${++this.#serial}`;
    switch (chosen.call) {
      case "publish": {
        const { topic, qos, retain } = chosen;
        return () => broker.publish({ topic, payload: text, qos, retain }, now);
      }
      case "inject": {
        const { topic, qos, retain } = chosen;
        const packet = {
          type: PUBLISH,
          dup: false,
          topic,
          qos,
          retain,
          payload: new TextEncoder().encode(text),
        };
        const frame = encodePacket(qos === 0 ? packet : { ...packet, packetId: 9 }, 5);
        return () => {
          broker.inject(frame, now, this.#taps[0]);
          frame.fill(0xdd); // its bytes are the owner's again
        };
      }
      case "disconnect": {
        const clientId = `c${chosen.client}`;
        const isConnected = broker.session(clientId)?.isConnected === true;
        const reason = chosen.moves ? { code: 0x9c, serverReference: "b.example" } as const : REASON;
        if (this.#options.when === "inside") {
          return () => void this.log.push(`${clientId}: ${broker.disconnect(clientId, reason, now)}`);
        }
        this.log.push(`${clientId}: ${isConnected}`);
        const same = this.#connections.findLast(({ client }) => client?.clientId === clientId);
        return () => {
          if (same?.client?.clientId === clientId) broker.disconnect(clientId, reason, now);
        };
      }
      case "tap": {
        const { filter } = chosen;
        const received = ({ topic }: { topic: string }) => {
          this.log.push(`tap ${filter} ${topic}`);
          this.#act("tap");
        };
        return () => void this.#taps.push(broker.tap(filter, received));
      }
      case "untap":
        return () => {
          const tap = this.#taps[chosen.index % (this.#taps.length + 1)];
          if (tap !== undefined) broker.untap(tap);
        };
      case "shutdown":
        return () => broker.shutdown(now);
    }
  }

  /** Does one step; one that is not possible now is left out. */
  do(step: Step): void {
    if (step.step === "advance") this.pair.advance(step.ms);
    else if (step.step === "answer") this.#asked.shift()?.();
    else if (step.step === "bring") this.store?.bring();
    else if (step.step === "commit") {
      if (this.store?.isCommitting) this.store.settle(step.fails ? new Error("disk full") : undefined);
    } else if (step.step === "connect") this.#connect(step);
    else this.#of(step);
    this.pair.settle();
    for (const client of this.#clients) if (client !== undefined) this.#read(client);
  }

  #connect({ client, clean, keptSeconds, receiveMaximum, will }: Extract<Step, { step: "connect" }>): void {
    const level = client % 3 === 2 ? 4 : 5;
    const stub = this.pair.open(level, { capacityBytes: 3000 });
    this.#clients[client] = stub;
    this.#connections.push(stub.connection);
    const heard: string[] = [];
    this.heard.push(heard);
    stub.heard = (frame) =>
      void heard.push([...frame].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
    const delay = will === "late" && level === 5 ? { properties: { willDelayInterval: 5 } } : {};
    stub.connect({
      clientId: `c${client}`,
      level,
      cleanStart: clean,
      ...(level === 5 &&
        { properties: { sessionExpiryInterval: keptSeconds, receiveMaximum, topicAliasMaximum: 2 } }),
      ...(will !== "none" &&
        { will: { topic: "w", payload: new Uint8Array(3), qos: 1, retain: false, ...delay } }),
    });
  }

  #of(step: Exclude<Step, { step: "connect" | "advance" | "answer" | "bring" | "commit" }>): void {
    const client = this.#clients[step.client];
    if (client === undefined || client.over) return;
    switch (step.step) {
      case "publish": {
        const { topic, qos, retain, count } = step;
        const frames: Uint8Array[] = [];
        for (let i = 0; i < count; i++) {
          const serial = ++this.#serial;
          const packet = {
            type: PUBLISH,
            dup: false,
            topic,
            qos,
            retain,
            payload: new TextEncoder().encode(`${serial}`),
          };
          frames.push(encodePacket(qos === 0 ? packet : { ...packet, packetId: serial }, client.level));
        }
        return client.write(bytesOf(...frames));
      }
      case "subscribe": {
        const options = {
          qos: step.qos,
          noLocal: false,
          retainAsPublished: true,
          retainHandling: 0,
        } as const;
        const subscriptions = [{ filter: step.filter, ...options }];
        return client.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });
      }
      case "unsubscribe":
        return client.send({ type: PacketType.UNSUBSCRIBE, packetId: 2, filters: [step.filter] });
      case "acknowledge":
        for (const packet of this.#owed.get(client)?.splice(0, step.count) ?? []) {
          client.send(
            step.code > 0 && packet.type === PUBACK ? { ...packet, reasonCode: step.code } : packet,
          );
        }
        return;
      case "lose":
        return client.lose();
      case "leave":
        return client.disconnect();
      case "pause":
        return client.transport.pause();
      case "resume":
        return client.transport.resume();
      case "garble":
        return client.raw(0xf0, 0);
      case "stray":
        return client.raw(0x50, 2, 0x77, 0x77); // PUBREC for nothing
    }
  }

  #read(client: StubClient): void {
    let owed = this.#owed.get(client);
    if (owed === undefined) this.#owed.set(client, owed = []);
    for (const packet of client.inbox.splice(0)) {
      if (packet.type === PUBREL) owed.push({ type: PUBCOMP, packetId: packet.packetId, reasonCode: 0 });
      if (packet.type === PUBREC && packet.reasonCode < 0x80) {
        owed.push({ type: PUBREL, packetId: packet.packetId, reasonCode: 0 });
      }
      if (packet.type !== PUBLISH || packet.qos === 0) continue;
      owed.push({ type: packet.qos === 1 ? PUBACK : PUBREC, packetId: packet.packetId!, reasonCode: 0 });
    }
  }

  /** Answers every question, ends every commit, and lets time go on. */
  finish(): void {
    for (let i = 0; i < 40; i++) {
      for (const step of ["answer", "bring"] as const) this.do({ step });
      this.do({ step: "commit", fails: false });
    }
    this.pair.advance(100_000);
  }
}

/** A hook's argument, short. */
function short(argument: unknown): string {
  if (argument instanceof Error) return argument.message;
  if (typeof argument !== "object" || argument === null) return `${argument}`;
  if ("payload" in argument) {
    const { topic, payload, qos } = argument as { topic: string; payload: Uint8Array; qos: QoS };
    return `${topic}/${qos}/${new TextDecoder().decode(payload)}`;
  }
  if ("clientId" in argument) return `<${argument.clientId}>`;
  if ("rule" in argument) return `${argument.rule}`;
  return "…";
}
