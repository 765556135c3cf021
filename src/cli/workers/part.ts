/**
 * The part of a worker in `plumb serve`: what its supervisor tells it, what it tells that, and its links to the others.
 * Knows its own settings; refuses to know what a broker does with them.
 * @module
 */
import { join } from "node:path";
import { clearInterval, setInterval } from "node:timers";
import type { ServeNodes, Server } from "../../server/serve.ts";
import { STORE_FILE } from "../../store/files.ts";
import type { Log } from "../log.ts";
import { openData } from "../open_data.ts";
import type { Settings } from "../options.ts";
import { listenShared, Orders, type PartStore, type ServePart, type SharedPorts, tellNews } from "../part.ts";
import type { Watch } from "../watch.ts";
import { Links } from "./links.ts";
import { Seen, storesOf } from "./seen.ts";
import { sharesOf } from "./shares.ts";
import { nodeName, nodeNames, type WorkerOrder } from "./worker.ts";

/** What a worker tells its supervisor: that it takes Clients, and where; or that its loop turns. */
export interface News {
  readonly addresses?: readonly string[];
  readonly alive?: true;
}

/** Of a worker that was started again: so long it waits for others, which may be down as well, ms. */
const LINKED_MS = 5_000;

/** One worker. */
export class WorkerPart implements ServePart {
  readonly order: WorkerOrder;
  readonly stopped: Promise<void>;
  reload: () => void = () => {};
  log: Log | undefined;
  readonly #links: Links;
  /** The workers that have not told all of their routes and retained messages since this one began. */
  readonly #awaited: Set<string>;
  #allInStep: () => void = () => {};
  readonly #inStep: Promise<void> = new Promise((resolve) => this.#allInStep = resolve);
  asked: Settings | undefined;
  #seen: Seen | undefined;

  constructor(order: WorkerOrder) {
    this.order = order;
    this.#awaited = new Set(nodeNames(order).filter((name) => name !== nodeName(order.number)));
    this.#links = new Links(order, () => this.log!);
    const told = { reload: () => this.reload(), ping: () => tellNews(this.log!, { alive: true }) };
    this.stopped = new Orders(order.directory, told).stopped;
  }

  get hasBridges(): boolean {
    return this.order.number === 1;
  }

  /** Undefined with `--memory`. */
  async openStore(settings: Settings, log: Log): Promise<PartStore | undefined> {
    const { store } = this.order;
    if (store === undefined) return undefined;
    return { store: await openData(store, settings, log), path: join(store, STORE_FILE) };
  }

  /**
   * The settings of this worker: its listeners, its share of limits, and what one worker alone has.
   * @throws {CallError}
   */
  own(settings: Settings): Settings {
    const { number, of, ports } = this.order;
    this.asked = settings;
    const shared: SharedPorts = { hasOnce: number === 1, ports };
    return {
      ...settings,
      sharers: of,
      listen: settings.listen.flatMap((one) => listenShared(one, shared)),
      limits: sharesOf(settings.limits, of),
      ...number > 1 && { bridges: [] },
    };
  }

  /** The settings for certificates: without a data directory those that are made are in that of the workers. */
  withCertificates(settings: Settings): Settings {
    return { ...settings, data: settings.data ?? this.order.directory };
  }

  /** What makes the broker a node of several. */
  get nodes(): ServeNodes {
    return {
      name: nodeName(this.order.number),
      all: nodeNames(this.order),
      relay: (to, head) => this.#links.relay(to, head),
      inStep: (name) => {
        this.#awaited.delete(name);
        if (this.#awaited.size === 0) this.#allInStep();
      },
    };
  }

  /**
   * Links it with the others, and waits for their routes and retained messages. When all start, and with a store, it waits for all: others
   * have sessions that are to get what is published here.
   */
  async join(server: Server): Promise<void> {
    await this.#links.open(server);
    await Promise.race([this.#inStep, this.stopped, ...this.order.isFirst ? [] : [this.#tired(server)]]);
  }

  /** Without a store, what is down has lost its sessions; who is telling is waited for as long as it takes. */
  #tired(server: Server): Promise<void> {
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (server.nodes.some(({ isLinked, isInStep }) => isLinked && !isInStep)) return;
        if (this.order.store !== undefined) return this.log!.warn("other workers are waited for", {});
        clearInterval(timer);
        this.log!.warn("not linked with all workers; Clients are taken", {});
        resolve();
      }, LINKED_MS);
      void Promise.race([this.#inStep, this.stopped]).then(() => (clearInterval(timer), resolve()));
    });
  }

  /** From now on whoever asks this worker by HTTP sees all of them as one broker. */
  async show(watch: Watch): Promise<Seen> {
    return this.#seen = await Seen.open(this.order, storesOf(this.order), watch);
  }

  /** It takes Clients now, those that others hand on too. */
  ready(addresses: readonly string[]): void {
    this.#links.takeRelayed();
    tellNews(this.log!, { addresses } satisfies News);
  }

  /** Takes no part any more once `ended` has done its work; until then links stay, for what is still on its way. */
  async leave(ended: () => Promise<void>): Promise<void> {
    this.#seen?.close();
    await this.#links.close();
    await ended();
    this.#links.cut();
  }
}
