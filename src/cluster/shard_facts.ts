/**
 * A batch of facts with the place of a shard behind it, so that a file is never in another place than it says.
 * Knows one fact; refuses to know the others.
 * @module
 */
import { PLACE_BYTES, writePlace } from "../store/fact.ts";
import type { ShardPlace } from "./shard_entry.ts";

/** The batch, in a buffer of its own, and behind it the place that it leads to. */
export function writePlaceBehind(batch: Uint8Array, { epoch, number }: ShardPlace): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(batch.length + PLACE_BYTES);
  whole.set(batch);
  writePlace(whole, batch.length, epoch, number);
  return whole;
}
