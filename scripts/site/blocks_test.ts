/**
 * The blocks of code in the documentation: settings and permissions are read as the broker reads them, the flags of every
 * command are ones that it has, programs can be parsed, and tasks are there.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import process from "node:process";
import ts from "typescript";
import { callOf, settingsOfCall } from "../../src/cli/options.ts";
import { parseConfig } from "../../src/config/file.ts";
import { readPermissions } from "../../src/permissions/toml.ts";
import { patient } from "../../src/testing/patience.ts";
import { filesUnder, pathOf } from "../lib/tree.ts";

interface Block {
  readonly file: string;
  /** Behind the fence: `sh`. */
  readonly kind: string;
  readonly text: string;
}

/** Of the README and all pages that are written by hand. */
const BLOCKS: readonly Block[] = ["README.md", ...filesUnder("docs", ".md")]
  .filter((file) => !file.startsWith("docs/statements/"))
  .flatMap((file) =>
    [...readFileSync(pathOf(file), "utf8").matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
      ([, kind = "", text = ""]) => ({ file, kind, text }),
    )
  );

const none = () => undefined;

/** What a command is called with, shell quotes taken away; undefined if it is not one of ours. */
function ours(line: string): readonly string[] | undefined {
  const [, rest] =
    /(?:^|\| )(?:plumb|(?:npx -y )?deno run -A mod\.ts|(?:npx -y )?bun mod\.ts|node bin\/plumb\.js|dist\/plumb)(?: ([^|&]*))?/
      .exec(
        line,
      ) ?? [];
  if (rest === undefined) return undefined;
  return [...rest.replace(/(?:^| )#.*$/, "").matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((
    [, single, double, bare],
  ) => single ?? double ?? bare!);
}

const COMMANDS = BLOCKS.filter(({ kind }) => kind === "sh").flatMap(({ file, text }) =>
  text.split("\n").flatMap((line) => {
    const args = ours(line);
    return args === undefined ? [] : [{ file, line, args }];
  })
);

/** Each is loaded when it is needed, as by src/cli/main.ts. */
const MAINS: Readonly<Record<string, (args: readonly string[]) => Promise<unknown>>> = {
  acl: async (args) => (await import("../../src/cli/acl.ts")).aclMain(args, none),
  audit: async (args) => (await import("../../src/cli/audit.ts")).auditMain(args, none),
  bench: async (args) => (await import("../../src/cli/bench.ts")).benchMain(args, none),
  cluster: async (args) => (await import("../../src/cli/cluster/status.ts")).clusterMain(args, none),
  config: async (args) => (await import("../../src/cli/config.ts")).configMain(args, none),
  explain: async (args) => (await import("../../src/cli/explain.ts")).explainMain(args, none),
  import: async (args) => (await import("../../src/cli/import.ts")).importMain(args, none),
  init: async (args) => (await import("../../src/cli/init.ts")).initMain(args),
  page: async (args) => (await import("../../src/cli/page.ts")).pageMain(args, none),
  passwd: async (args) => (await import("../../src/cli/passwd.ts")).passwdMain(args, none),
  pub: async (args) => (await import("../../src/cli/pub.ts")).pubMain(args, none),
  request: async (args) => (await import("../../src/cli/request.ts")).requestMain(args, none),
  sub: async (args) => (await import("../../src/cli/sub.ts")).subMain(args, none),
  trace: async (args) => (await import("../../src/cli/trace.ts")).traceMain(args, none),
  ...Object.fromEntries(["backup", "export", "verify", "compact"].map((name) => [
    name,
    async (args: readonly string[]) => (await import("../../src/cli/store.ts")).storeMain(name, args, none),
  ])),
};

/** Runs it with what stdout gets thrown away. */
async function silently(body: () => Promise<unknown>): Promise<void> {
  const { stdout } = process;
  const write = stdout.write;
  stdout.write = ((_text: unknown, ...more: readonly unknown[]) => {
    const done = more.at(-1);
    if (typeof done === "function") done();
    return true;
  }) as typeof write;
  try {
    await body();
  } finally {
    stdout.write = write;
  }
}

describe("the documentation", () => {
  test("has settings and permissions that can be read", async () => {
    const blocks = BLOCKS.filter(({ kind }) => kind === "toml");
    assert(blocks.length > 3);
    for (const { file, text } of blocks) {
      const isPermissions = /^\[everyone\]|^\[user\./m.test(text);
      try {
        if (isPermissions) await readPermissions(text, file);
        else settingsOfCall(callOf([], none), await parseConfig(text, pathOf("docs/plumb.toml")));
      } catch (error) {
        throw new Error(`${file}: ${error instanceof Error ? error.message : error}\n${text}`);
      }
    }
  });

  test("calls commands by flags that they have", patient, async () => {
    assert(COMMANDS.length > 20);
    for (const { file, line, args } of COMMANDS) {
      try {
        const [name = "", ...rest] = args;
        if (name === "help") continue;
        if (name === "" || name.startsWith("-")) callOf(args, none);
        else {
          assert(name in MAINS, `no such command: ${name}`);
          await silently(() => MAINS[name]!([...rest, "--help-all"]));
        }
      } catch (error) {
        throw new Error(`${file}: ${line}: ${error instanceof Error ? error.message : error}`);
      }
    }
  });

  test("has programs that can be parsed", () => {
    const blocks = BLOCKS.filter(({ kind }) => kind === "ts" || kind === "js");
    assert(blocks.length > 10);
    for (const { file, text } of blocks) {
      const { diagnostics = [] } = ts.transpileModule(text, {
        reportDiagnostics: true,
        compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
      });
      assertEquals(diagnostics.map(({ messageText }) => messageText), [], `${file}: ${text}`);
    }
  });

  test("names tasks that there are", () => {
    const { tasks } = JSON.parse(readFileSync(pathOf("deno.json"), "utf8"));
    const named = BLOCKS.flatMap(({ file, text }) =>
      [...text.matchAll(/deno task ([a-z:]+)/g)].map(([, task = ""]) => [file, task])
    );
    assertEquals(named.filter(([, task]) => !(task! in tasks)), []);
  });
});
