import { assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { describe, test } from "node:test";
import { OWN_RUNTIME } from "./broker_process.ts";
import { killed, spawnKept } from "./kept_child.ts";
import { bun, deno } from "./run.ts";
import { pathOf } from "./tree.ts";
import { within } from "./within.ts";

const SLEEP = ["sleep", "60"];

/**
 * A process that starts a child, says so and then ends in some way. Resolves when both have ended: until then somebody could
 * still write to standard output, which they share.
 */
async function bothEnd(ending: string, signal?: NodeJS.Signals): Promise<void> {
  const code = `import { spawnKept } from ${JSON.stringify(pathOf("scripts/lib/kept_child.ts"))};
    import process from "node:process";
    spawnKept(${JSON.stringify(SLEEP)}, { stdio: ["ignore", "inherit", "ignore"] });
    console.log("started");
    ${ending}`;
  const [command = "", ...args] = {
    bun: [...bun(), "-e", code],
    deno: [...deno(), "eval", "--no-check", code],
    node: [process.execPath, "--input-type=module", "-e", code],
  }[OWN_RUNTIME];
  const parent = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  const over = once(parent, "close");
  await within(once(parent.stdout, "data"), "the child is started");
  if (signal !== undefined) parent.kill(signal);
  await within(over, "parent and child end");
}

describe("a kept child", () => {
  test("ends when its parent is told to", async () => {
    await bothEnd("setInterval(() => {}, 1000);", "SIGTERM");
    await bothEnd("setInterval(() => {}, 1000);", "SIGINT");
  });
  test("ends when its parent fails or exits", async () => {
    await bothEnd("setTimeout(() => process.exit(3), 50);");
    await bothEnd("setTimeout(() => { throw new Error('x'); }, 50);");
  });
  test("is gone once it is killed, also twice", async () => {
    const child = spawnKept(SLEEP, { stdio: "ignore" });
    await killed(child);
    await killed(child);
    assertEquals(child.signalCode, "SIGKILL");
  });
});
