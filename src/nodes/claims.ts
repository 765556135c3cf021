/**
 * [MQTT-3.1.4-3] One Client Identifier, one session, over all nodes: each has a home, which knows where its session is and settles who gets it.
 * Knows homes, holders and claims; refuses to know connections and links.
 *
 * A session that may outlive its connection lives at the home of its Client Identifier, and its Client's bytes are relayed there. Any other one
 * lives where its Client came in, after a claim: the home has whoever held the identifier end what it has, and then grants. Claims of one identifier
 * are settled one after the other. A home keeps nothing that it could not be told anew: when a link begins, each node tells the homes what it holds.
 * @module
 */
import type { Claim, Claimed } from "../broker/nodes.ts";
import type { Refusal } from "../broker/refusal.ts";

/** A claim that is not settled, at its home. */
interface Pending {
  readonly claim: Claim;
  /** The node that claims, by its place. */
  readonly by: number;
  /** Its own number for the claim. */
  readonly number: number;
}

/** What claims need of the node they are at. */
export interface ClaimsHost {
  /** The node that is home to a Client Identifier, by its place. */
  homeOf(clientId: string): number;
  /** Sends a claim, of this node, to its home. */
  ask(home: number, number: number, claim: Claim): void;
  /** Answers a claim of another node. */
  answer(to: number, number: number, refusal: Refusal | undefined): void;
  /** Has another node end what it has of a Client Identifier; `yielded()` follows. */
  take(from: number, clientId: string): void;
  /** Tells a home that this node has nothing of a Client Identifier any more. */
  release(home: number, clientId: string): void;
  /** Ends the session of this node, unless it is that of another user: then the refusal. */
  end(claim: Claim): Refusal | undefined;
  /** Whether there is a session here. */
  has(clientId: string): boolean;
}

/** [MQTT-3.1.4-3] for a Client that was granted an identifier, and lost it before it was there. */
const TAKEN_OVER: Refusal = { code: 0x88, rule: "MQTT-3.1.4-3", message: "The Client has connected again" };

/** The claims of one node, its own and those that it is home to. */
export class Claims {
  readonly #host: ClaimsHost;
  readonly #place: number;
  /** As a home: the other nodes that hold a Client Identifier, by their places. */
  readonly #holders: Map<string, number> = new Map();
  /** As a home: claims that wait, by Client Identifier; the first one is being settled. */
  readonly #pending: Map<string, Pending[]> = new Map();
  /** Claims of this node that are not answered, by their numbers. */
  readonly #asked: Map<number, { readonly claim: Claim; readonly claimed: Claimed }> = new Map();
  /** Of this node, Clients that were granted an identifier and have no session yet. */
  readonly #granted: Map<string, Claimed> = new Map();
  #lastNumber = 0;

  constructor(host: ClaimsHost, place: number) {
    this.#host = host;
    this.#place = place;
  }

  /** Client Identifiers that other nodes hold of this home, and claims under way. */
  get size(): number {
    return this.#holders.size + this.#pending.size + this.#asked.size + this.#granted.size;
  }

  /** A Client of this node is to have a session here: "later" if its home, or another node, is to be asked. */
  claim(claim: Claim, claimed: Claimed): "later" | undefined {
    const { clientId } = claim;
    const home = this.#host.homeOf(clientId);
    if (home === this.#place && !this.#holders.has(clientId) && !this.#pending.has(clientId)) {
      return undefined;
    }
    const number = ++this.#lastNumber;
    this.#asked.set(number, { claim, claimed });
    if (home === this.#place) this.asked(this.#place, number, claim);
    else this.#host.ask(home, number, claim);
    return this.#asked.has(number) ? "later" : undefined;
  }

  /** A session of this node has ended: it is released, unless another one is about to take its place. */
  ended(clientId: string): void {
    if (!this.#granted.has(clientId)) this.#release(clientId);
  }

  /** A Client that has claimed is not accepted. */
  unclaimed(clientId: string): void {
    this.#granted.delete(clientId);
    this.#release(clientId);
  }

  #release(clientId: string): void {
    const home = this.#host.homeOf(clientId);
    if (home !== this.#place && !this.#host.has(clientId)) this.#host.release(home, clientId);
  }

  // At home.

  /** A node claims. */
  asked(by: number, number: number, claim: Claim): void {
    const { clientId } = claim;
    const waiting = this.#pending.get(clientId);
    const pending: Pending = { claim, by, number };
    if (waiting !== undefined) return void waiting.push(pending);
    this.#pending.set(clientId, [pending]);
    this.#settle(clientId);
  }

  /** Settles the first claim of an identifier, as far as that can be done now. */
  #settle(clientId: string): void {
    for (let first = this.#pending.get(clientId)?.[0]; first !== undefined;) {
      const holder = this.#holders.get(clientId);
      if (holder !== undefined && holder !== first.by) return this.#host.take(holder, clientId);
      const refusal = first.by === this.#place ? undefined : this.#host.end(first.claim);
      if (refusal === undefined) {
        if (first.by === this.#place) this.#holders.delete(clientId);
        else this.#holders.set(clientId, first.by);
      }
      const rest = this.#pending.get(clientId)!;
      rest.shift();
      if (rest.length === 0) this.#pending.delete(clientId);
      if (first.by === this.#place) this.answered(first.number, refusal);
      else this.#host.answer(first.by, first.number, refusal);
      first = rest[0];
    }
  }

  /** A node has nothing of an identifier any more, since it was to end that, or by itself. */
  released(by: number, clientId: string): void {
    if (this.#holders.get(clientId) !== by) return;
    this.#holders.delete(clientId);
    this.#settle(clientId);
  }

  /** A node has told what it holds: true if it may keep it. */
  held(by: number, clientId: string): boolean {
    const holder = this.#holders.get(clientId);
    if (this.#host.has(clientId) || (holder !== undefined && holder !== by)) return false;
    this.#holders.set(clientId, by);
    return true;
  }

  /** A link is over: what the node held is not known any more, and its claims are made anew. */
  left(node: number): void {
    const waiting: string[] = [];
    for (const [clientId, pending] of this.#pending) {
      const rest = pending.filter(({ by }) => by !== node);
      if (rest.length === 0) this.#pending.delete(clientId);
      else {
        this.#pending.set(clientId, rest);
        waiting.push(clientId);
      }
    }
    for (const [clientId, holder] of this.#holders) if (holder === node) this.#holders.delete(clientId);
    for (const clientId of waiting) this.#settle(clientId);
  }

  // At the node that claims.

  /** The home has answered. */
  answered(number: number, refusal: Refusal | undefined): void {
    const asked = this.#asked.get(number);
    if (asked === undefined) return;
    this.#asked.delete(number);
    const { clientId } = asked.claim;
    if (refusal === undefined) this.#granted.set(clientId, asked.claimed);
    asked.claimed.claimed(refusal);
    if (refusal === undefined && this.#host.has(clientId)) this.#granted.delete(clientId);
  }

  /** The home wants an identifier back: a Client that has no session yet is refused. */
  yields(clientId: string): void {
    this.#granted.get(clientId)?.claimed(TAKEN_OVER);
    this.#granted.delete(clientId);
  }

  /** A link to a home begins: claims that it has not answered are made again. */
  joined(home: number): void {
    for (const [number, { claim }] of this.#asked) {
      if (this.#host.homeOf(claim.clientId) === home) this.#host.ask(home, number, claim);
    }
  }
}
