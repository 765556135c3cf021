/**
 * §5.4.1 Failed logins of each address, of each user, and of each user from one address; and for whom no further one is tried for a while.
 * Knows counts and delays; refuses to know how a login is decided.
 *
 * The same password counts once, however often a device sends it, and a user who has logged in from an address before is held back
 * by what failed for that user from that address alone (decision 0027). Whether a user exists changes nothing.
 * @module
 */
import { addressGroup } from "../transport/address_group.ts";
import { KnownLogins } from "./known_logins.ts";
import { KnownSecrets } from "./known_secrets.ts";
import type { FAILED_LOGIN_NUMBERS } from "./numbers.ts";
import { Recent } from "./recent.ts";

/** The limits, each with a value. */
export type FailedLoginNumbers = Readonly<Record<keyof typeof FAILED_LOGIN_NUMBERS, number>>;

/** A limit that holds a login back. */
export type FailedLoginLimit = "failedLoginsMax" | "failedLoginsPerAddressMax" | "failedLoginsPerUserMax";

/** A login that is not tried. */
export interface HeldBack {
  /** Why. */
  readonly limit: FailedLoginLimit;
  /** How long, unless one fails meanwhile; 0 until others that are tried at present are decided. */
  readonly ms: number;
}

/** The delay behind the last failure that is free; behind each further one it is twice as long. */
const FIRST_DELAY_MS = 1_000;

/** Characters of a name that is kept as it is. */
const NAME_MAX = 64;

/** Failures that are counted beyond a limit, so that who stops is forgiven in a bounded time. */
const BEYOND_MAX = 60;

/** One address, one user, or one user from one address. */
class Count {
  /** Logins that failed and are not forgiven. */
  failures = 0;
  /** No further login is tried before. */
  until = -Infinity;
  /** One failure is forgiven whenever the longest delay has passed from here on. */
  #since = 0;
  /** Passwords that are tried at present, and by how many logins; undefined for none. */
  #tried: Map<string, number> | undefined;

  get isIdle(): boolean {
    return this.#tried === undefined && this.failures === 0;
  }

  forgive(now: number, longest: number): void {
    const times = Math.floor((now - this.#since) / longest);
    this.failures = Math.max(0, this.failures - times);
    this.#since += times * longest;
  }

  fail(now: number, most: number, longest: number): void {
    this.forgive(now, longest);
    if (this.failures === 0) this.#since = now;
    this.failures = Math.min(this.failures + 1, most + BEYOND_MAX);
    const beyond = this.failures - most;
    if (beyond >= 0) this.until = now + Math.min(longest, FIRST_DELAY_MS * 2 ** beyond);
  }

  succeed(): void {
    this.failures = 0;
    this.until = -Infinity;
  }

  /** Other passwords than this one that are tried at present. */
  othersThan(password: string): number {
    return this.#tried === undefined ? 0 : this.#tried.size - (this.#tried.has(password) ? 1 : 0);
  }

  begin(password: string): void {
    this.#tried ??= new Map();
    this.#tried.set(password, (this.#tried.get(password) ?? 0) + 1);
  }

  end(password: string): void {
    const left = (this.#tried?.get(password) ?? 1) - 1; // none if this count was forgotten meanwhile
    if (left > 0) this.#tried!.set(password, left);
    else this.#tried?.delete(password);
    if (this.#tried?.size === 0) this.#tried = undefined;
  }
}

/** A login that may be tried. */
export interface Attempt {
  /** Undefined without a name. */
  readonly user: string | undefined;
  /** The user, or a hash in place of a long name. */
  readonly name: string | undefined;
  /** Where it comes from: `addressGroup`. */
  readonly address: string;
  /** The keyed hash of user and password. */
  readonly password: string;
  /** The counts that it is one of: of both, then of address and user alone. */
  readonly counts: readonly { readonly key: string; readonly limit: FailedLoginLimit }[];
}

/** The failures of one process. */
export class FailedLogins {
  /** The keyed hash of passwords, and of names that are long. */
  readonly #hash = new KnownSecrets<never>(0, 0);
  readonly #counts = new Recent<Count>();
  /** Passwords that have failed, for each count. */
  readonly #failed = new Recent<true>();
  readonly #known = new KnownLogins();
  readonly #clock: () => number;
  #attempts = 0;

  /** `clock`: ms that never go back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** The time that it goes by. */
  get now(): number {
    return this.#clock();
  }

  /** How much is remembered of each kind: none is more than `loginsRememberedMax`. */
  get sizes(): { readonly counts: number; readonly passwords: number; readonly known: number } {
    return { counts: this.#counts.size, passwords: this.#failed.size, known: this.#known.size };
  }

  /** A login that may be tried, or why it may not. A password that is undefined is another one each time. */
  attempt(
    peerAddress: string,
    user: string | undefined,
    password: Uint8Array | undefined,
    numbers: FailedLoginNumbers,
  ): Attempt | HeldBack {
    const address = addressGroup(peerAddress);
    const name = user === undefined ? undefined : this.#nameOf(user);
    const counts: Attempt["counts"] = [
      { key: `both ${address} ${name === undefined ? "" : `=${name}`}`, limit: "failedLoginsMax" },
      { key: `address ${address}`, limit: "failedLoginsPerAddressMax" },
      ...name === undefined ? [] : [{ key: `user ${name}`, limit: "failedLoginsPerUserMax" } as const],
    ];
    const isKnown = name !== undefined && this.#known.has(name, address);
    const binding = isKnown ? counts.slice(0, 1) : counts;
    for (const { key, limit } of binding) {
      const ms = this.#delay(key, limit, numbers);
      if (ms > 0) return { limit, ms };
    }
    const digest = password === undefined ? `${this.#attempts++}` : this.#hash.keyOf(user, password);
    for (const { key, limit } of binding) {
      if (this.#isFull(key, limit, digest, numbers)) return { limit, ms: 0 };
    }
    return { user, name, address, password: digest, counts };
  }

  /** It takes time: until it is decided, `end()`, it may hold others back. */
  begin({ counts, password }: Attempt, { loginsRememberedMax }: FailedLoginNumbers): void {
    for (const { key } of counts) this.#countOf(key, loginsRememberedMax).begin(password);
  }

  /** It is decided, or given up. */
  end({ counts, password }: Attempt): void {
    for (const { key } of counts) {
      const count = this.#counts.get(key);
      count?.end(password);
      if (count?.isIdle) this.#counts.delete(key);
    }
  }

  /** It was refused. */
  failed({ counts, password }: Attempt, numbers: FailedLoginNumbers): void {
    const { loginsRememberedMax, failedLoginDelayMaxMs } = numbers;
    for (const { key, limit } of counts) {
      if (numbers[limit] === 0) continue;
      const both = `${password} ${key}`;
      const isNew = this.#failed.get(both) === undefined;
      this.#failed.set(both, true, loginsRememberedMax);
      if (!isNew) continue;
      this.#countOf(key, loginsRememberedMax).fail(this.now, numbers[limit], failedLoginDelayMaxMs);
    }
  }

  /** It was accepted as this user. */
  succeeded({ name, address, counts: [both] }: Attempt, { loginsRememberedMax }: FailedLoginNumbers): void {
    this.#counts.get(both!.key)?.succeed();
    if (name !== undefined) this.#known.add(name, address, loginsRememberedMax);
  }

  /** The user has logged in from this address at a time that the caller knows of: before this process began, perhaps. */
  knows(peerAddress: string, user: string, most: number): void {
    this.#known.add(this.#nameOf(user), addressGroup(peerAddress), most);
  }

  #nameOf(user: string): string {
    return user.length <= NAME_MAX ? user : `#${this.#hash.keyOf(user)}`;
  }

  #countOf(key: string, most: number): Count {
    const count = this.#counts.get(key) ?? new Count();
    this.#counts.set(key, count, most);
    return count;
  }

  /** ms until a further login may be tried. */
  #delay(key: string, limit: FailedLoginLimit, numbers: FailedLoginNumbers): number {
    const most = numbers[limit];
    const count = this.#counts.get(key);
    if (most === 0 || count === undefined) return 0;
    count.forgive(this.now, numbers.failedLoginDelayMaxMs);
    return count.failures >= most ? count.until - this.now : 0;
  }

  /** Whether as many others are tried at present as may fail: who asks a thousand times at once would else have a thousand tries. */
  #isFull(key: string, limit: FailedLoginLimit, password: string, numbers: FailedLoginNumbers): boolean {
    const most = numbers[limit];
    const count = this.#counts.get(key);
    const others = count?.othersThan(password) ?? 0;
    if (most === 0 || count === undefined || others === 0) return false;
    if (count.failures >= most) return true;
    // Many users come from one address at once, when the power is back.
    return limit !== "failedLoginsPerAddressMax" && count.failures + others >= most;
  }
}
