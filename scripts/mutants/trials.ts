/**
 * One case against one broker, as it is or broken.
 * Knows how to run a case; refuses to know what its verdict should be.
 * @module
 */
import { runServerCases } from "../../conformance/server/run_cases.ts";
import type { Level } from "../../conformance/wire/bytes.ts";
import type { ServerCase } from "../../conformance/case.ts";
import type { ProxyMutant } from "../../conformance/mutants/mutant.ts";
import type { Declared } from "../../conformance/server/profile.ts";
import type { Verdict } from "../../conformance/verdict.ts";
import { type OverWebSocket, overWebSocket } from "../../conformance/server/over_websocket.ts";
import { dialTcp } from "../../src/runtime/dial.ts";
import type { Ports } from "./broker_process.ts";
import { MutantTransport } from "./proxy.ts";

/** Breaks often show by silence; an answer on loopback takes a few ms. */
export const PATIENCE_MS = 1_500;
/** A broker that is as it should be gets all the time it needs. */
export const BASELINE_PATIENCE_MS = 8_000;

/** What came of it. */
export interface Found {
  readonly verdict: Verdict;
  readonly reason: string;
}

let runs = 0;

/** Runs cases at one level, through a proxy if there is one, those about WebSocket over it; findings by case. */
export async function tryCases(
  cases: readonly ServerCase[],
  level: Level,
  ports: Ports,
  declared: Declared,
  patienceMs: number,
  proxy?: ProxyMutant,
): Promise<Map<string, Found>> {
  const host = "127.0.0.1";
  const webSocket: OverWebSocket = {
    dial: () => dialTcp({ host, port: ports.webSocket }),
    host: `${host}:${ports.webSocket}`,
    target: "/mqtt",
  };
  const isOfWebSocket = ({ needs = [] }: ServerCase) => needs.includes("websocket");
  const overTcp = cases.filter((one) => !isOfWebSocket(one));
  const results = [];
  for (const [some, over] of [[overTcp, undefined], [cases.filter(isOfWebSocket), webSocket]] as const) {
    if (some.length === 0) continue;
    const open = over === undefined
      ? () => dialTcp({ host, port: ports.tcp })
      : overWebSocket(over, patienceMs);
    const { results: found } = await runServerCases({
      dial: async () => {
        const inner = await open();
        return proxy === undefined ? inner : new MutantTransport(inner, proxy, level);
      },
      webSocket: over,
      level,
      cases: some,
      timing: true,
      declared,
      patienceMs,
      atOnce: 8,
      now: () => performance.now(),
      run: `m${(runs++).toString(36)}x`,
    });
    results.push(...found);
  }
  return new Map(results.map(({ case: { id }, verdict, reason }) => [id, { verdict, reason }]));
}
