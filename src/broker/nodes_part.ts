/**
 * How a broker gets its nodes: what it gives to the part that makes them.
 * Knows the hand-over; refuses to know nodes.
 * @module
 */
import type { Random } from "../engine/random.ts";
import type { Nodes } from "./nodes.ts";
import type { NodesPart } from "./options.ts";
import type { Parts } from "./parts.ts";
import type { Policy } from "./policy.ts";
import type { Sessions } from "./sessions.ts";

/** What a broker gives its nodes. */
export interface NodesHost {
  readonly parts: Parts;
  readonly sessions: Sessions;
  /** The broker's own. */
  readonly policy: Policy;
  readonly random: Random;
}

/** Of a broker, made for its own parts. */
export interface NodesMaker extends NodesPart {
  /** @internal */
  readonly make: (host: NodesHost) => Nodes;
}
