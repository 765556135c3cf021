/**
 * Options that are numbers: their ranges, and what a wrong one is told.
 * Knows numbers; refuses to know their use.
 * @module
 */
import { UsageError } from "../codec/error.ts";

/** The range and the default of an option. */
export interface NumberRow {
  /** The value that holds if none is given. */
  readonly default: number;
  /** The smallest value taken. */
  readonly least: number;
  /** The largest value taken. */
  readonly most: number;
  /** The unit of the number. */
  readonly unit: string;
  /** The meaning, for a help. */
  readonly about: string;
}

/**
 * A value for every row: the given one, or the default.
 * @throws {UsageError} for a number out of range, or one that is not whole.
 */
export function numbersOf<Name extends string>(
  rows: Readonly<Record<Name, NumberRow>>,
  given: Partial<Readonly<Record<Name, number>>>,
): Readonly<Record<Name, number>> {
  const numbers = {} as Record<Name, number>;
  for (const [name, row] of Object.entries(rows) as [Name, NumberRow][]) {
    const value = given[name] ?? row.default;
    if (!Number.isInteger(value) || value < row.least || value > row.most) {
      throw new UsageError(
        `${name} is ${value}: it takes a whole number from ${row.least} to ${row.most} (${row.unit})`,
      );
    }
    numbers[name] = value;
  }
  return numbers;
}
