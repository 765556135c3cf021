/**
 * The numbers of hooks in a file, and of the webhook.
 * Knows ranges and defaults; refuses to know their use.
 * @module
 */
import type { NumberRow } from "../login/options.ts";

/** The numbers of hooks in a file. */
export const HOOK_NUMBERS: Readonly<
  Record<
    | "hookEventsMax"
    | "hookEventsBytesMax"
    | "hookCallsMax"
    | "hookPromisesMax"
    | "hookTimeoutMs"
    | "hookSlowMs"
    | "hookStallMs",
    NumberRow
  >
> = {
  hookEventsMax: {
    default: 10_000,
    least: 1,
    most: 10_000_000,
    unit: "events",
    about: "events that wait for the hooks of --hooks; more are dropped, and counted",
  },
  hookEventsBytesMax: {
    default: 64 * 1024 * 1024,
    least: 1024,
    most: 4 * 1024 * 1024 * 1024,
    unit: "bytes",
    about: "the same in bytes of topics and payloads",
  },
  hookCallsMax: {
    default: 10_000,
    least: 1,
    most: 1_000_000,
    unit: "calls",
    about: "calls of hooks, as publish(), that the broker has not taken yet; the next one throws",
  },
  hookPromisesMax: {
    default: 1_000,
    least: 1,
    most: 1_000_000,
    unit: "promises",
    about: "promises of hooks that may be open; until one is settled no further hook is called",
  },
  hookTimeoutMs: {
    default: 30_000,
    least: 10,
    most: 86_400_000,
    unit: "ms",
    about: "how long the promise of a hook is waited for",
  },
  hookSlowMs: {
    default: 100,
    least: 1,
    most: 86_400_000,
    unit: "ms",
    about: "a hook that computes longer is told of in the log",
  },
  hookStallMs: {
    default: 10_000,
    least: 100,
    most: 86_400_000,
    unit: "ms",
    about: "hooks that compute longer without a break are ended, and begun anew",
  },
};

/** The numbers of the webhook. */
export const WEBHOOK_NUMBERS: Readonly<
  Record<
    | "eventsMax"
    | "eventsBytesMax"
    | "batchEventsMax"
    | "batchBytesMax"
    | "batchMs"
    | "timeoutMs"
    | "retryMs"
    | "retryMaxMs",
    NumberRow
  >
> = {
  eventsMax: {
    default: 10_000,
    least: 1,
    most: 10_000_000,
    unit: "events",
    about: "events that wait for the webhook, those of the present request among them; more are dropped",
  },
  eventsBytesMax: {
    default: 64 * 1024 * 1024,
    least: 1024,
    most: 4 * 1024 * 1024 * 1024,
    unit: "bytes",
    about: "the same in bytes of topics and payloads",
  },
  batchEventsMax: {
    default: 100,
    least: 1,
    most: 10_000,
    unit: "events",
    about: "events of one request",
  },
  batchBytesMax: {
    default: 256 * 1024,
    least: 1024,
    most: 64 * 1024 * 1024,
    unit: "bytes",
    about: "their bytes of topics and payloads; a larger event goes alone",
  },
  batchMs: {
    default: 200,
    least: 0,
    most: 3_600_000,
    unit: "ms",
    about: "how long an event waits for others that go with it",
  },
  timeoutMs: {
    default: 10_000,
    least: 10,
    most: 600_000,
    unit: "ms",
    about: "for one request and its answer",
  },
  retryMs: {
    default: 1_000,
    least: 1,
    most: 3_600_000,
    unit: "ms",
    about: "the wait before the second attempt; it doubles with each, and varies by half",
  },
  retryMaxMs: {
    default: 60_000,
    least: 1,
    most: 86_400_000,
    unit: "ms",
    about: "the longest of these waits; attempts do not end",
  },
};

/** A value for each of them. */
export type HookNumbers = Readonly<Record<keyof typeof HOOK_NUMBERS, number>>;
/** A value for each of them. */
export type WebhookNumbers = Readonly<Record<keyof typeof WEBHOOK_NUMBERS, number>>;
