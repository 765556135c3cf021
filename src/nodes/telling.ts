/**
 * What nodes tell each other beside messages of Clients: PUBLISH packets with the Subscription Identifier `TOLD`, so that it is in order with
 * everything else, and acknowledged.
 * Knows how a node is told; refuses to know what.
 * @module
 */
import type { Outgoing } from "../broker/deliver.ts";
import { TOLD } from "../broker/nodes.ts";
import type { Parts } from "../broker/parts.ts";
import type { Refusal } from "../broker/refusal.ts";
import { frameOf } from "../delivery/message.ts";
import type { Other } from "./other.ts";

/** What is told: the Topic Name of such a message. */
export const Told = {
  /** All routes have been told. */
  ROUTES: "routes",
  /** §3.3.1.3 Changes of what is retained. */
  RETAINED: "retained",
  /** All that is retained has been told. */
  IN_STEP: "in step",
  /** §3.1.3.1 A node wants a Client Identifier of its home. */
  CLAIM: "claim",
  /** The home's answer. */
  CLAIMED: "claimed",
  /** The home wants a Client Identifier back. */
  TAKE: "take",
  /** A node has no use for one any more. */
  RELEASE: "release",
  /** A node has these of the home. */
  HOLDS: "holds",
} as const;
/** One value of `Told`. */
export type Told = typeof Told[keyof typeof Told];

/** Of a link by which a node cannot be told what it must know. */
const TOO_SLOW: Refusal = { code: 0x97, rule: "limit/queue", message: "Too slow for another node" };

/** The others, as they are told something. */
export class Telling {
  readonly #parts: Parts;
  readonly #others: readonly Other[];
  readonly #told: () => void;

  /** `told` is called when something is told. */
  constructor(parts: Parts, others: readonly Other[], told: () => void) {
    this.#parts = parts;
    this.#others = others;
    this.#told = told;
  }

  /** Tells one. */
  tell(other: Other, what: Told, payload: Uint8Array = NOTHING): void {
    this.#deliver(other, outgoingOf(what, payload));
  }

  /** Tells the node in a place, if there is a link to it; if not, it is told when there is. */
  tellAt(place: number, what: Told, payload: Uint8Array): void {
    const other = this.#others.find((one) => one.place === place);
    if (other?.open !== undefined) this.tell(other, what, payload);
  }

  /** Tells all; an answer may have to wait for that. */
  tellAll(what: Told, payload: Uint8Array): void {
    const outgoing = outgoingOf(what, payload);
    for (const other of this.#others) this.#deliver(other, outgoing);
    this.#parts.journal.sentToNode();
  }

  #deliver({ session }: Other, outgoing: Outgoing): void {
    const isTaken = this.#parts.deliverer.deliver(outgoing, session, 1, false, TELLS, undefined);
    if (!isTaken && session.connection !== undefined) session.connection.fail(TOO_SLOW); // a new link begins with all of it
    this.#told();
  }
}

function outgoingOf(topic: Told, payload: Uint8Array): Outgoing {
  const view = frameOf({ topic, payload, qos: 1, retain: false }, {}, 5);
  return { view, topic, publisher: undefined, expiresAt: Infinity, message: undefined };
}

const NOTHING: Uint8Array = new Uint8Array(0);
const TELLS: readonly number[] = [TOLD];
