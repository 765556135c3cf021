/**
 * `plumb serve --workers N`: the process that starts the workers, and is one broker with them for who looks from outside: one log, one
 * status, one end.
 * Knows processes; refuses to know what a worker does. Loaded only with more than one worker. Why so: spec/decisions/0047-workers.md
 * @module
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { tokenFileOf, tokenIn } from "../api_token.ts";
import { environment } from "../environment.ts";
import { CallError, STATUS } from "../error.ts";
import { Log } from "../log.ts";
import type { Settings } from "../options.ts";
import { checkSettings } from "../serve.ts";
import { ServiceManager } from "../service_manager.ts";
import { shownBy } from "../shown_by.ts";
import { endSignal, IGNORED, listenTo, RELOAD } from "../signals.ts";
import { TlsSet } from "../tls_set.ts";
import { Child, type End, fieldsOf, programOf } from "./child.ts";
import { arrange } from "./data.ts";
import { storeOf } from "./layout.ts";
import { insideSocketOf } from "./inside.ts";
import { isOfLog, StartLines, withNumber } from "./one_log.ts";
import type { News } from "./part.ts";
import { type Ports, takePorts } from "./ports.ts";
import { WORKER_VARIABLE, type WorkerOrder } from "./worker.ts";

/** Systems that spread the connections of one port over processes. */
const SPREADING: readonly string[] = ["linux", "freebsd"];
const WORKERS_MAX = 64;
/** The system's bound is 108 bytes with the zero at the end, 104 on some. */
const SOCKET_PATH_MAX = 100;
/** A worker that ends again is started later: twice as long each time, ms. */
const AGAIN_MS = 250;
const AGAIN_MS_MAX = 5_000;
/** A worker that has run so long had no trouble at its start, ms. */
const STEADY_MS = 30_000;
/** So long lines of the start wait for those of other workers, ms. */
const START_LINES_MS = 3_000;

/** How many workers there are to be here; with a line for the log where the system does not spread connections. */
export function workersOf(wanted: number | "auto", log: Log): number {
  const count = wanted === "auto" ? Math.min(WORKERS_MAX, availableParallelism()) : wanted;
  if (count === 1 || SPREADING.includes(process.platform)) return count;
  log.warn("this system does not spread connections over processes: one worker", { wanted: count });
  return 1;
}

/** What is supervised. */
export interface SuperviseOptions {
  readonly count: number;
  readonly settings: Settings;
  /** Those of `plumb serve`. */
  readonly args: readonly string[];
  readonly log: Log;
  /** Called once when all workers take Clients. */
  readonly ready?: (() => void) | undefined;
}

/**
 * Runs a broker of several processes until SIGINT, SIGTERM or SIGQUIT, as `serveCommand()` runs one; gives the exit status.
 * @throws {CallError} when it cannot begin.
 */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const { count, settings, log } = options;
  const program = programOf("--workers");
  await checkSettings(
    settings,
    new Log({ level: "off", format: "logfmt", stream: { write() {}, colours: false } }),
  );
  const stopped = endSignal((name) => log.info("stopping", { signal: name }));
  const lock = settings.data === undefined ? undefined : await arrange(settings.data, count, settings, log);
  let directory: string | undefined;
  let ports: Ports | undefined;
  try {
    directory = privateDirectory(settings.data);
    makeCommonFiles(settings);
    const tls = new TlsSet({ ...settings, data: settings.data ?? directory }, log);
    if (tls.isOwn) await tls.read();
    ports = await takePorts(settings, log);
    const workers = new Workers(options, program, directory, ports);
    return await workers.run(stopped);
  } finally {
    ports?.release();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    lock?.release();
  }
}

/**
 * A directory for sockets that nobody else may enter, empty: in the data directory, which is locked, or for paths that are short enough
 * below that for temporary files.
 */
function privateDirectory(data: string | undefined): string {
  const inData = data === undefined ? undefined : resolve(data, "run");
  if (inData === undefined || insideSocketOf(inData, WORKERS_MAX).length > SOCKET_PATH_MAX) {
    return mkdtempSync(join(tmpdir(), "plumb-"));
  }
  rmSync(inData, { recursive: true, force: true }); // of a process that was killed
  mkdirSync(inData, { mode: 0o700 });
  return inData;
}

/** The token of the owner, which all workers read; whoever cannot says why. */
function makeCommonFiles(settings: Settings): void {
  if (!settings.listen.some((one) => shownBy(settings, one).api)) return;
  try {
    tokenIn(tokenFileOf(settings, environment));
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
  }
}

/** One place for a process. */
interface Place {
  readonly number: number;
  child: Child | undefined;
  isReady: boolean;
  /** It has answered since it was asked last. */
  isAlive: boolean;
  /** When it was started. */
  since: number;
  /** Ends in a row. */
  ends: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** All workers of a broker. */
class Workers {
  readonly #options: SuperviseOptions;
  readonly #program: readonly string[];
  readonly #directory: string;
  readonly #ports: Ports;
  readonly #places: readonly Place[];
  readonly #lines = new StartLines();
  #linesTimer: ReturnType<typeof setTimeout> | undefined;
  /** `starting` until all have been ready once. */
  #state: "starting" | "running" | "stopping" = "starting";
  /** Of a worker that could not start; the highest of those that have ended when they were told to. */
  #status: number = STATUS.good;
  #over: () => void = () => {};

  constructor(options: SuperviseOptions, program: readonly string[], directory: string, ports: Ports) {
    this.#options = options;
    this.#program = program;
    this.#directory = directory;
    this.#ports = ports;
    this.#places = Array.from({ length: options.count }, (_, i) => ({
      number: i + 1,
      child: undefined,
      isReady: false,
      isAlive: true,
      since: 0,
      ends: 0,
      timer: undefined,
    }));
  }

  /** Until they are told to stop, and all have ended; gives the exit status. */
  async run(stopped: Promise<string>): Promise<number> {
    const { log } = this.#options;
    const over = new Promise<void>((resolve) => this.#over = resolve);
    process.on("exit", () => {
      for (const { child } of this.#places) child?.kill(); // however this process ends
    });
    listenTo(RELOAD, () => this.#tell("reload"));
    listenTo(IGNORED, (name) => log.debug("ignored", { signal: name }));
    const manager = new ServiceManager(log);
    this.#ready = (addresses) => {
      this.#options.ready?.();
      manager.ready(`listening on ${addresses.join(", ")}`, () => this.#areAlive());
    };
    void stopped.then((name) => {
      manager.stopping();
      this.#stop(name);
    });
    log.info("workers start", { workers: this.#places.length });
    for (const place of this.#places) this.#start(place);
    await over;
    this.#flushLines();
    if (this.#status !== STATUS.cannot) log.info("stopped");
    return this.#status;
  }

  #ready: (addresses: readonly string[]) => void = () => {};

  #start(place: Place): void {
    const { count, settings, args, log } = this.#options;
    const order: WorkerOrder = {
      number: place.number,
      of: count,
      directory: this.#directory,
      incarnation: randomUUID(),
      ...settings.data !== undefined && { store: storeOf(settings.data, place.number, count) },
      ports: this.#ports.taken,
      isFirst: this.#state === "starting",
      colours: log.colours,
    };
    place.since = performance.now();
    place.isReady = false;
    place.child = new Child({
      program: this.#program,
      args,
      variable: WORKER_VARIABLE,
      order,
      said: (line) => this.#said(line, place.number),
      news: (news) => {
        const { addresses } = news as News;
        if (addresses === undefined) place.isAlive = true;
        else this.#isUp(place, addresses);
      },
      troubled: (why) => log.error("a worker cannot be started", { worker: place.number, why }),
      ended: (end) => this.#ended(place, end),
    });
  }

  /** Whether all that take Clients have answered since they were asked last; asks them again. */
  #areAlive(): boolean {
    const areAlive = this.#places.every(({ isReady, isAlive }) => !isReady || isAlive);
    for (const place of this.#places) place.isAlive = false;
    this.#tell("ping");
    return areAlive;
  }

  #isUp(place: Place, addresses: readonly string[]): void {
    this.#ports.release(); // the workers have them
    place.isReady = place.isAlive = true;
    const { log } = this.#options;
    if (this.#state === "running") return log.info("worker started again", { worker: place.number });
    if (this.#state !== "starting" || this.#places.some(({ isReady }) => !isReady)) return;
    this.#state = "running";
    this.#flushLines();
    this.#ready(addresses);
  }

  #ended(place: Place, end: End): void {
    const { log } = this.#options;
    const { status, signal } = end;
    place.child = undefined;
    place.isReady = false;
    if (this.#state === "running") {
      if (performance.now() - place.since >= STEADY_MS) place.ends = 0;
      const ms = place.ends === 0 ? 0 : Math.min(AGAIN_MS * 2 ** (place.ends - 1), AGAIN_MS_MAX);
      place.ends++;
      log.error("worker ended", {
        worker: place.number,
        ...fieldsOf(end),
        again: ms === 0 ? "at once" : `in ${ms} ms`,
      });
      place.timer = setTimeout(() => this.#start(place), ms);
      return;
    }
    if (this.#state === "starting") {
      if (status !== STATUS.cannot) {
        log.error("worker ended at its start", { worker: place.number, ...fieldsOf(end) });
      }
      this.#status = STATUS.cannot;
      this.#stop("SIGTERM");
    } else if (this.#status !== STATUS.cannot && (signal !== null || status !== STATUS.good)) {
      this.#status = STATUS.found;
    }
    if (this.#places.every(({ child }) => child === undefined)) this.#over();
  }

  #stop(signal: string): void {
    if (this.#state === "stopping") return;
    this.#state = "stopping";
    this.#flushLines();
    for (const { timer } of this.#places) clearTimeout(timer);
    this.#tell(`stop ${signal}`);
    if (this.#places.every(({ child }) => child === undefined)) this.#over();
  }

  #tell(order: string): void {
    for (const { child } of this.#places) child?.tell(order);
  }

  #said(line: string, worker: number): void {
    if (this.#state !== "starting") return this.#passOn(line, worker);
    this.#lines.add(line, worker);
    if (this.#linesTimer !== undefined) return;
    this.#linesTimer = setTimeout(() => this.#flushLines(), START_LINES_MS);
    this.#linesTimer.unref();
  }

  #flushLines(): void {
    clearTimeout(this.#linesTimer);
    this.#linesTimer = undefined;
    for (const { line, worker } of this.#lines.take(this.#places.length)) this.#passOn(line, worker);
  }

  #passOn(line: string, worker: number | undefined): void {
    const { log } = this.#options;
    if (isOfLog(line)) {
      log.passOn(worker === undefined ? line : withNumber(line, "worker", worker, log.colours));
    } else if (this.#status !== STATUS.good || this.#state === "starting") log.passOn(line);
    else if (line !== "") log.error("said on stderr", { worker, line: log.cut(line) });
  }
}
