/**
 * What waits for other nodes: the answers of one turn are one round, which is done when every node has acknowledged what it was sent by then.
 * Knows counts; refuses to know what was sent.
 * @module
 */
import { Queue } from "../delivery/queue.ts";
import type { Link } from "../engine/link.ts";
import type { Session } from "../broker/session.ts";
import type { Other } from "./other.ts";

/** One round: links, identifiers of QoS 2 messages, and for each node the count of acknowledgements that they wait for. */
interface Round {
  readonly links: readonly Link[];
  readonly received: readonly Received[];
  readonly targets: number[];
}

/** §4.3.3 The identifier of a message that came in. */
interface Received {
  readonly session: Session;
  readonly packetId: number;
}

/** The rounds of one node, the oldest first; a later one is never done before an earlier one. */
export class Rounds {
  readonly #others: readonly Other[];
  readonly #rounds: Queue<Round> = new Queue();
  /** The number of the round that is to come. */
  #next = 0;
  #links: Link[] = [];
  #received: Received[] = [];
  readonly #tell: (session: Session, packetId: number) => void;

  /** `received` is told of each identifier when its round is done, before the bytes go. */
  constructor(others: readonly Other[], received: (session: Session, packetId: number) => void) {
    this.#others = others;
    this.#tell = received;
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

  /** The end of a turn: the round of this turn is under way. */
  begin(): void {
    if (this.#links.length === 0 && this.#received.length === 0) return;
    const targets = this.#others.map(({ target }) => target);
    this.#rounds.push({ links: this.#links, received: this.#received, targets });
    this.#links = [];
    this.#received = [];
    this.#next++;
  }

  /** Lets the bytes go that have waited long enough. */
  settle(): void {
    for (let round = this.#rounds.peek(); round !== undefined; round = this.#rounds.peek()) {
      if (!round.targets.every((target, i) => this.#others[i]!.acknowledged >= target)) return;
      this.#rounds.shift();
      for (const { session, packetId } of round.received) this.#tell(session, packetId);
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
