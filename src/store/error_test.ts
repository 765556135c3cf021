/** What SQLite and the systems say, as trouble that a person can do something about. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { StoreError, type StoreTrouble, troubleWith } from "./error.ts";

describe("troubleWith()", () => {
  const words: Readonly<Record<string, StoreTrouble>> = {
    "database or disk is full": "full",
    "ENOSPC: no space left on device, write": "full",
    "database is locked": "locked",
    "database table is locked: delivery": "locked",
    "database disk image is malformed": "corrupt",
    "file is not a database": "corrupt",
    "unsupported file format": "corrupt",
    "attempt to write a readonly database": "unwritable",
    "unable to open database file: /data/plumb.sqlite": "unwritable",
    "EACCES: permission denied, mkdir '/data'": "unwritable",
    "ENOTDIR: not a directory, mkdir '/data/file/x'": "unwritable",
    "EEXIST: file already exists, mkdir '/data/file'": "unwritable",
    "ENOENT: no such file or directory, mkdir '/proc/x'": "unwritable",
    'Requires write access to "/data", run again with the --allow-write flag': "unwritable",
    "disk I/O error": "io",
  };
  for (const [said, trouble] of Object.entries(words)) {
    test(`${said} is ${trouble}`, () => {
      const error = troubleWith("/data", new Error(`${said}\n    at somewhere`));
      assertEquals([error.trouble, error.message], [trouble, `/data: ${said}`]);
    });
  }

  test("leaves what is said already as it is", () => {
    const error = new StoreError("newer", "too new");
    assertEquals(troubleWith("/data", error), error);
  });
});
