/**
 * One broker after another on the same store, under virtual time: what a crash leaves and a restart finds.
 * Knows `MemoryStore`; refuses to know what should be there.
 * @module
 */
import { MemoryStore } from "../broker/mod.ts";
import { Told } from "./ended.ts";
import { type ConnectInit, Pair, type PublishInit, type StubClient } from "./pair.ts";

/** One broker after the other on one store. */
export class Life {
  readonly store: MemoryStore = new MemoryStore();
  told: Told = new Told();
  pair: Pair;

  constructor() {
    this.pair = new Pair({ store: this.store, hooks: this.told.hooks });
  }

  /** The process dies and another one begins `ms` later; `tick` says whether its clock has already told it the time. */
  restart(ms = 0, tick = true): void {
    const now = this.pair.now + ms;
    this.told = new Told();
    this.pair = new Pair({ store: this.store, hooks: this.told.hooks });
    this.pair.now = now;
    if (tick) this.pair.advance(0);
  }

  /** A Client whose session stays for ten minutes. */
  connect(init: ConnectInit = {}): StubClient {
    return this.pair.connect({ cleanStart: false, properties: { sessionExpiryInterval: 600 }, ...init });
  }

  publish(init: PublishInit): void {
    this.pair.broker.publish({ payload: "", ...init }, this.pair.now);
    this.pair.settle();
  }

  /** The sessions that the store has, by identifier. */
  get stored(): string[] {
    return [...this.store.sessions()].map(({ session }) => session.clientId);
  }
}
