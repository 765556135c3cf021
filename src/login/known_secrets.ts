/**
 * Answers about secrets, remembered for a time without the secrets: under a keyed hash whose key never leaves this process.
 * Knows number and lifetime; refuses to know the answers.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes } from "node:crypto";
import { Recent } from "./recent.ts";

/** A bounded memory. */
export class KnownSecrets<Answer> {
  readonly #key = randomBytes(32);
  readonly #answers = new Recent<{ readonly answer: Answer; readonly until: number }>();
  readonly #most: number;
  readonly #lifetimeMs: number;
  readonly #clock: () => number;

  /** 0 for either remembers nothing. */
  constructor(most: number, lifetimeMs: number, clock: () => number = Date.now) {
    this.#most = lifetimeMs === 0 ? 0 : most;
    this.#lifetimeMs = lifetimeMs;
    this.#clock = clock;
  }

  /** What the parts are remembered by; each part counts with its length, so that no two lists have the same key. */
  keyOf(...parts: readonly (string | Uint8Array | undefined)[]): string {
    const hash = createHmac("sha256", this.#key);
    for (const part of parts) {
      const bytes = typeof part === "string" ? Buffer.from(part) : part;
      hash.update(`${bytes?.length ?? "-"};`);
      if (bytes !== undefined) hash.update(bytes);
    }
    return hash.digest("base64");
  }

  /** The answer, as long as it lives. */
  get(key: string): Answer | undefined {
    const known = this.#answers.get(key);
    if (known === undefined) return undefined;
    if (this.#clock() < known.until) return known.answer;
    this.#answers.delete(key);
    return undefined;
  }

  /** Remembers an answer; the oldest give way, half of them at once. */
  set(key: string, answer: Answer): void {
    if (this.#most > 0) {
      this.#answers.set(key, { answer, until: this.#clock() + this.#lifetimeMs }, this.#most);
    }
  }
}
