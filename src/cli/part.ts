/**
 * `plumb serve` as a process of several that are one broker: what is another than in a process alone.
 * Knows the seams; refuses to know who starts it, and how the processes reach each other.
 * @module
 */
import { rmSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers";
import { AddressError, addressUrl, parseAddress } from "../server/address.ts";
import type { ServeNodes, Server, SystemTopicsOptions } from "../server/serve.ts";
import type { SqliteStore } from "../store/mod.ts";
import { CallError, STATUS } from "./error.ts";
import type { Log } from "./log.ts";
import type { Listen, Settings } from "./options.ts";
import { listenTo, RELOAD, SIGNALS } from "./signals.ts";
import type { Watch } from "./watch.ts";
import { NEWS } from "./workers/child.ts";
import { Lines } from "./workers/lines.ts";

/** How long a process takes to end when its supervisor is gone, ms. */
const ALONE_MS = 10_000;

/** A store that is open. */
export interface PartStore {
  readonly store: SqliteStore;
  /** The path of its file. */
  readonly path: string;
}

/** One process of several. */
export interface ServePart {
  /** Resolves when the supervisor says so, or is gone. */
  readonly stopped: Promise<void>;
  /** Called when the supervisor says so. */
  reload: () => void;
  log: Log | undefined;
  /** The settings of the whole broker that were read last. */
  readonly asked: Settings | undefined;
  /** It has what must be there once: bridges. */
  readonly hasBridges: boolean;
  /** What makes the broker a node of several. */
  readonly nodes: ServeNodes;
  /** The settings of this process. @throws {CallError} */
  own(settings: Settings): Settings;
  /** The settings for certificates: without a data directory those that are made are in that of the run. */
  withCertificates(settings: Settings): Settings;
  /** Opens its store; undefined without one. @throws {CallError} */
  openStore(settings: Settings, log: Log): Promise<PartStore | undefined>;
  /** From now on whoever asks this process by HTTP sees all as one broker. */
  show(watch: Watch): Promise<{ readonly whole: SystemTopicsOptions["whole"] }>;
  /** Links it with the others, and waits until it is in step with those that must be heard before a Client comes. */
  join(server: Server): Promise<void>;
  /** It takes Clients now, those that others hand on too. */
  ready(addresses: readonly string[]): void;
  /** Takes no part any more once `ended` has done its work; until then links stay, for what is still on its way. */
  leave(ended: () => Promise<void>): Promise<void>;
}

/** The orders of a supervisor, which come as lines on stdin, whose end is the end of the supervisor: `stop SIGTERM`, `reload`, `ping`. */
export class Orders {
  /** Resolves when the supervisor says so, or is gone. */
  readonly stopped: Promise<void>;
  readonly #directory: string;
  #stop: () => void = () => {};

  /** `directory` is of no use to anybody when the supervisor is gone. */
  constructor(directory: string, told: { reload(): void; ping(): void }) {
    this.#directory = directory;
    this.stopped = new Promise((resolve) => this.#stop = resolve);
    // A terminal, and a service manager, signal to all processes: when this one ends is for the supervisor to say.
    listenTo([...Object.keys(SIGNALS), ...RELOAD], () => {});
    const lines = new Lines((line) => {
      if (line === "reload") told.reload();
      else if (line === "ping") told.ping();
      else if (line.startsWith("stop ")) this.#stop();
    });
    process.stdin.on("data", (bytes: Uint8Array) => lines.push(bytes));
    process.stdin.on("error", () => {}).on("close", () => this.#alone()).on("end", () => this.#alone());
  }

  #alone(): void {
    this.#stop();
    setTimeout(() => process.exit(STATUS.cannot), ALONE_MS).unref();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Tells the supervisor, in a line of the log, so that it comes behind what was said before. */
export function tellNews(log: Log, news: unknown): void {
  log.passOn(NEWS + JSON.stringify(news));
}

/** What the processes of one machine share. */
export interface SharedPorts {
  /** It has what must be there once: Unix sockets of Clients. */
  readonly hasOnce: boolean;
  /** Of each listener whose port may be any, and of each that is left out (`null`): the port that was taken. */
  readonly ports: Readonly<Record<string, number | null>>;
}

/**
 * A listener as this process has it: none, or one more.
 * @throws {CallError}
 */
export function listenShared(one: Listen, { hasOnce, ports }: SharedPorts): readonly Listen[] {
  let address: ReturnType<typeof parseAddress>;
  try {
    address = parseAddress(one.url);
  } catch (error) {
    if (error instanceof AddressError) return [one]; // whoever opens it says what is wrong
    throw error;
  }
  if (address.scheme === "unix") return [hasOnce ? one : { ...one, isElsewhere: true }];
  const taken = ports[one.url];
  if (taken === null) return [];
  if (address.port !== 0) return [one];
  if (taken === undefined) {
    throw new CallError(`${one.url}: several processes take a free port at the start only: name one`);
  }
  return [{ ...one, url: addressUrl({ ...address, port: taken }) }];
}
