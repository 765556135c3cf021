/**
 * A worker of `plumb serve --workers N`: which one of how many this process is.
 * Knows its number and the directory that all of them share; refuses to know how they are started and joined.
 * @module
 */

/** One of the processes that are one broker. */
export interface Worker {
  /** 1 to `of`. Worker 1 also has what must be there once: bridges, Unix sockets of Clients. */
  readonly number: number;
  /** How many there are, 2 or more. */
  readonly of: number;
  /** The private directory (0700) of this run, with the sockets that join the workers; it goes when the supervisor does. */
  readonly directory: string;
}

/** Its name among the nodes of the Server. */
export function nodeName(number: number): string {
  return `worker-${number}`;
}

/** The names of all, in the order of their numbers. */
export function nodeNames({ of }: Pick<Worker, "of">): string[] {
  return Array.from({ length: of }, (_, i) => nodeName(i + 1));
}
