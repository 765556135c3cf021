/**
 * §3.8, §4.8.2 What this node subscribes to at the others: the Topic Filters of its own sessions and taps, and its groups.
 * Knows how many have each filter, and what the others were told; refuses to know links.
 * @module
 */
import { invariant } from "../codec/error.ts";
import type { QoS, SubscriptionRequest } from "../codec/packet.ts";
import type { Ledger } from "../broker/ledger.ts";
import type { Router } from "../broker/router.ts";
import { TOLD } from "../broker/nodes.ts";
import type { SharedGroup } from "../broker/shared.ts";
import type { TopicFilter } from "../topic/filter.ts";

/** Topic Filters of one SUBSCRIBE or UNSUBSCRIBE, and the bytes of their texts. */
const FILTERS_MAX = 1_024;
const FILTER_BYTES_MAX = 32 * 1024;
/** The memory that a route takes beside its text: bytes. */
const ROUTE_BYTES = 128;
/** §3.3.2.3.8 The highest Subscription Identifier. */
const NUMBER_MAX = 268_435_455;
/** Figures of each node are its own. */
const OWN_PREFIX = "$SYS/";

/** One Topic Filter, or one group. */
interface Route {
  readonly text: string;
  /** Of each QoS, how many subscriptions and taps have it; of a group nothing. */
  readonly counts: [number, number, number];
  /** What the others were told, as `SubscriptionRequest`; undefined for nothing. */
  told: SubscriptionRequest | undefined;
  /** §3.3.2.3.8 of a group: how other nodes name it; 0 for a Topic Filter. */
  readonly number: number;
  /** It may be another one than was told. */
  isChanged: boolean;
}

/** One packet for other nodes. */
export type RoutePacket =
  | { readonly subscriptions: readonly SubscriptionRequest[]; readonly identifier: number }
  | { readonly filters: readonly string[] };

/** All routes to this node. */
export class Routes {
  readonly #router: Router;
  readonly #ledger: Ledger;
  readonly #routes: Map<string, Route> = new Map();
  readonly #groups: Map<number, string> = new Map();
  #changed: Route[] = [];
  #lastNumber: number;
  #bytes = 0;

  /** `seed` is another one each time that a node starts: a number of an earlier time is to name no group. */
  constructor(router: Router, ledger: Ledger, seed: number) {
    this.#router = router;
    this.#ledger = ledger;
    this.#lastNumber = seed % NUMBER_MAX;
  }

  /** The memory that they take: bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A subscription is new, was replaced or is gone: `before` and `now` are its QoS, -1 for none. True if others are to be told. */
  change({ text, match, share }: TopicFilter, before: number, now: number): boolean {
    if (share !== undefined || match.startsWith(OWN_PREFIX)) return false; // groups tell of themselves
    const route = this.#routes.get(text) ?? this.#make(text, 0);
    if (before >= 0) route.counts[before as QoS]--;
    if (now >= 0) route.counts[now as QoS]++;
    return this.#isNews(route);
  }

  /** §4.8.2 The same of a group. */
  changeGroup({ filter: { text }, takes }: SharedGroup): boolean {
    let route = this.#routes.get(text);
    if (route === undefined) {
      if (takes === undefined) return false;
      const number = this.#takeNumber();
      this.#groups.set(number, text);
      route = this.#make(text, number);
    }
    return this.#isNews(route);
  }

  #takeNumber(): number {
    do this.#lastNumber = this.#lastNumber % NUMBER_MAX + 1; while (
      this.#lastNumber <= TOLD || this.#groups.has(this.#lastNumber)
    );
    return this.#lastNumber;
  }

  #make(text: string, number: number): Route {
    const route: Route = { text, counts: [0, 0, 0], told: undefined, number, isChanged: false };
    this.#routes.set(text, route);
    this.#count(ROUTE_BYTES + text.length);
    return route;
  }

  #isNews(route: Route): boolean {
    if (route.isChanged) return true;
    const isSame = isAlike(this.#present(route), route.told);
    if (isSame && route.told !== undefined) return false;
    route.isChanged = true;
    this.#changed.push(route);
    return !isSame;
  }

  /** What the others are to know. */
  #present({ text, counts, number }: Route): SubscriptionRequest | undefined {
    if (number !== 0) {
      const group = this.#router.group(text);
      const takes = group?.takes;
      return takes === undefined ? undefined : request(text, group!.qosHere as QoS, takes);
    }
    const qos = counts[2] > 0 ? 2 : counts[1] > 0 ? 1 : counts[0] > 0 ? 0 : undefined;
    return qos === undefined ? undefined : request(text, qos, 0);
  }

  /** §4.8.2 The group under a number; undefined if it is gone. */
  groupOf(number: number): SharedGroup | undefined {
    const text = this.#groups.get(number);
    return text === undefined ? undefined : this.#router.group(text);
  }

  /** The packets that tell what has changed since the last call. */
  takeChanges(): readonly RoutePacket[] {
    if (this.#changed.length === 0) return NONE;
    const changed = this.#changed;
    this.#changed = [];
    const packets = new Packets();
    for (const route of changed) {
      route.isChanged = false;
      const present = this.#present(route);
      if (!isAlike(present, route.told)) {
        if (present !== undefined) packets.subscribe(present, route.number);
        else packets.unsubscribe(route.text);
        route.told = present;
      }
      if (present === undefined) this.#forget(route);
    }
    return packets.end();
  }

  #forget({ text, number }: Route): void {
    if (number !== 0 && this.#router.group(text) !== undefined) return; // its number may be on the way
    this.#routes.delete(text);
    this.#groups.delete(number);
    this.#count(-ROUTE_BYTES - text.length);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#ledger.subscriptions += bytes;
  }

  /** The packets that tell all of it, as it was told to others. */
  all(): readonly RoutePacket[] {
    const packets = new Packets();
    for (const { told, number } of this.#routes.values()) {
      if (told !== undefined) packets.subscribe(told, number);
    }
    return packets.end();
  }

  /** Compares the counters. */
  assertInvariants(): void {
    let bytes = 0;
    for (const { text, counts } of this.#routes.values()) {
      bytes += ROUTE_BYTES + text.length;
      invariant(counts.every((count) => count >= 0), "subscriptions of a route");
    }
    invariant(bytes === this.#bytes, "bytes of routes");
  }
}

const NONE: readonly RoutePacket[] = [];

/** Retain Handling 1 says that a group has no connected member; no retained message is ever sent for a route. */
function request(filter: string, qos: QoS, retainHandling: 0 | 1): SubscriptionRequest {
  return { filter, qos, noLocal: false, retainAsPublished: true, retainHandling };
}

function isAlike(one: SubscriptionRequest | undefined, other: SubscriptionRequest | undefined): boolean {
  return one?.qos === other?.qos && one?.retainHandling === other?.retainHandling;
}

/** Filters gathered in packets that are not too large. */
class Packets {
  readonly #packets: RoutePacket[] = [];
  #subscriptions: SubscriptionRequest[] = [];
  #filters: string[] = [];
  #bytes = 0;

  subscribe(request: SubscriptionRequest, identifier: number): void {
    if (identifier !== 0) return void this.#packets.push({ subscriptions: [request], identifier });
    this.#subscriptions.push(request);
    this.#add(request.filter);
  }

  unsubscribe(filter: string): void {
    this.#filters.push(filter);
    this.#add(filter);
  }

  #add({ length }: string): void {
    this.#bytes += length;
    const count = this.#subscriptions.length + this.#filters.length;
    if (count >= FILTERS_MAX || this.#bytes >= FILTER_BYTES_MAX) this.end();
  }

  end(): readonly RoutePacket[] {
    if (this.#subscriptions.length > 0) {
      this.#packets.push({ subscriptions: this.#subscriptions, identifier: 0 });
    }
    if (this.#filters.length > 0) this.#packets.push({ filters: this.#filters });
    this.#subscriptions = [];
    this.#filters = [];
    this.#bytes = 0;
    return this.#packets;
  }
}
