/** One broker for one directory, in this process and in others, and none that is dead. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { inDirectory } from "../testing/store_files.ts";
import { StoreError } from "./error.ts";
import { lockDirectory } from "./lock.ts";

const patient = { timeout: 30_000 };

/** Whether the lock cannot be had. */
function isLocked(directory: string): boolean {
  try {
    lockDirectory(directory).release();
    return false;
  } catch (error) {
    const { trouble, message } = error as StoreError;
    assertEquals([trouble, message], ["locked", `${directory} is in use by another broker`]);
    return true;
  }
}

describe("lockDirectory()", () => {
  test("refuses a second one in this process, until the first is released", () =>
    inDirectory((directory) => {
      const lock = lockDirectory(directory);
      assertEquals(isLocked(directory), true);
      assertEquals(isLocked(directory), true); // the refusals have not released the first
      lock.release();
      assertEquals(isLocked(directory), false);
    }));

  test("two directories have a lock each", () =>
    inDirectory((one) =>
      inDirectory((other) => {
        const locks = [one, other].map(lockDirectory);
        for (const lock of locks) lock.release();
      })
    ));

  test(
    "refuses while another process has it, and not when that is killed",
    patient,
    () =>
      inDirectory(async (directory) => {
        const script = join(directory, "holder.ts");
        const url = new URL("./lock.ts", import.meta.url).href;
        writeFileSync(
          script,
          `import { lockDirectory } from ${JSON.stringify(url)};
         lockDirectory(${JSON.stringify(directory)});
         console.log("locked");
         setInterval(() => {}, 1000);`,
        );
        const args = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : [script];
        const holder = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
        const over = new Promise((resolve) => holder.on("close", resolve));
        try {
          await new Promise((resolve) => holder.stdout.once("data", resolve));
          assertEquals(isLocked(directory), true);
        } finally {
          holder.kill("SIGKILL");
          await over;
        }
        assertEquals(isLocked(directory), false);
      }),
  );

  test("names what it cannot write", () =>
    inDirectory((directory) => {
      const file = join(directory, "file");
      writeFileSync(file, "");
      const error = assertThrows(() => lockDirectory(file), StoreError);
      assertEquals([error.trouble, error.message.startsWith(join(file, "broker.lock"))], [
        "unwritable",
        true,
      ]);
    }));
});
