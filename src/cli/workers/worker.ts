/**
 * A worker of `plumb serve --workers N`: which one of how many this process is.
 * Knows its number, the directory that all of them share, and what the supervisor tells it; refuses to know how they are started and joined.
 * @module
 */
import type { Environment } from "../environment.ts";

/** One of the processes that are one broker. */
export interface Worker {
  /** 1 to `of`. Worker 1 also has what must be there once: bridges, Unix sockets of Clients. */
  readonly number: number;
  /** How many there are, 2 or more. */
  readonly of: number;
  /** The private directory (0700) of this run, with the sockets that join the workers; it goes when the supervisor does. */
  readonly directory: string;
}

/** What the supervisor tells a worker that it starts. */
export interface WorkerOrder extends Worker {
  /** Another one for each process. */
  readonly incarnation: string;
  /** The directory of its store; not there with `--memory`. */
  readonly store?: string;
  /** Of each listener whose port may be any, and of each that is left out (`null`): the port that was taken. */
  readonly ports: Readonly<Record<string, number | null>>;
  /** Whether all workers start now: it waits for all of them before it takes Clients. */
  readonly isFirst: boolean;
  /** Whether the log goes to a terminal that shows colours. */
  readonly colours: boolean;
}

/** The variable with the order of a worker. */
export const WORKER_VARIABLE = "PLUMB_WORKER";

/** What the supervisor has told this process; undefined if none has started it. */
export function orderOf(read: Environment): WorkerOrder | undefined {
  const text = read(WORKER_VARIABLE) ?? "";
  return text === "" ? undefined : JSON.parse(text) as WorkerOrder;
}

/** Its name among the nodes of the Server. */
export function nodeName(number: number): string {
  return `worker-${number}`;
}

/** The names of all, in the order of their numbers. */
export function nodeNames({ of }: Pick<Worker, "of">): string[] {
  return Array.from({ length: of }, (_, i) => nodeName(i + 1));
}
