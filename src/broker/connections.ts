/**
 * All Network Connections of a Server, by how far they have come, and how many there may be.
 * Knows their number and their age; refuses to know packets.
 * @module
 */
import { invariant } from "../codec/error.ts";

/** @internal A connection that can be ended to make room. */
export interface GivesWay {
  /** [limit/connecting] A new connection takes its place; it is not open. */
  giveWay(): void;
}

/** The connections of one broker. */
export class Connections<C extends GivesWay> {
  /** Without an accepted CONNECT, the oldest first. */
  readonly #connecting: Set<C> = new Set();
  readonly #open: Set<C> = new Set();
  /** Whose session lives at another node. */
  readonly #relayed: Set<C> = new Set();
  /** Refused, or ended by one side, the oldest first. */
  readonly #closing: Set<C> = new Set();

  /** All that are not over. */
  get size(): number {
    return this.#connecting.size + this.#open.size + this.#relayed.size + this.#closing.size;
  }

  /** With an accepted CONNECT. */
  get open(): number {
    return this.#open.size;
  }

  /** Makes room for one more: of `most` that are not open the oldest gives way, a refused or closing one before any other. */
  makeRoom(most: number): void {
    if (this.#connecting.size + this.#closing.size < most) return;
    const [oldest] = this.#closing.size > 0 ? this.#closing : this.#connecting;
    oldest?.giveWay();
  }

  /** A new one. */
  began(connection: C): void {
    this.#connecting.add(connection);
  }

  /** Its CONNECT is accepted. */
  opened(connection: C): void {
    this.#connecting.delete(connection);
    this.#open.add(connection);
  }

  /** Its session lives at another node. */
  relayed(connection: C): void {
    this.#connecting.delete(connection);
    this.#relayed.add(connection);
  }

  /** Its last bytes are on their way. */
  closes(connection: C): void {
    this.#connecting.delete(connection);
    this.#open.delete(connection);
    this.#relayed.delete(connection);
    this.#closing.add(connection);
  }

  /** Its transport is over. */
  ended(connection: C): void {
    this.#connecting.delete(connection);
    this.#open.delete(connection);
    this.#relayed.delete(connection);
    this.#closing.delete(connection);
  }

  /** Connections that are not closing. */
  living(): C[] {
    return [...this.#open, ...this.#connecting, ...this.#relayed];
  }

  /** Connections whose last bytes are on their way. */
  closing(): C[] {
    return [...this.#closing];
  }

  /** Connections with an accepted CONNECT. */
  opens(): Iterable<C> {
    return this.#open;
  }

  /** A connection is in one state. */
  assertInvariants(): void {
    for (const connection of this.#open) {
      invariant(!this.#connecting.has(connection) && !this.#closing.has(connection), "one state");
    }
  }
}
