/**
 * `deno task login:load`: the p99 of a QoS 1 round trip while Clients log in with passwords, as a multiple of that without.
 * Knows the command line and what is tolerable; refuses to know how it is measured. Fails if the median of the ratios, pair by pair, is above
 * `--most`, if a message was lost, or if a login was refused otherwise than since too many wait.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { availableParallelism } from "node:os";
import process from "node:process";
import { troublesOf } from "../../../src/bench/report.ts";
import { ARGON2ID } from "../../../src/login/verifier.ts";
import { median } from "../../bench/statistics.ts";
import { short, tableOf } from "../../bench/table.ts";
import { measureLoginLoad } from "./measure.ts";

const USAGE =
  `Usage: login:load [--runtime deno|bun] [--rounds N] [--seconds N] [--rate N] [--logins N] [--memory-kib N] [--most N]
  --runtime NAME    the broker's (default: one after the other)
  --rounds N        pairs of runs, with logins and without (default 7)
  --seconds N       of each run (default 2)
  --rate N          messages a second (default 100000)
  --logins N        a second (default 100)
  --memory-kib N    of each hash (default ${ARGON2ID.memoryKib}, as plumb passwd)
  --most N          the ratio of the p99 that is still all right (default 2)`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "rounds", "seconds", "rate", "logins", "memory-kib", "most"],
  boolean: ["help"],
  default: {
    rounds: "7",
    seconds: "2",
    rate: "100000",
    logins: "100",
    "memory-kib": `${ARGON2ID.memoryKib}`,
    most: "2",
  },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const numbers = [args.rounds, args.seconds, args.rate, args.logins, args["memory-kib"], args.most].map(
  Number,
);
const [rounds = 0, seconds = 0, rate = 0, loginsPerSecond = 0, memoryKib = 0, most = 0] = numbers;
const runtimes = (["deno", "bun"] as const).filter((name) =>
  args.runtime === undefined || args.runtime === name
);
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
if (runtimes.length === 0 || numbers.some((number) => !(number > 0))) {
  console.error(USAGE);
  process.exit(2);
}

const wrong: string[] = [];
const rows: string[][] = [];
for (const runtime of runtimes) {
  const { report, logins } = await measureLoginLoad({
    runtime,
    rounds,
    load: { rate, seconds },
    threads: Math.max(1, availableParallelism() - 1),
    loginsPerSecond,
    cost: { ...ARGON2ID, memoryKib },
  });
  const { sides: [withLogins, without], latencyRatio } = report;
  for (const [name, side] of Object.entries({ "with logins": withLogins, without })) {
    const { latency: { count }, overdue } = side!;
    const troubles = troublesOf(side!);
    if (count === 0) troubles.push("no message came in the seconds that count");
    if (overdue > 0) {
      troubles.push(
        `${overdue} messages were due and never published: the machine does not keep this --rate`,
      );
    }
    wrong.push(...troubles.map((trouble) => `${runtime}, ${name}: ${trouble}`));
  }
  const sum = (of: (run: typeof logins[number]) => number) => logins.reduce((all, run) => all + of(run), 0);
  const lasted = sum((run) => run.seconds);
  const times = logins.flatMap((run) => run.times);
  const others = logins.flatMap((run) => [...run.others]);
  wrong.push(...others.map(([answer, count]) => `${runtime}: ${count} logins were answered ${answer}`));
  if (times.length === 0) wrong.push(`${runtime}: nobody was let in`);
  const p99 = latencyRatio?.p99;
  if (p99 !== undefined && p99.median > most) {
    wrong.push(`${runtime}: the p99 is above ${most} times that without`);
  }
  const ms = (us: number | undefined) => short((us ?? NaN) / 1000);
  const ratios = [p99?.median, p99?.least, p99?.most].map((ratio) => (ratio ?? NaN).toFixed(2));
  rows.push([
    runtime,
    ...[without, withLogins].flatMap((side) => [ms(side?.latency.p50), ms(side?.latency.p99)]),
    ...ratios,
    short(sum((run) => run.asked) / lasted),
    short(times.length / lasted),
    short(sum((run) => run.busy) / lasted),
    times.length === 0 ? "–" : short(median(times)),
  ]);
}
const head = ["ms, QoS 1", "p50 without", "p99", "p50 with", "p99", "p99 ratio", "from", "to"];
console.log(tableOf([...head, "logins/s asked", "let in", "busy", "login ms"], rows));
for (const text of wrong) console.log(`WRONG ${text}`);
process.exit(wrong.length === 0 ? 0 : 1);
