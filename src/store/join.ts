/**
 * §4.1 The snapshots of several stores as that of one.
 * Knows files; refuses to know the rows in them, and which stores they come from.
 * @module
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { homeOf } from "../nodes/home.ts";
import { divide } from "./divide.ts";
import { STORE_FILE } from "./files.ts";
import { exportStore, importStore } from "./snapshot_file.ts";

/**
 * Writes what the snapshots `parts`, those of all nodes in their order, have together to `to`, as `exportStore()` does. This thread is blocked meanwhile.
 * @throws {StoreError} for a file that is no snapshot, or a damaged one.
 */
export function joinSnapshots(parts: readonly string[], to: string): void {
  const directory = `${to}.joining`;
  try {
    const stores = parts.map((part, i) => {
      const store = join(directory, `${i}`);
      importStore(part, store, false);
      return join(store, STORE_FILE);
    });
    const one = join(directory, STORE_FILE);
    divide(stores, [one], homeOf);
    exportStore(one, to);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
