/**
 * Brokers that are measured: how each is started with its default options and everything in memory, and its version.
 * Knows commands; refuses to know loads. The first one is what the others are compared with.
 * @module
 */
import { execFileSync } from "node:child_process";
import { runFlags, type Runtime, runtimeCommand } from "../../lib/broker_process.ts";
import { ROOT } from "../../lib/tree.ts";
import {
  mosquittoVersion,
  type RunningPeer,
  startMosquitto,
  startOnPort,
  startScript,
  versionIn,
  versionSaid,
} from "../../trials/peers/start.ts";

/** One broker that can be measured. */
export interface BenchedBroker {
  readonly name: string;
  /** What it is and runs on, as `1.2.0, Node 20.1.0`; undefined if something is not installed. */
  version(): string | undefined;
  /** How to get it. */
  readonly install: string;
  /** §3.1.2.2 the highest level that it speaks. */
  readonly level: 4 | 5;
  /** `before`: what its command begins with. */
  start(before: readonly string[]): Promise<RunningPeer>;
}

/** In the order of the table. */
export const BROKERS: readonly BenchedBroker[] = [
  {
    name: "mosquitto",
    version: mosquittoVersion,
    install: "the package mosquitto",
    level: 5,
    start: startMosquitto,
  },
  plumbOn("bun"),
  plumbOn("deno"),
  {
    name: "aedes",
    version: () => {
      const aedes = versionIn("node_modules/aedes/package.json");
      const node = versionSaid(["node", "--version"], /^v(\S+)/);
      return aedes && node && `${aedes}, Node ${node}`;
    },
    install: "Node, and `npm install` or `bun install` in this folder",
    level: 4,
    start: startAedes,
  },
];

/** Ours, as anybody runs it. */
export function plumbOn(runtime: Runtime): BenchedBroker {
  const name = { bun: "Bun", deno: "Deno", node: "Node" }[runtime];
  return {
    name: `Plumb on ${name}`,
    version: () => {
      const version = versionSaid([...runtimeCommand(runtime), "--version"], /(\d+\.\d+\.\d+\S*)/);
      return version && `${versionIn("deno.json")}, ${name} ${version}`;
    },
    install: name,
    level: 5,
    start: (before) => {
      const program = [...before, programOf(runtime), ...runFlags(runtime), "mod.ts"];
      return startOnPort((port) => [...program, "--memory", "--listen", `mqtt://127.0.0.1:${port}`]);
    },
  };
}

/** Node reads no TypeScript: it is given the script without its types, as Bun writes it. */
function startAedes(before: readonly string[]): Promise<RunningPeer> {
  const args = ["build", "--target=node", "--packages=external", "scripts/trials/peers/aedes.ts"];
  const code = execFileSync(programOf("bun"), args, { cwd: ROOT, encoding: "utf8" });
  return startScript([...before, "node", "--input-type=module", "--eval", code]);
}

const programs = new Map<Runtime, string>();

/** The runtime's own program: one that npx starts is a child of npx, whose CPU time is not the broker's. */
export function programOf(runtime: Runtime): string {
  const known = programs.get(runtime);
  if (known !== undefined) return known;
  const [file = "", ...args] = runtimeCommand(runtime);
  const ask = runtime === "deno"
    ? ["eval", "console.log(Deno.execPath())"]
    : ["-e", "console.log(process.execPath)"];
  const path = execFileSync(file, [...args, ...ask], { encoding: "utf8" }).trim();
  programs.set(runtime, path);
  return path;
}
