/**
 * The lock of a whole file, which ends with the process: flock(2), apart from the locks that SQLite takes of the same file.
 * Knows how each runtime gets at it; refuses to know the content of the file. Where it cannot be had (Node,
 * Windows, a foreign libc, no permission) nothing is locked.
 * @module
 */
import { closeSync, openSync } from "node:fs";

/** A lock that is held. */
export interface FileLock {
  /**
   * Gives it back. As a file is closed for that, SQLite's locks of it end too, in this whole process: call it when no
   * database has the file open any more.
   */
  release(): void;
}

/** Locks a file that is there; "taken" if another process, or this one, has it; undefined where that cannot be done. */
export function lockFile(path: string): FileLock | "taken" | undefined {
  try {
    if ("Bun" in globalThis) return lockOnBun(path);
    return "Deno" in globalThis ? lockOnDeno(path) : undefined;
  } catch {
    return undefined;
  }
}

interface DenoSlice {
  readonly build: { readonly os: string };
  openSync(path: string, options: { read: boolean; write: boolean }): {
    tryLockSync?(exclusive: boolean): boolean;
    close(): void;
  };
}

function lockOnDeno(path: string): FileLock | "taken" | undefined {
  const { Deno } = globalThis as unknown as { Deno: DenoSlice };
  if (Deno.build.os === "windows") return undefined; // there a lock would keep SQLite from reading
  const file = Deno.openSync(path, { read: true, write: true });
  const isLocked = file.tryLockSync?.(true);
  if (isLocked) return { release: () => file.close() };
  file.close();
  return isLocked === false ? "taken" : undefined;
}

/** `node:process` would do as well, but bundlers for browsers know it by other exports. */
interface ProcessSlice {
  readonly platform: string;
  getBuiltinModule(name: "bun:ffi"): FfiSlice;
}

interface FfiSlice {
  dlopen(library: string, symbols: Readonly<Record<string, object>>): {
    readonly symbols: { flock(descriptor: number, operation: number): number } & Record<string, () => number>;
    close(): void;
  };
  readonly read: { i32(pointer: number): number };
}

/** The C library of a system by its names, its function that says where `errno` is, and EWOULDBLOCK. */
const LIBRARIES: Readonly<Record<string, readonly [names: string[], errno: string, taken: number]>> = {
  linux: [["libc.so.6", "libc.so"], "__errno_location", 11],
  darwin: [["libSystem.B.dylib"], "__error", 35],
};
/** LOCK_EX | LOCK_NB: the same numbers on Linux and macOS. */
const EXCLUSIVE_NOW = 2 | 4;

function lockOnBun(path: string): FileLock | "taken" | undefined {
  const { process } = globalThis as unknown as { process: ProcessSlice };
  const { dlopen, read } = process.getBuiltinModule("bun:ffi");
  const [names, errno, taken] = LIBRARIES[process.platform] ?? [[], "", 0];
  for (const library of names) {
    let libc: ReturnType<FfiSlice["dlopen"]>;
    try {
      libc = dlopen(library, {
        flock: { args: ["i32", "i32"], returns: "i32" },
        [errno]: { args: [], returns: "ptr" },
      });
    } catch { // of another name
      continue;
    }
    const file = openSync(path, "r+");
    const isLocked = libc.symbols.flock(file, EXCLUSIVE_NOW) === 0;
    const isTaken = !isLocked && read.i32(libc.symbols[errno]!()) === taken;
    libc.close();
    if (isLocked) return { release: () => closeSync(file) };
    closeSync(file);
    return isTaken ? "taken" : undefined; // not every file system has such locks
  }
  return undefined;
}
