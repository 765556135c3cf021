/**
 * The measurement: each scenario, each round, each broker, one after the other.
 * Knows the order and how the load is called; refuses to know which brokers there are and what is made of the figures.
 *
 * A scenario has its own processes: what one leaves behind in a broker does not weigh on the next, and a scenario alone gives
 * the figures that it gives among all. They stay for all rounds, since a broker that runs for long is what people have.
 * @module
 */
import process from "node:process";
import { runFlags, type Runtime } from "../../lib/broker_process.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import type { RunningPeer } from "../../trials/peers/start.ts";
import { type BenchedBroker, programOf } from "./brokers.ts";
import type { Cores } from "./cores.ts";
import { type Failed, type Run, runOf, type Summary, summaryOf } from "./figures.ts";
import type { PeerScenario } from "./scenarios.ts";

/** What is to be compared, and how long. */
export interface Comparison {
  readonly brokers: readonly BenchedBroker[];
  readonly scenarios: readonly PeerScenario[];
  readonly rounds: number;
  /** That count, of each run, and those before them. */
  readonly seconds: number;
  readonly warmup: number;
  readonly cores: Cores;
  /** What the load runs on. */
  readonly runtime: Runtime;
  readonly progress?: (progress: PeersProgress) => void;
}

/** What is going on. */
export interface PeersProgress {
  /** Runs that are over, and all there are. */
  readonly done: number;
  readonly all: number;
  readonly scenario: PeerScenario;
  readonly broker: string;
}

/** One scenario, all brokers. */
export interface Row {
  readonly scenario: PeerScenario;
  readonly summaries: readonly Summary[];
}

/** A run ends by itself; one that does not is ended after this much more than it has to take. */
const PATIENCE_MS = 300_000;

/** Does it. What fails is told in its summary, and the others go on. */
export async function comparePeers(comparison: Comparison): Promise<Row[]> {
  const { brokers, scenarios, rounds, cores, progress } = comparison;
  const all = scenarios.length * rounds * brokers.length;
  let done = 0;
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const peers = new Map<BenchedBroker, RunningPeer>();
    const runs = new Map<BenchedBroker, (Run | Failed)[]>(brokers.map((broker) => [broker, []]));
    try {
      for (let round = 0; round < rounds; round++) {
        for (const broker of brokers) {
          progress?.({ done: done++, all, scenario, broker: broker.name });
          const run = await attempt(async () => {
            const peer = peers.get(broker) ?? await broker.start(cores.broker);
            peers.set(broker, peer);
            return await runAt(peer, broker, scenario, comparison);
          });
          runs.get(broker)!.push(run);
          if (!scenario.fresh && !("failed" in run)) continue;
          await peers.get(broker)?.stop();
          peers.delete(broker);
        }
      }
    } finally {
      await Promise.all([...peers.values()].map((peer) => peer.stop()));
    }
    const first = runs.get(brokers[0]!)!;
    rows.push({
      scenario,
      summaries: brokers.map((broker) => summaryOf(broker.name, scenario.kind, runs.get(broker)!, first)),
    });
  }
  return rows;
}

async function attempt(action: () => Promise<Run | Failed>): Promise<Run | Failed> {
  try {
    return await action();
  } catch (error) {
    return { failed: (error as Error).message.split("\n")[0]! };
  }
}

/** The load's command but for its target and its report: whoever doubts a figure can repeat it by hand. */
export function flagsOf(
  { flags }: PeerScenario,
  { level }: Pick<BenchedBroker, "level">,
  { seconds, warmup, cores }: Pick<Comparison, "seconds" | "warmup" | "cores">,
): string[] {
  const long = flags.includes("--seconds") ? [] : ["--seconds", `${seconds}`];
  return [...flags, ...long, "--warmup", `${warmup}`, "--threads", `${cores.threads}`, "--level", `${level}`];
}

async function runAt(
  { port, pid }: RunningPeer,
  broker: BenchedBroker,
  scenario: PeerScenario,
  comparison: Comparison,
): Promise<Run | Failed> {
  const { cores, runtime, seconds, warmup } = comparison;
  const program = [programOf(runtime), ...runFlags(runtime), "mod.ts"];
  const watched = process.platform === "linux" ? ["--pid", `${pid}`] : [];
  const flags = flagsOf(scenario, broker, comparison);
  const command = [...cores.load, ...program, "bench", `mqtt://127.0.0.1:${port}`, ...flags, ...watched];
  const child = spawnKept([...command, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout!.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said.err += text);
  const timer = setTimeout(() => void killed(child), (seconds + warmup) * 1000 + PATIENCE_MS);
  await new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve());
  }).finally(() => clearTimeout(timer));
  if (said.out !== "") return runOf(said.out);
  const [line = ""] = said.err.replace(/^plumb: /, "").split("\n");
  return { failed: line === "" ? "the load took too long" : line };
}
