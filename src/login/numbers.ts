/**
 * The numbers of a whole chain of links, and of the threads that hash for it.
 * Knows ranges and defaults; refuses to know their use.
 * @module
 */
import type { NumberRow } from "./options.ts";

/** The numbers of a chain. */
export const CHAIN_NUMBERS: Readonly<Record<"loginsWaitingMax" | "loginTimeoutMs", NumberRow>> = {
  loginsWaitingMax: {
    default: 2_000,
    least: 1,
    most: 1_000_000,
    unit: "logins",
    about: "logins that wait for a link; above it 0x89",
  },
  loginTimeoutMs: {
    default: 9_000,
    least: 10,
    most: 3_600_000,
    unit: "ms",
    about:
      "the longest time for all links together; above it 0x88. The limit `connectTimeoutMs` bounds it too",
  },
};

const cores =
  (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator?.hardwareConcurrency ?? 2;

/** The numbers of a pool. Each thread takes a core while it works, and the memory of the hash: 19 MiB. */
export const HASH_NUMBERS: Readonly<Record<"hashesMax" | "hashesWaitingMax" | "hashWaitMs", NumberRow>> = {
  hashesMax: {
    default: Math.max(1, Math.min(4, cores - 1)),
    least: 1,
    most: 64,
    unit: "threads",
    about: "passwords that are hashed at a time; the default leaves a core to the broker",
  },
  hashesWaitingMax: {
    default: 1_000,
    least: 0,
    most: 1_000_000,
    unit: "passwords",
    about: "passwords that wait to be hashed; above it 0x89",
  },
  hashWaitMs: {
    default: 8_000,
    least: 10,
    most: 3_600_000,
    unit: "ms",
    about: "longest time that a password waits to be hashed; above it 0x89",
  },
};
