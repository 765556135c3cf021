/**
 * How Clients reach a broker, and the time that they go by.
 * Knows the real one; refuses to know what is sent. Another one may write down what comes, or bring it again later.
 * @module
 */
import type { ProtocolLevel } from "../../../src/codec/mod.ts";
import { RawClient, type RawHandler } from "../../lib/raw_client.ts";

/** One connection, as far as a Client uses it. */
export type Line = Pick<RawClient, "over" | "send" | "end" | "reset">;

/** Whatever a Client does follows from what this tells it. */
export interface Wire {
  /** Opens a connection. */
  dial(port: number, level: ProtocolLevel, handler: RawHandler): Line;
  /** ms, as `performance.now()` gives them. */
  now(): number;
}

/** TCP on loopback. */
export const TCP: Wire = {
  dial: (port, level, handler) => new RawClient(port, level, handler),
  now: () => performance.now(),
};
