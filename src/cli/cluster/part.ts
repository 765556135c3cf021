/**
 * The part of a shard's process in `plumb serve --cluster`: what its member tells it, what it tells that, and its shard.
 * Knows its own settings; refuses to know what a broker does with them, and which member should own what.
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { ShardStoreError } from "../../cluster/files/open.ts";
import { openShard, type Shard } from "../../cluster/join/shard.ts";
import { NatsError } from "../../cluster/nats/error.ts";
import type { ServeNodes, Server } from "../../server/serve.ts";
import { StoreError } from "../../store/error.ts";
import { STORE_FILE } from "../../store/files.ts";
import { environment } from "../environment.ts";
import { CallError } from "../error.ts";
import type { Log } from "../log.ts";
import { STORE_ADVICE } from "../open_data.ts";
import type { Settings } from "../options.ts";
import { listenShared, Orders, type PartStore, type ServePart, tellNews } from "../part.ts";
import type { Watch } from "../watch.ts";
import { Seen } from "../workers/seen.ts";
import { sharesOf } from "../workers/shares.ts";
import { natsOptionsOf } from "./access.ts";
import { clusterOf } from "./settings.ts";
import { LOST, type ShardNews, type ShardOrder } from "./order.ts";
import { AskWays } from "./ways.ts";

/** How often it says that others are waited for, ms. */
const SAY_MS = 5_000;

/** The process of one shard. */
export class ShardPart implements ServePart {
  readonly order: ShardOrder;
  readonly stopped: Promise<void>;
  reload: () => void = () => {};
  log: Log | undefined;
  asked: Settings | undefined;
  #shard: Shard | undefined;
  #ways: AskWays | undefined;
  #seen: Seen | undefined;

  constructor(order: ShardOrder) {
    this.order = order;
    const told = { reload: () => this.reload(), ping: () => this.#tell({ alive: true }) };
    this.stopped = new Orders(order.directory, told).stopped;
  }

  /** Bridges are where shard 1 is. */
  get hasBridges(): boolean {
    return this.order.shard === 1;
  }

  own(settings: Settings): Settings {
    const { order } = this;
    this.asked = settings;
    return {
      ...settings,
      sharers: order.sharers,
      listen: settings.listen.flatMap((one) => listenShared(one, order)),
      limits: sharesOf(settings.limits, order.sharers),
      ...!this.hasBridges && { bridges: [] },
    };
  }

  withCertificates(settings: Settings): Settings {
    return settings;
  }

  /** Comes to own the shard: nothing is done before that. */
  async openStore(settings: Settings, log: Log): Promise<PartStore> {
    const { shard, shards, cluster, member, incarnation, store: directory } = this.order;
    const { cluster: { replicas, ...access }, durability } = clusterOf(settings)!;
    try {
      const owned = this.#shard = await openShard({
        nats: natsOptionsOf(access, environment),
        replicas,
        cluster,
        member,
        incarnation,
        shard,
        shards,
        directory,
        durability,
        ...worker(),
        lost: (why) => void this.#lost(why),
        troubled: (why) => log.warn("cluster", { why }),
      });
      log.info("shard claimed", { epoch: owned.epoch });
      this.#tell({ epoch: owned.epoch });
      return { store: owned.store, path: join(directory, STORE_FILE) };
    } catch (error) {
      if (error instanceof ShardStoreError && error.trouble === "taken") {
        return await this.#lost("another member was faster");
      }
      if (error instanceof StoreError) {
        throw new CallError(`${error.message}${STORE_ADVICE[error.trouble] ?? ""}`);
      }
      if (error instanceof NatsError || error instanceof ShardStoreError) throw new CallError(error.message);
      throw error;
    }
  }

  get nodes(): ServeNodes {
    return this.#shard!.nodes;
  }

  async join(server: Server): Promise<void> {
    const shard = this.#shard!;
    const saying = setInterval(() => {
      this.log!.warn("other shards are waited for", { shards: shard.awaited.join(" ") });
    }, SAY_MS);
    await Promise.race([shard.join(server), this.stopped]);
    clearInterval(saying);
  }

  async show(watch: Watch): Promise<Seen> {
    const { shard, shards, store } = this.order;
    const ways = this.#ways = new AskWays(this.order, this.#shard!);
    const which = { number: shard, of: shards, directory: ways.directory };
    watch.api.isShard = true;
    this.#seen = await Seen.open(which, { own: store, all: [store] }, watch);
    await ways.open();
    return this.#seen;
  }

  ready(addresses: readonly string[]): void {
    this.#shard!.takeRelayed();
    this.#tell({ addresses });
  }

  async leave(ended: () => Promise<void>): Promise<void> {
    this.#seen?.close();
    await this.#ways?.close();
    await this.#shard!.leave(ended);
  }

  /** The shard is another's: nothing that this process still says would be true. */
  async #lost(why: string): Promise<never> {
    this.log!.warn("shard lost", { why });
    await this.log!.flush();
    return process.exit(LOST);
  }

  #tell(news: ShardNews): void {
    tellNews(this.log!, news);
  }
}

/** Where all has been bundled into one file, that is the script of the disk's thread. */
function worker(): { readonly worker?: URL } {
  const own = new URL(import.meta.url);
  return /\/cli\/cluster\/part\.[jt]s$/.test(own.pathname) ? {} : { worker: own };
}
