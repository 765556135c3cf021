/**
 * The figures of several workers as those of one broker.
 * Knows which figures are sums, and by which rule each other one is found; refuses to know who asks, and how workers are asked.
 * @module
 */

/** How one figure of several workers becomes one. */
type Rule =
  /** What is there at each of them, together. */
  | "sum"
  /** What was counted, together: what a worker counted that has ended counts on, so that it never falls. */
  | "count"
  | "most"
  | "least"
  /** Of the worker that is asked. */
  | "own"
  /** Whether one of them says so. */
  | "some"
  /** Whether all of them say so. */
  | "all";

/** By the path of the figure, with `*` for a name that is not known before. What is not here is a sum; of flags: some; of texts: own. */
const RULES: Readonly<Record<string, Rule>> = {
  now: "own",
  // All of them have all.
  retainedMessages: "most",
  retainedBytes: "most",
  // Each knows the groups of the others, as it sends them messages.
  sharedSubscriptions: "most",
  "process.version": "own",
  "process.since": "least", // of the processes that are there
  // Never fewer than there were: not all have had the most at the same time.
  "traffic.connectedMost": "sum",
  "hooks.isRunning": "all",
  "latencies.bounds": "own",
  ...counted("", [
    "received",
    "dropped",
    "limits.*",
    "refusals.*",
    "traffic.*",
    "facts",
    "commits",
    "failedCommits",
  ]),
  ...counted("", ["process.cpuSeconds", "listeners.*.accepted", "latencies.*.counts", "latencies.*.sum"]),
  ...counted("", [
    "store.batches",
    "store.bytes",
  ]),
  ...counted("bridges.*.", ["reconnects", "sent", "received", "dropped"]),
  ...counted("hooks.", ["called", "dropped", "lost", "faults", "seconds", "calls", "restarts"]),
  ...counted("webhook.", ["delivered", "dropped", "deadLetters", "requests", "failedRequests"]),
};

function counted(before: string, names: readonly string[]): Record<string, Rule> {
  return Object.fromEntries(names.map((name) => [before + name, "count"]));
}

/** Where names are not known before. */
const NAMED: ReadonlySet<string> = new Set(
  Object.keys(RULES).filter((path) => path.includes("*")).map((path) => path.slice(0, path.indexOf(".*"))),
);

function ruleOf(path: string): Rule | undefined {
  return Object.hasOwn(RULES, path) ? RULES[path] : undefined;
}

/** The path of what has this name in an object. */
function pathIn(path: string, name: string): string {
  const exact = path === "" ? name : `${path}.${name}`;
  return NAMED.has(path) && ruleOf(exact) === undefined ? `${path}.*` : exact;
}

/** JSON. */
type Value = number | boolean | string | null | undefined | readonly Value[] | Values;
interface Values {
  readonly [name: string]: Value;
}

/** What names an entry of a list. */
const KEYS = ["url", "name"] as const;

/**
 * Figures as one, the own ones first; all are of one shape. `ended` are `countsOf()` those that are not there any more: what they have
 * counted is in the sums, and nothing else of them.
 */
export function sumOf<T extends object>(figures: readonly T[], ended: readonly object[] = []): T {
  return merged("", figures as unknown as Value[], ended as Value[], add) as unknown as T;
}

/** Of what was counted the highest: of counts of one process, of different times. */
export function highestOf(counts: readonly object[]): object {
  return merged("", counts as Value[], [], Math.max) as object;
}

type Join = (one: number, other: number) => number;
const add: Join = (one, other) => one + other;

/** What was counted, without all else. */
export function countsOf(figures: object): object {
  return only("", figures as Values) as object;
}

function merged(path: string, values: readonly Value[], ended: readonly Value[], join: Join): Value {
  const there = values.filter((value) => value !== undefined && value !== null);
  const gone = ended.filter((value) => value !== undefined);
  const [first = gone[0]] = there;
  if (Array.isArray(first)) return list(path, there as Value[][], gone as Value[][], join);
  if (typeof first === "object") return object(path, there as Values[], gone as Values[], join);
  const rule = ruleOf(path);
  if (rule === "own" || typeof first === "string") return first;
  if (typeof first === "boolean") return rule === "all" ? !there.includes(false) : there.includes(true);
  if (typeof first !== "number") return first;
  const numbers = [...there, ...gone] as number[];
  if (rule === "most") return Math.max(...numbers);
  if (rule === "least") return Math.min(...numbers);
  return numbers.reduce((sum, one) => join(sum, one));
}

function object(path: string, there: readonly Values[], gone: readonly Values[], join: Join): Value {
  const names = new Set([...there, ...gone].flatMap((one) => Object.keys(one)));
  return Object.fromEntries([...names].map((name) => {
    const of = (all: readonly Values[]) => all.map((one) => Object.hasOwn(one, name) ? one[name] : undefined);
    return [name, merged(pathIn(path, name), of(there), of(gone), join)];
  }));
}

function list(path: string, there: readonly Value[][], gone: readonly Value[][], join: Join): Value {
  const rule = ruleOf(path);
  const all = [...there, ...gone];
  if (rule === "own") return there[0];
  if (all.every((one) => one.every((item) => typeof item === "number"))) {
    const length = Math.max(...all.map((one) => one.length));
    const at = (i: number) => all.map((one) => (one[i] as number | undefined) ?? 0);
    return Array.from({ length }, (_, i) => at(i).reduce((sum, one) => join(sum, one)));
  }
  // Of entries that only those have had that are not there, nothing is known but counts.
  return [...new Set(there.flatMap((one) => one.map(keyOf)))].map((key) => {
    const of = (lists: readonly Value[][]) => lists.map((one) => one.find((item) => keyOf(item) === key));
    return merged(`${path}.*`, of(there), of(gone), join);
  });
}

function keyOf(item: Value): Value {
  for (const key of KEYS) {
    const value = (item as Values)[key];
    if (value !== undefined) return value;
  }
  return undefined;
}

function only(path: string, value: Value): Value {
  if (Array.isArray(value)) {
    if (ruleOf(path) === "count") return value;
    const items = value.map((item) => {
      const counts = only(`${path}.*`, item);
      return counts && { ...pick(item as Values), ...counts as Values };
    });
    return items.some((item) => item === undefined) ? undefined : items;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value as Values)
      .map(([name, one]): [string, Value] => [name, only(pathIn(path, name), one)])
      .filter(([, one]) => one !== undefined);
    return entries.length === 0 && path !== "" ? undefined : Object.fromEntries(entries);
  }
  return typeof value === "number" && ruleOf(path) === "count" ? value : undefined;
}

function pick(item: Values): Values {
  return Object.fromEntries(KEYS.flatMap((key) => item[key] === undefined ? [] : [[key, item[key]]]));
}
