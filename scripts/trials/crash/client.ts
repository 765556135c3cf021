/**
 * One Client of the crash matrix: it keeps the rules of §4.3 and §4.4 over every death of the broker, and tells the models
 * what it sent and what came.
 * Knows its session and its connection; refuses to know when the broker dies, and what it should do next.
 * @module
 */
import {
  type Connect,
  type Packet,
  PacketType,
  type ProtocolLevel,
  type Publish,
  type QoS,
  type Suback,
  type Unsuback,
} from "../../../src/codec/mod.ts";
import { matches } from "../../../src/topic/filter.ts";
import { connectOf } from "../../lib/raw_client.ts";
import type { Dice } from "../soak/dice.ts";
import { Incoming } from "./incoming.ts";
import { payloadOf, publishOf, serialOf, wrongProperties } from "./message.ts";
import type { Model } from "./model.ts";
import { Outgoing } from "./outgoing.ts";
import type { RetainedModel } from "./retained.ts";
import type { Trace } from "./trace.ts";
import type { WillModel } from "./wills.ts";
import type { Line, Wire } from "./wire.ts";

/** What all Clients of a data directory share. */
export interface World {
  readonly model: Model;
  readonly wills: WillModel;
  readonly retained: RetainedModel;
  readonly dice: Dice;
  readonly trace: Trace;
  readonly wire: Wire;
  /** The level that each message was published at. */
  readonly levels: Map<number, ProtocolLevel>;
  /** How often the broker has been started. */
  life: number;
  /** Nobody takes their time any more. */
  draining: boolean;
  problem(text: string): void;
  /** Something has moved on: whoever waits for a condition looks again. */
  changed(): void;
  /** This Client has lost its connection, with these last words. */
  lost(client: Client, words: string): void;
}

/** What a Client is like. */
export interface Traits {
  readonly level: ProtocolLevel;
  readonly receiveMaximum?: number;
  /** It takes its time with acknowledgements. */
  readonly late?: boolean;
  /** Its session ends with its connection (level 5). */
  readonly isPassing?: boolean;
  /** It begins and ends its session as it likes (level 5). */
  readonly isMayfly?: boolean;
  /** It uses Topic Aliases, in both directions. */
  readonly aliases?: boolean;
  /** Its subscriptions have identifiers. */
  readonly identifiers?: boolean;
  /** It has a will on every connection. */
  readonly will?: { readonly topic: string; readonly delays: readonly number[] };
}

/** What is to be published. */
export interface PublishInit {
  readonly topic: string;
  readonly qos: QoS;
  readonly retain?: boolean;
  /** Removes the retained message. */
  readonly clear?: boolean;
  readonly padding?: number;
}

/** A SUBSCRIBE or UNSUBSCRIBE that is not answered. */
interface Request {
  readonly filter: string;
  /** Undefined to unsubscribe. */
  readonly qos: QoS | undefined;
  /** What the Server must have thought of it; in doubt once it was asked twice. */
  state: "there" | "gone" | "maybe";
  packetId: number;
}

/** What a CONNECT asks of its session. */
interface Start {
  readonly isClean: boolean;
  /** It outlives the connection. */
  readonly isKept: boolean;
}

/** Seconds: longer than any run. */
const SESSION_EXPIRY = 86_400;
const TOPIC_ALIASES = 3;
/** Identifiers of SUBSCRIBE and UNSUBSCRIBE, apart from those of PUBLISH. */
const REQUEST_ID = 0xf000;

/** One Client. */
export class Client {
  readonly id: string;
  readonly traits: Traits;
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  /** No connection, one without CONNACK yet, or an open one. */
  state: "away" | "connecting" | "open" = "away";
  readonly #world: World;
  #raw: Line | undefined;
  /** The connection that ends by our DISCONNECT: until the Server has closed it a new one might overtake it. */
  #leaving: Line | undefined;
  readonly #requests: Map<string, Request> = new Map();
  readonly #filters: string[] = [];
  #requestId = REQUEST_ID;
  #aliasesIn: Map<number, string> = new Map();
  #aliasesOut: string[] = [];
  #pongs: ((isThere: boolean) => void)[] = [];
  #words = "";
  /** Of the current connection, or the last one. */
  #start: Start = { isClean: false, isKept: false };

  constructor(world: World, id: string, traits: Traits) {
    this.#world = world;
    this.id = id;
    this.traits = traits;
    const problem = (text: string): void => world.problem(`${id} ${text}`);
    this.outgoing = new Outgoing({
      problem,
      acknowledged: (serial, code) => this.#acknowledged(serial, code),
    });
    this.incoming = new Incoming({
      problem,
      receiveMaximum: traits.receiveMaximum ?? 65_535,
      delivered: ({ topic, qos }, serial) => world.model.delivered(id, { serial, topic, qos }),
    });
  }

  /** Whether every exchange is over and every request answered. */
  get idle(): boolean {
    return this.outgoing.idle && this.incoming.idle && this.#requests.size === 0;
  }

  /** Whether a new connection may be opened. */
  get free(): boolean {
    return this.state === "away" && this.#leaving?.over !== false;
  }

  /** Opens a connection; one that is open is taken over. */
  connect(port: number): void {
    const world = this.#world;
    const { model, wills } = world;
    if (this.state !== "away") this.#over("lost");
    const { level } = this.traits;
    const raw: Line = world.wire.dial(port, level, {
      packet: (packet) => {
        if (raw === this.#raw) this.#received(packet);
      },
      broken: (error) => this.#problem(`gets what is no packet: ${error}`),
      closed: () => {
        if (raw !== this.#raw) return world.changed();
        this.#over("lost");
        world.lost(this, this.#words);
      },
    });
    this.#raw = raw;
    this.state = "connecting";
    this.#aliasesIn.clear();
    this.#aliasesOut = [];
    this.#words = "";
    this.#start = this.#nextStart();
    const connect = this.#connectPacket(this.#start);
    const { isClean, isKept } = this.#start;
    model.connecting(this.id, isClean, isKept);
    if (isClean) this.incoming.forget();
    const serial = connect.will && serialOf(connect.will.payload);
    wills.connecting(this.id, serial, this.#delayMs(connect), isKept);
    this.#send(connect);
  }

  #nextStart(): Start {
    const { isPassing = false, isMayfly } = this.traits;
    const { dice, draining } = this.#world;
    if (!isMayfly || draining) return { isClean: false, isKept: !isPassing };
    return { isClean: dice.chance(40), isKept: dice.chance(60) };
  }

  #connectPacket({ isClean, isKept }: Start): Connect {
    const { level, receiveMaximum, aliases } = this.traits;
    const will = this.#will();
    return connectOf(level, this.id, {
      cleanStart: isClean,
      ...(will && { will }),
      ...(level === 5 && {
        properties: {
          sessionExpiryInterval: isKept ? SESSION_EXPIRY : 0,
          ...(receiveMaximum !== undefined && { receiveMaximum }),
          ...(aliases && { topicAliasMaximum: TOPIC_ALIASES }),
        },
      }),
    });
  }

  #will(): Connect["will"] {
    const { will, level } = this.traits;
    if (will === undefined) return undefined;
    const { dice, model, levels } = this.#world;
    const serial = this.#nextSerial();
    const qos = dice.pick([1, 2] as const);
    levels.set(serial, level);
    model.published({ serial, topic: will.topic, qos, publisher: this.id, isWill: true });
    const { properties } = publishOf(level, { serial, topic: will.topic, qos }, 1);
    return {
      topic: will.topic,
      payload: payloadOf(serial, 8),
      qos,
      retain: false,
      ...(properties && { properties: { ...properties, willDelayInterval: dice.pick(will.delays) } }),
    };
  }

  #delayMs({ will }: Connect): number {
    return (will?.properties?.willDelayInterval ?? 0) * 1_000;
  }

  #nextSerial(): number {
    return this.#world.levels.size + 1;
  }

  /** The connection is over, for us. */
  #over(how: "clean" | "lost"): void {
    const { model, wills, life, trace, wire } = this.#world;
    trace.note(`${this.id} is over: ${how}`);
    if (this.state === "open" && !this.#start.isKept) {
      model.ended(this.id);
      this.incoming.forget();
    }
    wills.ended(this.id, this.state === "open" ? how : "unanswered", wire.now(), life);
    this.state = "away";
    this.#raw = undefined;
    for (const pong of this.#pongs.splice(0)) pong(false);
    this.#world.changed();
  }

  /** Loses the connection. */
  cut(): void {
    const raw = this.#raw;
    if (raw === undefined) return;
    this.#over("lost");
    raw.reset();
  }

  /** Says good-bye; `withWill` has its will published all the same. */
  leave(withWill = false): void {
    const raw = this.#raw;
    if (raw === undefined || this.state !== "open") return;
    const { level, isMayfly } = this.traits;
    const hasCode = withWill && level === 5;
    const ends = isMayfly === true && !this.#world.draining;
    this.#send({
      type: PacketType.DISCONNECT,
      reasonCode: hasCode ? 0x04 : 0,
      ...(ends && { properties: { sessionExpiryInterval: 0 } }),
    });
    if (ends) {
      this.#world.model.leaving(this.id);
      this.incoming.forget();
    }
    this.#over(hasCode ? "lost" : "clean");
    raw.end();
    this.#leaving = raw;
  }

  #problem(text: string): void {
    this.#world.problem(`${this.id} ${text}`);
  }

  readonly #send = (packet: Packet): void => {
    this.#world.trace.packet(this.id, ">", packet);
    this.#raw?.send(packet);
  };

  #received(packet: Packet): void {
    this.#world.trace.packet(this.id, "<", packet);
    if (packet.type === PacketType.CONNACK) this.#connack(packet.reasonCode, packet.sessionPresent);
    else if (packet.type === PacketType.DISCONNECT) {
      this.#words = `DISCONNECT ${packet.reasonCode} ${packet.properties?.reasonString ?? ""}`;
    } else if (this.state !== "open") this.#problem(`gets a packet of type ${packet.type} before CONNACK`);
    else this.#handle(packet);
    this.#world.changed();
  }

  #handle(packet: Packet): void {
    switch (packet.type) {
      case PacketType.PUBLISH:
        this.#publish(packet);
        break;
      case PacketType.PUBACK:
        return this.outgoing.puback(packet.packetId, packet.reasonCode);
      case PacketType.PUBREC:
        return this.outgoing.pubrec(packet.packetId, packet.reasonCode, this.#send);
      case PacketType.PUBCOMP:
        return this.outgoing.pubcomp(packet.packetId, packet.reasonCode);
      case PacketType.PUBREL:
        if (packet.reasonCode !== 0) this.#problem(`gets PUBREL with ${packet.reasonCode}`);
        this.incoming.pubrel(packet.packetId);
        break;
      case PacketType.SUBACK:
      case PacketType.UNSUBACK:
        return this.#answered(packet);
      case PacketType.PINGRESP:
        return this.#pongs.shift()?.(true);
      default:
        return this.#problem(`gets a packet of type ${packet.type}`);
    }
    if (!this.traits.late || this.#world.draining) this.acknowledge();
  }

  #connack(code: number, present: boolean): void {
    const { model, wills, life, wire } = this.#world;
    if (code !== 0) return this.#problem(`is refused with ${code}`);
    this.state = "open";
    model.connected(this.id, this.#start.isClean, present);
    wills.connected(this.id, wire.now(), life);
    this.incoming.connected(present);
    this.outgoing.again(this.#send, (serial, publish) => this.#handedOver(serial, publish));
    for (const request of this.#requests.values()) this.#request(request);
  }

  #handedOver(serial: number, { topic, qos, retain, payload }: Publish): void {
    const { model, retained } = this.#world;
    model.published({ serial, topic, qos, publisher: this.id });
    if (retain) retained.sent(topic, serial, payload.length === 0 ? undefined : serial, qos);
  }

  #acknowledged(serial: number, code: number): void {
    this.#world.model.acknowledged(serial, code);
    this.#world.retained.acknowledged(serial);
  }

  /** Hands a message over; false if it may not now. */
  publish(init: PublishInit): boolean {
    if (this.state !== "open" || (init.qos > 0 && !this.outgoing.free)) return false;
    const serial = this.#nextSerial();
    const { level } = this.traits;
    this.#world.levels.set(serial, level);
    const packetId = init.qos === 0 ? 0 : this.outgoing.nextId();
    const publish = publishOf(level, { ...init, serial }, packetId);
    if (init.clear) publish.payload = new Uint8Array();
    if (init.qos > 0) this.outgoing.begin(publish, serial);
    this.#handedOver(serial, publish);
    this.#send(this.#aliased(publish));
    return true;
  }

  #aliased(publish: Publish): Publish {
    if (!this.traits.aliases) return publish;
    const known = this.#aliasesOut.indexOf(publish.topic);
    if (known < 0 && this.#aliasesOut.length === TOPIC_ALIASES) return publish;
    const topicAlias = known < 0 ? this.#aliasesOut.push(publish.topic) : known + 1;
    return {
      ...publish,
      topic: known < 0 ? publish.topic : "",
      properties: { ...publish.properties, topicAlias },
    };
  }

  /** Asks for a subscription, or (without a QoS) for its end; nothing if a request for it is open. */
  request(filter: string, qos: QoS | undefined): void {
    if (this.state !== "open" || this.#requests.has(filter)) return;
    if (!this.#filters.includes(filter)) this.#filters.push(filter);
    const state = this.#world.model.subscription(this.id, filter);
    const request = { filter, qos, state, packetId: 0 };
    this.#requests.set(filter, request);
    this.#request(request);
  }

  #request(request: Request): void {
    const { model } = this.#world;
    const { filter, qos } = request;
    if (request.packetId !== 0) request.state = "maybe";
    this.#requestId = this.#requestId === 0xffff ? REQUEST_ID : this.#requestId + 1;
    request.packetId = this.#requestId;
    const { packetId } = request;
    if (qos === undefined) {
      model.unsubscribing(this.id, filter);
      return this.#send({ type: PacketType.UNSUBSCRIBE, packetId, filters: [filter] });
    }
    model.subscribing(this.id, filter, qos);
    const options = { filter, qos, noLocal: false, retainAsPublished: false, retainHandling: 2 } as const;
    const subscriptionIdentifier = this.#filters.indexOf(filter) + 1;
    this.#send({
      type: PacketType.SUBSCRIBE,
      packetId,
      subscriptions: [options],
      ...(this.traits.identifiers && { properties: { subscriptionIdentifier } }),
    });
  }

  #answered({ type, packetId, reasonCodes: [code] }: Suback | Unsuback): void {
    const { model } = this.#world;
    const request = [...this.#requests.values()].find((one) => one.packetId === packetId);
    if (request === undefined || (request.qos === undefined) !== (type === PacketType.UNSUBACK)) {
      return this.#problem(`gets a packet of type ${type} for a request it never made`);
    }
    const { filter, qos, state } = request;
    this.#requests.delete(filter);
    if (qos === undefined) return model.unsubscribed(this.id, filter, code, state);
    if (code !== qos) this.#problem(`is granted ${code} for ${filter}, wanted ${qos}`);
    model.subscribed(this.id, filter);
  }

  #publish(publish: Publish): void {
    const topic = this.#topicOf(publish);
    const serial = serialOf(publish.payload);
    if (topic === undefined) return;
    if (serial === undefined) return this.#problem(`gets a damaged message on ${topic}`);
    if (publish.retain) this.#problem(`gets message ${serial} on ${topic} with RETAIN 1`);
    this.#checkProperties(publish, topic, serial);
    this.incoming.publish({ ...publish, topic }, serial);
  }

  #topicOf({ topic, properties }: Publish): string | undefined {
    const alias = properties?.topicAlias;
    if (alias === undefined) return topic;
    if (topic !== "") this.#aliasesIn.set(alias, topic);
    const name = this.#aliasesIn.get(alias);
    if (name === undefined) this.#problem(`gets Topic Alias ${alias}, which is not set`);
    return name;
  }

  #checkProperties(publish: Publish, topic: string, serial: number): void {
    const { level, identifiers } = this.traits;
    const sentAt = this.#world.levels.get(serial);
    if (sentAt === undefined) return; // the model complains of it
    const wrong = wrongProperties(serial, sentAt, level, publish);
    if (wrong !== undefined) this.#problem(`gets message ${serial} whose ${wrong}`);
    const ids = publish.properties?.subscriptionIdentifiers ?? [];
    const filters = ids.map((id) => this.#filters[id - 1]);
    const isRight = (filter: string | undefined): boolean =>
      filter !== undefined && matches(filter.replace(/^\$share\/[^/]+\//, ""), topic);
    if (identifiers ? ids.length === 0 || !filters.every(isRight) : ids.length > 0) {
      this.#problem(
        `gets message ${serial} on ${topic} with Subscription Identifiers ${ids.join(", ") || "missing"}`,
      );
    }
  }

  /** Sends up to so many of the acknowledgements that are owed. */
  acknowledge(most: number = Infinity): void {
    if (this.state === "open") this.incoming.acknowledge(most, this.#send);
  }

  /** Waits until the Server has answered all there is; false if the connection is lost before. */
  ping(): Promise<boolean> {
    if (this.state !== "open") return Promise.resolve(false);
    this.#send({ type: PacketType.PINGREQ });
    return new Promise((resolve) => this.#pongs.push(resolve));
  }
}
