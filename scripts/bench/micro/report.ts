/**
 * Figures of several rounds on several runtimes, put together and laid out.
 * Knows rounds and tables; refuses to know how figures are made.
 * @module
 */
import { least, median } from "../statistics.ts";
import { short, tableOf } from "../table.ts";
import type { Figures } from "./measure.ts";

/** One case on one runtime, all rounds. */
export interface Result extends Omit<Figures, "checksum"> {
  readonly rounds: number;
}

/** What several rounds say: the least of the minima, the median of the medians. */
export function merged(rounds: readonly Figures[]): Result {
  const known = (values: readonly (number | undefined)[]): number | undefined => {
    const numbers = values.filter((value) => value !== undefined);
    return numbers.length === 0 ? undefined : median(numbers);
  };
  const ratio = known(rounds.map(({ ratio }) => ratio));
  return {
    nsMin: least(rounds.map(({ nsMin }) => nsMin)),
    nsMedian: median(rounds.map(({ nsMedian }) => nsMedian)),
    ...(ratio !== undefined && { ratio }),
    heapBytes: known(rounds.map(({ heapBytes }) => heapBytes)),
    bufferBytes: known(rounds.map(({ bufferBytes }) => bufferBytes)),
    repetitions: rounds.reduce((sum, { repetitions }) => sum + repetitions, 0),
    rounds: rounds.length,
  };
}

/** The table for people: a row for each case, four columns for each runtime, five where cases have a base. */
export function microTable(
  names: readonly string[],
  runtimes: readonly string[],
  find: (name: string, runtime: string) => Result | undefined,
): string {
  const bytes = (count: number | undefined): string => count === undefined ? "–" : short(count);
  const compared = names.some((name) => runtimes.some((runtime) => find(name, runtime)?.ratio !== undefined));
  const rows = names.map((name) => [
    name,
    ...runtimes.flatMap((runtime) => {
      const result = find(name, runtime);
      if (result === undefined) return ["wrong", ...compared ? [""] : [], "", "", ""];
      const { nsMin, nsMedian, ratio, heapBytes, bufferBytes } = result;
      const times = compared ? [ratio?.toFixed(2) ?? ""] : [];
      return [short(nsMin), ...times, short(nsMedian), bytes(heapBytes), bytes(bufferBytes)];
    }),
  ]);
  const head = runtimes.flatMap((runtime) => [
    `${runtime} min ns`,
    ...compared ? ["ratio"] : [],
    "median",
    "heap B",
    "buffer B",
  ]);
  return tableOf(["an operation", ...head], rows);
}
