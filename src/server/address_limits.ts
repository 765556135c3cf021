/**
 * Limits that hold before a connection has said anything: how many are open from one address, and how many new ones come in a second.
 * Knows counts by address, and times; refuses to know transports, and what follows from a refusal.
 *
 * A connection has one CONNECT [MQTT-3.1.0-2], so what bounds new connections bounds CONNECTs too.
 * @module
 */
import type { LimitName, Limits, PeerInfo, Refusal } from "../broker/mod.ts";
import { addressGroup } from "../transport/address_group.ts";
import { isLoopback } from "./address.ts";

/** As many connections as a rate allows in this time may come at once, s: a home whose power comes back is a burst, a flood has no end. */
const BURST_SECONDS = 10;

/** Why a connection is not accepted. */
export interface AddressRefusal {
  readonly limit: LimitName;
  /** The address, as `addressGroup()` has it. */
  readonly who: string;
  readonly refusal: Refusal;
  /** Whether the owner is to be told that the limit is reached: once, until most of it is free again. */
  readonly isNews: boolean;
}

/** Gives back the place of a connection that is over; called once. */
export type Release = (now: number) => void;

/** Whether the owner knows that a limit is reached. */
class News {
  #isTold = false;

  /** So many of `most` are taken. */
  saw(count: number, most: number): void {
    if (count <= most / 4) this.#isTold = false;
  }

  /** Whether he is to be told. */
  take(): boolean {
    const isDue = !this.#isTold;
    this.#isTold = true;
    return isDue;
  }
}

/**
 * New connections, which time pays for. A `TokenBucket` counts refused ones too: Clients that try again and again would never come in.
 */
class Arrivals {
  readonly news: News = new News();
  #unpaid = 0;
  #at = -Infinity;

  /** How many are not paid for at that rate. */
  unpaid(perSecond: number, now: number): number {
    const paid = Math.max(0, now - this.#at) * perSecond / 1000;
    this.#unpaid = Math.max(0, this.#unpaid - paid);
    this.#at = now;
    this.news.saw(this.#unpaid, perSecond * BURST_SECONDS);
    return this.#unpaid;
  }

  /** One more, behind `unpaid()`. */
  add(): void {
    this.#unpaid++;
  }
}

/** What is known of one address. */
class Counts {
  readonly arrivals: Arrivals = new Arrivals();
  readonly news: News = new News();
  open = 0;
  /** Its last connection has no effect from then on. */
  freshUntil = -Infinity;
}

/** Of the whole broker, at all of its listeners. Peers on this machine that no proxy names are not counted. */
export class AddressLimits {
  /** Addresses with connections. */
  readonly #present = new Map<string, Counts>();
  /** Addresses whose last connection is over: since `#turnsAt`, less ten seconds, and before. A single map, whose first ones go, is slow. */
  #gone = new Map<string, Counts>();
  #goneBefore = new Map<string, Counts>();
  #turnsAt = -Infinity;
  readonly #all: Arrivals = new Arrivals();

  /** Addresses that are kept, with and without a connection. */
  get sizes(): { readonly present: number; readonly gone: number } {
    return { present: this.#present.size, gone: this.#gone.size + this.#goneBefore.size };
  }

  /** Takes a place for a new connection, under the limits of its listener, or says why it may not have one. */
  take(peer: PeerInfo, limits: Limits, now: number): Release | AddressRefusal {
    if (isExempt(peer)) return () => {};
    const { addressConnectionsMax, addressConnectRateMax, connectRateMax, connectionsMax } = limits;
    const who = addressGroup(peer.address);
    const counts = this.#present.get(who) ?? this.#gone.get(who) ?? this.#goneBefore.get(who) ?? new Counts();
    const { arrivals, open } = counts;

    const share = Math.min(addressConnectionsMax, Math.max(1, Math.floor(connectionsMax / 2)));
    counts.news.saw(open, share);
    if (addressConnectionsMax > 0 && open >= share) {
      const message = `${who} has ${open} connections (addressConnectionsMax)`;
      const refusal: Refusal = { code: 0x97, rule: "limit/address-connections", message };
      return { limit: "addressConnectionsMax", who, refusal, isNews: counts.news.take() };
    }
    if (isAbove(arrivals, addressConnectRateMax, 1, now)) {
      const message =
        `${who} connects more than ${addressConnectRateMax} times a second (addressConnectRateMax)`;
      const refusal: Refusal = { code: 0x9f, rule: "limit/address-connect-rate", message };
      return { limit: "addressConnectRateMax", who, refusal, isNews: arrivals.news.take() };
    }
    // Half of it is for addresses that had no connection lately: a few that try without end do not keep out all others.
    if (isAbove(this.#all, connectRateMax, now < counts.freshUntil ? 0.5 : 1, now)) {
      const message = `More than ${connectRateMax} connections a second (connectRateMax)`;
      const refusal: Refusal = { code: 0x9f, rule: "limit/connect-rate", message };
      return { limit: "connectRateMax", who, refusal, isNews: this.#all.news.take() };
    }

    if (addressConnectRateMax > 0) arrivals.add();
    if (connectRateMax > 0) this.#all.add();
    counts.freshUntil = now + BURST_SECONDS * 1000;
    counts.open++;
    this.#present.set(who, counts);
    return (now) => this.#release(who, counts, limits.addressesKeptMax, now);
  }

  #release(who: string, counts: Counts, keptMax: number, now: number): void {
    if (--counts.open > 0) return;
    this.#present.delete(who);
    if (now >= this.#turnsAt || this.#gone.size >= Math.floor(keptMax / 2)) {
      this.#goneBefore = now >= this.#turnsAt + BURST_SECONDS * 1000 ? new Map() : this.#gone;
      this.#gone = new Map();
      this.#turnsAt = now + BURST_SECONDS * 1000;
    }
    if (counts.freshUntil > now) this.#gone.set(who, counts);
  }
}

/** Whether one more is more than the rate allows, or than this part of it. A rate of 0 has no end. */
function isAbove(arrivals: Arrivals, perSecond: number, part: number, now: number): boolean {
  return perSecond > 0 && arrivals.unpaid(perSecond, now) + 1 > perSecond * BURST_SECONDS * part;
}

/** This machine, a reverse proxy on it that does not say for whom it speaks, and what has no address. */
function isExempt({ address, transport, proxy }: PeerInfo): boolean {
  return proxy === undefined && (transport === "unix" || transport === "memory" || isLoopback(address));
}
