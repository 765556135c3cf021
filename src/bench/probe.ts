/**
 * Whether a Server is there and lets us in, before anything is measured.
 * Knows one connection; refuses to know loads.
 * @module
 */
import { BufferPool } from "../engine/outbox.ts";
import { LoadClient } from "./client.ts";
import type { Target } from "./target.ts";
import { Turn } from "./turn.ts";

/** Connects and leaves; rejects with a `ClientError` when that cannot be done. */
export async function probe(target: Target, level: 4 | 5): Promise<void> {
  const context = {
    turn: new Turn(),
    pool: new BufferPool(),
    target,
    level,
    delivered: () => {},
    ready: () => {},
    failed: () => {},
  };
  const client = await LoadClient.open(context, {
    name: target.url,
    index: 0,
    clientId: `bench${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)}`,
    sessionExpiry: 0,
  });
  await client.leave();
}
