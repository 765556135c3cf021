/**
 * As much of `node:test` as our tests use, for engines that do not have it: tests are registered, and run one behind the other.
 * Knows names, groups and hooks; refuses to know what is tested, and asks its engine for nothing but promises.
 * @module
 */

/** What runs. */
type Body = () => unknown;

/** What may be said of a test or a group. */
interface Options {
  /** Why it is not run. */
  readonly skip?: boolean | string | undefined;
}

/** Some tests with what is done around them. */
interface Group {
  readonly name: string;
  readonly parent: Group | undefined;
  readonly skip: string | undefined;
  readonly before: Body[];
  readonly after: Body[];
  readonly beforeEach: Body[];
  readonly afterEach: Body[];
  /** Tests of it, and of groups in it, that have not been run. */
  left: number;
  /** What its `before` hooks threw. */
  broken?: unknown;
  hasBegun: boolean;
}

/** One test that was registered. */
export interface RegisteredTest {
  /** With the names of its groups in front. */
  readonly name: string;
  readonly group: Group;
  readonly skip: string | undefined;
  readonly body: Body;
}

/** How a test came out. */
export interface TestResult {
  readonly name: string;
  readonly verdict: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly message?: string;
  /** How long it took. */
  readonly ms?: number;
}

function group(name: string, parent: Group | undefined, skip: string | undefined): Group {
  const hooks = { before: [], after: [], beforeEach: [], afterEach: [] };
  return { name, parent, skip, ...hooks, left: 0, hasBegun: false };
}

let present = group("", undefined, undefined);
let registered: RegisteredTest[] = [];

function nameOf(name: string, { parent, name: own }: Group): string {
  const path = own === "" ? name : `${own}: ${name}`;
  return parent === undefined ? path : nameOf(path, parent);
}

function skipOf({ skip }: Options): string | undefined {
  return skip === true ? "skipped" : skip || undefined;
}

function split(rest: readonly unknown[]): { readonly options: Options; readonly body: Body } {
  const body = rest.at(-1);
  if (typeof body !== "function") throw new TypeError("A test without a body");
  return { options: rest.length > 1 ? rest[0] as Options : {}, body: body as Body };
}

/** Registers the tests that `body` registers under a name. */
export function describe(name: string, ...rest: readonly unknown[]): void {
  const { options, body } = split(rest);
  const outer = present;
  present = group(name, outer, skipOf(options) ?? outer.skip);
  try {
    body();
  } finally {
    present = outer;
  }
}

/** Registers a test. */
export function test(name: string, ...rest: readonly unknown[]): void {
  const { options, body } = split(rest);
  const own = present;
  registered.push({ name: nameOf(name, own), group: own, skip: skipOf(options) ?? own.skip, body });
  for (let at: Group | undefined = own; at !== undefined; at = at.parent) at.left++;
}

export { describe as suite, test as it };

/** Before the first test of the group. */
export function before(body: Body): void {
  present.before.push(body);
}

/** Behind the last test of the group. */
export function after(body: Body): void {
  present.after.push(body);
}

/** Before each test of the group. */
export function beforeEach(body: Body): void {
  present.beforeEach.push(body);
}

/** Behind each test of the group. */
export function afterEach(body: Body): void {
  present.afterEach.push(body);
}

/** The tests that were registered since the last call. */
export function takeTests(): RegisteredTest[] {
  const all = registered;
  registered = [];
  present = group("", undefined, undefined);
  return all;
}

/** Runs tests; `told` is called with each result, and what it returns is waited for. */
export async function runTests(
  tests: readonly RegisteredTest[],
  told: (result: TestResult) => unknown,
): Promise<void> {
  for (const one of tests) {
    const begun = Date.now();
    const result = { ...await run(one), ms: Date.now() - begun };
    const afterwards = await leave(one.group);
    await told(
      afterwards === undefined || result.verdict === "failed" ? result : failed(one.name, afterwards),
    );
  }
}

async function run({ name, group, skip, body }: RegisteredTest): Promise<TestResult> {
  if (skip !== undefined) return { name, verdict: "skipped", message: skip };
  const around = chain(group);
  try {
    for (const one of around) await begin(one);
    for (const { beforeEach } of around) await all(beforeEach);
    try {
      await body();
    } finally {
      for (const { afterEach } of around.toReversed()) await all(afterEach);
    }
    return { name, verdict: "passed" };
  } catch (error) {
    return failed(name, error);
  }
}

/** Its groups, the outermost first. */
function chain(group: Group): Group[] {
  return [...group.parent === undefined ? [] : chain(group.parent), group];
}

async function begin(group: Group): Promise<void> {
  if (!group.hasBegun) {
    group.hasBegun = true;
    try {
      await all(group.before);
    } catch (error) {
      group.broken = error;
    }
  }
  if (group.broken !== undefined) throw group.broken;
}

/** One test of the group is over; gives what went wrong behind the last one. */
async function leave(group: Group): Promise<unknown> {
  let trouble: unknown;
  for (const one of chain(group).toReversed()) {
    if (--one.left > 0 || !one.hasBegun) continue;
    try {
      await all(one.after);
    } catch (error) {
      trouble ??= error;
    }
  }
  return trouble;
}

async function all(hooks: readonly Body[]): Promise<void> {
  for (const hook of hooks) await hook();
}

function failed(name: string, error: unknown): TestResult {
  return { name, verdict: "failed", message: wordsOf(error) };
}

/** An error in words, with the place where it was thrown. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack = "" } = error;
  const said = message === "" ? name : `${name}: ${message}`;
  return stack.includes(message) && stack.startsWith(name) ? stack : `${said}\n${stack}`.trimEnd();
}
