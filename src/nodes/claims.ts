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

/** Another node that has a Client Identifier. */
interface Holder {
  /** Its place. */
  readonly place: number;
  /** §3.1.3.1 whose session it is. */
  readonly user: string | undefined;
}

/** A claim of this node that is not answered. */
interface Asked {
  readonly number: number;
  readonly claim: Claim;
  readonly claimed: Claimed;
}

/** What claims need of the node they are at. */
export interface ClaimsHost {
  /** The node that is home to a Client Identifier, by its place. */
  homeOf(clientId: string): number;
  /** Sends a claim, of this node, to its home. */
  ask(home: number, number: number, claim: Claim): void;
  /** Answers a claim of another node. */
  answer(to: number, clientId: string, number: number, refusal: Refusal | undefined): void;
  /** Has another node end what it has of a Client Identifier; `released()` follows. */
  take(from: number, clientId: string): void;
  /** Tells a home that this node has nothing of a Client Identifier any more. */
  release(home: number, clientId: string): void;
  /** Whether a session of `user` is that of another user than the one that claims: the refusal. */
  refuses(claim: Claim, user: string | undefined): Refusal | undefined;
  /** Whose session there is here; undefined for anybody's, or none. */
  userOf(clientId: string): string | undefined;
  /** Ends the connection and the session here, if there are any. */
  end(clientId: string): void;
  /** Whether there is a session here. */
  has(clientId: string): boolean;
}

/** [MQTT-3.1.4-3] for a Client that was granted an identifier, and lost it before it was there. */
const TAKEN_OVER: Refusal = { code: 0x88, rule: "MQTT-3.1.4-3", message: "The Client has connected again" };

/** The claims of one node, its own and those that it is home to. */
export class Claims {
  readonly #host: ClaimsHost;
  readonly #place: number;
  /** As a home: the other nodes that hold a Client Identifier. */
  readonly #holders: Map<string, Holder> = new Map();
  /** As a home: claims that wait, by Client Identifier; the first one is being settled. */
  readonly #pending: Map<string, Pending[]> = new Map();
  /** Claims of this node that are not answered, by Client Identifier. */
  readonly #asked: Map<string, Asked[]> = new Map();
  /** Of this node, the Client that was granted an identifier last and is not accepted yet. */
  readonly #granted: Map<string, Claimed> = new Map();
  /** The one that its home is being given back, which is told of that once. */
  #yielding: string | undefined;
  #lastNumber = 0;

  constructor(host: ClaimsHost, place: number) {
    this.#host = host;
    this.#place = place;
  }

  /** Client Identifiers that other nodes hold of this home, and claims under way. */
  get size(): number {
    return this.#holders.size + this.#pending.size + this.#asked.size + this.#granted.size;
  }

  /** A Client of this node is to have a session here: "later" if its home, or another node, is to be asked. `over()` follows. */
  claim(claim: Claim, claimed: Claimed): "later" | undefined {
    const { clientId } = claim;
    const home = this.#host.homeOf(clientId);
    if (home === this.#place && !this.#holders.has(clientId) && !this.#pending.has(clientId)) {
      this.#granted.set(clientId, claimed);
      return undefined;
    }
    const asked: Asked = { number: ++this.#lastNumber, claim, claimed };
    const others = this.#asked.get(clientId);
    if (others === undefined) this.#asked.set(clientId, [asked]);
    else others.push(asked);
    if (home === this.#place) this.asked(this.#place, asked.number, claim);
    else this.#host.ask(home, asked.number, claim);
    return "later";
  }

  /** A session of this node has ended. */
  ended(clientId: string): void {
    this.#release(clientId);
  }

  /** A Client that has claimed is accepted, or will not be. */
  over(clientId: string, claimed: Claimed): void {
    if (this.#granted.get(clientId) === claimed) this.#granted.delete(clientId);
    const asked = this.#asked.get(clientId)?.find((one) => one.claimed === claimed);
    if (asked === undefined) this.#release(clientId);
    else this.#forget(asked); // its answer has the identifier released
  }

  #forget(asked: Asked): void {
    const { clientId } = asked.claim;
    const rest = this.#asked.get(clientId)!.filter((one) => one !== asked);
    if (rest.length > 0) this.#asked.set(clientId, rest);
    else this.#asked.delete(clientId);
  }

  /** Gives an identifier back that this node has no use for: what it asks for and what it gives up must not be mixed up at home. */
  #release(clientId: string): void {
    const home = this.#host.homeOf(clientId);
    if (home === this.#place || clientId === this.#yielding || this.#host.has(clientId)) return;
    if (!this.#granted.has(clientId) && !this.#asked.has(clientId)) this.#host.release(home, clientId);
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
      const { by, claim, number } = first;
      const holder = this.#holders.get(clientId);
      const isOwn = by === this.#place;
      const refusal = this.#host.refuses(
        claim,
        holder === undefined ? this.#host.userOf(clientId) : holder.user,
      );
      if (refusal === undefined) {
        if (holder !== undefined && holder.place !== by) return this.#host.take(holder.place, clientId);
        if (isOwn) this.#holders.delete(clientId);
        else {
          this.#endHere(clientId);
          this.#holders.set(clientId, { place: by, user: claim.username });
        }
      }
      const rest = this.#pending.get(clientId)!;
      rest.shift();
      if (rest.length === 0) this.#pending.delete(clientId);
      if (isOwn) this.answered(clientId, number, refusal);
      else this.#host.answer(by, clientId, number, refusal);
      first = rest[0];
    }
  }

  /** Ends what there is of an identifier here, a Client that is not accepted yet among it. */
  #endHere(clientId: string): void {
    const granted = this.#granted.get(clientId);
    this.#granted.delete(clientId);
    granted?.claimed(TAKEN_OVER);
    this.#host.end(clientId);
  }

  /** A node has nothing of an identifier any more, since it was to end that, or by itself. */
  released(by: number, clientId: string): void {
    if (this.#holders.get(clientId)?.place !== by) return;
    this.#holders.delete(clientId);
    this.#settle(clientId);
  }

  /** A node has told what it holds: it is to give that up if there is something here, or at another node. */
  held(by: number, clientId: string, user: string | undefined): void {
    const holder = this.#holders.get(clientId);
    const isElsewhere = holder !== undefined && holder.place !== by;
    if (isElsewhere || this.#granted.has(clientId) || this.#host.has(clientId)) this.#host.take(by, clientId);
    else this.#holders.set(clientId, { place: by, user });
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
    for (const [clientId, holder] of this.#holders) if (holder.place === node) this.#holders.delete(clientId);
    for (const clientId of waiting) this.#settle(clientId);
  }

  // At the node that claims.

  /** The home has answered. */
  answered(clientId: string, number: number, refusal: Refusal | undefined): void {
    const asked = this.#asked.get(clientId)?.find((one) => one.number === number);
    if (asked === undefined) return this.#release(clientId); // its Client is gone
    this.#forget(asked);
    if (refusal === undefined) this.#granted.set(clientId, asked.claimed);
    asked.claimed.claimed(refusal); // `over()` follows
  }

  /** The home wants an identifier back. */
  yields(clientId: string): void {
    this.#yielding = clientId;
    this.#endHere(clientId);
    this.#yielding = undefined;
    this.#host.release(this.#host.homeOf(clientId), clientId);
  }

  /** A link to a home begins: claims that it has not answered are made again. */
  joined(home: number): void {
    for (const [clientId, all] of this.#asked) {
      if (this.#host.homeOf(clientId) !== home) continue;
      for (const { number, claim } of all) this.#host.ask(home, number, claim);
    }
  }
}
