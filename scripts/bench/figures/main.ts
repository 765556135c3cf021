/**
 * `deno task bench:figures`: what a broker pays for being looked at: `/metrics` scraped each second, names of the busiest too, and a
 * subscription to `$SYS/#`, against the same broker that nothing looks at.
 * Knows what looks; refuses to know how it is measured.
 * @module
 */
import { once } from "node:events";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { PlumbChild } from "../../lib/plumb_child.ts";
import { pathOf } from "../../lib/tree.ts";
import { type CostCall, costMain, type CostSide } from "../cost.ts";

const USAGE =
  `Usage: bench:figures [--runtime deno|bun|both] [--only NAME] [--rounds N] [--seconds N] [--with KIND] [--most N]
  --runtime NAME  on which (default both)
  --only NAME     scenarios whose name has NAME in it: fan-out, "QoS 1"
  --rounds N      pairs of runs, with and without (default 9)
  --seconds N     of each run (default 2)
  --with KIND     what looks: all (default), metrics, sys, or nothing, which shows how far two alike lie apart
  --most N        the ratio that is still all right (default 1.03)`;

/** Both sides have the same flags: what differs is that one is looked at. */
async function begin(call: CostCall, isWatched: boolean): Promise<CostSide> {
  const listen = ["--listen", "mqtt://127.0.0.1:0", "--listen", "ws://127.0.0.1:0"];
  const flags = ["--memory", ...listen, "--websocket-metrics-names"];
  const broker = await PlumbChild.start(call.runtime, flags, ["mqtt"], call.brokerCores);
  const end = isWatched ? await watch(broker, call) : undefined;
  return {
    url: `mqtt://127.0.0.1:${broker.port()}`,
    pid: broker.pid,
    async stop() {
      await end?.();
      await broker.stop();
    },
  };
}

/** Begins to look at a broker; returns how to end it. */
async function watch(broker: PlumbChild, { beside, kind }: CostCall): Promise<() => Promise<void>> {
  const webPort = (): string | undefined => /url=ws:\/\/127\.0\.0\.1:(\d+)/.exec(broker.log)?.[1];
  await broker.until(() => webPort() !== undefined, "the broker listens for WebSocket");
  const urls = [`http://127.0.0.1:${webPort()}`, `mqtt://127.0.0.1:${broker.port()}`];
  const file = pathOf("scripts/bench/figures/watcher_child.ts");
  const child = spawnKept([...beside, file, ...urls, kind], { stdio: ["pipe", "pipe", "inherit"] });
  const over = once(child, "close").then(([code]) => {
    throw new Error(`The watcher ended with ${code}`);
  });
  over.catch(() => {});
  await Promise.race([once(child.stdout!, "data"), over]);
  return () => killed(child);
}

await costMain({
  name: "bench:figures",
  usage: USAGE,
  scenarios: [
    { name: "pairs QoS 0", flags: ["--scenario", "pairs"] },
    { name: "fan-out QoS 0", flags: ["--scenario", "fanout", "--publishers", "1", "--subscribers", "100"] },
  ],
  defaults: { seconds: "2", with: "all", most: "1.03" },
  sides: ["alone", "looked at"],
  begin,
});
