/**
 * How long messages take at QoS 1 while passwords are hashed, beside how long they take without: runs in alternation, on one broker.
 * Knows how to measure that; refuses to judge it.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plansOf, type Wishes } from "../../../src/bench/plan.ts";
import { type Round, type ScenarioReport, scenarioReport } from "../../../src/bench/report.ts";
import { parseTarget } from "../../../src/bench/target.ts";
import { Crew } from "../../../src/bench/threads.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { type Cost, passwordLine } from "../../lib/password_line.ts";
import { PlumbChild } from "../../lib/plumb_child.ts";
import { Logins } from "./logins.ts";

/** What is measured. */
export interface LoginLoad {
  readonly runtime: Runtime;
  /** Pairs of runs, with logins and without. */
  readonly rounds: number;
  /** Of `plumb bench`: pairs at QoS 1. */
  readonly load: Pick<Wishes, "rate" | "seconds" | "warmup">;
  readonly threads: number;
  readonly loginsPerSecond: number;
  readonly cost: Cost;
}

/** What was found. */
export interface LoginLoadResult {
  /** The first side is with logins. */
  readonly report: ScenarioReport;
  /** Those of each run. */
  readonly logins: readonly Logins[];
}

const USER = { username: "device", password: "correct horse" } as const;

/** No password is remembered, so each login is hashed; Clients of the load come without a name. */
function configOf(passwords: string): string {
  return `listen = "mqtt://127.0.0.1:0"
memory = true
[[login]]
kind = "password-file"
file = ${JSON.stringify(passwords)}
remembered-max = 0
[[login]]
kind = "anonymous"
from = "loopback"
`;
}

/** Measures it. */
export async function measureLoginLoad(what: LoginLoad): Promise<LoginLoadResult> {
  const { runtime, rounds, load, threads, loginsPerSecond: perSecond, cost } = what;
  const [plan] = plansOf(["latency"], load);
  const folder = mkdtempSync(join(tmpdir(), "plumb-login-load-"));
  const passwords = join(folder, "passwords");
  const config = join(folder, "plumb.toml");
  writeFileSync(passwords, await passwordLine(USER.username, USER.password, cost), { mode: 0o600 });
  writeFileSync(config, configOf(passwords), { mode: 0o600 });
  const crew = new Crew(threads);
  let broker: PlumbChild | undefined;
  try {
    broker = await PlumbChild.start(runtime, ["--config", config]);
    const side = { target: parseTarget(`mqtt://127.0.0.1:${broker.port()}`), pid: broker.pid };
    const run = () => crew.run(plan!, side).catch((error: Error): Round => error);
    const found: { with: Round[]; without: Round[] } = { with: [], without: [] };
    const logins: Logins[] = [];
    const withLogins = async () => {
      const some = new Logins({ port: broker!.port(), ...USER, perSecond });
      logins.push(some);
      found.with.push(await run());
      await some.end(); // what waits is hashed before the run without
    };
    for (let round = 0; round < rounds; round++) {
      if (round % 2 === 0) await withLogins();
      found.without.push(await run());
      if (round % 2 === 1) await withLogins();
    }
    return { report: scenarioReport(plan!, [found.with, found.without]), logins };
  } finally {
    await crew.close();
    await broker?.stop();
    rmSync(folder, { recursive: true });
  }
}
