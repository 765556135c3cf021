/**
 * `deno task bench:authorized`: what an authorizer that allows everything and the hooks `connected` and `dropped` add to the broker's
 * CPU time for a message; `deno task bench:permissions`: what a password login and 1,000 rules do.
 * Knows which brokers are compared; refuses to know how they are measured.
 * @module
 */
import { pathOf } from "../../lib/tree.ts";
import { startScript } from "../../trials/peers/start.ts";
import { commandOf, type CostCall, costMain, type CostSide } from "../cost.ts";
import { CREDENTIALS, startOpen, startPermitted } from "./permitted.ts";

const USAGE =
  `Usage: bench:authorized [--runtime deno|bun|both] [--only NAME] [--with KIND] [--rounds N] [--seconds N] [--most N]
  --runtime NAME  on which (default both)
  --only NAME     scenarios whose name has NAME in it: fan-out, "QoS 1"
  --with KIND     what is measured against nothing: authorized (default), rules (1,000 of them), checked (each delivery too),
                  permissions (the executable with a password login and a file of 1,000 rules)
  --rounds N      pairs of runs, without and with (default 9)
  --seconds N     of each run (default 1)
  --most N        the ratio that is still all right (default 1.05)`;

async function begin({ runtime, kind, brokerCores }: CostCall, isWith: boolean): Promise<CostSide> {
  if (kind === "permissions") {
    const { port, pid, stop } = await (isWith ? startPermitted : startOpen)(runtime, brokerCores);
    return { url: `mqtt://${isWith ? CREDENTIALS : ""}127.0.0.1:${port}`, pid, stop };
  }
  const file = pathOf("scripts/bench/authorized/broker_child.ts");
  const command = [...brokerCores, ...commandOf(runtime), file, ...isWith ? [kind] : []];
  const { port, pid, stop } = await startScript(command);
  return { url: `mqtt://127.0.0.1:${port}`, pid, stop };
}

await costMain({
  name: "bench:authorized",
  usage: USAGE,
  scenarios: [
    { name: "pairs QoS 0", flags: ["--scenario", "pairs"] },
    { name: "pairs QoS 1", flags: ["--scenario", "pairs", "--qos", "1"] },
    { name: "pairs QoS 2", flags: ["--scenario", "pairs", "--qos", "2"] },
    { name: "fan-out QoS 0", flags: ["--scenario", "fanout", "--publishers", "1", "--subscribers", "100"] },
  ],
  defaults: { seconds: "1", with: "authorized", most: "1.05" },
  sides: ["without", "with"],
  begin,
});
