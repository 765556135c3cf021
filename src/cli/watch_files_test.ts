/** When files are read again. @module */
import { assertEquals } from "@std/assert";
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { patient, until } from "../testing/patience.ts";
import { stateOf, watchFiles } from "./watch_files.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-watch-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const other = file("unchanged", "");

describe("watchFiles()", () => {
  const cases: readonly (readonly [how: string, change: (path: string) => void])[] = [
    ["written", (path) => writeFileSync(path, "other")],
    ["replaced", (path) => {
      writeFileSync(`${path}.new`, "one");
      renameSync(`${path}.new`, path);
    }],
    ["removed", (path) => unlinkSync(path)],
  ];
  for (const [how, change] of cases) {
    test(`tells once of a file that is ${how}`, patient, async () => {
      const path = file(`watched-${how}`, "one");
      let [changes, looks] = [0, 0];
      const stop = watchFiles([path, other], () => changes++, 5, () => looks++);
      await until(() => looks > 1, "it knows the files");
      change(path);
      await until(() => changes === 1, "it tells");
      const seen = looks;
      await until(() => looks > seen + 3, "it looks on");
      stop();
      assertEquals(changes, 1);
    });
  }

  test("tells of a change that came after the files were read and before it began", patient, async () => {
    const path = file("early", "one");
    const known = await stateOf([path]);
    file("early", "another one");
    let changes = 0;
    const stop = watchFiles([path], () => changes++, 5, undefined, known);
    await until(() => changes === 1, "it tells");
    stop();
  });

  test("tells of a link that points elsewhere", patient, async () => {
    const path = join(folder, "link");
    symlinkSync(file("one", "one"), path);
    let [changes, looks] = [0, 0];
    const stop = watchFiles([path], () => changes++, 5, () => looks++);
    await until(() => looks > 1, "it knows the files");
    symlinkSync(file("two", "one"), `${path}.new`);
    renameSync(`${path}.new`, path);
    await until(() => changes === 1, "it tells");
    stop();
  });

  test("does not tell while files still change", patient, async () => {
    const path = file("growing", "");
    let [changes, looks] = [0, 0];
    const sizes: number[] = [];
    const stop = watchFiles([path], () => changes++, 5, () => {
      looks++;
      if (looks < 10) writeFileSync(path, "x".repeat(looks));
      else if (looks === 10) sizes.push(changes);
    });
    await until(() => changes > 0, "it tells when they rest");
    stop();
    assertEquals([sizes, changes], [[0], 1]);
  });
});
