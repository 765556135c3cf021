/**
 * `node:test` where there is no runtime: tests are gathered, and run one behind the other when the host says so.
 * Knows `describe` and `test`; refuses to know files and reports.
 * @module
 */

type Body = () => unknown;

const found: { readonly name: string; readonly body: Body; readonly before: readonly Body[] }[] = [];
const path: string[] = [];
let before: readonly Body[] = [];

/** A group of tests. */
export function describe(name: string, ...rest: readonly unknown[]): void {
  const outer = before;
  path.push(name);
  (rest.at(-1) as Body)();
  path.pop();
  before = outer;
}

/** One test; options, as the time that it may take, are the host's business. */
export function test(name: string, ...rest: readonly unknown[]): void {
  const body = rest.at(-1) as Body;
  found.push({ name: [...path, name].join(" > "), body, before });
}

/** Runs before each test of the group. */
export function beforeEach(body: Body): void {
  before = [...before, body];
}

export { test as it };

/** How many there are. */
export function count(): number {
  return found.length;
}

/** Runs one: its name, and behind a line feed what is wrong. */
export function runTest(at: number): string | Promise<string> {
  const { name, body, before } = found[at]!;
  const failed = (error: unknown): string => {
    const { message, stack, cause } = error as Error;
    return [name, message, stack, cause instanceof Error ? cause.message : ""].join("\n");
  };
  try {
    for (const one of before) one();
    const result = body();
    return result instanceof Promise ? result.then(() => name, failed) : name;
  } catch (error) {
    return failed(error);
  }
}
