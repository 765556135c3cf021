/**
 * The part of a shard's process in `plumb serve --cluster`: its log, its links to the other shards, and what it tells its member.
 * Knows the order in which it comes to own a shard; refuses to know what a broker does with it, and which member should own what.
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { acceptBus, dialBus } from "../../cluster/bus_dial.ts";
import { openShardStore, type ShardStore, ShardStoreError } from "../../cluster/files/open.ts";
import { NatsError } from "../../cluster/nats/error.ts";
import { type Nats, openNats } from "../../cluster/nats/open.ts";
import { ShardLinks } from "../../cluster/shard_links.ts";
import { StreamLog } from "../../cluster/stream_log.ts";
import {
  callSubject,
  checkpointStream,
  clusterPrefix,
  logStream,
  shardName,
  shardNames,
  shardOf,
} from "../../cluster/subjects.ts";
import { View } from "../../cluster/view.ts";
import { LateTransport } from "../../runtime/late.ts";
import { systemLoop } from "../../runtime/loop.ts";
import type { RelayHead, ServeNodes, Server } from "../../server/serve.ts";
import { STORE_FILE } from "../../store/files.ts";
import { StoreError } from "../../store/error.ts";
import type { Transport } from "../../transport/transport.ts";
import { environment } from "../environment.ts";
import { CallError } from "../error.ts";
import type { Log } from "../log.ts";
import { STORE_ADVICE } from "../open_data.ts";
import type { LogDurability, Settings } from "../options.ts";
import { listenShared, Orders, type PartStore, type ServePart, tellNews } from "../part.ts";
import type { Watch } from "../watch.ts";
import { sharesOf } from "../workers/shares.ts";
import { natsOptionsOf } from "./access.ts";
import { LOST, type ShardNews, type ShardOrder } from "./order.ts";

/** How often it says that others are waited for, ms. */
const SAY_MS = 5_000;
const NOTHING = new Uint8Array();

/** The process of one shard. */
export class ShardPart implements ServePart {
  readonly order: ShardOrder;
  readonly stopped: Promise<void>;
  reload: () => void = () => {};
  log: Log | undefined;
  asked: Settings | undefined;
  /** The shards that have not told all of their routes and retained messages since this one began. */
  readonly #awaited: Set<string>;
  #allInStep: () => void = () => {};
  readonly #inStep: Promise<void> = new Promise((resolve) => this.#allInStep = resolve);
  #nats: Nats | undefined;
  #view: View | undefined;
  #store: ShardStore | undefined;
  #epoch = 0;
  #links: ShardLinks | undefined;
  #stopAccepting: () => void = () => {};
  #calls = 0;

  constructor(order: ShardOrder) {
    this.order = order;
    this.#awaited = new Set(shardNames(order.shards).filter((name) => name !== shardName(order.shard)));
    if (this.#awaited.size === 0) this.#allInStep();
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
    const { shard, cluster, member, incarnation, store: directory } = this.order;
    const access = settings.cluster!;
    const streams = { [logStream(shard)]: "all", [checkpointStream(shard)]: "all" } as const;
    try {
      const nats = this.#nats = await openNats(
        {
          ...natsOptionsOf(access, environment),
          name: `plumb ${member} ${shardName(shard)}`,
          troubled: (line) => log.warn("cluster", { why: line }),
        },
        { prefix: clusterPrefix(cluster), replicas: access.replicas, streams },
      );
      this.#view = new View({
        bus: nats.bus,
        clock: systemLoop,
        cluster,
        changed: () => this.#changed(),
      });
      const logOf = (name: string) => new StreamLog(nats.stream(name), writer(), systemLoop);
      const owned = this.#store = await openShardStore({
        log: logOf(logStream(shard)),
        checkpoints: logOf(checkpointStream(shard)),
        directory,
        durability: settings.durability as LogDurability,
        member,
        incarnation,
        ...worker(),
        fenced: () => void this.#lost("its log has another owner"),
        troubled: (why) => log.warn("no checkpoint could be made; it is tried again", { shard, why }),
      });
      const { epoch } = owned;
      this.#epoch = epoch;
      log.info("shard claimed", { epoch });
      this.#tell({ epoch });
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
    const { shard, shards } = this.order;
    return {
      name: shardName(shard),
      all: shardNames(shards),
      relay: (to, head) => this.#relay(to, head),
      inStep: (name) => {
        this.#awaited.delete(name);
        if (this.#awaited.size === 0) this.#allInStep();
      },
    };
  }

  /** A connection for a Client that goes on at another shard; it can be used at once. */
  #relay(to: string, head: RelayHead): Transport {
    const shard = shardOf(to, this.order.shards)!;
    const opening = new Promise<Transport>((resolve, reject) => {
      this.#links!.relay(
        shard,
        head,
        (transport) => transport instanceof Error ? reject(transport) : resolve(transport),
      );
    });
    return new LateTransport(`relay ${to}`, NOTHING, opening);
  }

  /** All shards have sessions that are to get what is published here, so all are waited for. */
  async join(server: Server): Promise<void> {
    const { shard, shards, cluster, incarnation } = this.order;
    const { bus } = this.#nats!;
    const links = this.#links = new ShardLinks({
      clock: systemLoop,
      shard,
      shards,
      own: { epoch: this.#epoch, incarnation },
      ownerOf: (other) => this.#view!.owner(other),
      dial: ({ shard: to, epoch, head, isRelay, dialled, ended }) =>
        dialBus({
          bus,
          clock: systemLoop,
          at: callSubject(cluster, to, epoch),
          id: `${incarnation}-${++this.#calls}`,
          label: `bus ${shardName(to)}`,
          beats: isRelay ? "while asked" : "all the time",
          head,
          dialled,
          ended,
        }),
      taker: server,
      troubled: (why) => this.log!.error("a shard is not understood", { why }),
    });
    this.#stopAccepting = acceptBus({
      bus,
      clock: systemLoop,
      at: callSubject(cluster, shard, this.#epoch),
      label: "bus",
      accepted: (transport, head, atEnd) => links.accepted(transport, head, atEnd),
    });
    links.changed();
    const saying = setInterval(() => {
      this.log!.warn("other shards are waited for", { shards: [...this.#awaited].join(" ") });
    }, SAY_MS);
    await Promise.race([this.#inStep, this.stopped]);
    clearInterval(saying);
  }

  show(_watch: Watch): Promise<{ readonly whole: undefined }> {
    return Promise.resolve({ whole: undefined });
  }

  ready(addresses: readonly string[]): void {
    this.#links!.takeRelayed();
    this.#tell({ addresses });
  }

  async leave(ended: () => Promise<void>): Promise<void> {
    this.#stopAccepting();
    this.#links?.close();
    await ended();
    this.#links?.cut();
    this.#view?.close();
  }

  /** Owners have changed. */
  #changed(): void {
    const view = this.#view;
    if (view === undefined) return; // still being made
    const { shard, shards } = this.order;
    const own = view.owner(shard);
    if (this.#epoch > 0 && own !== undefined && own.epoch > this.#epoch) {
      return void this.#lost(`it is at ${own.member} now`);
    }
    this.#links?.changed();
    for (let other = 1; other <= shards; other++) {
      if (other !== shard && view.owner(other) === undefined) this.#links?.gone(other);
    }
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

/** Bytes that no other life of a writer has. */
function writer(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(8));
}

/** Where all has been bundled into one file, that is the script of the disk's thread. */
function worker(): { readonly worker?: URL } {
  const own = new URL(import.meta.url);
  return /\/cli\/cluster\/part\.[jt]s$/.test(own.pathname) ? {} : { worker: own };
}
