/**
 * Broker and baseline on one runtime, in turn, under the same load.
 * Knows rounds and pairs; refuses to judge what comes out.
 * @module
 */
import type { Runtime } from "../../lib/broker_process.ts";
import { type Measured, measuredOf, type Pair, type Scenario } from "./figures.ts";
import { FRAME_BYTES, Load } from "./load.ts";
import { Program } from "./program.ts";

/** How much. */
export interface Effort {
  readonly pairs: number;
  /** Messages delivered in each run. */
  readonly messages: number;
  /** Before anything counts, for the compilers. */
  readonly warmUp: number;
  /** The broker is slowed by so much at each chunk, to see the guard turn red. */
  readonly slowUs: number;
}

/** Measures these scenarios, in processes of their own. */
export async function compare(
  runtime: Runtime,
  scenarios: readonly Scenario[],
  effort: Effort,
  tell: (measured: Measured) => void = () => {},
): Promise<Measured[]> {
  const broker = await Program.start(runtime, "broker_child.ts", [`${effort.slowUs}`]);
  try {
    const baseline = await Program.start(runtime, "baseline_child.ts", [`${FRAME_BYTES}`]);
    try {
      const all: Measured[] = [];
      for (const scenario of scenarios) {
        const measured = measuredOf(scenario, await pairsOf(scenario, broker, baseline, effort));
        tell(measured);
        all.push(measured);
      }
      return all;
    } finally {
      await baseline.close();
    }
  } finally {
    await broker.close();
  }
}

async function pairsOf(
  scenario: Scenario,
  broker: Program,
  baseline: Program,
  { pairs, messages, warmUp }: Effort,
): Promise<Pair[]> {
  const onBroker = await Load.onBroker(scenario, broker.port);
  const onBaseline = await Load.onBaseline(scenario, baseline.port);
  try {
    const brokerNs = () => nsEach(broker, onBroker, messages);
    const baselineNs = () => nsEach(baseline, onBaseline, messages);
    await onBroker.run(warmUp);
    await onBaseline.run(warmUp);
    const all: Pair[] = [];
    for (let i = 0; i < pairs; i++) {
      if (i % 2 === 0) all.push({ brokerNs: await brokerNs(), baselineNs: await baselineNs() });
      else {
        const baselineFirst = await baselineNs();
        all.push({ brokerNs: await brokerNs(), baselineNs: baselineFirst });
      }
    }
    return all;
  } finally {
    onBroker.close();
    onBaseline.close();
  }
}

/** CPU time for each message of one run. */
async function nsEach(program: Program, load: Load, messages: number): Promise<number> {
  const before = await program.cpuUs();
  const delivered = await load.run(messages);
  return (await program.cpuUs() - before) * 1_000 / delivered;
}
