/**
 * Tests in a page: the part of `node:test` and of `@std/assert` that our suites use, in place of which it is bundled (pages.ts).
 * Knows how tests are listed and run; refuses to know what they test.
 * @module
 */

type Body = () => unknown;

/** How one test went; `fault` is null if it is well. */
export interface PageResult {
  readonly name: string;
  readonly fault: string | null;
}

const listed: { readonly name: string; readonly body: Body }[] = [];
let prefix = "";

/** Lists the tests of `body` under a name. */
export function describe(name: string, body: Body): void {
  const before = prefix;
  prefix = `${prefix}${name}: `;
  body();
  prefix = before;
}

/** Lists a test. */
export function test(name: string, ...rest: unknown[]): void {
  listed.push({ name: prefix + name, body: rest.at(-1) as Body });
}

/** Runs what was listed, one behind the other; `told` hears of each. */
export async function run(told: (result: PageResult) => void = () => {}): Promise<PageResult[]> {
  const results: PageResult[] = [];
  for (const { name, body } of listed.splice(0)) {
    let fault: string | null = null;
    try {
      await body();
    } catch (error) {
      fault = error instanceof Error ? `${error.message}\n${error.stack}` : String(error);
    }
    results.push({ name, fault });
    told(results.at(-1)!);
  }
  return results;
}

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg = "it is not so"): asserts expr {
  if (!expr) throw new Error(msg);
}

/** Fails unless both are equal in depth. */
export function assertEquals<T>(actual: T, expected: T, msg = ""): void {
  const path = difference(actual, expected, "");
  if (path !== undefined) throw new Error(`${msg} different at ${path || "its top"}`.trim());
}

/** Where two values differ first; undefined if they do not. */
function difference(a: unknown, b: unknown, at: string): string | undefined {
  if (Object.is(a, b)) return undefined;
  const differ = `${at}: ${String(a)} and ${String(b)}`;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return differ;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return differ;
  const [one, other] = a instanceof Map || a instanceof Set
    ? [[...a as Iterable<unknown>], [...b as Iterable<unknown>]]
    : [a, b];
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return differ;
  for (const key of keys) {
    if (!(key in other)) return `${at}.${key}: it is only in one`;
    const found = difference(one[key as keyof typeof one], other[key as keyof typeof other], `${at}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
