/**
 * §3.1.4 Claims between nodes: what is told of them, and the sessions that they end.
 * Knows the form of what is told; refuses to know who gets a Client Identifier (claims.ts).
 * @module
 */
import { isOfAnother, OF_ANOTHER } from "../broker/connect.ts";
import type { Claim } from "../broker/nodes.ts";
import type { Parts } from "../broker/parts.ts";
import type { Refusal } from "../broker/refusal.ts";
import type { Sessions } from "../broker/sessions.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import { Claims } from "./claims.ts";
import { homeOf } from "./home.ts";
import type { Other } from "./other.ts";
import { type Telling, Told } from "./telling.ts";

/** Client Identifiers in one message. */
const HELD_IN_ONE = 1_024;

/** The answer of a claim, or that it is over. */
interface Answer {
  readonly clientId: string;
  readonly number: number;
  readonly refusal?: Refusal | undefined;
}

/** A session that is not at its home. */
interface Held {
  readonly clientId: string;
  readonly user?: string | undefined;
}

/** The Client Identifiers of one node among several. */
export class ClaimsTold {
  /** Who gets them. */
  readonly claims: Claims;
  readonly #parts: Parts;
  readonly #sessions: Sessions;
  readonly #telling: Telling;
  readonly #others: readonly Other[];
  readonly #place: number;
  /** For `Journal.holdSince()`: before the session ended that a claim ends; Infinity if none did. */
  #endMark = Infinity;

  /** `place` is that of this node. */
  constructor(
    parts: Parts,
    sessions: Sessions,
    telling: Telling,
    others: readonly Other[],
    place: number,
  ) {
    this.#parts = parts;
    this.#sessions = sessions;
    this.#telling = telling;
    this.#others = others;
    this.#place = place;
    this.claims = new Claims({
      homeOf: (clientId) => this.homeOf(clientId),
      ask: (home, number, claim) => telling.tellAt(home, Told.CLAIM, writeJson({ number, claim })),
      answer: (to, clientId, number, refusal) => this.#answer(to, { clientId, number, refusal }),
      take: (from, clientId) => telling.tellAt(from, Told.TAKE, encodeUtf8(clientId)!),
      release: (home, clientId, number) =>
        telling.tellAt(home, Told.RELEASE, writeJson({ clientId, number })),
      refuses: ({ username, takesOver }, user) =>
        isOfAnother({ user }, { username }, { takeoverByOthers: takesOver }) ? OF_ANOTHER : undefined,
      userOf: (clientId) => sessions.getUpToDate(clientId)?.user,
      end: (clientId) => {
        this.#endMark = parts.journal.mark;
        sessions.yield(clientId);
      },
      has: (clientId) => sessions.get(clientId) !== undefined,
    }, place);
  }

  /** The place of the node that is home to a Client Identifier. */
  homeOf(clientId: string): number {
    return homeOf(clientId, this.#others.length + 1);
  }

  /** Whether that is this node. */
  isHome(clientId: string): boolean {
    return this.homeOf(clientId) === this.#place;
  }

  /** [MQTT-3.1.2-4] The end of a stored session is to be safe before its Client has another one. */
  #answer(to: number, answer: Answer): void {
    const open = this.#others.find(({ place }) => place === to)?.open;
    if (open !== undefined) this.#parts.journal.holdSince(this.#endMark, open.link);
    this.#endMark = Infinity;
    this.#telling.tellAt(to, Told.CLAIMED, writeJson(answer));
  }

  /** A node has told something of claims. */
  heard({ place: by }: Other, what: string, payload: Uint8Array): void {
    const { claims } = this;
    const text = decodeUtf8(payload, 0, payload.length);
    if (text === undefined) return;
    if (what === Told.TAKE) return claims.yields(text);
    const told = readJson(text);
    if (told === undefined) return; // another version's
    if (what === Told.CLAIM) {
      const { number, claim } = told as { number: number; claim: Claim };
      claims.asked(by, number, claim);
    } else if (what === Told.CLAIMED) {
      const { clientId, number, refusal } = told as Answer;
      claims.answered(clientId, number, refusal);
    } else if (what === Told.RELEASE) {
      const { clientId, number } = told as Answer;
      claims.released(by, clientId, number);
    } else if (what === Told.HOLDS) {
      for (const { clientId, user } of told as Held[]) claims.held(by, clientId, user);
    }
  }

  /** A node has come: it is told of the Client Identifiers that this node holds of it as their home, and claims are made again. */
  joined(other: Other): void {
    let held: Held[] = [];
    for (const clientId of this.#sessions.clientIds()) {
      if (this.homeOf(clientId) !== other.place) continue;
      held.push({ clientId, user: this.#sessions.get(clientId)?.user });
      if (held.length < HELD_IN_ONE) continue;
      this.#telling.tell(other, Told.HOLDS, writeJson(held));
      held = [];
    }
    if (held.length > 0) this.#telling.tell(other, Told.HOLDS, writeJson(held));
    this.claims.joined(other.place);
  }
}

function writeJson(value: unknown): Uint8Array {
  return encodeUtf8(JSON.stringify(value))!;
}

/** Undefined for a text that is none. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
