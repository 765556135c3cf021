/**
 * `plumb serve --cluster`: one member of a cluster, which starts a process for each shard that it is to own, and is one broker with them for
 * who looks from outside: one log, one status, one end.
 * Knows processes and their ends; refuses to know which member owns what, and what a shard does. Loaded only with a cluster.
 * Why so: spec/decisions/0051-cluster.md
 * @module
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { localFile, localFiles } from "../../cluster/files/open.ts";
import { Member } from "../../cluster/member.ts";
import { openMeta } from "../../cluster/meta.ts";
import { NatsError } from "../../cluster/nats/error.ts";
import { type Nats, openNats } from "../../cluster/nats/open.ts";
import { StreamLog } from "../../cluster/stream_log.ts";
import { clusterPrefix, META_STREAM } from "../../cluster/subjects.ts";
import { DEFAULT_SHARDS } from "../../config/cluster.ts";
import { systemLoop } from "../../runtime/loop.ts";
import { type Lock, lockDirectory } from "../../store/lock.ts";
import { StoreError, troubleWith } from "../../store/error.ts";
import { environment } from "../environment.ts";
import { CallError, STATUS } from "../error.ts";
import { Log } from "../log.ts";
import { hostName } from "../machine_names.ts";
import { STORE_ADVICE } from "../open_data.ts";
import type { ClusterSettings, Settings } from "../options.ts";
import { checkSettings } from "../serve.ts";
import { ServiceManager } from "../service_manager.ts";
import { endSignal, IGNORED, listenTo, RELOAD } from "../signals.ts";
import { TlsSet } from "../tls_set.ts";
import { VERSION } from "../version.ts";
import { Child, type End, fieldsOf, programOf } from "../workers/child.ts";
import { isOfLog, withNumber } from "../workers/one_log.ts";
import { type Ports, takePorts } from "../workers/ports.ts";
import { natsOptionsOf } from "./access.ts";
import { checkNotAlone, shardDirectory } from "./layout.ts";
import { LOST, SHARD_VARIABLE, type ShardNews, type ShardOrder } from "./order.ts";

/** What is supervised. */
export interface SuperviseMemberOptions {
  readonly settings: Settings;
  readonly cluster: ClusterSettings;
  /** Those of `plumb serve`. */
  readonly args: readonly string[];
  readonly log: Log;
  /** Called once when the first shard takes Clients. */
  readonly ready?: (() => void) | undefined;
}

/**
 * Runs a member until SIGINT, SIGTERM or SIGQUIT, as `serveCommand()` runs a broker; gives the exit status.
 * @throws {CallError} when it cannot begin.
 */
export async function superviseMember(options: SuperviseMemberOptions): Promise<number> {
  const { settings, cluster, log } = options;
  const program = programOf("--cluster");
  const silent = new Log({ level: "off", format: "logfmt", stream: { write() {}, colours: false } });
  await checkSettings(settings, silent);
  const stopped = endSignal((name) => log.info("stopping", { signal: name }));
  const data = settings.data!; // a cluster without one is refused
  const lock = lockData(data);
  const nats = await openServers(cluster, log).catch((error) => {
    lock.release();
    throw error;
  });
  const directory = mkdtempSync(join(tmpdir(), "plumb-"));
  let ports: Ports | undefined;
  try {
    const shards = await shardsOf(nats, cluster);
    const tls = new TlsSet(settings, log);
    if (tls.isOwn) await tls.read();
    ports = await takePorts(settings, log);
    const name = cluster.member ?? memberName();
    return await new Processes({ ...options, name, shards, data, directory, program, ports, nats }).run(
      stopped,
    );
  } finally {
    ports?.release();
    rmSync(directory, { recursive: true, force: true });
    await nats.close();
    lock.release();
  }
}

/** @throws {CallError} if another member or broker has the directory. */
function lockData(data: string): Lock {
  try {
    mkdirSync(data, { recursive: true });
    checkNotAlone(data);
    return lockDirectory(data);
  } catch (error) {
    if (error instanceof CallError) throw error;
    const trouble = error instanceof StoreError ? error : troubleWith(data, error);
    throw new CallError(`${trouble.message}${STORE_ADVICE[trouble.trouble] ?? ""}`);
  }
}

/** @throws {CallError} */
async function openServers(cluster: ClusterSettings, log: Log): Promise<Nats> {
  try {
    return await openNats(
      {
        ...natsOptionsOf(cluster, environment),
        name: `plumb ${cluster.member ?? memberName()}`,
        troubled: (line) => log.warn("cluster", { why: line }),
      },
      { prefix: clusterPrefix(cluster.name), replicas: cluster.replicas, streams: { [META_STREAM]: "all" } },
    );
  } catch (error) {
    throw error instanceof NatsError ? new CallError(error.message) : error;
  }
}

/** In how many shards the cluster is. @throws {CallError} if another number was asked for. */
async function shardsOf(nats: Nats, { name, shards: wanted }: ClusterSettings): Promise<number> {
  const log = new StreamLog(nats.stream(META_STREAM), crypto.getRandomValues(new Uint8Array(8)), systemLoop);
  const meta = await new Promise<{ readonly shards: number } | string>((resolve) =>
    openMeta(log, wanted ?? DEFAULT_SHARDS, resolve)
  );
  if (typeof meta === "string") throw new CallError(`cluster ${name}: ${meta}`);
  if (wanted === undefined || wanted === meta.shards) return meta.shards;
  throw new CallError(
    `--cluster-shards ${wanted}: the cluster ${name} was begun with ${meta.shards}, and keeps that number`,
  );
}

/** The name of the machine, as a member may be called. */
function memberName(): string {
  return hostName().replaceAll(".", "-").slice(0, 32);
}

interface ProcessesOptions extends SuperviseMemberOptions {
  readonly name: string;
  readonly shards: number;
  readonly data: string;
  /** Private, for this run. */
  readonly directory: string;
  readonly program: readonly string[];
  readonly ports: Ports;
  readonly nats: Nats;
}

/** The process of a shard. */
interface Place {
  readonly child: Child;
  readonly incarnation: string;
  readonly hasOnce: boolean;
  isReady: boolean;
  /** It has answered since it was asked last. */
  isAlive: boolean;
  /** It was told to end, so its end is as it should be. */
  isStopped: boolean;
}

/** The processes of a member. */
class Processes {
  readonly #options: ProcessesOptions;
  readonly #incarnation: string = randomUUID();
  readonly #member: Member;
  readonly #places = new Map<number, Place>();
  #isRunning = false;
  #isStopping = false;
  #over: (status: number) => void = () => {};
  #status: number = STATUS.good;
  #isReady: (addresses: readonly string[]) => void = () => {};

  constructor(options: ProcessesOptions) {
    this.#options = options;
    const { nats: { bus }, cluster, name, shards, data, log } = options;
    this.#member = new Member({
      bus,
      clock: systemLoop,
      cluster: cluster.name,
      name,
      incarnation: this.#incarnation,
      program: VERSION,
      shards,
      files: localFiles((shard) => shardDirectory(data, cluster.name, shard), shards),
      host: {
        start: (shard) => this.#start(shard),
        stop: (shard, why) => this.#stop(shard, why),
      },
      refused: (why) => {
        log.error("member refused", { why });
        this.#status = STATUS.cannot;
        this.#end("SIGTERM");
      },
    });
  }

  /** Until it is told to stop, and all processes have ended; gives the exit status. */
  async run(stopped: Promise<string>): Promise<number> {
    const { log, cluster, name, shards } = this.#options;
    const over = new Promise<number>((resolve) => this.#over = resolve);
    process.on("exit", () => {
      for (const { child } of this.#places.values()) child.kill(); // however this process ends
    });
    listenTo(RELOAD, () => this.#tell("reload"));
    listenTo(IGNORED, (signal) => log.debug("ignored", { signal }));
    const manager = new ServiceManager(log);
    this.#isReady = (addresses) => {
      this.#options.ready?.();
      manager.ready(`listening on ${addresses.join(", ")}`, () => this.#areAlive());
    };
    void stopped.then((signal) => {
      manager.stopping();
      this.#end(signal);
    });
    log.info("member starts", { member: name, cluster: cluster.name, shards });
    const status = await over;
    this.#member.close();
    if (status !== STATUS.cannot) log.info("stopped");
    return status;
  }

  #start(shard: number): void {
    const { args, log, name, shards, data, directory, cluster, ports, program } = this.#options;
    const incarnation = randomUUID();
    const hasOnce = ![...this.#places.values()].some((place) => place.hasOnce);
    const members = Math.max(1, this.#member.view.members.length);
    const order: ShardOrder = {
      shard,
      shards,
      cluster: cluster.name,
      member: name,
      incarnation,
      store: shardDirectory(data, cluster.name, shard),
      directory,
      ports: ports.taken,
      hasOnce,
      // As many as there will be here when one of the other members is gone.
      sharers: Math.ceil(shards / Math.max(1, members - 1)),
      colours: log.colours,
    };
    const child = new Child({
      program,
      args,
      variable: SHARD_VARIABLE,
      order,
      said: (line) => this.#said(line, shard),
      news: (news) => this.#news(shard, news as ShardNews),
      troubled: (why) => log.error("a shard cannot be started", { shard, why }),
      ended: (end) => this.#ended(shard, end),
    });
    this.#places.set(shard, {
      child,
      incarnation,
      hasOnce,
      isReady: false,
      isAlive: true,
      isStopped: false,
    });
  }

  #news(shard: number, news: ShardNews): void {
    const place = this.#places.get(shard)!;
    if ("epoch" in news) return this.#member.started(shard, news.epoch, place.incarnation);
    place.isAlive = true;
    if (!("addresses" in news)) return;
    place.isReady = true;
    this.#options.ports.release(); // the processes have them
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#isReady(news.addresses);
  }

  /** The shard is not to be here any more. */
  #stop(shard: number, why: "given" | "lost"): void {
    const place = this.#places.get(shard);
    if (place === undefined) return;
    place.isStopped = true;
    if (why === "lost") place.child.kill(); // nothing that it still says would be true
    else place.child.tell("stop SIGTERM");
  }

  #ended(shard: number, end: End): void {
    const { isStopped, isReady } = this.#places.get(shard)!;
    const { log } = this.#options;
    this.#places.delete(shard);
    const isLost = end.status === LOST;
    if (!isLost && !isStopped && !this.#isStopping) log.error("shard ended", { shard, ...fieldsOf(end) });
    if (isStopped && end.status !== STATUS.good && !isLost) this.#status = STATUS.found;
    if (!this.#isRunning && !isReady && end.status === STATUS.cannot) { // it has said why
      this.#status = STATUS.cannot;
      this.#end("SIGTERM");
    }
    const { data, cluster } = this.#options;
    const place = localFile(shardDirectory(data, cluster.name, shard), shard);
    this.#member.ended(shard, isLost ? "taken" : isStopped ? "given" : "failed", place);
    if (this.#isStopping && this.#places.size === 0) this.#over(this.#status);
  }

  /** Gives all shards to others, and ends. */
  #end(signal: string): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    if (this.#places.size === 0) return this.#over(this.#status);
    this.#member.leave();
    for (const [shard, place] of this.#places) {
      if (!place.isStopped) this.#stop(shard, "given");
      place.isStopped = true;
    }
    void signal;
  }

  /** Whether all that take Clients have answered since they were asked last; asks them again. */
  #areAlive(): boolean {
    const all = [...this.#places.values()];
    const areAlive = all.every(({ isReady, isAlive }) => !isReady || isAlive);
    for (const place of all) place.isAlive = false;
    this.#tell("ping");
    return areAlive;
  }

  #tell(order: string): void {
    for (const { child } of this.#places.values()) child.tell(order);
  }

  #said(line: string, shard: number): void {
    const { log } = this.#options;
    if (isOfLog(line)) log.passOn(withNumber(line, "shard", shard, log.colours));
    else if (this.#status !== STATUS.good || !this.#isRunning) log.passOn(line);
    else if (line !== "") log.error("said on stderr", { shard, line: log.cut(line) });
  }
}
