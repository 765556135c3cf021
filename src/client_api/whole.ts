/**
 * A Client with all its parts.
 * Knows that it is whole; refuses to know the parts.
 * @module
 */
import { type Client, connectWith } from "./client.ts";
import type { ConnectOptions, Dialer } from "./options.ts";
import { ALL_PARTS } from "./parts.ts";

/** Connects by `dial`: resolves when the Server has accepted, rejects with why there is no connection. */
export function connectBy(dial: Dialer, url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return connectWith(ALL_PARTS, dial, url, options);
}
