/**
 * What waits for other nodes: the answers of one turn are one round, which is done when every node has acknowledged what it was sent by then.
 * Knows counts; refuses to know what was sent.
 * @module
 */
import { Queue } from "../delivery/queue.ts";
import type { Link } from "../engine/link.ts";
import type { Delivery } from "../broker/delivery.ts";
import type { Session } from "../broker/session.ts";
import type { Other } from "./other.ts";

/** One round: links, identifiers of QoS 2 messages, messages of groups that have moved, and for each node the count of acknowledgements that they wait for. */
interface Round {
  readonly links: readonly Link[];
  readonly received: readonly Received[];
  readonly moved: readonly Moved[];
  readonly targets: number[];
}

/** §4.3.3 The identifier of a message that came in. */
interface Received {
  readonly session: Session;
  readonly packetId: number;
}

/** §4.8.2 A message that waited for a member, and has been sent to another one: the store keeps it for the first until that has it. */
interface Moved {
  readonly session: Session;
  readonly delivery: Delivery;
}

/** Whoever is told that a round is done, before the bytes go. */
export interface RoundsEvents {
  received(session: Session, packetId: number): void;
  moved(session: Session, delivery: Delivery): void;
}

/** The rounds of one node, the oldest first; a later one is never done before an earlier one. */
export class Rounds {
  readonly #others: readonly Other[];
  readonly #rounds: Queue<Round> = new Queue();
  /** The number of the round that is to come. */
  #next = 0;
  #links: Link[] = [];
  #received: Received[] = [];
  #moved: Moved[] = [];
  readonly #events: RoundsEvents;

  constructor(others: readonly Other[], events: RoundsEvents) {
    this.#others = others;
    this.#events = events;
  }

  /** Rounds under way. */
  get length(): number {
    return this.#rounds.length;
  }

  /** Bytes written to the link from now on wait for the round of this turn. */
  hold(link: Link): void {
    if (link.holdForRound(this.#next)) this.#links.push(link);
  }

  /** The identifier of a message waits for the round of this turn. */
  remember(session: Session, packetId: number): void {
    this.#received.push({ session, packetId });
  }

  /** A message has gone from the queue of this session to a node. */
  move(session: Session, delivery: Delivery): void {
    this.#moved.push({ session, delivery });
  }

  /** The end of a turn: the round of this turn is under way. */
  begin(): void {
    if (this.#links.length === 0 && this.#received.length === 0 && this.#moved.length === 0) return;
    const targets = this.#others.map(({ target }) => target);
    this.#rounds.push({ links: this.#links, received: this.#received, moved: this.#moved, targets });
    this.#links = [];
    this.#received = [];
    this.#moved = [];
    this.#next++;
  }

  /** Lets the bytes go that have waited long enough. */
  settle(): void {
    for (let round = this.#rounds.peek(); round !== undefined; round = this.#rounds.peek()) {
      if (!round.targets.every((target, i) => this.#others[i]!.acknowledged >= target)) return;
      this.#rounds.shift();
      for (const { session, packetId } of round.received) this.#events.received(session, packetId);
      for (const { session, delivery } of round.moved) this.#events.moved(session, delivery);
      for (const link of round.links) link.roundDone();
    }
  }

  /** What this node was sent may be acknowledged in another order: every round waits for all of it. */
  raise(other: Other): void {
    const at = this.#others.indexOf(other);
    const { target } = other;
    this.#rounds.each(({ targets }) => targets[at] = Math.max(targets[at]!, target));
  }
}
