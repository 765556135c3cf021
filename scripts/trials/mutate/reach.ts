/**
 * Which test files can notice a change of a module, the likeliest first.
 * Knows who imports whom; refuses to know what the tests say.
 * @module
 */
import { posix } from "node:path";
import { importsOf } from "../../lib/source.ts";

/** One more mutant that a test has noticed is worth as much as so many imports less between. */
const NOTICED_WEIGHT = 100;

/** For each file those it imports values from; both relative to the root. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** The graph of these files, given by what they say. */
export function graphOf(files: ReadonlyMap<string, string>): Graph {
  return new Map([...files].map(([file, text]) => {
    const targets = importsOf(text).filter(({ specifier, typeOnly }) =>
      specifier.startsWith(".") && !typeOnly
    )
      .map(({ specifier }) => posix.join(posix.dirname(file), specifier));
    return [file, targets];
  }));
}

/**
 * The tests that reach the module: that of its name first, then those that noticed most so far, then those in its folder,
 * then by the number of imports between them and the module. The others cannot notice anything.
 */
export function testsFor(
  graph: Graph,
  module: string,
  tests: readonly string[],
  noticed: ReadonlyMap<string, number> = new Map(),
): string[] {
  const importers = new Map<string, string[]>();
  for (const [file, targets] of graph) {
    for (const target of targets) importers.set(target, [...importers.get(target) ?? [], file]);
  }
  const distance = new Map([[module, 0]]);
  for (const file of distance.keys()) { // a Map goes on to what is added on the way
    for (const importer of importers.get(file) ?? []) {
      if (!distance.has(importer)) distance.set(importer, distance.get(file)! + 1);
    }
  }
  const own = module.replace(/\.ts$/, "_test.ts");
  const rank = (test: string): number => {
    if (posix.basename(test) === posix.basename(own)) return -Infinity;
    const distant = posix.dirname(test) === posix.dirname(own) ? 1 : 1 + distance.get(test)!;
    return distant - (noticed.get(test) ?? 0) * NOTICED_WEIGHT;
  };
  return tests.filter((test) => distance.has(test)).sort((a, b) => Math.sign(rank(a) - rank(b)) || 0);
}
