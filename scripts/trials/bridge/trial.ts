/**
 * Messages both ways over a bridge whose link is cut, and whose brokers end in the midst of it.
 * Knows what must arrive; refuses to know which brokers these are.
 * @module
 */
import { type Client, connect } from "../../../src/client_api/mod.ts";
import { seededRandom } from "../../../src/engine/random.ts";
import { cuttingProxy } from "../../lib/cutting_proxy.ts";
import { WireLog } from "../client_cuts/wire_log.ts";
import type { Side } from "./sides.ts";

/** What is tried. */
export interface BridgeTrial {
  /** Has the bridge. */
  readonly near: Side;
  readonly far: Side;
  readonly level: 4 | 5;
  readonly qos: 1 | 2;
  /** In both directions together. */
  readonly messages: number;
  readonly cuts: number;
  /** Of each side. */
  readonly kills: { readonly near: number; readonly far: number };
  readonly seed: number;
  /** The far broker may send QoS 2 messages again behind their PUBREL, as mosquitto 2.0.11 does: they are counted. */
  readonly isLoose?: boolean;
  /** Takes the packets on the link, a line for each, if the trial fails. */
  readonly log?: (lines: readonly string[]) => void;
}

/** What has come. */
export interface BridgeOutcome {
  readonly cuts: number;
  readonly kills: { readonly near: number; readonly far: number };
  /** Messages that came again: 0 at QoS 2. */
  readonly again: number;
  /** QoS 2 messages that came again since the far broker sent them again behind their PUBREL: new ones to whoever keeps to the standard. */
  readonly sentAgain: number;
  readonly seconds: number;
}

/** Messages that may be under way in one direction: fewer than a broker keeps in a session. */
const AHEAD = 800;
/** Publications that are not acknowledged. */
const WINDOW = 100;
/** Bytes on the link for each message, its acknowledgements among them, about. */
const BYTES_EACH = 34;
/** ms without a message from which on something has come to a stop. */
const SILENT_MS = 120_000;

/** One direction: numbers from one broker to the other. */
class Direction {
  /** All below it have come. */
  next = 0;
  again = 0;
  sentAgain = 0;
  fault: Error | undefined;
  lastAt = performance.now();
  /** Resolves when all have come, and the mark behind them; rejects at the first fault. */
  readonly over: Promise<void>;
  #resolve!: () => void;
  #reject!: (error: Error) => void;
  #onMove: () => void = () => {};

  readonly name: string;
  readonly count: number;
  readonly qos: 1 | 2;

  readonly #mayComeAgain: ReadonlySet<string>;

  constructor(name: string, count: number, qos: 1 | 2, mayComeAgain: ReadonlySet<string>) {
    this.#mayComeAgain = mayComeAgain;
    this.name = name;
    this.count = count;
    this.qos = qos;
    this.over = new Promise((resolve, reject) => [this.#resolve, this.#reject] = [resolve, reject]);
    this.over.catch(() => {});
  }

  async read(reader: Client): Promise<void> {
    const subscription = await reader.subscribe(this.name, { qos: this.qos });
    void (async () => {
      for await (const { bytes } of subscription) this.#take(Number(new TextDecoder().decode(bytes)));
    })().catch((error) => this.fail(error));
  }

  #take(number: number): void {
    this.lastAt = performance.now();
    if (number < 0) return; // of `bridged()`
    if (number > this.next) {
      return this.fail(new Error(`${this.name}: ${this.next} is lost, ${number} comes`));
    }
    if (number < this.next) {
      if (this.qos === 1) this.again++;
      else if (this.#mayComeAgain.has(`${number}`)) this.sentAgain++;
      else this.fail(new Error(`${this.name}: ${number} comes again instead of ${this.next}`));
    } else if (++this.next > this.count) this.#resolve(); // the mark
    this.#onMove();
  }

  fail(error: Error): void {
    this.fault ??= error;
    this.#reject(error);
    this.#onMove();
  }

  async write(writer: Client): Promise<void> {
    const open = new Set<Promise<unknown>>();
    for (let number = 0; number <= this.count; number++) {
      while (number - this.next > AHEAD || open.size >= WINDOW) {
        if (this.fault !== undefined) return;
        await Promise.race([...open, new Promise<void>((resolve) => this.#onMove = resolve)]);
      }
      const sent: Promise<unknown> = writer.publish(this.name, `${number}`, { qos: this.qos })
        .finally(() => open.delete(sent));
      sent.catch((error) => this.fail(error));
      open.add(sent);
    }
  }
}

/** Throws when a message is lost, comes in another order, or (QoS 2) again. */
export async function bridgeTrial(trial: BridgeTrial): Promise<BridgeOutcome> {
  const { near, far, level, qos, messages, cuts, kills, seed } = trial;
  const begin = performance.now();
  const bytesMax = Math.max(200, Math.floor(messages * BYTES_EACH / cuts));
  await far.start();
  const wireLog = new WireLog(level, trial.log !== undefined);
  const proxy = await cuttingProxy({
    port: far.port,
    cuts,
    bytesMax,
    random: seededRandom(seed),
    ...(trial.isLoose || trial.log) && { wire: wireLog.wire },
  });
  const clients: Client[] = [];
  const client = async (side: Side, clientId: string): Promise<Client> => {
    const one = await connect(`mqtt://127.0.0.1:${side.port}`, {
      clientId,
      cleanStart: false,
      sessionExpiry: 0xffff_ffff,
      level: 5,
      connectTimeoutMs: Infinity,
      reconnect: { minMs: 5, maxMs: 100 },
      receiveMaximum: 50,
    });
    clients.push(one);
    return one;
  };
  const [out, inward] = (["out", "in"] as const).map((name) => {
    const mayComeAgain = trial.isLoose && name === "in" ? wireLog.sentAgain : new Set<string>();
    return new Direction(name, Math.floor(messages / 2), qos, mayComeAgain);
  });
  const both = [out!, inward!];
  const watch = setInterval(() => {
    for (const one of both) {
      const isOver = one.next > one.count;
      if (!isOver && performance.now() - one.lastAt > SILENT_MS) {
        one.fail(new Error(`${one.name}: nothing comes behind ${one.next - 1}`));
      }
    }
  }, 1_000);
  try {
    await near.start({ port: proxy.port, level, qos });
    await out!.read(await client(far, "reader-far"));
    await inward!.read(await client(near, "reader-near"));
    const [writerNear, writerFar] = [await client(near, "writer-near"), await client(far, "writer-far")];
    await bridged(near, far);
    const writing = [out!.write(writerNear), inward!.write(writerFar)];
    const order = shuffled(kills, seededRandom(seed + 1));
    for (const [i, side] of order.entries()) {
      const wanted = messages * (i + 1) / (order.length + 1);
      const isThere = () => both.reduce((sum, { next }) => sum + next, 0) >= wanted;
      while (!isThere() && both.every(({ fault }) => fault === undefined)) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const fault = both.find(({ fault }) => fault !== undefined)?.fault;
      if (fault !== undefined) throw fault;
      await (side === "near" ? near : far).again();
    }
    await Promise.all([...both.map(({ over }) => over), ...writing]);
    return {
      cuts: proxy.cuts,
      kills: { near: near.ends, far: far.ends },
      again: out!.again + inward!.again,
      sentAgain: inward!.sentAgain,
      seconds: (performance.now() - begin) / 1_000,
    };
  } catch (error) {
    trial.log?.(wireLog.lines);
    throw error;
  } finally {
    clearInterval(watch);
    await Promise.all(clients.map((one) => one.close({ timeoutMs: 0 })));
    await proxy.close();
    await Promise.all([near.close(), far.close()]);
  }
}

/** The bridge has subscribed: messages go over both ways. What is published before a bridge's first connection it does not get. */
async function bridged(near: Side, far: Side): Promise<void> {
  for (const [from, to, topic] of [[near, far, "out"], [far, near, "in"]] as const) {
    const sender = await connect(`mqtt://127.0.0.1:${from.port}`);
    const reader = await connect(`mqtt://127.0.0.1:${to.port}`);
    const messages = await reader.subscribe(topic);
    let isThere = false;
    const first = messages[Symbol.asyncIterator]().next().then(() => isThere = true);
    while (!isThere) {
      await sender.publish(topic, "-1", { qos: 0 });
      await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
    await Promise.all([sender.close(), reader.close()]);
  }
}

function shuffled(
  { near, far }: BridgeTrial["kills"],
  random: () => number,
): ("near" | "far")[] {
  const all = [...Array(near).fill("near"), ...Array(far).fill("far")];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random() % (i + 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}
