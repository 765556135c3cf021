/** A file that is read again: in the order of its texts. @module */
import { assertEquals } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { WatchedFile } from "./watched_file.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-watched-"));
after(() => rmSync(folder, { recursive: true }));

test("two reloads at once read one after the other, so that the newer text holds", async () => {
  const path = join(folder, "file");
  writeFileSync(path, "old");
  const texts: string[] = [];
  const file = await WatchedFile.open(path, (text) => texts.push(text), {
    pollMs: 0,
    onEvent: () => writeFileSync(path, "new"), // the first has read
  });
  await Promise.all([file.reload(), file.reload()]);
  assertEquals(texts, ["old", "old", "new"]);
});
