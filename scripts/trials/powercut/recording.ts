/**
 * One recording: brokers that serve one data directory in turn, all that their Clients did and got, and all that came to
 * the disk, on one time line; and the Clients as they were at any place of it.
 * Knows when what came to a Client had been sent; refuses to know what a power cut leaves of the files.
 *
 * Clients at a place have got everything whose sending began before it. So what they did later, the broker cannot have
 * seen at that place: a state of Clients and disk that there may have been.
 * @module
 */
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Packet, ProtocolLevel } from "../../../src/codec/mod.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { RawClient, type RawHandler } from "../../lib/raw_client.ts";
import { Directory } from "../crash/directory.ts";
import { Host } from "../crash/host.ts";
import { ROLES } from "../crash/roles.ts";
import type { Line, Wire } from "../crash/wire.ts";
import { Dice } from "../soak/dice.ts";
import { isComplete, straceTo } from "./strace.ts";
import { Timeline } from "./timeline.ts";

/** What came to the Clients, and when they were told to act: all that they do follows from it. */
export type Input =
  & { readonly ms: number }
  & (
    | { readonly kind: "begin"; readonly life: number }
    | { readonly kind: "step" }
    | {
      readonly kind: "packet";
      readonly line: number;
      readonly packet: Packet;
      /** All bytes of this connection that have come with it. */
      readonly bytes: number;
    }
    | { readonly kind: "closed"; readonly line: number; readonly byUs: boolean }
  );

/** A connection of the recording: in which life, and from which port. */
interface Dialled {
  readonly life: number;
  port: number | undefined;
}

/** Writes down what comes. */
class RecordingWire implements Wire {
  readonly inputs: Input[] = [];
  readonly lines: Dialled[] = [];
  life = -1;
  #ms = performance.now();

  now(): number {
    return this.#ms;
  }

  /** An input without a connection comes now. */
  input(kind: "begin" | "step"): void {
    this.#ms = performance.now();
    this.inputs.push(kind === "begin" ? { kind, life: this.life, ms: this.#ms } : { kind, ms: this.#ms });
  }

  dial(port: number, level: ProtocolLevel, handler: RawHandler): Line {
    const line = this.lines.length;
    const dialled: Dialled = { life: this.life, port: undefined };
    this.lines.push(dialled);
    let bytes = 0;
    let byUs = false;
    const raw: RawClient = new RawClient(port, level, {
      packet: (packet, count) => {
        dialled.port ??= raw.localPort;
        bytes += count;
        this.#ms = performance.now();
        this.inputs.push({ kind: "packet", line, packet, bytes, ms: this.#ms });
        handler.packet!(packet, count);
      },
      broken: (error) => handler.broken!(error),
      closed: () => {
        this.#ms = performance.now();
        this.inputs.push({ kind: "closed", line, byUs, ms: this.#ms });
        handler.closed!();
      },
    });
    return {
      get over() {
        return raw.over;
      },
      send: (packet) => raw.send(packet),
      end: () => raw.end(),
      reset: () => {
        byUs = true;
        raw.reset();
      },
    };
  }
}

/** Brings again what was written down, and then what comes. */
class ReplayWire implements Wire {
  readonly #lines: { over: boolean; handler: RawHandler }[] = [];
  #ms: number | undefined;

  now(): number {
    return this.#ms ?? performance.now();
  }

  dial(port: number, level: ProtocolLevel, handler: RawHandler): Line {
    if (this.#ms === undefined) return new RawClient(port, level, handler);
    const line = { over: false, handler, send: () => {}, end: () => {}, reset: () => {} };
    this.#lines.push(line);
    return line;
  }

  feed(input: Input, directory: Directory): void {
    this.#ms = input.ms;
    if (input.kind === "begin") {
      directory.restarted();
      directory.wake();
    } else if (input.kind === "step") directory.step();
    else {
      const line = this.#lines[input.line]!;
      if (input.kind === "packet") line.handler.packet!(input.packet, 0);
      else {
        line.over = true;
        line.handler.closed!();
      }
    }
  }

  /** The power is cut, and from now on everything is real. */
  cut(directory: Directory): void {
    for (const line of this.#lines) line.over = true;
    this.#ms = undefined;
    directory.cutAll();
  }
}

/** What is recorded. */
export interface RecordOptions {
  readonly runtime: Runtime;
  readonly seed: number;
  readonly durability: "fsync" | "os";
  /** Where the files go. */
  readonly folder: string;
  /** Processes that serve one after the other. */
  readonly lives: number;
  readonly wrong: (text: string) => void;
}

/** Milliseconds for which Clients do their work, and on a slow machine until so many of their messages are acknowledged. */
const LOAD_MS = [200, 900] as const;
const ACKNOWLEDGED_LEAST = 50;
const LOAD_MS_MAX = 20_000;
/** Lives whose log is written back early, of 100. */
const CHECKPOINTS = 50;
/** strace may have much to write. */
const END_MS = 180_000;
const POLL_MS = 20;

/** One. */
export class Recording {
  readonly seed: number;
  readonly durability: "fsync" | "os";
  readonly timeline: Timeline;
  /** The files of this recording. */
  readonly folder: string;
  readonly inputs: readonly Input[];
  /** The lowest place of a cut at which each input may have come. */
  readonly #places: readonly number[];

  private constructor(options: RecordOptions, folder: string, timeline: Timeline, wire: RecordingWire) {
    this.seed = options.seed;
    this.durability = options.durability;
    this.folder = folder;
    this.timeline = timeline;
    this.inputs = wire.inputs;
    this.#places = wire.inputs.map((input) => placeOf(input, wire.lines, timeline));
  }

  /** Records; undefined if something was wrong. */
  static async make(options: RecordOptions): Promise<Recording | undefined> {
    const { runtime, seed, durability, lives, wrong } = options;
    mkdirSync(options.folder, { recursive: true });
    const folder = mkdtempSync(join(options.folder, "plumb-powercut-"));
    const root = join(folder, "disk");
    mkdirSync(root);
    const timeline = new Timeline(root);
    const wire = new RecordingWire();
    let problems = 0;
    const problem = (text: string): void => {
      problems++;
      wrong(`while seed ${seed} is recorded in ${folder}: ${text}`);
    };
    const directory = new Directory(seed, problem, ROLES, wire);
    const dice = new Dice(~seed);
    const data = join(root, "data");
    for (let life = 0; life < lives && problems === 0; life++) {
      const trace = join(folder, `strace-${life + 1}.txt`);
      const under = straceTo(trace);
      const pages = dice.chance(CHECKPOINTS) ? dice.between(5, 100) : undefined;
      const host = pages === undefined
        ? Host.plumb(runtime, ["--data", data, "--durability", durability], under)
        : Host.waiting(runtime, under);
      if (pages !== undefined) {
        host.order({ data, durability, sabotage: { thread: "disk", checkpointPages: pages } });
      }
      if (await host.port() === undefined) problem(`No broker: ${host.lines.join("\n")}`);
      else {
        wire.life = life;
        wire.input("begin");
        await directory.begin(host);
        directory.wake();
        const began = performance.now();
        const least = directory.model.counts.acknowledged + ACKNOWLEDGED_LEAST;
        const loadMs = dice.between(...LOAD_MS);
        const isEnough = (): boolean => {
          const ms = performance.now() - began;
          return ms > LOAD_MS_MAX || (ms > loadMs && directory.model.counts.acknowledged >= least);
        };
        while (host.ended === undefined && !isEnough()) {
          wire.input("step");
          directory.step();
          await pause(1);
        }
        if (host.ended !== undefined) problem(`The broker ended by itself: ${host.lines.join("\n")}`);
        if (dice.chance(50)) host.kill();
        else host.terminate();
        await directory.mourn();
      }
      for (const failure of host.failures) problem(`The broker says ${failure}`);
      const text = await complete(trace, host.pid);
      if (text === undefined) problem(`${trace} has no end`);
      else if (!timeline.read(text).isClear) break; // what is on the disk is not known for sure
      timeline.settle((path) => readFileSync(path));
    }
    if (problems > 0) return undefined;
    const recording = new Recording(options, folder, timeline, wire);
    const replayed = recording.clientsAt(Infinity);
    const [was, is] = [directory, replayed].map(({ model }) => JSON.stringify(model.counts));
    if (was !== is) throw new Error(`The recording in ${folder} says ${was}, and when it is replayed ${is}`);
    return recording;
  }

  /** The Clients as they are when the power is cut at this place: from then on they live. */
  clientsAt(place: number): Directory {
    const wire = new ReplayWire();
    const directory = new Directory(this.seed, () => {}, ROLES, wire); // the same was wrong when it was recorded
    for (const [i, input] of this.inputs.entries()) {
      if (this.#places[i]! >= place) break;
      wire.feed(input, directory);
    }
    wire.cut(directory);
    return directory;
  }
}

/** Where the sending of it began: a cut behind that finds it with the Client. */
function placeOf(input: Input, lines: readonly Dialled[], { lives }: Timeline): number {
  if (input.kind === "step") return -Infinity;
  if (input.kind === "begin") return lives[input.life]!.listeningAt;
  const { life, port } = lines[input.line]!;
  const sends = port === undefined ? undefined : lives[life]!.connections.get(port);
  const diedAt = lives[life]!.to - 1;
  if (input.kind === "closed") return input.byUs ? -Infinity : Math.min(sends?.closedAt ?? Infinity, diedAt);
  const send = sends?.sent.find(({ bytes }) => bytes >= input.bytes);
  if (send === undefined) throw new Error(`Nobody has sent ${JSON.stringify(input)}`);
  return send.at;
}

/** All that strace writes of a process that is over. */
async function complete(file: string, pid: number): Promise<string | undefined> {
  const end = performance.now() + END_MS;
  while (performance.now() < end) {
    const text = readFileSync(file, "latin1");
    if (isComplete(text, pid)) return text;
    await pause(POLL_MS);
  }
  return undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
