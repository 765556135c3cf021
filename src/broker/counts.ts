/**
 * How often each of some names has come up since the start.
 * Knows names and numbers; refuses to know the reasons for counting.
 * @module
 */

/** Names come from tables of ours, but an owner may refuse for a rule of its own. */
const NAMES_MAX = 1_024;

/** The counts. */
export class Counts<Name extends string> {
  readonly #byName: Map<Name, number> = new Map();

  /** Once more; a name beyond the first 1,024 is not counted. */
  add(name: Name): void {
    const count = this.#byName.get(name);
    if (count !== undefined) this.#byName.set(name, count + 1);
    else if (this.#byName.size < NAMES_MAX) this.#byName.set(name, 1);
  }

  /** All of them at present; a name that has not come up is left out. */
  get all(): Readonly<Partial<Record<Name, number>>> {
    return Object.fromEntries(this.#byName) as Partial<Record<Name, number>>;
  }
}
