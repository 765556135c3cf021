/**
 * Who has logged in from where.
 * Knows pairs of user and address, and two generations of them, of which the older one gives way; refuses to know what they are good for.
 * @module
 */

/** Addresses of one user in a generation: a user with addresses without end must not push out the others. */
const ADDRESSES_MAX = 1_000;

class Generation {
  readonly users = new Map<string, Set<string>>();
  size = 0;

  has(user: string, address: string): boolean {
    return this.users.get(user)?.has(address) === true;
  }
}

/** A bounded memory of pairs. */
export class KnownLogins {
  #young = new Generation();
  #old = new Generation();

  /** Pairs that are remembered; those of both generations count twice. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Whether the pair is remembered. */
  has(user: string, address: string): boolean {
    return this.#young.has(user, address) || this.#old.has(user, address);
  }

  /** Remembers the pair until `most` / 2 others are added, and at most `most`. */
  add(user: string, address: string, most: number): void {
    if (this.#young.has(user, address)) return;
    if (this.#young.size >= most >> 1) {
      this.#old = this.#young;
      this.#young = new Generation();
    }
    const { users } = this.#young;
    const addresses = users.get(user) ?? new Set<string>();
    if (addresses.size >= ADDRESSES_MAX) return;
    users.set(user, addresses.add(address));
    this.#young.size++;
  }
}
