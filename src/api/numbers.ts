/**
 * The numbers of the API.
 * Knows ranges and defaults; refuses to know their use.
 * @module
 */

/** The name of one. */
export type ApiNumber =
  | "apiLooksMax"
  | "apiBodyBytesMax"
  | "apiLoginsMax"
  | "apiLoginIdleMs"
  | "apiPayloadsBytesMax"
  | "apiTracesMax";

/** A range, the default and what it means. */
interface NumberRow {
  readonly default: number;
  readonly least: number;
  readonly most: number;
  readonly unit: string;
  readonly about: string;
}

/** All of them. */
export const API_NUMBERS: Readonly<Record<ApiNumber, NumberRow>> = {
  apiLooksMax: {
    default: 10_000,
    least: 1_000,
    most: 1_000_000,
    unit: "entries",
    about: "entries that one request to the HTTP API looks at; where there are more, its page has a cursor",
  },
  apiBodyBytesMax: {
    default: 1024 * 1024,
    least: 1024,
    most: 256 * 1024 * 1024,
    unit: "bytes",
    about: "the body of one request to the HTTP API",
  },
  apiPayloadsBytesMax: {
    default: 1024 * 1024,
    least: 1024,
    most: 256 * 1024 * 1024,
    unit: "bytes",
    about: "payloads in one page of the HTTP API; those behind are left out",
  },
  apiLoginsMax: {
    default: 100,
    least: 1,
    most: 100_000,
    unit: "logins",
    about: "logins by password of the HTTP API; above it the one that was used longest ago ends",
  },
  apiLoginIdleMs: {
    default: 8 * 3_600_000,
    least: 60_000,
    most: 30 * 86_400_000,
    unit: "ms",
    about: "a login by password of the HTTP API ends when it is not used for so long",
  },
  apiTracesMax: {
    default: 4,
    least: 0,
    most: 1_000,
    unit: "traces",
    about: "traces of packets by the HTTP API at a time",
  },
};
