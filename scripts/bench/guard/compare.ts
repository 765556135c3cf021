/**
 * The broker as it is and as it was, on one runtime, in turn, under the same load.
 * Knows rounds and pairs; refuses to judge what comes out.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "../../lib/broker_process.ts";
import { ROOT } from "../../lib/tree.ts";
import { BEFORE, bundleBroker } from "./bundle.ts";
import { type Measured, measuredOf, type Pair, type Scenario } from "./figures.ts";
import { Load } from "./load.ts";
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

const WARM_UPS = 4;

/** Measures these scenarios, in processes of their own. */
export async function compare(
  runtime: Runtime,
  scenarios: readonly Scenario[],
  effort: Effort,
  tell: (measured: Measured) => void = () => {},
): Promise<Measured[]> {
  const directory = mkdtempSync(join(tmpdir(), "plumb-guard-"));
  const open: Program[] = [];
  try {
    const present = join(directory, "present.mjs");
    await bundleBroker(ROOT, present);
    const now = await Program.start(runtime, present, [`${effort.slowUs}`]);
    open.push(now);
    const before = await Program.start(runtime, BEFORE, ["0"]);
    open.push(before);
    const all: Measured[] = [];
    for (const scenario of scenarios) {
      const measured = measuredOf(scenario, await pairsOf(scenario, now, before, effort));
      tell(measured);
      all.push(measured);
    }
    return all;
  } finally {
    for (const program of open) await program.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function pairsOf(
  scenario: Scenario,
  now: Program,
  before: Program,
  { pairs, messages, warmUp }: Effort,
): Promise<Pair[]> {
  const onNow = await Load.onBroker(scenario, now.port);
  const onBefore = await Load.onBroker(scenario, before.port);
  try {
    const nowNs = () => nsEach(now, onNow, messages);
    const beforeNs = () => nsEach(before, onBefore, messages);
    for (let i = 0; i < WARM_UPS; i++) { // in turn: the load is compiled as well
      await onNow.run(warmUp);
      await onBefore.run(warmUp);
    }
    const all: Pair[] = [];
    for (let i = 0; i < pairs; i++) {
      if (i % 2 === 0) all.push({ nowNs: await nowNs(), beforeNs: await beforeNs() });
      else {
        const first = await beforeNs();
        all.push({ nowNs: await nowNs(), beforeNs: first });
      }
    }
    return all;
  } finally {
    onNow.close();
    onBefore.close();
  }
}

/** CPU time for each message of one run. */
async function nsEach(program: Program, load: Load, messages: number): Promise<number> {
  const before = await program.cpuUs();
  const delivered = await load.run(messages);
  return (await program.cpuUs() - before) * 1_000 / delivered;
}
