/**
 * What each process of a worker said last of its counts, so that those of the broker do not fall when one is away, or was started again.
 * Knows counts; refuses to know who asks for them. Workers tell each other what they know, so that all of them say the same.
 * @module
 */
import { countsOf, highestOf } from "./sum.ts";

/** Processes of one worker; what older ones have counted is forgotten. */
const PROCESSES_MAX = 16;

/** The last counts of a process: its worker, its start in ms since the epoch, and what it has counted. */
export type KnownCounts = readonly [worker: number, since: number, counts: object];

/** Of all workers. */
export class LastCounts {
  readonly #by: Map<number, Map<number, object>> = new Map();
  /** The starts of the processes that are there. */
  readonly #present: Map<number, number> = new Map();
  readonly #own: number;

  /** For the worker of this number, whose process was started at `since`: ms since the epoch. */
  constructor(own: number, since: number) {
    this.#own = own;
    this.took(own, since, {});
  }

  /** The process of a worker that is there has said this. */
  took(worker: number, since: number, figures: object): void {
    this.#present.set(worker, since);
    this.learn([[worker, since, countsOf(figures)]]);
  }

  /** Another worker knows this. */
  learn(all: readonly KnownCounts[]): void {
    for (const [worker, since, counts] of all) {
      const processes = this.#by.get(worker) ?? new Map<number, object>();
      this.#by.set(worker, processes);
      const known = processes.get(since);
      processes.set(since, known === undefined ? counts : highestOf([known, counts]));
      if (processes.size > PROCESSES_MAX) processes.delete(Math.min(...processes.keys()));
    }
  }

  /** The start of the first process: ms since the epoch. */
  get since(): number {
    return Math.min(...this.#all.map(([, since]) => since));
  }

  /** What others are told: the own counts, and those of processes that are not there any more; who is there is asked. */
  get told(): readonly KnownCounts[] {
    return this.#all.filter(([worker, since]) => worker === this.#own || this.#present.get(worker) !== since);
  }

  get #all(): readonly KnownCounts[] {
    return [...this.#by].flatMap(([worker, processes]) =>
      [...processes].map(([since, counts]): KnownCounts => [worker, since, counts])
    );
  }

  /** The counts of processes that are not there any more, and of the workers that are `missing`. */
  besides(missing: readonly number[]): object[] {
    return this.#all.filter(([worker, since]) =>
      missing.includes(worker) || this.#present.get(worker) !== since
    )
      .map(([, , counts]) => counts);
  }
}
