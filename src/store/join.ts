/**
 * §4.1 The stores of several nodes as one.
 * Knows files; refuses to know the rows in them, and what becomes of the one.
 * @module
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { homeOf } from "../nodes/home.ts";
import { backUp } from "./backup.ts";
import { divide } from "./divide.ts";
import { troubleWith } from "./error.ts";
import { STORE_FILE } from "./files.ts";

/**
 * Calls `action` with the path of a store that has what the stores at `paths` have, those of all nodes in their order: of each what it has at
 * one moment; brokers may have them open. It stands beside `file`, and goes when `action` is over. One store is taken as it is. This thread is
 * blocked meanwhile.
 * @throws {StoreError}
 */
export function asOneStore<T>(paths: readonly string[], file: string, action: (path: string) => T): T {
  if (paths.length === 1) return action(paths[0]!);
  const place = `${file}.joining-${process.pid}`;
  try {
    mkdirSync(place);
    const copies = paths.map((path, i) => {
      const copy = join(place, `${i + 1}`);
      backUp(path, copy);
      return copy;
    });
    const joined = join(place, STORE_FILE);
    divide(copies, [joined], homeOf);
    return action(joined);
  } catch (error) {
    throw troubleWith(file, error);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
