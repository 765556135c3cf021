/**
 * The numbers of a whole chain of links, and of the threads that hash for it.
 * Knows ranges and defaults; refuses to know their use.
 * @module
 */
import type { NumberRow } from "./options.ts";

/** The numbers of failed logins: those of a chain too. */
export const FAILED_LOGIN_NUMBERS: Readonly<
  Record<
    | "failedLoginsMax"
    | "failedLoginsPerAddressMax"
    | "failedLoginsPerUserMax"
    | "failedLoginDelayMaxMs"
    | "loginsRememberedMax",
    NumberRow
  >
> = {
  failedLoginsMax: {
    default: 5,
    least: 0,
    most: 1_000_000,
    unit: "logins",
    about:
      "wrong passwords for one user from one address; then further ones wait 1 s, 2 s, 4 s, …: 0x9F; 0 is no limit",
  },
  failedLoginsPerAddressMax: {
    default: 100,
    least: 0,
    most: 1_000_000,
    unit: "logins",
    about:
      "the same for all users from one address (IPv6: /64), but for users that have logged in from it before",
  },
  failedLoginsPerUserMax: {
    default: 20,
    least: 0,
    most: 1_000_000,
    unit: "logins",
    about:
      "the same for one user from all addresses, but for addresses that the user has logged in from before",
  },
  failedLoginDelayMaxMs: {
    default: 60_000,
    least: 1_000,
    most: 86_400_000,
    unit: "ms",
    about: "the longest of these delays; one failed login is forgiven whenever so much time has passed",
  },
  loginsRememberedMax: {
    default: 50_000,
    least: 100,
    most: 10_000_000,
    unit: "logins",
    about: "failed logins that are remembered, and pairs of user and address that have logged in",
  },
};

/** The numbers of a chain. */
export const CHAIN_NUMBERS: Readonly<
  Record<"loginsWaitingMax" | "loginTimeoutMs" | keyof typeof FAILED_LOGIN_NUMBERS, NumberRow>
> = {
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
  ...FAILED_LOGIN_NUMBERS,
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
