/**
 * Which wills must be published, which must not, and which may: by how each connection ended, its delay, and when its
 * Client came back.
 * Knows connections of Clients with wills; refuses to know who watches. Times are ms, lives are those of the broker.
 * @module
 */
import type { Model } from "./model.ts";

/** The will of one connection. */
interface Will {
  readonly serial: number;
  readonly delayMs: number;
  /** The session outlives the connection. If not, nobody waits until it is safe that there is a will, or none any more. */
  readonly isKept: boolean;
  /**
   * `asked` with CONNECT, `open` since CONNACK, `waiting` for its delay, `due` if its Client stays away until it comes,
   * `left` by a DISCONNECT that nothing answers, `doubtful` if nothing can be said of it.
   */
  state: "asked" | "open" | "waiting" | "due" | "left" | "doubtful" | "decided";
  /** A tick of the model. */
  openedAt: number;
  endedAt: number;
  life: number;
}

/** The broker's clock and ours may differ by this. */
const SLACK_MS = 20;

/** The wills of one data directory. */
export class WillModel {
  readonly #model: Model;
  readonly #wills: Map<string, Will[]> = new Map();

  constructor(model: Model) {
    this.#model = model;
  }

  #of(id: string): Will[] {
    return this.#wills.get(id) ?? [];
  }

  /** CONNECT was sent with this will, or without one; `isKept` is whether the session outlives the connection. */
  connecting(id: string, serial: number | undefined, delayMs: number, isKept: boolean): void {
    const wills = this.#of(id).filter(({ state }) => state !== "decided");
    for (const will of wills) {
      if (will.state !== "due") continue;
      this.#model.excused(will.serial);
      will.state = "waiting";
    }
    if (serial !== undefined) {
      wills.push({ serial, delayMs, isKept, state: "asked", openedAt: 0, endedAt: 0, life: 0 });
    }
    this.#wills.set(id, wills);
  }

  /** CONNACK came: who is back in time has no will published [MQTT-3.1.3-9], nor has who said good-bye [MQTT-3.14.4-3]. */
  connected(id: string, now: number, life: number): void {
    for (const will of this.#of(id)) {
      if (will.state === "asked") {
        will.state = "open";
        will.openedAt = this.#model.now;
        continue;
      }
      if (will.state === "waiting" && now - will.endedAt < will.delayMs - SLACK_MS) {
        this.#model.forbidden(will.serial, "its Client was back in time");
      } else if (will.state === "left" && will.life === life && will.isKept) {
        this.#model.forbidden(will.serial, "its Client had said good-bye");
      }
      will.state = "decided";
    }
  }

  /** The connection is over: before its CONNACK came, by DISCONNECT 0x00, or in a way that has the will published. */
  ended(id: string, how: "unanswered" | "clean" | "lost", now: number, life: number): void {
    for (const will of this.#of(id)) {
      if (how === "unanswered" && (will.state === "asked" || will.state === "waiting")) {
        will.state = "doubtful";
      }
      if (will.state !== "open") continue;
      will.endedAt = now;
      will.life = life;
      if (how === "clean") will.state = "left";
      else if (!will.isKept && this.#model.safe <= will.openedAt) will.state = "doubtful";
      else if (will.delayMs > 0) will.state = "waiting";
      else {
        this.#model.demanded(will.serial);
        will.state = "decided";
      }
    }
  }

  /** Whether a will of this Client must come if it stays away for this long. */
  waits(id: string, mostMs: number): boolean {
    return this.#of(id).some(({ state, delayMs }) => state === "waiting" && delayMs <= mostMs);
  }

  /** The Client stays away until they have come; if it connects before, nothing is said. */
  demand(id: string): void {
    for (const will of this.#of(id)) {
      if (will.state !== "waiting") continue;
      this.#model.demanded(will.serial);
      will.state = "due";
    }
  }
}
