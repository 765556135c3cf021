/**
 * The connections between the shards of a cluster: which of two calls the other, again after a break, and which calls count.
 * Knows owners and epochs; refuses to know how a call goes, and what goes over it.
 *
 * Of two shards the one with the higher number calls. An owner is called where its epoch listens, so that one of before is not reached;
 * and of a caller no call counts that is of an epoch before the one that was heard of.
 * @module
 */
import type { Transport } from "../transport/transport.ts";
import { type Call, callBytes, type CalledFor, readCall } from "./call.ts";
import type { Cancel, Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";
import { shardName } from "./subjects.ts";

/** Whoever owns a shard, as far as it has been heard. */
export interface ShardOwner {
  readonly epoch: number;
  readonly incarnation: string;
}

/** Whoever is given the connections: a server. */
export interface LinkTaker {
  link(transport: Transport, node: string, incarnation: string, over?: () => void): void;
  acceptRelayed(transport: Transport, head: CalledFor): void;
}

/** A call that is to be made. */
export interface ShardCall {
  readonly shard: number;
  readonly epoch: number;
  readonly head: Uint8Array;
  /** For one Client of many. */
  readonly isRelay: boolean;
  /** Told once, never from inside the call: the transport, not started yet, or why there is none. */
  readonly dialled: (transport: Transport | Error) => void;
  /** Told once, when a transport that was there is over. */
  readonly ended: () => void;
}

/** What links are made of. */
export interface ShardLinksOptions {
  readonly clock: Clock;
  /** This shard, and how many there are. */
  readonly shard: number;
  readonly shards: number;
  readonly own: ShardOwner;
  /** The owner of another shard that was heard of last, if it is alive. */
  readonly ownerOf: (shard: number) => ShardOwner | undefined;
  /** Calls an owner. */
  readonly dial: (call: ShardCall) => Cancel;
  readonly taker: LinkTaker;
  /** Told what somebody should know of, in a line. */
  readonly troubled: (why: string) => void;
}

/** A connection that is there, with the epoch of its other end. */
interface Open {
  readonly transport: Transport;
  readonly epoch: number;
}

/** The state of one other shard. */
interface Other {
  /** Calls that wait for an answer, or for the time of the next one. */
  cancel: Cancel | undefined;
  againMs: number;
  /** The epoch that is called, or linked. */
  epoch: number;
  link: Transport | undefined;
  readonly relays: Set<Open>;
}

/** The links and relays of one shard. */
export class ShardLinks {
  readonly #options: ShardLinksOptions;
  readonly #others = new Map<number, Other>();
  #isClosed = false;
  /** Clients that others have handed on, until this shard takes Clients. */
  #early: { readonly transport: Transport; readonly head: CalledFor }[] | undefined = [];

  constructor(options: ShardLinksOptions) {
    this.#options = options;
    for (let shard = 1; shard <= options.shards; shard++) {
      if (shard === options.shard) continue;
      const other: Other = { cancel: undefined, againMs: 0, epoch: 0, link: undefined, relays: new Set() };
      this.#others.set(shard, other);
    }
    this.changed();
  }

  /** To be called when owners have changed: what goes to owners of before ends, and new ones are called. */
  changed(): void {
    for (const [shard, other] of this.#others) {
      const owner = this.#options.ownerOf(shard);
      if (owner === undefined) continue; // links that are there end by themselves, or are still good
      if (owner.epoch > other.epoch) {
        other.link?.abort();
        other.cancel?.();
        other.cancel = undefined;
        other.epoch = owner.epoch;
        other.againMs = 0;
      }
      for (const { transport, epoch } of other.relays) if (epoch < owner.epoch) transport.abort();
      if (shard < this.#options.shard && other.link === undefined && other.cancel === undefined) {
        this.#call(shard, other);
      }
    }
  }

  /** A shard has nobody: what goes there will be of no use. */
  gone(shard: number): void {
    const other = this.#others.get(shard);
    if (other === undefined) return;
    other.link?.abort();
    for (const { transport } of other.relays) transport.abort();
  }

  /** Calls the owner of a shard for a Client that goes on there; told once, at the earliest later. */
  relay(shard: number, head: CalledFor, dialled: (transport: Transport | Error) => void): void {
    const owner = this.#options.ownerOf(shard);
    const other = this.#others.get(shard);
    if (owner === undefined || other === undefined) {
      const why = new Error(`${shardName(shard)} has no owner at present`);
      return this.#options.clock.endOfTurn(() => dialled(why));
    }
    const call = callBytes({ ...this.#own, head });
    if (call.length > CLUSTER.headBytes) {
      const why = new Error(`What is to be said of the Client has ${call.length} bytes`);
      return this.#options.clock.endOfTurn(() => dialled(why));
    }
    const { epoch } = owner;
    let ended = (): void => {};
    this.#options.dial({
      shard,
      epoch,
      head: call,
      isRelay: true,
      dialled: (transport) => {
        if (!(transport instanceof Error)) ended = this.#keep(other, transport, epoch);
        dialled(transport);
      },
      ended: () => ended(),
    });
  }

  /** Takes what another shard has called for. What is given to `atEnd` is to be called when the transport is over. */
  accepted(transport: Transport, head: Uint8Array, atEnd: (ended: () => void) => void): void {
    const call = readCall(head);
    const other = typeof call === "string" ? undefined : this.#others.get(call.shard);
    if (typeof call === "string" || other === undefined) {
      this.#options.troubled(typeof call === "string" ? call : `there is no shard ${call.shard}`);
      return transport.abort();
    }
    const { shard, epoch } = call;
    const known = Math.max(other.epoch, this.#options.ownerOf(shard)?.epoch ?? 0);
    if (this.#isClosed || epoch < known) return transport.abort(); // of an owner of before
    if (call.head === undefined) return this.#link(other, transport, call);
    atEnd(this.#keep(other, transport, epoch));
    if (this.#early === undefined) this.#options.taker.acceptRelayed(transport, call.head);
    else if (this.#early.length < CLUSTER.earlyMax) this.#early.push({ transport, head: call.head });
    else transport.abort();
  }

  /** Hands on the Clients that have come from others, from now on at once. */
  takeRelayed(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const { transport, head } of early) this.#options.taker.acceptRelayed(transport, head);
  }

  /** Calls no more, and takes no more calls; connections that are there stay, until `cut()`. */
  close(): void {
    this.#isClosed = true;
    for (const other of this.#others.values()) {
      other.cancel?.();
      other.cancel = undefined;
    }
  }

  /** Ends all links: behind the end of the server nothing that others send is to reach it. */
  cut(): void {
    for (const { link, relays } of this.#others.values()) {
      link?.abort();
      for (const { transport } of relays) transport.abort();
    }
  }

  get #own(): Call {
    const { shard, own } = this.#options;
    return { shard, epoch: own.epoch, incarnation: own.incarnation };
  }

  #call(shard: number, other: Other): void {
    if (this.#isClosed) return;
    const owner = this.#options.ownerOf(shard);
    if (owner === undefined) return; // until `changed()`
    const { epoch, incarnation } = owner;
    other.epoch = epoch;
    other.cancel = this.#options.dial({
      shard,
      epoch,
      head: callBytes(this.#own),
      isRelay: false,
      dialled: (transport) => {
        if (this.#isClosed || epoch < other.epoch) {
          if (!(transport instanceof Error)) transport.abort();
          return;
        }
        other.cancel = undefined;
        if (transport instanceof Error) return this.#callLater(shard, other);
        other.againMs = 0;
        this.#link(other, transport, { shard, epoch, incarnation });
      },
      ended: nothing,
    });
  }

  #callLater(shard: number, other: Other): void {
    if (this.#isClosed || other.cancel !== undefined || other.link !== undefined) return;
    const ms = other.againMs;
    other.againMs = Math.min(Math.max(2 * ms, CLUSTER.callMs), CLUSTER.callMsMax);
    const { clock } = this.#options;
    other.cancel = clock.at(clock.now() + ms, () => {
      other.cancel = undefined;
      this.#call(shard, other);
    });
  }

  #link(other: Other, transport: Transport, { shard, epoch, incarnation }: Call): void {
    other.epoch = epoch;
    other.link = transport;
    this.#options.taker.link(transport, shardName(shard), incarnation, () => {
      if (other.link !== transport) return;
      other.link = undefined;
      if (shard < this.#options.shard) this.#callLater(shard, other);
    });
  }

  /** A relay that ends with its owner, until what is returned is called. */
  #keep(other: Other, transport: Transport, epoch: number): () => void {
    const open: Open = { transport, epoch };
    other.relays.add(open);
    return () => other.relays.delete(open);
  }
}

function nothing(): void {}
