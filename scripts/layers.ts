/**
 * Fails when a module imports what its layer may not, when modules import each other in a circle, when the core is not
 * pure, or when a module lacks its first doc.
 * Knows the layers and what purity means; refuses to know what the modules do.
 * @module
 */
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { loadCore } from "./lib/bare_context.ts";
import { cyclesOf, importGraph } from "./lib/cycles.ts";
import { codeOf, importsOf, lineAt } from "./lib/source.ts";
import { filesUnder, pathOf } from "./lib/tree.ts";

interface Layer {
  /** Modules under this path belong to the layer. */
  readonly at: string;
  /** Paths it may import. */
  readonly values: readonly string[];
  /** Paths it may import types from, besides. */
  readonly types?: readonly string[];
  /** Packages and `node:` modules it may import; `*` for any. */
  readonly packages?: readonly string[];
  /** No I/O, no clock, no randomness, nothing asynchronous, no runtime. */
  readonly core?: true;
}

/** The most exact path comes first. Everything may import from its own layer. */
const LAYERS: readonly Layer[] = [
  { at: "spec", values: [] },
  { at: "src/codec", values: [], types: ["spec"], core: true },
  { at: "src/topic", values: ["src/codec"], types: ["spec"], core: true },
  { at: "src/delivery", values: ["src/codec", "src/topic"], types: ["spec"], core: true },
  {
    at: "src/engine",
    values: ["src/codec", "src/topic", "src/delivery"],
    types: ["spec", "src/transport"],
    core: true,
  },
  {
    at: "src/client",
    values: ["src/codec", "src/topic", "src/delivery", "src/engine"],
    types: ["spec", "src/transport"],
    core: true,
  },
  {
    at: "src/client_api",
    values: [
      "src/client",
      "src/codec",
      "src/delivery",
      "src/engine",
      "src/runtime/dial.ts",
      "src/topic",
      "src/transport",
    ],
    types: ["spec"],
  },
  {
    at: "src/broker",
    values: ["src/codec", "src/topic", "src/delivery", "src/engine"],
    types: ["spec", "src/transport"],
    core: true,
  },
  {
    at: "src/nodes",
    values: ["src/broker", "src/codec", "src/topic", "src/delivery", "src/engine", "src/transport/way.ts"],
    types: ["spec", "src/transport"],
    core: true,
  },
  { at: "src/transport", values: ["src/codec"], types: ["spec"], core: true },
  { at: "src/auth", values: ["src/codec", "src/topic"], types: ["spec", "src/broker"], packages: ["*"] },
  { at: "src/toml", values: [] },
  {
    at: "src/login",
    values: ["src/codec", "src/transport/address_group.ts"],
    types: ["spec", "src/broker"],
    packages: ["*"],
  },
  {
    at: "src/permissions",
    values: ["src/codec", "src/topic", "src/toml"],
    types: ["spec", "src/broker"],
    packages: ["smol-toml"],
  },
  {
    at: "src/store",
    values: ["src/codec", "src/nodes/home.ts", "src/topic", "src/delivery", "src/runtime/file_lock.ts"],
    types: ["spec", "src/broker"],
    packages: ["*"],
  },
  {
    at: "src/rules",
    values: [
      "src/broker",
      "src/codec",
      "src/login/fetch.ts",
      "src/runtime/threads.ts",
      "src/topic",
    ],
    types: ["spec", "src/login/options.ts"],
    packages: ["*"],
  },
  { at: "src/observe", values: ["src/codec", "src/topic"], types: ["spec", "src/broker"], packages: ["*"] },
  {
    at: "src/runtime",
    values: ["src/transport"],
    types: ["src/engine"],
    packages: ["*"],
  },
  {
    at: "src/server",
    values: [
      "src/auth",
      "src/broker",
      "src/codec",
      "src/engine",
      "src/nodes",
      "src/observe",
      "src/runtime",
      "src/store",
      "src/transport",
    ],
    types: ["spec", "src/bridge", "src/rules/figures.ts"],
    packages: ["*"],
  },
  {
    at: "src/bench",
    values: ["src/codec", "src/engine", "src/runtime"],
    types: ["src/transport"],
    packages: ["*"],
  },
  {
    at: "src/config",
    values: [
      "src/api/numbers.ts",
      "src/bridge/numbers.ts",
      "src/broker",
      "src/codec/mend.ts",
      "src/login",
      "src/rules/numbers.ts",
      "src/server/address.ts",
      "src/toml",
      "src/cli/error.ts",
      "src/cli/log.ts",
      "src/cli/nearest.ts",
      "src/cli/url.ts",
    ],
    types: ["src/cli"],
    packages: ["*"],
  },
  {
    at: "src/client_store",
    values: ["src/runtime/indexed_db.ts"],
    types: ["src/client_api"],
    packages: ["*"],
  },
  {
    at: "src/test_broker",
    values: ["src/broker", "src/client_api", "src/engine", "src/server/driver.ts", "src/transport"],
    types: ["src/runtime/loop.ts"],
  },
  {
    at: "src/bridge",
    values: [
      "src/client",
      "src/client_api",
      "src/codec",
      "src/delivery",
      "src/runtime/in_process.ts",
      "src/topic",
      "src/transport",
    ],
    types: ["spec"],
  },
  {
    // No type of the package is named: it is optional.
    at: "src/cluster/nats",
    values: ["src/cluster"],
    packages: ["@nats-io/transport-node", "node:crypto", "node:net", "node:timers", "node:timers/promises"],
  },
  {
    at: "src/cluster/join",
    values: ["src/cluster", "src/runtime/late.ts", "src/runtime/loop.ts"],
    types: ["src/server", "src/store", "src/transport"],
    packages: ["node:crypto"],
  },
  {
    at: "src/cluster/files",
    values: ["src/cluster", "src/store"],
    types: ["src/broker"],
    packages: ["node:fs", "node:path", "node:sqlite"],
  },
  {
    at: "src/cluster",
    values: ["src/store/error.ts", "src/store/fact.ts", "src/transport/peer_json.ts"],
    types: ["src/store/disk.ts", "src/engine", "src/runtime/loop.ts", "src/transport"],
    core: true,
  },
  {
    // What is below it may use packages, and what node: has; scripts/size.ts shows that nothing of that comes along.
    at: "src/browser",
    values: [
      "src/broker",
      "src/delivery",
      "src/store",
      "src/runtime/in_process.ts",
      "src/runtime/indexed_db.ts",
      "src/runtime/message_port.ts",
      "src/runtime/random.ts",
      "src/runtime/worker_port.ts",
      "src/server/driver.ts",
    ],
    types: ["src/client_api", "src/runtime/loop.ts", "src/transport"],
  },
  {
    at: "src/edge",
    values: [
      "src/broker",
      "src/client_api",
      "src/codec",
      "src/runtime/random.ts",
      "src/server/driver.ts",
      "src/transport",
    ],
    types: ["src/runtime/loop.ts"],
  },
  {
    at: "src/api",
    values: [
      "src/broker",
      "src/codec",
      "src/topic",
      "src/server/histogram.ts",
      "src/transport/ip_address.ts",
    ],
    types: ["src/server"],
    packages: ["*"],
  },
  {
    // Bundled for browsers.
    at: "src/page",
    values: ["src/client_api", "conformance", "spec"],
    types: ["src/broker"],
    packages: ["preact", "preact/hooks", "uplot"],
  },
  { at: "src/cli", values: ["src", "spec", "conformance"], packages: ["*"] },
  { at: "src/testing", values: ["src", "spec"], packages: ["*"] },
  {
    at: "conformance",
    values: [
      "spec",
      "src/transport",
      "src/runtime/dial.ts",
      "src/runtime/listen.ts",
      "src/runtime/tls/tls.ts",
      "src/codec/reason_code.ts",
    ],
    packages: ["*"],
  },
  { at: "scripts", values: ["src", "spec", "conformance", "mod.ts"], packages: ["*"] },
  {
    at: "examples",
    values: [
      "mod.ts",
      "src/broker/mod.ts",
      "src/browser/mod.ts",
      "src/client_api/browser.ts",
      "src/client_store/indexed_db.ts",
      "src/codec/mod.ts",
      "src/runtime/in_process.ts",
      "src/store/mod.ts",
      "conformance/mod.ts",
    ],
    packages: ["*"],
  },
  { at: "bin", values: ["src/cli/main.ts"], packages: ["*"] },
  { at: "mod.ts", values: ["src"] },
];

/** The layer of a module, given by its path from the root. */
function layerOf(path: string): Layer | undefined {
  return LAYERS.find(({ at }) => within(path, at));
}

/** What no core module may name, and the one file that may. */
const IMPURE: readonly { readonly pattern: RegExp; readonly what: string; readonly but?: string }[] = [
  ...["async", "await"].map((what) => ({ pattern: word(what), what })),
  { pattern: word("Promise"), what: "Promise", but: "src/broker/store.ts" },
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask"].map((what) => ({
    pattern: word(what),
    what,
  })),
  { pattern: /(?<![.\w$])Date\s*[.(]|\bnew\s+Date\b/g, what: "Date" },
  { pattern: /\bMath\s*\.\s*random\b/g, what: "Math.random" },
  ...["performance", "crypto", "console", "process", "Buffer", "fetch", "require"].map((what) => ({
    pattern: word(what),
    what,
  })),
];

/** Only these may name a runtime; tests start processes of the one they run on. */
const MAY_NAME_RUNTIME = ["src/runtime", "src/testing", "scripts", "bin"];

function word(name: string): RegExp {
  return new RegExp(`(?<![.\\w$#])${name}(?![\\w$]|\\s*\\??:)`, "g");
}

/** What is wrong with one module, given by its path from the root and its text. Tests may import what they like. */
export function violations(path: string, text: string): string[] {
  if (path.endsWith("_test.ts")) return [];
  const layer = layerOf(path);
  if (layer === undefined) return [`${path}: belongs to no layer`];
  return [
    ...headerFaults(path, text),
    ...syntaxFaults(path, text),
    ...importFaults(path, text, layer),
    ...purityFaults(path, text, layer),
  ];
}

/** Node 22 reads TypeScript, but its V8 has no explicit resource management; tests run on Node 24. */
function syntaxFaults(path: string, text: string): string[] {
  if (!path.startsWith("src/") || path.startsWith("src/testing/")) return [];
  return [...text.matchAll(/^[ \t]*(?:await )?using [\w$]+ =/gm)].map(({ index }) =>
    `${path}:${text.slice(0, index).split("\n").length}: Node 22 cannot read "using"`
  );
}

function headerFaults(path: string, text: string): string[] {
  const faults: string[] = [];
  if (!/^(?:#!.*\n)?\/\*\*[\s\S]*?@module[\s\S]*?\*\//.test(text)) {
    faults.push(`${path}:1: does not begin with a doc comment that says what it knows (@module)`);
  }
  if (!/^[a-z0-9_]+\.[jt]sx?$/.test(posix.basename(path))) faults.push(`${path}: is not in snake_case`);
  return faults;
}

function importFaults(path: string, text: string, layer: Layer): string[] {
  const faults: string[] = [];
  for (const { specifier, typeOnly, line } of importsOf(text)) {
    const where = `${path}:${line}`;
    if (!specifier.startsWith(".")) {
      const packages = layer.packages ?? [];
      if (!packages.includes("*") && !packages.includes(specifier)) {
        faults.push(`${where}: ${layer.at} may not import ${specifier}`);
      }
      continue;
    }
    const target = posix.join(posix.dirname(path), specifier);
    const { values, types = [] } = layer;
    if (within(target, layer.at) || values.some((at) => within(target, at))) continue;
    if (!types.some((at) => within(target, at))) {
      faults.push(`${where}: ${layer.at} may not import ${target}`);
    } else if (!typeOnly) faults.push(`${where}: ${layer.at} may import only types from ${target}`);
  }
  return faults;
}

function purityFaults(path: string, text: string, layer: Layer): string[] {
  const code = codeOf(text);
  const spelled = codeOf(text, true);
  const faults: string[] = [];
  const find = (pattern: RegExp, message: string, code: string): void => {
    for (const { index } of code.matchAll(pattern)) faults.push(`${path}:${lineAt(code, index)}: ${message}`);
  };
  if (layer.core) {
    for (const { pattern, what, but } of IMPURE) {
      if (path !== but) find(pattern, `the core may not name ${what}`, code);
    }
  }
  if (!MAY_NAME_RUNTIME.some((at) => within(path, at))) {
    for (const runtime of ["Deno", "Bun"]) {
      find(word(runtime), `only src/runtime may name ${runtime}`, code);
      find(new RegExp(`"${runtime}" in globalThis`, "g"), `only src/runtime may ask for ${runtime}`, spelled);
    }
  }
  return faults;
}

/** The folders in which no module may reach itself by its imports. */
const ACYCLIC: readonly string[] = ["src", "conformance"];

/** The circles of imports among modules that are no tests, given by path and text; as `a.ts -> b.ts -> a.ts`. */
export function circles(texts: ReadonlyMap<string, string>): string[] {
  const checked = [...texts].filter(([path]) =>
    !path.endsWith("_test.ts") && ACYCLIC.some((at) => within(path, at))
  );
  return cyclesOf(importGraph(new Map(checked))).map((circle) => circle.join(" -> "));
}

function within(path: string, at: string): boolean {
  return path === at || path.startsWith(`${at}/`);
}

if (import.meta.main) {
  const files = [
    "mod.ts",
    ...["spec", "src", "conformance", "examples", "scripts"].flatMap((at) => filesUnder(at, ".ts")),
    ...filesUnder("src/page", ".tsx"),
  ]
    .filter((file) =>
      file.endsWith(".tsx") || filesUnder(".", ".ts").includes(file) && !file.startsWith("scripts/jsr/")
    );
  files.push(...filesUnder("bin", ".js"));
  const texts = new Map(files.map((file) => [file, readFileSync(pathOf(file), "utf8")]));
  const faults = [...texts].flatMap(([file, text]) => violations(file, text));
  for (const circle of circles(texts)) faults.push(`imports in a circle: ${circle}`);
  const core = files.filter((file) => layerOf(file)?.core === true && !file.endsWith("_test.ts"));
  faults.push(...await loadCore(core));
  for (const fault of faults) console.log(fault);
  console.log(`Layers: ${files.length} modules, ${core.length} of them core, ${faults.length} faults`);
  process.exit(faults.length === 0 ? 0 : 1);
}
