/**
 * The assertions of JSR's `@std/assert` that Plumb uses, with the same names and signatures, for clones that
 * cannot reach JSR (`links` in `deno.json`, `paths` in `tsconfig.json`). Knows values; refuses to know MQTT.
 * @module
 */
import { inspect, isDeepStrictEqual } from "node:util";

/** Any class, abstract ones included. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor = abstract new (...args: any[]) => any;

/** What an `AnyConstructor` makes. */
export type GetConstructorType<T extends AnyConstructor> = InstanceType<T>;

/** What a failed assertion throws. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Fails always. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/** Fails: the code after an exhaustive choice was reached. */
export function unreachable(msg?: string): never {
  throw new AssertionError(msg ?? "Unreachable");
}

/** Fails unless both are equal in depth. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new AssertionError(`Values are not equal${suffix(msg)}\n${bothShown(actual, expected)}`);
  }
}

/** Fails if both are equal in depth. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (isDeepStrictEqual(actual, expected)) {
    throw new AssertionError(`Values are equal: ${show(actual)}${suffix(msg)}`);
  }
}

/** Fails unless both are the same value, as `Object.is` says. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (!Object.is(actual, expected)) {
    throw new AssertionError(`Values are not strictly equal${suffix(msg)}\n${bothShown(actual, expected)}`);
  }
}

/** Fails if `actual` is null or undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    throw new AssertionError(`Expected value to exist, got ${show(actual)}${suffix(msg)}`);
  }
}

/** Fails unless `actual` is an instance of the class. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is GetConstructorType<T> {
  if (actual instanceof expectedType) return;
  throw new AssertionError(`Expected an instance of ${expectedType.name}, got ${show(actual)}${suffix(msg)}`);
}

/** Fails unless the text holds the other. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(`Expected ${show(actual)} to contain ${show(expected)}${suffix(msg)}`);
}

/** Fails unless the text matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(`Expected ${show(actual)} to match ${expected}${suffix(msg)}`);
}

/** Fails unless `fn` throws. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Fails unless `fn` throws an error of this class whose message holds the text. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(fn: () => unknown, ...rest: unknown[]): unknown {
  const { ErrorClass, msgIncludes, msg } = expectation(rest);
  try {
    fn();
  } catch (error) {
    return checked(error, ErrorClass, msgIncludes, msg);
  }
  throw new AssertionError(`Expected function to throw${suffix(msg)}`);
}

/** Fails unless `fn` returns a promise that is rejected. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Fails unless the promise is rejected with an error of this class whose message holds the text. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(fn: () => PromiseLike<unknown>, ...rest: unknown[]): Promise<unknown> {
  const { ErrorClass, msgIncludes, msg } = expectation(rest);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError(`Function throws when expected to reject${suffix(msg)}`, { cause: error });
  }
  try {
    await promise;
  } catch (error) {
    return checked(error, ErrorClass, msgIncludes, msg);
  }
  throw new AssertionError(`Expected function to reject${suffix(msg)}`);
}

interface Expectation {
  ErrorClass: AnyConstructor | undefined;
  msgIncludes: string | undefined;
  msg: string | undefined;
}

function expectation([first, msgIncludes, msg]: unknown[]): Expectation {
  return typeof first === "function"
    ? { ErrorClass: first as AnyConstructor, msgIncludes: msgIncludes as string, msg: msg as string }
    : { ErrorClass: undefined, msgIncludes: undefined, msg: first as string };
}

function checked(error: unknown, ErrorClass?: AnyConstructor, msgIncludes?: string, msg?: string): unknown {
  const end = suffix(msg);
  if (ErrorClass === undefined) return error;
  if (!(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of ${ErrorClass.name}, got ${show(error)}${end}`,
      {
        cause: error,
      },
    );
  }
  const { message } = error as Error;
  if (msgIncludes !== undefined && !message.includes(msgIncludes)) {
    throw new AssertionError(
      `Expected error message to include ${show(msgIncludes)}, got ${show(message)}${end}`,
    );
  }
  return error;
}

function suffix(text: string | undefined): string {
  return text ? `: ${text}` : "";
}

function bothShown(actual: unknown, expected: unknown): string {
  return `    actual: ${show(actual)}\n  expected: ${show(expected)}`;
}

function show(value: unknown): string {
  return value instanceof Error
    ? `${value.name}: ${value.message}`
    : inspect(value, { depth: 8, breakLength: 100 });
}
