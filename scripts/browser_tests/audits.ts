/**
 * The audits, where nothing can listen and no socket of the system is there: of a Server that a dialer reaches, and of our Client in this
 * program.
 * Knows which cases need more than that; refuses to know what a case does.
 * @module
 */
import { CLIENT_CASES } from "../../conformance/client/cases/mod.ts";
import { type Driver, SKILLS } from "../../conformance/client/drivers/driver.ts";
import { runClientCases } from "../../conformance/client/run_cases.ts";
import { settle } from "../../conformance/options.ts";
import type { CaseResult, LevelReport } from "../../conformance/result.ts";
import type { Dial } from "../../conformance/server/profile.ts";
import { type AuditedConnect, startAudited } from "../../src/cli/client/audited.ts";
import { browserLoop } from "../../src/client_api/browser_loop.ts";
import { connectBy } from "../../src/client_api/whole.ts";
import { Broker } from "../../src/broker/mod.ts";
import { auditServer as auditCases, nameOf, type ServerAudit } from "../../src/page/audit_server.ts";
import { inProcess } from "../../src/runtime/in_process.ts";
import { systemLoop } from "../../src/runtime/loop.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { Driver as BrokerDriver } from "../../src/server/driver.ts";
import { AUDITED_BROKERS, NO_OCCASION } from "../lib/audited_brokers.ts";
import type { Result } from "./report.ts";
import { dialPort } from "./stand_ins/listen.ts";

/** What is told on the way. */
export interface AuditEvents {
  /** So many cases are to be run, at all levels. */
  planned(cases: number): void;
  told(result: Result): void;
}

/** One case as a result: what a target need not offer is skipped, and what is lenient or could not be carried out has failed. */
export function resultOf({ case: { id }, level, verdict, reason, ms }: CaseResult): Result {
  const name = nameOf(id, level);
  if (verdict === "pass") return { name, verdict: "passed", ms };
  if (verdict === "unsupported") return { name, verdict: "skipped", message: reason };
  return { name, verdict: "failed", message: `${verdict}: ${reason}`, ms };
}

/** Audits a Server; each case is told as a result. */
export async function auditServer(how: ServerAudit, { planned, told }: AuditEvents): Promise<LevelReport[]> {
  return await auditCases(how, { planned, told: (result) => told(resultOf(result)) });
}

/** Audits our broker in this program, in each of its forms as far as a case is not carried out on the ones before. */
export async function auditOwnBroker({ planned, told }: AuditEvents): Promise<void> {
  let left: ReadonlySet<string> | undefined;
  for (const { options: { nodes: _, ...options }, declared } of AUDITED_BROKERS) {
    const driver = new BrokerDriver(new Broker({ random: systemRandom(), ...options }), systemLoop);
    const dial: Dial = () => {
      const [theirs, ours] = inProcess();
      driver.accept(theirs, { address: "127.0.0.1", port: 0, transport: "memory" });
      return Promise.resolve(ours);
    };
    const open = new Set<string>();
    await auditServer({ dial, declared, patienceMs: 60_000, ...left && { only: left } }, {
      planned: (cases) => left === undefined && planned(cases),
      told: (result) => {
        const isLeft = result.verdict === "skipped" && !(result.name.split(",")[0]! in NO_OCCASION);
        if (isLeft) open.add(result.name);
        else told(result);
      },
    });
    await driver.close();
    left = open;
    if (open.size === 0) return;
  }
  for (const name of left ?? []) {
    told({ name, verdict: "skipped", message: "No form of the broker offers it" });
  }
}

/** Our Client as it is put together for a page, in place of its WebSocket a pair in memory to the auditor. */
const connectInMemory: AuditedConnect = (url, options) =>
  connectBy(({ port }) => dialPort(Number(port)), url, { loop: browserLoop(), ...options });

const inMemory: Driver = {
  name: "plumb, in memory",
  skills: new Set(SKILLS),
  port: 0,
  connectMs: 20_000,
  flags: "--client --driver plumb",
  start: (order, where) => Promise.resolve(startAudited(order, where, connectInMemory)),
};

/** Patience in ms and Clients at the same time, of the first try and of the second. */
const TRIES = [[1_500, 24], [20_000, 4]] as const;

/**
 * Runs cases for Clients. Those that do not pass are tried once more with much patience, and that counts: a page that stood still looks like
 * a Client that does nothing.
 */
export async function auditClients(
  driver: Driver,
  webSocket: boolean,
  { planned, told }: AuditEvents,
): Promise<void> {
  const cases = CLIENT_CASES.filter(({ needs = [], timing }) =>
    (webSocket || !needs.includes("websocket")) && timing !== true
  );
  const levels = [5, 4] as const;
  planned(levels.reduce((sum, level) => sum + cases.filter((one) => one.levels.includes(level)).length, 0));
  for (const level of levels) {
    let left = cases;
    for (const [at, [patienceMs, atOnce]] of TRIES.entries()) {
      const { run } = settle(left, { levels: [level], patienceMs, atOnce });
      const again: typeof cases = [];
      const progress = (_: number, __: number, last: CaseResult): void => {
        if (last.verdict === "pass" || at === TRIES.length - 1) told(resultOf(last));
        else again.push(left.find(({ id }) => id === last.case.id)!);
      };
      const { unreachable } = await runClientCases({
        ...run(level),
        progress,
        driver,
        webSocket,
        tls: undefined,
      });
      if (unreachable !== undefined) throw new Error(`At level ${level}: ${unreachable}`);
      left = again;
      if (left.length === 0) break;
    }
  }
}

/** Audits our Client in this program; all but §6, for which the auditor needs WebSockets. */
export async function auditOwnClient(events: AuditEvents): Promise<void> {
  await auditClients(inMemory, false, events);
}
