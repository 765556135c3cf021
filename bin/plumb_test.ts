/** Every command that the package brings starts, whoever calls it, and never itself again. @module */
import { assertEquals, assertMatch } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { patient, WAIT_MS } from "../src/testing/patience.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const { bin, version } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);
const folder = mkdtempSync(join(tmpdir(), "plumb-bin-"));
after(() => rmSync(folder, { recursive: true }));

/** The program that a name on the PATH stands for; undefined if there is none. */
function programOf(name: string): string | undefined {
  const { stdout } = spawnSync("sh", ["-c", `command -v ${name}`], {
    encoding: "utf8",
  });
  return stdout.trim() || undefined;
}

/** A folder with these programs only, to be the PATH. */
function pathWith(
  ...programs: (readonly [name: string, file: string])[]
): string {
  const path = mkdtempSync(join(folder, "path-"));
  for (const [name, file] of programs) symlinkSync(file, join(path, name));
  return path;
}

/** Calls a file, with `runner` before it. What hangs, or begins itself again and again, is killed. */
function call(
  file: string,
  args: readonly string[],
  runner: readonly string[],
  path?: string,
) {
  const [program, ...before] = [...runner, file];
  const { status, signal, stdout, stderr } = spawnSync(program!, [
    ...before,
    ...args,
  ], {
    encoding: "utf8",
    killSignal: "SIGKILL",
    timeout: WAIT_MS,
    env: { ...process.env, ...(path !== undefined && { PATH: path }) },
  });
  return { end: status ?? signal, out: stdout, err: stderr };
}

const name = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const here: readonly [string, string] = [name, process.execPath];
const node = name === "node" ? process.execPath : programOf("node");
/** Whether it reads TypeScript. */
const isRecent = node !== undefined &&
  /strip/.test(call("process.features.typescript", [], [node, "-p"]).out);
/** Runs a file by its first line. */
const ENV = "/usr/bin/env";
const needsNode = { ...patient, skip: node === undefined };
const started = { end: 0, out: `plumb ${version}\n`, err: "" };

for (const [command, path] of Object.entries<string>(bin)) {
  const file = join(root, path);
  describe(`the command ${command}`, () => {
    test("begins with #!, or a shell would read it", () => {
      assertEquals(
        readFileSync(file, "utf8").split("\n")[0],
        "#!/usr/bin/env node",
      );
    });

    test("runs in the runtime that is asked to run it", patient, () => {
      const runner = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
      assertEquals(
        call(file, ["--version"], [process.execPath, ...runner]),
        started,
      );
    });

    test("is executable, and finds the runtime on the PATH", needsNode, () => {
      const path = pathWith(["node", node!], ...name === "node" ? [] : [here]);
      assertEquals(call(file, ["--version"], [ENV], path), started);
      const { end, err } = call(file, ["server"], [ENV], path);
      assertEquals([end, err], [
        2,
        'plumb: unknown command "server"; did you mean serve?\n',
      ]);
    });

    test(
      "runs where Node is alone, or says in one line what to install if that is too old",
      needsNode,
      () => {
        const told = call(
          file,
          ["--version"],
          [ENV],
          pathWith(["node", node!]),
        );
        if (isRecent) return assertEquals(told, started);
        assertEquals([told.end, told.out], [2, ""]);
        assertMatch(
          told.err,
          /^plumb: .*Node 22\.18 or later.*Bun or Deno.*npm install -g.*\n$/,
        );
      },
    );
  });
}
