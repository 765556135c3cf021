/**
 * One broker after another on the same store, under virtual time: what a crash leaves and a restart finds.
 * Knows `HandStore`; refuses to know what should be there.
 * @module
 */
import type { BrokerHooks, BrokerOptions } from "../broker/mod.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Told } from "./assertions.ts";
import { HandStore } from "./hand_store.ts";
import { type ConnectInit, Pair, type PublishInit, type StubClient } from "./pair.ts";

/** One broker after the other on one store. */
export class Life {
  store: HandStore = new HandStore();
  told: Told = new Told();
  /** What was told of the store: its errors, and `recovered`. */
  readonly troubles: string[] = [];
  pair: Pair;
  readonly #options: BrokerOptions;

  constructor(options: BrokerOptions = {}) {
    this.#options = options;
    this.pair = this.#begin();
  }

  #begin(now?: number): Pair {
    const hooks: BrokerHooks = {
      ...this.told.hooks,
      storeFailed: (error) => this.troubles.push(`${error}`),
      storeRecovered: () => this.troubles.push("recovered"),
    };
    return new Pair({ ...this.#options, store: this.store, hooks }, now);
  }

  /**
   * The process dies, everything that was told is safe, and another one begins `ms` later; `tick` says whether its clock has
   * already told it the time.
   */
  restart(ms = 0, tick = true): void {
    const now = this.pair.now + ms;
    this.store.abandon();
    this.told = new Told();
    this.pair = this.#begin(now);
    if (tick) this.pair.advance(0);
  }

  /** The same, but what no commit has made safe is lost. */
  crash(ms = 0, tick = true): void {
    this.store = this.store.crashed();
    this.restart(ms, tick);
  }

  /** A Client whose session stays for ten minutes. */
  connect(init: ConnectInit = {}): StubClient {
    return this.pair.connect({ cleanStart: false, properties: { sessionExpiryInterval: 600 }, ...init });
  }

  publish(init: PublishInit): void {
    this.pair.broker.publish({ payload: "", ...init }, this.pair.now);
    this.pair.settle();
  }

  /** From now on a commit is done when `commit()` or `fail()` says so. */
  slow(): void {
    this.pair.settle();
    this.store.slow = true;
  }

  /** The commit under way is done. */
  commit(): void {
    this.store.settle();
    this.pair.settle();
  }

  /** The commit under way cannot be done. */
  fail(): void {
    this.store.settle(new Error("disk full"));
    this.pair.settle();
  }

  /** The sessions that the store has, by identifier. */
  get stored(): string[] {
    return [...this.store.sessions()].map(({ session }) => session.clientId);
  }
}

/** Takes what has come, short: `PUBLISH 1 dup text`, `PUBACK 1 0x97`, `PINGRESP`. */
export function take(client: StubClient): string[] {
  client.pair.settle();
  return client.inbox.splice(0).map((packet) => {
    const parts = [Object.entries(PacketType).find(([, type]) => type === packet.type)![0]];
    if ("packetId" in packet && packet.packetId !== undefined) parts.push(`${packet.packetId}`);
    if (packet.type === PacketType.PUBLISH && packet.dup) parts.push("dup");
    if ("payload" in packet && packet.payload.length > 0) {
      parts.push(new TextDecoder().decode(packet.payload));
    }
    if ("reasonCode" in packet && packet.reasonCode > 0) parts.push(`0x${packet.reasonCode.toString(16)}`);
    return parts.join(" ");
  });
}
