/**
 * `deno task attacks`: attacks by work and memory against any broker, and what they do to it and to healthy Clients.
 * Knows its flags and the order; refuses to know how it is measured.
 * @module
 */
import { spawnSync } from "node:child_process";
import { cpus, loadavg } from "node:os";
import process from "node:process";
import { CallError } from "../../../src/cli/error.ts";
import { flagsHelp, type OptionGroup, readFlags } from "../../../src/cli/flags.ts";
import { coresHere } from "../../bench/peers/cores.ts";
import { BROKER_NAMES, type BrokerName, type Target, versionOf } from "./broker.ts";
import type { Case } from "./case.ts";
import { CASES, casesOf } from "./cases.ts";
import { measureRunning, measureStarted, type Result } from "./measure.ts";
import { howText, tableOf } from "./table.ts";

const OPTIONS: readonly OptionGroup[] = [
  {
    title: "Flags",
    rows: [
      {
        name: "broker",
        kind: "list",
        value: "NAME",
        about: `starts this one, a fresh process for each case: ${
          BROKER_NAMES.join(", ")
        } or all (the default)`,
      },
      { name: "url", kind: "text", value: "URL", about: "attacks what runs there, as mqtt://127.0.0.1:1883" },
      {
        name: "pid",
        kind: "integer",
        value: "N",
        least: 1,
        most: 2 ** 31,
        about: "the process of --url: CPU and RSS",
      },
      { name: "only", kind: "list", value: "CASE", about: "leaves out the others, as A2,B3/wills" },
      {
        name: "seconds",
        kind: "integer",
        value: "N",
        least: 1,
        most: 600,
        default: "5",
        about: "of attacks without an end of their own",
      },
      {
        name: "scale",
        kind: "text",
        value: "N",
        default: "1",
        about: "part of the cases' numbers, for a first look; 0.001 to 1",
      },
      { name: "json", kind: "flag", about: "prints every figure as JSON in place of the table" },
      { name: "list", kind: "flag", about: "prints the cases" },
      { name: "help", short: "h", kind: "flag", about: "print this help" },
    ],
  },
];

interface Call {
  readonly cases: readonly Case[];
  readonly brokers: readonly BrokerName[];
  readonly target?: Target;
  readonly seconds: number;
  readonly scale: number;
  readonly json: boolean;
}

/** What is asked for; undefined when a text is. */
function callOf(args: readonly string[]): Call | undefined {
  const { given } = readFlags(args, () => undefined, {
    rows: OPTIONS.flatMap(({ rows }) => rows),
    help: "deno task attacks --help",
  });
  const one = (name: string) => given.get(name)?.at(-1);
  const all = (name: string) => (given.get(name) ?? []).flatMap((names) => names.split(","));
  if (given.has("help")) {
    console.log(["Usage: deno task attacks [FLAGS]", ...flagsHelp(OPTIONS, true)].join("\n\n"));
    return undefined;
  }
  const cases = casesOf(all("only"));
  if (cases === undefined) {
    throw new CallError(`--only: there are the cases ${CASES.map(({ id }) => id).join(", ")}`);
  }
  if (given.has("list")) {
    for (const { id, title } of cases) console.log(`${id.padEnd(20)}${title}`);
    return undefined;
  }
  const names = all("broker").filter((name) => name !== "all");
  const unknown = names.find((name) => !BROKER_NAMES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new CallError(`--broker takes ${BROKER_NAMES.join(", ")} or all, not ${JSON.stringify(unknown)}`);
  }
  const scale = Number(one("scale") ?? 1);
  if (!(scale >= 0.001 && scale <= 1)) {
    throw new CallError(`--scale takes a number from 0.001 to 1, not ${JSON.stringify(one("scale"))}`);
  }
  const url = one("url");
  const pid = one("pid");
  if (url === undefined && pid !== undefined) {
    throw new CallError("--pid is the process of --url, which is missing");
  }
  if (url !== undefined && given.has("broker")) throw new CallError("--url and --broker exclude each other");
  return {
    cases,
    brokers: BROKER_NAMES.filter((name) => names.length === 0 || names.includes(name)),
    ...url !== undefined && { target: targetOf(url, pid) },
    seconds: Number(one("seconds") ?? 5),
    scale,
    json: given.has("json"),
  };
}

function targetOf(url: string, pid: string | undefined): Target {
  const { protocol, hostname, port } = URL.canParse(url)
    ? new URL(url)
    : { protocol: "", hostname: "", port: "" };
  if (protocol !== "mqtt:" || hostname === "") {
    throw new CallError(`--url takes an address as mqtt://127.0.0.1:1883, not ${JSON.stringify(url)}`);
  }
  const host = hostname.replace(/^\[|\]$/g, "");
  return { host, port: Number(port || 1883), ...pid !== undefined && { pid: Number(pid) } };
}

async function main(args: readonly string[]): Promise<number> {
  const call = callOf(args);
  if (call === undefined) return 0;
  const { cases, target, seconds, scale, json } = call;
  const cores = coresHere();
  const loadBefore = loadavg()[0]!;
  const brokers = call.brokers.filter((name) => {
    const isThere = target !== undefined || versionOf(name) !== undefined;
    if (!isThere) console.error(`${name} is not installed here`);
    return isThere;
  });
  // Where the broker has a core of its own this process keeps off it; with a broker of --url it stays where it is.
  if (target === undefined && cores.areApart) {
    spawnSync("taskset", ["-a", "-p", "-c", cores.load.at(-1)!, `${process.pid}`]);
  }
  const results: Result[] = [];
  const began = new Date();
  for (const one of cases) {
    for (const broker of target === undefined ? brokers : ["--url"] as const) {
      process.stderr.write(`${one.id} ${broker}\n`);
      results.push(
        broker === "--url"
          ? await measureRunning(`${target!.host}:${target!.port}`, target!, one, { seconds, scale })
          : await measureStarted(broker, one, { seconds, scale, before: cores.broker, load: cores.load }),
      );
      process.stderr.write(`${tableOf(results.slice(-1)).split("\n").at(-1)}\n`);
    }
  }
  const about = {
    date: began.toISOString(),
    seconds,
    scale,
    machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`,
    areApart: target === undefined && cores.areApart,
    load: [loadBefore, loadavg()[0]!] as const,
    versions: target === undefined ? brokers.map((name) => `${name} ${versionOf(name)}`) : [],
  };
  console.log(json ? JSON.stringify({ about, results }) : `${tableOf(results)}\n\n${howText(about)}`);
  return results.some(({ failure }) => failure !== undefined) ? 1 : 0;
}

try {
  process.exit(await main(process.argv.slice(2).filter((arg) => arg !== "--")));
} catch (error) {
  if (!(error instanceof CallError)) throw error;
  console.error(error.message);
  process.exit(2);
}
