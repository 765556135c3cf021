/**
 * Who has logged in from where.
 * Knows pairs of user and address, and forgets the oldest; refuses to know what they are good for.
 * @module
 */

/** Addresses of one user: a user with addresses without end must not push out the others. */
const ADDRESSES_MAX = 1_000;

/** A bounded memory of pairs. */
export class KnownLogins {
  readonly #users = new Map<string, Set<string>>();
  #size = 0;

  /** Pairs that are remembered. */
  get size(): number {
    return this.#size;
  }

  /** Whether the pair is remembered. */
  has(user: string, address: string): boolean {
    return this.#users.get(user)?.has(address) === true;
  }

  /** Remembers at most `most` pairs: this one, and those that were added last, user by user. */
  add(user: string, address: string, most: number): void {
    const addresses = this.#users.get(user) ?? new Set<string>();
    this.#users.delete(user);
    this.#users.set(user, addresses);
    if (!addresses.delete(address)) this.#size++;
    addresses.add(address);
    if (addresses.size > ADDRESSES_MAX) this.#forget(addresses);
    while (this.#size > most) {
      const [oldest, theirs] = this.#users.entries().next().value!;
      this.#forget(theirs);
      if (theirs.size === 0) this.#users.delete(oldest);
    }
  }

  #forget(addresses: Set<string>): void {
    addresses.delete(addresses.values().next().value!);
    this.#size--;
  }
}
