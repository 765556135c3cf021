/**
 * RFC 7517 A set of public keys at a URL: kept for a time, fetched again when it is old or a key is not in it, and used for a time when
 * it cannot be fetched.
 * Knows when to fetch; refuses to know tokens.
 * @module
 */
import { fetchBounded } from "./fetch.ts";
import type { Jwk } from "./jwk.ts";
import type { LoginEvents } from "./link.ts";
import { type NumberRow, numbersOf } from "./options.ts";

/** The numbers of a key set. */
export const KEY_NUMBERS: Readonly<
  Record<"keysFreshMs" | "keysStaleMs" | "keysCooldownMs" | "keysTimeoutMs", NumberRow>
> = {
  keysFreshMs: {
    default: 600_000,
    least: 1_000,
    most: 86_400_000,
    unit: "ms",
    about: "age at which keys for tokens are fetched anew; they are used meanwhile",
  },
  keysStaleMs: {
    default: 86_400_000,
    least: 0,
    most: 30 * 86_400_000,
    unit: "ms",
    about: "how much longer keys for tokens are used while they cannot be fetched",
  },
  keysCooldownMs: {
    default: 30_000,
    least: 100,
    most: 3_600_000,
    unit: "ms",
    about: "least time between two requests for keys, whatever keys tokens name",
  },
  keysTimeoutMs: {
    default: 5_000,
    least: 50,
    most: 60_000,
    unit: "ms",
    about: "longest time of a request for keys",
  },
};

/** How keys are fetched. */
export interface KeySetOptions extends Partial<Readonly<Record<keyof typeof KEY_NUMBERS, number>>> {
  /** Is told of what an owner wants to know. */
  readonly onEvent?: LoginEvents;
  /** ms, for tests. */
  readonly clock?: () => number;
}

const BYTES_MAX = 256 * 1024;
const KEYS_MAX = 100;
/** The least time between two requests as long as there are no keys at all. */
const WITHOUT_KEYS_MS = 1_000;
/** Tokens that wait for keys at a time: a flood of tokens with keys that are not there does not fill the chain. */
const WAITERS_MAX = 100;

/** The keys at a URL. */
export class KeySet {
  readonly #url: () => Promise<string>;
  readonly #numbers: ReturnType<typeof numbersOf<keyof typeof KEY_NUMBERS>>;
  readonly #onEvent: LoginEvents;
  readonly #clock: () => number;
  #keys: readonly Jwk[] = [];
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #fetching: Promise<void> | undefined;
  #waiters = 0;

  constructor(
    url: () => Promise<string>,
    { onEvent = () => {}, clock = Date.now, ...numbers }: KeySetOptions = {},
  ) {
    this.#url = url;
    this.#numbers = numbersOf(KEY_NUMBERS, numbers);
    this.#onEvent = onEvent;
    this.#clock = clock;
  }

  /**
   * The keys for a token: all, if one of them has this identifier or none is named; else those of a new request, unless there was one
   * just now. Without keys that may still be used there are none.
   */
  async keysFor(kid: string | undefined): Promise<readonly Jwk[]> {
    const { keysFreshMs, keysStaleMs } = this.#numbers;
    const age = this.#clock() - this.#fetchedAt;
    const isUsable = age < keysFreshMs + keysStaleMs;
    const isThere = kid === undefined || this.#keys.some((key) => key.kid === kid || key.kid === undefined);
    if (isUsable && isThere) {
      if (age >= keysFreshMs) void this.#fetch();
      return this.#keys;
    }
    if (this.#waiters < WAITERS_MAX) {
      this.#waiters++;
      await this.#fetch();
      this.#waiters--;
    }
    return this.#clock() - this.#fetchedAt < keysFreshMs + keysStaleMs ? this.#keys : [];
  }

  /** Never rejects: what fails is an event, and the keys stay. */
  #fetch(): Promise<void> {
    if (this.#fetching !== undefined) return this.#fetching;
    const { keysCooldownMs } = this.#numbers;
    const now = this.#clock();
    const pauseMs = this.#keys.length === 0 ? Math.min(keysCooldownMs, WITHOUT_KEYS_MS) : keysCooldownMs;
    if (now - this.#triedAt < pauseMs) return Promise.resolve();
    this.#triedAt = now;
    return this.#fetching = this.#take(now).catch((error: Error) => {
      const fields = { why: error.message, keys: this.#keys.length };
      this.#onEvent({
        level: "error",
        message: "keys for tokens not fetched, the old ones are used for a time",
        fields,
      });
    }).finally(() => this.#fetching = undefined);
  }

  async #take(now: number): Promise<void> {
    const url = await this.#url();
    const { status, text } = await fetchBounded(url, {
      timeoutMs: this.#numbers.keysTimeoutMs,
      bytesMax: BYTES_MAX,
    });
    if (status !== 200) throw new Error(`${url} answers with status ${status}`);
    const keys = publicKeysOf(text);
    if (keys.length === 0) throw new Error(`${url} has no public keys`);
    this.#keys = keys;
    this.#fetchedAt = now;
  }
}

/** The public keys in a JWK or a set of them; secrets in it are none, nor are keys for encryption. */
export function publicKeysOf(text: string): readonly Jwk[] {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Error("what should be keys is no JSON");
  }
  const { keys = [said] } = (said ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) return [];
  return keys.slice(0, KEYS_MAX).flatMap((key: Jwk | null): readonly Jwk[] => {
    const part = publicPart(key);
    return part === undefined ? [] : [part];
  });
}

function publicPart(key: Jwk | null): Jwk | undefined {
  if (typeof key !== "object" || key === null) return undefined;
  const { kty, kid, use, alg, key_ops, crv, n, e, x, y } = key;
  if (kty !== "RSA" && kty !== "EC" && kty !== "OKP") return undefined;
  if (use !== undefined && use !== "sig") return undefined;
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes("verify"))) return undefined;
  const part = { kty, kid, use, alg, crv, n, e, x, y };
  return Object.fromEntries(
    Object.entries(part).filter(([, value]) => typeof value === "string"),
  );
}
