/**
 * JetStream's own questions and answers.
 * Knows its subjects, its JSON and the numbers of its errors; refuses to know what streams are for.
 * @module
 */
import type { AskTrouble, NatsBus } from "./bus.ts";

/** Numbers of errors of the server. */
export const JS_ERROR = {
  noPeers: 10005,
  notEnabled: 10076,
  notEnabledForAccount: 10039,
  streamInUse: 10058,
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  replicasUnsupported: 10074,
} as const;

/** An error of the server. */
export interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description: string;
}

/** What a stream is made like; not all that there is. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly retention: string;
  readonly storage: string;
  readonly num_replicas: number;
  readonly discard: string;
  readonly max_msgs: number;
  readonly max_msgs_per_subject: number;
  readonly max_age: number;
  readonly deny_delete: boolean;
  readonly deny_purge: boolean;
  readonly sealed?: boolean;
  readonly mirror?: unknown;
  readonly sources?: readonly unknown[];
}

/** What is used of the answers; all of it but `error` only where there is none. */
export interface ApiAnswer {
  readonly error?: ApiError;
  readonly config?: StreamConfig;
  readonly state?: { readonly first_seq: number; readonly last_seq: number };
  readonly name?: string;
  readonly seq?: number;
  readonly stream?: string;
}

/** Asks JetStream's API. `silent` and so on as for any question; what is no JSON is `silent` too. */
export function askApi(
  bus: NatsBus,
  question: string,
  body: object | undefined,
  answered: (answer: ApiAnswer | AskTrouble) => void,
): void {
  const bytes = new TextEncoder().encode(body === undefined ? "" : JSON.stringify(body));
  bus.ask(
    `$JS.API.${question}`,
    bytes,
    bus.answerMs,
    undefined,
    (message) => answered(typeof message === "string" ? message : parsed(message.data)),
  );
}

/** An answer of the server. */
export function parsed(bytes: Uint8Array): ApiAnswer | "silent" {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return "silent";
  }
}

/** Words for a log line. */
export function reasonOf(answer: ApiError | AskTrouble): string {
  return typeof answer === "string" ? WORDS[answer] : answer.description;
}

const WORDS: Readonly<Record<AskTrouble, string>> = {
  nobody: "no server has it at present",
  silent: "no answer in time",
  disconnected: "there is no connection to NATS",
  denied: "the user has no permission for it",
};
