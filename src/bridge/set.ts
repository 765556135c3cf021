/**
 * The bridges of one broker, and how they become others while it runs.
 * Knows which of them change; refuses to know why.
 * @module
 */
import {
  Bridge,
  type BridgeAround,
  type BridgeFigures,
  type BridgeHost,
  type BridgeOptions,
} from "./bridge.ts";
import { OWN_PREFIX } from "./numbers.ts";
import type { BaseStore } from "./store.ts";

/** A bridge that is wanted. */
export interface BridgePlan {
  readonly options: BridgeOptions;
  /** Two plans with one key are the same bridge: it stays as it is. */
  readonly key: string;
  /** Opens its store; undefined: nothing is kept over the end of the process. */
  readonly open?: (() => BaseStore) | undefined;
}

/** What a set needs of its broker. */
export interface SetHost extends BridgeHost {
  readonly broker: BridgeHost["broker"] & { clientIds(): Iterable<string> };
}

/** All bridges of a broker. */
export class BridgeSet {
  readonly #host: SetHost;
  readonly #around: Omit<BridgeAround, "store">;
  readonly #open: Map<string, { readonly bridge: Bridge; readonly key: string }> = new Map();
  #last: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(host: SetHost, around: Omit<BridgeAround, "store"> = {}) {
    this.#host = host;
    this.#around = around;
  }

  /**
   * Ends bridges that are not among these, or are others there, and begins the new ones. The session of one that is gone for good ends,
   * also if an earlier process had it. Rejects with what its store throws; the other ones are there then.
   */
  change(plans: readonly BridgePlan[]): Promise<void> {
    return this.#last = this.#last.catch(() => {}).then(() => this.#change(plans));
  }

  async #change(plans: readonly BridgePlan[]): Promise<void> {
    if (this.#isOver) return;
    const wanted = new Map(plans.map((plan) => [plan.options.name, plan]));
    await Promise.all([...this.#open].map(async ([name, { bridge, key }]) => {
      if (wanted.get(name)?.key === key) return;
      this.#open.delete(name);
      await bridge.close(!wanted.has(name));
    }));
    const left = [...this.#host.broker.clientIds()]
      .filter((id) => id.startsWith(OWN_PREFIX) && !wanted.has(id.slice(OWN_PREFIX.length)));
    for (const id of left) await this.#endSession(id.slice(OWN_PREFIX.length));
    let failure: unknown;
    for (const [name, { options, key, open }] of wanted) {
      if (this.#open.has(name)) continue;
      let store: BaseStore | undefined;
      try {
        store = open?.();
        this.#open.set(name, { bridge: new Bridge(this.#host, options, { ...this.#around, store }), key });
      } catch (error) {
        store?.close();
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** A bridge of an earlier process: its session would keep messages for ever. */
  async #endSession(name: string): Promise<void> {
    const gone = new Bridge(
      this.#host,
      { name, url: "mqtt://localhost:1", topics: [], state: "off" },
      { ...this.#around, events: {}, dial: () => Promise.reject(new Error("It is gone")) },
    );
    await gone.isHere;
    await gone.close(true);
  }

  /** How they are at present. */
  get figures(): BridgeFigures[] {
    return [...this.#open.values()].map(({ bridge }) => bridge.figures);
  }

  /** Ends all of them; what they had stays. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#last.catch(() => {});
    await Promise.all([...this.#open.values()].map(({ bridge }) => bridge.close()));
    this.#open.clear();
  }
}
