/** One broker for one directory, in this process and in others, and none that is dead. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { plumb } from "../testing/plumb_process.ts";
import { fill, inDirectory, overwrite } from "../testing/store_files.ts";
import { keyOf, record } from "../testing/store_scene.ts";
import { compact } from "./backup.ts";
import { StoreError } from "./error.ts";
import { lockDirectory } from "./lock.ts";
import { openStore } from "./mod.ts";
import { patient } from "../testing/patience.ts";

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

  const isLockable = "Deno" in globalThis || "Bun" in globalThis;
  const elsewhere = process.platform === "win32"
    ? "the system lets nobody remove an open file"
    : !isLockable && "Node cannot lock a file apart from SQLite's locks of it";

  test(
    "refuses a second one though a person has removed the first's lock",
    { skip: elsewhere },
    () =>
      inDirectory(async (directory) => {
        const store = openStore(directory, { worker: false });
        rmSync(join(directory, "broker.lock"));
        for (let i = 0; i < 2; i++) assertThrows(() => openStore(directory), StoreError, "in use");
        assertThrows(() => compact(directory), StoreError, "in use");
        await store.close();
        await openStore(directory, { worker: false }).close();
      }),
  );

  test("refuses another process though a person has removed the lock, and lets it look", {
    ...patient,
    skip: elsewhere,
  }, () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 2 });
      const store = openStore(directory);
      rmSync(join(directory, "broker.lock"));
      const call = (...args: string[]) => plumb([...args, "--data", directory]);
      const [second, verified, copied] = await Promise.all([
        call("--listen", "mqtt://127.0.0.1:0"),
        call("verify"),
        call("backup", `${path}.copy`),
      ]);
      assertEquals([second.status, second.err.includes("in use by another broker")], [2, true]);
      assertEquals([verified.status, copied.status], [0, 0]);
      const key = keyOf("later");
      [...store.sessions(), ...store.retainedMessages()];
      store.saved(key, record("later"));
      await store.commit(); // the first one has lost nothing by that
      await store.close();
    }));

  test("a file that was set aside is not the locked one any more", () =>
    inDirectory(async (directory) => {
      overwrite(await fill(directory, { sessions: 1 }), [1]);
      const store = openStore(directory, { worker: false });
      rmSync(join(directory, "broker.lock"));
      if (elsewhere === false) assertThrows(() => openStore(directory), StoreError, "in use");
      await store.close();
    }));

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
