/**
 * A shard that this process owns: its log, and its links to the other shards.
 * Knows the order in which it comes to own it, and takes part; refuses to know which process should own what, and what a broker does with it.
 * @module
 */
import { randomUUID } from "node:crypto";
import { LateTransport } from "../../runtime/late.ts";
import { systemLoop } from "../../runtime/loop.ts";
import type { RelayHead, ServeNodes, Server } from "../../server/serve.ts";
import type { SqliteStore, StoreEvent } from "../../store/mod.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Bus } from "../bus.ts";
import { acceptBus, dialBus } from "../bus_dial.ts";
import type { Cancel, Clock } from "../clock.ts";
import { openShardStore, type OpenShardStoreOptions, type ShardStore } from "../files/open.ts";
import { CLUSTER } from "../limits.ts";
import { type Nats, openNats } from "../nats/open.ts";
import type { NatsOptions } from "../nats/options.ts";
import type { ShardFigures } from "../shard_disk.ts";
import { ShardLinks } from "../shard_links.ts";
import { type ClusterSeen, seeCluster, type ShardStatus, statusBytes } from "../status.ts";
import { StreamLog } from "../stream_log.ts";
import {
  callSubject,
  checkpointStream,
  clusterPrefix,
  logStream,
  shardName,
  shardNames,
  shardOf,
  statusSubject,
} from "../subjects.ts";
import { type Owner, View } from "../view.ts";

/** What a shard needs of a Server. */
export type ShardServer = Pick<Server, "link" | "acceptRelayed" | "nodes" | "broker">;

/** Which shard, and how. */
export interface OpenShardOptions {
  /** How the servers are reached. */
  readonly nats: NatsOptions;
  /** Servers that keep each message. */
  readonly replicas: 1 | 3 | 5;
  /** The name of the cluster. */
  readonly cluster: string;
  /** Who owns the shard then. */
  readonly member: string;
  /** Another one for each time that a shard is opened; one is made by default. */
  readonly incarnation?: string;
  /** 1 to `shards`. */
  readonly shard: number;
  /** How many the cluster has. */
  readonly shards: number;
  /** Of the file of the shard. */
  readonly directory: string;
  /** `log`, the default: what is acknowledged is in the log. `replicated`: it is on the disk here as well. */
  readonly durability?: "log" | "replicated";
  /** See `OpenStoreOptions`. */
  readonly worker?: URL | false;
  /** Called for each event of opening and using its file. */
  readonly onEvent?: (event: StoreEvent) => void;
  /** Called once: somebody else owns the shard now. Nothing that this Server still says is true: the process had better end. */
  readonly lost: (why: string) => void;
  /** Told in a line what somebody should know of. */
  readonly troubled?: (why: string) => void;
  /** Called when members or owners have changed. */
  readonly changed?: () => void;
}

/** What a shard stands on; in simulations all of it is simulated. */
export interface ShardGround extends Nats {
  readonly clock: Clock;
  /** Opens its store. */
  readonly openStore: (options: OpenShardStoreOptions) => Promise<ShardStore>;
}

const NOTHING = new Uint8Array();

/**
 * Comes to own a shard. Its store and its nodes are for `serve()`, without listeners at first: these are opened behind `join()`.
 * @throws {NatsError}, {ShardStoreError} or {StoreError}, each in one line.
 */
export async function openShard(options: OpenShardOptions): Promise<Shard> {
  const { cluster, shard, replicas, member, incarnation = randomUUID(), troubled } = options;
  const streams = { [logStream(shard)]: "all", [checkpointStream(shard)]: "all" } as const;
  const nats = await openNats(
    { name: `plumb ${member} ${shardName(shard)}`, ...troubled && { troubled }, ...options.nats },
    { prefix: clusterPrefix(cluster), replicas, streams },
  );
  try {
    return await Shard.open(options, { ...nats, clock: systemLoop, openStore: openShardStore }, incarnation);
  } catch (error) {
    await nats.close();
    throw error;
  }
}

/** See `openShard()`. */
export class Shard {
  /** In which it is owned. */
  readonly epoch: number;
  readonly #view: View;
  readonly #options: OpenShardOptions;
  readonly #ground: ShardGround;
  readonly #incarnation: string;
  readonly #opened: ShardStore;
  /** The shards that have not told all of their routes and retained messages since this one began. */
  readonly #awaited: Set<string>;
  #allInStep: () => void = () => {};
  readonly #inStep: Promise<void> = new Promise((resolve) => this.#allInStep = resolve);
  #links: ShardLinks | undefined;
  #stopAccepting: () => void = () => {};
  #stopLooking: Cancel;
  #calls = 0;

  /** @internal */
  private constructor(
    options: OpenShardOptions,
    ground: ShardGround,
    incarnation: string,
    view: View,
    opened: ShardStore,
  ) {
    this.#options = options;
    this.#ground = ground;
    this.#incarnation = incarnation;
    this.#view = view;
    this.#opened = opened;
    this.epoch = opened.epoch;
    this.#awaited = new Set(shardNames(options.shards).filter((name) => name !== shardName(options.shard)));
    if (this.#awaited.size === 0) this.#allInStep();
    this.#stopLooking = this.#lookLater();
  }

  #lookLater(): Cancel {
    const { clock } = this.#ground;
    return clock.at(clock.now() + CLUSTER.ownedMs, () => {
      this.#opened.look();
      this.#stopLooking = this.#lookLater();
    });
  }

  /** @internal */
  static async open(options: OpenShardOptions, ground: ShardGround, incarnation: string): Promise<Shard> {
    const { cluster, shard, durability = "log", directory, member, worker, onEvent, lost, troubled } =
      options;
    const { bus, clock } = ground;
    let made: Shard | undefined;
    const view = new View({
      bus,
      clock,
      cluster,
      changed: () => {
        if (made !== undefined) made.#changed();
      },
    });
    const logOf = (name: string) =>
      new StreamLog(ground.stream(name), crypto.getRandomValues(new Uint8Array(8)), clock);
    try {
      const opened = await ground.openStore({
        log: logOf(logStream(shard)),
        checkpoints: logOf(checkpointStream(shard)),
        directory,
        durability,
        member,
        incarnation,
        ...worker !== undefined && { worker },
        ...onEvent && { onEvent },
        fenced: () => lost("its log has another owner"),
        ...troubled &&
          { troubled: (why) => troubled(`no checkpoint could be made; it is tried again: ${why}`) },
      });
      return made = new Shard(options, ground, incarnation, view, opened);
    } catch (error) {
      view.close();
      throw error;
    }
  }

  /** For `ServeOptions.store`. It is closed by whoever has opened the shard, behind the Server and before `close()`. */
  get store(): SqliteStore {
    return this.#opened.store;
  }

  /** How its log is at present. */
  get figures(): ShardFigures {
    return this.#opened.figures();
  }

  /** The owner of another shard, if it lives. */
  ownerOf(shard: number): Owner | undefined {
    return this.#view.owner(shard);
  }

  /** @internal Between owners of shards. */
  get bus(): Bus {
    return this.#ground.bus;
  }

  /** Shards that have not told all of what they have, in words. */
  get awaited(): readonly string[] {
    return [...this.#awaited];
  }

  /** For `ServeOptions.nodes`. */
  get nodes(): ServeNodes {
    const { shard, shards } = this.#options;
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

  /**
   * Links the Server with the other shards; resolves when all of them have told what they have: others have sessions that are to get what is
   * published here, so no Client may come before.
   */
  async join(server: ShardServer): Promise<void> {
    const { shard, shards, cluster, troubled } = this.#options;
    const { bus, clock } = this.#ground;
    const links = this.#links = new ShardLinks({
      clock,
      shard,
      shards,
      own: { epoch: this.epoch, incarnation: this.#incarnation },
      ownerOf: (other) => this.#view.owner(other),
      dial: ({ shard: to, epoch, head, isRelay, dialled, ended }) =>
        dialBus({
          bus,
          clock,
          at: callSubject(cluster, to, epoch),
          id: `${this.#incarnation.slice(0, 40)}-${++this.#calls}`,
          label: `bus ${shardName(to)}`,
          beats: isRelay ? "while asked" : "all the time",
          head,
          dialled,
          ended,
        }),
      taker: server,
      troubled: (why) => troubled?.(`another shard is not understood: ${why}`),
    });
    const unsubscribe = bus.subscribe(
      statusSubject(cluster, shard, this.epoch),
      (_, answer) => answer?.(statusBytes(this.#statusOf(server))),
    );
    const stop = acceptBus({
      bus,
      clock,
      at: callSubject(cluster, shard, this.epoch),
      label: "bus",
      accepted: (transport, head, atEnd) => links.accepted(transport, head, atEnd),
    });
    this.#stopAccepting = () => {
      unsubscribe();
      stop();
    };
    await this.#inStep;
  }

  /** Clients of other shards are handed to the Server from now on. */
  takeRelayed(): void {
    this.#links?.takeRelayed();
  }

  /** Takes part no more once `ended` has done its work; until then links stay, for what is still on its way. */
  async leave(ended: () => Promise<void>): Promise<void> {
    this.#stopLooking();
    this.#stopAccepting();
    this.#links?.close();
    await ended();
    this.#links?.cut();
    this.#view.close();
  }

  /** Ends the connection to NATS, behind the end of the store. */
  async close(): Promise<void> {
    this.#stopLooking();
    this.#view.close();
    await this.#ground.close();
  }

  /** A connection for a Client that goes on at another shard; it can be used at once. */
  #relay(to: string, head: RelayHead): Transport {
    const shard = shardOf(to, this.#options.shards)!;
    const opening = new Promise<Transport>((resolve, reject) => {
      this.#links!.relay(
        shard,
        head,
        (transport) => transport instanceof Error ? reject(transport) : resolve(transport),
      );
    });
    return new LateTransport(`relay ${to}`, NOTHING, opening);
  }

  #statusOf({ nodes, broker: { stats } }: Pick<Server, "nodes" | "broker">): ShardStatus {
    const inStep = nodes.filter(({ isInStep }) => isInStep).map(({ name }) =>
      shardOf(name, this.#options.shards)!
    );
    return { log: this.figures, links: inStep, clients: stats.connected, sessions: stats.sessions };
  }

  /** The whole cluster, as its owners say. */
  see(): Promise<ClusterSeen> {
    const { cluster } = this.#options;
    const { bus, clock } = this.#ground;
    return new Promise((resolve) => seeCluster({ bus, clock, cluster, view: this.#view }, resolve));
  }

  #changed(): void {
    const { shard, shards, lost, changed } = this.#options;
    const last = this.#view.lastOwner(shard);
    if (last !== undefined && last.epoch > this.epoch) return lost(`it is at ${last.member} now`);
    this.#links?.changed();
    for (let other = 1; other <= shards; other++) {
      if (other !== shard && this.#view.owner(other) === undefined) this.#links?.gone(other);
    }
    changed?.();
  }
}
