/**
 * `deno task trial:bridge`: bridges through a proxy that cuts, whose brokers are killed: ours to ours on each runtime, ours to mosquitto,
 * and mosquitto's to ours: --messages 100000 --cuts 100 --kills 20 --seed N --runtime deno|bun|node --only ours|mosquitto|theirs --qos 1|2
 * --level 4|5 --json
 *
 * `--kills` is for each broker of ours. mosquitto is not killed, since it acknowledges what is not on the disk; `--ends N` tells it to end so
 * often, which 2.0.11 does not bear either: without any bridge it loses acknowledged messages then.
 * Knows the trials; refuses to know what they do.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { writeFileSync } from "node:fs";
import process from "node:process";
import type { Runtime } from "../../lib/broker_process.ts";
import { node } from "../../lib/run.ts";
import { mosquittoVersion } from "../peers/start.ts";
import { MosquittoSide, PlumbSide } from "./sides.ts";
import { bridgeTrial } from "./trial.ts";

const USAGE =
  "Usage: trial:bridge [--messages N] [--cuts N] [--kills N] [--ends N] [--seed N] [--runtime deno|bun|node] [--only ours|mosquitto|theirs] [--qos 1|2] [--level 4|5] [--json] [--log FILE]";
function wrong(what: string): never {
  console.error(`${what}\n${USAGE}`);
  process.exit(2);
}
const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["messages", "cuts", "kills", "ends", "seed", "runtime", "only", "qos", "level", "log"],
  boolean: ["json"],
  default: { messages: "100000", cuts: "100", kills: "20", ends: "0", seed: "1" },
  unknown: (arg) => wrong(`Unknown: ${arg}`),
});
const numberOf = (name: "messages" | "cuts" | "kills" | "ends" | "seed"): number => {
  const number = Number(flags[name]);
  return Number.isInteger(number) && number >= 0 ? number : wrong(`--${name} takes a whole number`);
};
const [messages, cuts, kills, ends, seed] = [
  numberOf("messages"),
  numberOf("cuts"),
  numberOf("kills"),
  numberOf("ends"),
  numberOf("seed"),
];
function chosen<T>(name: "runtime" | "only" | "qos" | "level", all: readonly T[]): readonly T[] {
  const given = flags[name];
  const found = all.filter((one) => given === undefined || String(one) === given);
  return found.length > 0 ? found : wrong(`--${name} takes ${all.join(", ")}`);
}

let failed = 0;
const runtimes = chosen<Runtime>("runtime", ["deno", "bun", "node"]);
for (const runtime of runtimes) {
  if (runtime === "node" && node() === undefined) {
    console.log("missing node");
    continue;
  }
  for (const way of chosen("only", ["ours", "mosquitto", "theirs"])) {
    if (way !== "ours" && mosquittoVersion() === undefined) {
      console.log("missing mosquitto");
      continue;
    }
    for (const level of chosen<4 | 5>("level", [5, 4])) {
      if (way === "theirs" && level === 5) continue; // its session there ends with each connection
      for (const qos of chosen<1 | 2>("qos", [2, 1])) {
        const near = way === "theirs" ? await MosquittoSide.on() : await PlumbSide.on(runtime);
        const far = way === "mosquitto" ? await MosquittoSide.on() : await PlumbSide.on(runtime);
        const name = `${
          way === "theirs"
            ? "mosquitto to Plumb"
            : way === "mosquitto"
            ? "Plumb to mosquitto"
            : "Plumb to Plumb"
        }, ${runtime}, level ${level}, QoS ${qos}`;
        const given = { messages, cuts, kills, seed, runtime, way, level, qos };
        try {
          const got = await bridgeTrial({
            near,
            far,
            level,
            qos,
            messages,
            cuts,
            kills: { near: way === "theirs" ? ends : kills, far: way === "mosquitto" ? ends : kills },
            seed,
            isLoose: way === "mosquitto",
            ...flags.log !== undefined && { log: (lines) => writeFileSync(flags.log!, lines.join("\n")) },
          });
          if (flags.json) console.log(JSON.stringify({ ...given, ok: true, got }));
          else {
            console.log(
              `ok      ${name}: ${messages} messages, ${got.cuts} cuts, ends ${got.kills.near} and ${got.kills.far}, ${got.again} came again${
                got.sentAgain > 0 ? ` (and ${got.sentAgain} that mosquitto sent again behind PUBREL)` : ""
              }, ${got.seconds.toFixed(1)} s`,
            );
          }
        } catch (error) {
          failed++;
          const why = (error as Error).message;
          if (flags.json) console.log(JSON.stringify({ ...given, ok: false, why }));
          else console.log(`FAILED  ${name}: ${why}`);
        }
      }
    }
  }
}
process.exit(failed === 0 ? 0 : 1);
