/**
 * The part of a worker in `plumb serve`: what its supervisor tells it, what it tells that, and its links to the others.
 * Knows its own settings; refuses to know what a broker does with them.
 *
 * Orders come as lines on stdin, whose end is the end of the supervisor: `stop SIGTERM`, `reload`,
 * `ping`. News go as lines of the log behind `NEWS`, so
 * that they come behind what was said before.
 * @module
 */
import { rmSync } from "node:fs";
import process from "node:process";
import { clearInterval, setInterval, setTimeout } from "node:timers";
import { AddressError, addressUrl, parseAddress } from "../../server/address.ts";
import type { ServeNodes, Server } from "../../server/serve.ts";
import { CallError, STATUS } from "../error.ts";
import type { Log } from "../log.ts";
import type { Listen, Settings } from "../options.ts";
import { listenTo, RELOAD, SIGNALS } from "../signals.ts";
import type { Watch } from "../watch.ts";
import { Lines } from "./lines.ts";
import { Links } from "./links.ts";
import { Seen } from "./seen.ts";
import { sharesOf } from "./shares.ts";
import { nodeName, nodeNames, type WorkerOrder } from "./worker.ts";

/** What a worker tells its supervisor: that it takes Clients, and where; or that its loop turns. */
export interface News {
  readonly addresses?: readonly string[];
  readonly alive?: true;
}

/** What a line of news begins with. */
export const NEWS = "plumb-worker ";
/** Of a worker that was started again: so long it waits for others, which may be down as well, ms. */
const LINKED_MS = 5_000;
/** How long a worker takes to end when its supervisor is gone, ms. */
const ALONE_MS = 10_000;

/** One worker. */
export class WorkerPart {
  readonly order: WorkerOrder;
  /** Resolves when the supervisor says so, or is gone. */
  readonly stopped: Promise<void>;
  /** Called when the supervisor says so. */
  reload: () => void = () => {};
  log: Log | undefined;
  readonly #links: Links;
  /** The workers that have not told all of their routes and retained messages since this one began. */
  readonly #awaited: Set<string>;
  #allInStep: () => void = () => {};
  readonly #inStep: Promise<void> = new Promise((resolve) => this.#allInStep = resolve);
  /** The settings of the whole broker that were read last. */
  asked: Settings | undefined;
  #seen: Seen | undefined;
  #stop: () => void = () => {};

  constructor(order: WorkerOrder) {
    this.order = order;
    this.#awaited = new Set(nodeNames(order).filter((name) => name !== nodeName(order.number)));
    this.#links = new Links(order, () => this.log!);
    this.stopped = new Promise((resolve) => this.#stop = resolve);
    // A terminal, and a service manager, signal to all processes: when this one ends is for the supervisor to say.
    listenTo([...Object.keys(SIGNALS), ...RELOAD], () => {});
    const lines = new Lines((line) => {
      if (line === "reload") this.reload();
      else if (line === "ping") this.#tell({ alive: true });
      else if (line.startsWith("stop ")) this.#stop();
    });
    process.stdin.on("data", (bytes: Uint8Array) => lines.push(bytes));
    process.stdin.on("error", () => {}).on("close", () => this.#alone()).on("end", () => this.#alone());
  }

  /** The directory of its store; undefined with `--memory`. */
  get store(): string | undefined {
    return this.order.store;
  }

  /** The supervisor is gone, so its directory is of no use to anybody. */
  #alone(): void {
    this.#stop();
    setTimeout(() => process.exit(STATUS.cannot), ALONE_MS).unref();
    rmSync(this.order.directory, { recursive: true, force: true });
  }

  /**
   * The settings of this worker: its listeners, its share of limits, and what one worker alone has.
   * @throws {CallError}
   */
  own(settings: Settings): Settings {
    const { number, of } = this.order;
    this.asked = settings;
    return {
      ...settings,
      sharers: of,
      listen: settings.listen.flatMap((one) => this.#listen(one)),
      limits: sharesOf(settings.limits, of),
      ...number > 1 && { bridges: [] },
    };
  }

  #listen(one: Listen): readonly Listen[] {
    let address: ReturnType<typeof parseAddress>;
    try {
      address = parseAddress(one.url);
    } catch (error) {
      if (error instanceof AddressError) return [one]; // whoever opens it says what is wrong
      throw error;
    }
    if (address.scheme === "unix") return [this.order.number === 1 ? one : { ...one, isElsewhere: true }];
    const taken = this.order.ports[one.url];
    if (taken === null) return [];
    if (address.port !== 0) return [one];
    if (taken === undefined) {
      throw new CallError(`${one.url}: workers take a free port at the start only: name one`);
    }
    return [{ ...one, url: addressUrl({ ...address, port: taken }) }];
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
        if (this.store !== undefined) return this.log!.warn("other workers are waited for", {});
        clearInterval(timer);
        this.log!.warn("not linked with all workers; Clients are taken", {});
        resolve();
      }, LINKED_MS);
      void Promise.race([this.#inStep, this.stopped]).then(() => (clearInterval(timer), resolve()));
    });
  }

  /** From now on whoever asks this worker by HTTP sees all of them as one broker. */
  async show(watch: Watch): Promise<Seen> {
    return this.#seen = await Seen.open(this.order, watch);
  }

  /** It takes Clients now, those that others hand on too. */
  ready(addresses: readonly string[]): void {
    this.#links.takeRelayed();
    this.#tell({ addresses });
  }

  #tell(news: News): void {
    this.log!.passOn(NEWS + JSON.stringify(news));
  }

  /** Takes no part any more once `ended` has done its work; until then links stay, for what is still on its way. */
  async leave(ended: () => Promise<void>): Promise<void> {
    this.#seen?.close();
    await this.#links.close();
    await ended();
    this.#links.cut();
  }
}
