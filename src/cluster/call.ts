/**
 * What a call of one shard to another begins with: who calls, and for what.
 * Knows its form; refuses to know what follows it.
 * @module
 */
import type { PeerInfo } from "../transport/peer.ts";
import { peerOf } from "../transport/peer_json.ts";

/** Owners of another version are refused: what goes over a link is of one version. */
const VERSION = 1;

/** A Client that another shard relays: the same as `RelayHead` of the server. */
export interface CalledFor {
  /** The place of its listener among those of a member. */
  readonly listener: number;
  /** Where it comes from. */
  readonly peer: PeerInfo;
}

/** Who calls. */
export interface Call {
  /** The number of the shard. */
  readonly shard: number;
  /** The epoch in which it owns that. */
  readonly epoch: number;
  /** Another one for each owner. */
  readonly incarnation: string;
  /** Not there for a link. */
  readonly head?: CalledFor;
}

/** The bytes of a call. */
export function callBytes(call: Call): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ plumb: VERSION, ...call }));
}

/** Reads a call; a text says why it is none. */
export function readCall(bytes: Uint8Array): Call | string {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return "what it begins with is no call";
  }
  if (typeof value !== "object" || value === null) return "what it begins with is no call";
  const { plumb, shard, epoch, incarnation, head } = value as Record<string, unknown>;
  if (plumb !== VERSION) return `a call of version ${JSON.stringify(plumb)}, not ${VERSION}`;
  if (!Number.isInteger(shard) || !Number.isInteger(epoch) || typeof incarnation !== "string") {
    return "a call that does not say whose it is";
  }
  const call = { shard: shard as number, epoch: epoch as number, incarnation };
  if (head === undefined) return call;
  const { listener, peer: told } = head as Record<string, unknown>;
  const peer = peerOf(told);
  if (!Number.isInteger(listener) || peer === undefined) {
    return "a call for a Client of whom too little is said";
  }
  return { ...call, head: { listener: listener as number, peer } };
}
