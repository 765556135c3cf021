/**
 * §3.8–3.11, §4.7, §4.8.2 The subscriptions of one Client: asked for, made, made anew, and which of them a message belongs to.
 * Knows filters and their readers; refuses to know messages on their way, and when there is a connection.
 * @module
 */
import { protocolError, UsageError } from "../codec/error.ts";
import type { QoS, Subscribe, Unsubscribe, UserProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { encodeSubscribe } from "../codec/subscribe.ts";
import { encodeUnsubscribe } from "../codec/unsubscribe.ts";
import { Writer } from "../codec/writer.ts";
import { type Sender, Step } from "../delivery/sender.ts";
import { matches, parseFilter, type TopicFilter } from "../topic/filter.ts";
import { ClosedError, RefusedError, UnsupportedError } from "./error.ts";
import type { Incoming } from "./incoming.ts";
import type { Asking, Entry, Exchange, MessageReader, SubscribeInit, Waiter, Waiting } from "./exchange.ts";
import type { Link } from "./link.ts";
import type { ServerLimits } from "./server_limits.ts";

/** What is told of subscriptions. */
export interface SubscriptionOwner {
  /** Those that were to be made anew are, or are refused. */
  restored(): void;
  /** One was not. */
  unsubscribed(filter: string, error: RefusedError | UnsupportedError): void;
}

/** Where SUBSCRIBE goes. */
interface Open {
  readonly link: Link;
  readonly server: ServerLimits;
}

/** All subscriptions of one Client. */
export class Subscriptions {
  readonly #sender: Sender<Exchange>;
  readonly #owner: SubscriptionOwner;
  readonly #knownTopicsMax: number;
  readonly #writer: Writer = new Writer();
  readonly #entries: Map<string, Entry> = new Map();
  /** By Topic Name; forgotten with every change. */
  readonly #known: Map<string, readonly Entry[]> = new Map();
  /** UNSUBSCRIBE that waits for the next connection. */
  #leaving: Asking[] = [];
  #open: Open | undefined;
  #nextIdentifier = 1;
  /** Identifiers of the user's. */
  readonly #chosen: Set<number> = new Set();
  /** SUBACKs that are awaited before the session is restored. */
  #anew = 0;

  constructor(sender: Sender<Exchange>, owner: SubscriptionOwner, knownTopicsMax: number) {
    this.#sender = sender;
    this.#owner = owner;
    this.#knownTopicsMax = knownTopicsMax;
  }

  /** How many Topic Filters there are. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Has the reader get the messages of a filter: it does before SUBSCRIBE leaves, so that none is missed.
   * @throws {UsageError} for what is no filter.
   */
  subscribe(init: SubscribeInit, reader: MessageReader, waiter: Waiter): void {
    const filter = parsed(init.filter);
    if (filter.share !== undefined && init.noLocal === true) {
      throw new UsageError("No Local with a shared subscription [MQTT-3.8.3-4]");
    }
    encodeSubscribe(this.#writer, packetOf(init, 1, init.subscriptionIdentifier), 5); // for what it throws
    this.#writer.reset();
    if (init.subscriptionIdentifier !== undefined) this.#chosen.add(init.subscriptionIdentifier);
    let entry = this.#entries.get(init.filter);
    if (entry === undefined) {
      const { text, match, share, wildcard } = filter;
      entry = {
        filter: text,
        match,
        isShared: share !== undefined,
        isWildcard: wildcard,
        identifier: init.subscriptionIdentifier ?? this.#freeIdentifier(),
        options: init,
        readers: [],
        waiting: [],
        isMade: false,
      };
      this.#entries.set(text, entry);
    } else {
      entry.options = { ...init, qos: Math.max(init.qos ?? 0, entry.options.qos ?? 0) as QoS };
      entry.identifier = init.subscriptionIdentifier ?? entry.identifier;
    }
    this.#known.clear();
    entry.readers.push(reader);
    entry.waiting.push({ reader, waiter });
    if (this.#open !== undefined) this.#ask(this.#open, entry, false);
  }

  /** One that the user has not chosen: messages are told apart by them. */
  #freeIdentifier(): number {
    while (this.#chosen.has(this.#nextIdentifier)) this.#nextIdentifier++;
    return this.#nextIdentifier++;
  }

  /**
   * The reader gets nothing more; with the last reader of its filter the subscription ends. Without a reader that of an earlier process ends.
   * @throws {UsageError} for User Properties that cannot be sent, and, without a reader, for what is no filter or has readers.
   */
  unsubscribe(
    filter: string,
    reader: MessageReader | undefined,
    waiter: Waiter,
    userProperties?: UserProperties,
  ): void {
    const asking = { entry: undefined, filter, waiting: [{ reader, waiter }], isAnew: false, userProperties };
    encodeUnsubscribe(this.#writer, leavingPacket(asking, 1), 5); // for what it throws
    this.#writer.reset();
    const entry = this.#entries.get(filter);
    if (reader === undefined) {
      parsed(filter);
      if (entry !== undefined) {
        throw new UsageError(`Topic Filter ${JSON.stringify(filter)} has a Subscription, which ends it`);
      }
    } else {
      const at = entry === undefined ? -1 : entry.readers.indexOf(reader);
      if (entry === undefined || at < 0) return waiter.done(0);
      entry.readers.splice(at, 1);
      const asked = entry.waiting.filter((one) => one.reader === reader);
      entry.waiting = entry.waiting.filter((one) => one.reader !== reader);
      for (const one of asked) one.waiter.failed(new ClosedError("Unsubscribed"));
      this.#known.clear();
      if (entry.readers.length > 0) return waiter.done(0);
      this.#remove(entry);
    }
    if (this.#open !== undefined) this.#leave(this.#open, asking);
    else if (entry?.isMade !== false) this.#leaving.push(asking);
    else waiter.done(0);
  }

  /** Gives a message to the readers whose subscriptions it matches; false if it matches none. */
  deliver(message: Incoming): boolean {
    const { topic, properties } = message.publish;
    let entries = this.#matching(topic);
    const identifiers = properties?.subscriptionIdentifiers;
    // A Server may send one copy for each of several subscriptions that match.
    if (entries.length > 1 && identifiers !== undefined) {
      const named = entries.filter(({ identifier }) => identifiers.includes(identifier));
      if (named.length > 0) entries = named;
    }
    if (entries.length === 0) return false;
    if (entries.length === 1 && entries[0]!.readers.length === 1) {
      message.pending = 1;
      entries[0]!.readers[0]!.deliver(message);
      return true;
    }
    const readers = new Set(entries.flatMap(({ readers }) => readers));
    message.pending = readers.size;
    for (const reader of readers) reader.deliver(message);
    return true;
  }

  #matching(topic: string): readonly Entry[] {
    const known = this.#known.get(topic);
    if (known !== undefined) return known;
    const found = [...this.#entries.values()].filter(({ match }) => matches(match, topic));
    if (this.#known.size >= this.#knownTopicsMax) this.#known.clear();
    this.#known.set(topic, found);
    return found;
  }

  // The connection.

  /** A connection is open; `isResumed`: the Server has the session. */
  opened(link: Link, server: ServerLimits, isResumed: boolean): void {
    const open = this.#open = { link, server };
    const leaving = this.#leaving;
    this.#leaving = [];
    for (const asking of leaving) {
      if (isResumed) this.#leave(open, asking);
      else for (const { waiter } of asking.waiting) waiter.done(0);
    }
    this.#anew = 1;
    for (const entry of [...this.#entries.values()]) {
      if (!isResumed) entry.isMade = false;
      const isAnew = !entry.isMade && entry.readers.length > entry.waiting.length;
      // Its reader may have left since another filter of it was refused.
      if ((!entry.isMade || entry.waiting.length > 0) && entry.readers.length > 0) {
        this.#ask(open, entry, isAnew);
      }
    }
  }

  /** All else of the session is on its way too: `restored()` is called, now or later. */
  begun(): void {
    this.#restored();
  }

  /** The connection is over. */
  closed(): void {
    this.#open = undefined;
    const open: [number, Asking][] = [];
    this.#sender.each((id, step, item) => {
      if (step === Step.SUBACK || step === Step.UNSUBACK) open.push([id, item as Asking]);
    });
    for (const [id, asking] of open) {
      this.#sender.end(id);
      if (asking.entry === undefined) this.#leaving.push(asking);
      else this.#askLater(asking.entry, asking.waiting);
    }
  }

  /** Those that have unsubscribed meanwhile are not asked for again. */
  #askLater(entry: Entry, waiting: readonly Waiting[]): void {
    for (const one of waiting) {
      if (one.reader !== undefined && entry.readers.includes(one.reader)) entry.waiting.push(one);
      else one.waiter.failed(new ClosedError("Unsubscribed"));
    }
  }

  /** The Client is closed. */
  failAll(error: unknown): void {
    for (const { waiting } of [...this.#leaving, ...this.#entries.values()]) {
      for (const { waiter } of waiting) waiter.failed(error);
    }
    this.#leaving = [];
    this.#entries.clear();
    this.#known.clear();
  }

  // SUBSCRIBE.

  #ask(open: Open, entry: Entry, isAnew: boolean): void {
    const { link, server } = open;
    const asking: Asking = { entry, filter: entry.filter, waiting: entry.waiting.splice(0), isAnew };
    const unsupported = entry.isShared && !server.shared
      ? new UnsupportedError("3.2.2.3.13/not-supported", "A shared subscription")
      : entry.isWildcard && !server.wildcards
      ? new UnsupportedError("3.2.2.3.11/not-supported", "A wildcard in a Topic Filter")
      : entry.options.subscriptionIdentifier !== undefined && server.level === 5 && !server.identifiers
      ? new UnsupportedError("3.2.2.3.12/not-supported", "A Subscription Identifier")
      : undefined;
    if (unsupported !== undefined) return this.#refuse(asking, unsupported);
    const packetId = this.#sender.begin(Step.SUBACK, asking);
    const packet = packetOf(entry.options, packetId, server.identifiers ? entry.identifier : undefined);
    if (link.send(encodeSubscribe, packet)) {
      if (isAnew) this.#anew++;
      return;
    }
    this.#sender.end(packetId);
    this.#refuse(asking, new UnsupportedError("MQTT-3.2.2-15", "A packet of this size"));
  }

  /** §3.9 */
  suback(id: number, codes: readonly number[], reasonString: string | undefined): void {
    if (codes.length !== 1) throw protocolError("MQTT-3.8.4-6"); // before the identifier is free: it is asked for again
    const asking = this.#answered(id, Step.SUBACK, "MQTT-3.8.4-2");
    const { entry, filter, waiting, isAnew } = asking;
    const code = codes[0]!;
    if (code >= 0x80) {
      this.#refuse(asking, new RefusedError("SUBACK", code, reasonString, undefined, filter));
    } else {
      entry!.isMade = true;
      for (const { waiter } of waiting) waiter.done(code);
    }
    if (isAnew) this.#restored();
  }

  /** Takes the readers away that wait; if the subscription is not there at all, then every reader. */
  #refuse({ entry, waiting, isAnew }: Asking, error: RefusedError | UnsupportedError): void {
    const { readers, filter } = entry!;
    for (const { reader, waiter } of waiting) {
      const at = readers.indexOf(reader!);
      if (at >= 0) readers.splice(at, 1);
      waiter.failed(error);
    }
    this.#known.clear();
    if (isAnew) {
      for (const reader of readers.splice(0)) reader.refused(error);
      this.#owner.unsubscribed(filter, error);
    }
    if (readers.length === 0 && this.#entries.get(filter) === entry) this.#remove(entry!);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.filter);
    const { subscriptionIdentifier: chosen } = entry.options;
    if (chosen === undefined) return;
    for (const { options } of this.#entries.values()) if (options.subscriptionIdentifier === chosen) return;
    this.#chosen.delete(chosen);
  }

  #restored(): void {
    if (--this.#anew === 0) this.#owner.restored();
  }

  // UNSUBSCRIBE.

  #leave({ link }: Open, asking: Asking): void {
    const packetId = this.#sender.begin(Step.UNSUBACK, asking);
    if (link.send(encodeUnsubscribe, leavingPacket(asking, packetId))) return;
    this.#sender.end(packetId);
    for (const { waiter } of asking.waiting) {
      waiter.failed(new UnsupportedError("MQTT-3.2.2-15", "A packet of this size"));
    }
  }

  /** §3.11 `codes` is empty below level 5. */
  unsuback(id: number, codes: readonly number[], reasonString: string | undefined): void {
    if (codes.length !== (this.#open!.server.level === 5 ? 1 : 0)) throw protocolError("MQTT-3.11.3-1");
    const { filter, waiting } = this.#answered(id, Step.UNSUBACK, "MQTT-3.10.4-5");
    const code = codes[0] ?? 0;
    for (const { waiter } of waiting) {
      if (code >= 0x80) {
        waiter.failed(new RefusedError("UNSUBACK", code, reasonString, undefined, filter));
      } else waiter.done(code);
    }
  }

  #answered(id: number, step: Step, rule: "MQTT-3.8.4-2" | "MQTT-3.10.4-5"): Asking {
    if (this.#sender.step(id) !== step) throw protocolError(rule);
    const asking = this.#sender.item(id) as Asking;
    this.#sender.end(id);
    return asking;
  }
}

/** @throws {UsageError} for what is no Topic Filter. */
function parsed(text: string): TopicFilter {
  const filter = parseFilter(text);
  if (typeof filter !== "string") return filter;
  throw new UsageError(`Topic Filter ${JSON.stringify(text)} [${filter}]`);
}

/** §3.10 */
function leavingPacket({ filter, userProperties }: Asking, packetId: number): Unsubscribe {
  return {
    type: PacketType.UNSUBSCRIBE,
    packetId,
    filters: [filter],
    ...userProperties !== undefined && { properties: { userProperties } },
  };
}

/** §3.8 one filter for each packet: a Subscription Identifier is that of all its filters. */
function packetOf(
  init: SubscribeInit,
  packetId: number,
  subscriptionIdentifier: number | undefined,
): Subscribe {
  const { filter, qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0, userProperties } =
    init;
  return {
    type: PacketType.SUBSCRIBE,
    packetId,
    subscriptions: [{ filter, qos, noLocal, retainAsPublished, retainHandling }],
    properties: {
      ...subscriptionIdentifier !== undefined && { subscriptionIdentifier },
      ...userProperties !== undefined && { userProperties },
    },
  };
}
