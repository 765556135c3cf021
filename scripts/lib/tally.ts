/**
 * Reads the reports of `deno test`, `bun test` and `node --test` into numbers of tests, or where they broke off.
 * Knows the three formats; refuses to know which tests there are.
 * @module
 */

/** How many tests, groups not counted. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const ENTITIES: Readonly<Record<string, string>> = {
  gt: ">",
  lt: "<",
  quot: '"',
  apos: "'",
  "#39": "'",
  amp: "&",
};

/** The failed tests by name, of Deno's JUnit report. */
export function failuresInJunit(xml: string): string[] {
  return casesIn(xml).filter(([, , body = ""]) => body.includes("<failure")).map(([, name = ""]) =>
    name.replace(/&(gt|lt|quot|apos|#39|amp);/g, (_, entity: string) => ENTITIES[entity]!)
  );
}

/** The failed tests by name, in the output of `bun test`. */
export function failuresInBun(text: string): string[] {
  return [...text.matchAll(/^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/gm)].map(([, name = ""]) => name);
}

/** The failed tests by name, in the summary at the end of `node --test`. */
export function failuresInNode(text: string): string[] {
  const summary = text.slice(Math.max(0, text.lastIndexOf("✖ failing tests:")));
  return [...summary.matchAll(/^\s*✖ (.*) \([\d.]+ms\)$/gm)].map(([, name = ""]) => name);
}

/** Each `<testcase>` that is no group: all of it, its name, and what is in it. */
function casesIn(xml: string): RegExpMatchArray[] {
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)];
  const groups = new Set<string>();
  for (const [, name = ""] of cases) {
    for (let at = name.indexOf(" &gt; "); at >= 0; at = name.indexOf(" &gt; ", at + 1)) {
      groups.add(name.slice(0, at));
    }
  }
  return cases.filter(([, name = ""]) => !groups.has(name));
}

/** The tally of one runtime: a run that ended badly, or ran nothing, has failed at least once. */
export function count(code: number, read: () => Tally): Tally {
  let tally: Tally;
  try {
    tally = read();
  } catch {
    tally = { passed: 0, failed: 0, skipped: 0 };
  }
  const bad = code !== 0 || tally.passed + tally.failed === 0;
  return bad && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
}

/** Counts a JUnit report of Deno, which lists a group (`describe`) as a case beside its tests. */
export function countJunit(xml: string): Tally {
  const tally = { passed: 0, failed: 0, skipped: 0 };
  for (const [, , body = ""] of casesIn(xml)) {
    if (body.includes("<failure")) tally.failed++;
    else if (body.includes("<skipped")) tally.skipped++;
    else tally.passed++;
  }
  return tally;
}

/** Counts by the closing lines of `bun test`: ` 4 pass`, ` 1 fail`, ` 1 skip`, ` 1 error`. */
export function countBun(text: string): Tally {
  const last = (word: string): number => {
    const found = [...text.matchAll(new RegExp(`^ *(\\d+) ${word}s?$`, "gm"))].at(-1);
    return Number(found?.[1] ?? 0);
  };
  return { passed: last("pass"), failed: last("fail") + last("error"), skipped: last("skip") + last("todo") };
}

/** Counts by the closing lines of `node --test`, of its reporter `spec`: `ℹ pass 4`. */
export function countNode(text: string): Tally {
  const last = (word: string): number =>
    Number([...text.matchAll(new RegExp(`^ℹ ${word} (\\d+)$`, "gm"))].at(-1)?.[1] ?? 0);
  return {
    passed: last("pass"),
    failed: last("fail") + last("cancelled"),
    skipped: last("skipped") + last("todo"),
  };
}

/** Where the output of a run without a summary breaks off, in words; undefined if there is a summary. */
export function brokeOff(text: string): string | undefined {
  if (/^(ok|FAILED) \| \d+ passed|^Ran \d+ tests? across|^ℹ tests \d+/m.test(text)) return undefined;
  const file = [...text.matchAll(/^running \d+ tests? from (\S+)$|^(\S+_test\.ts):$/gm)].at(-1);
  const open: string[] = [];
  let ended: string | undefined;
  for (const [, indent = "", name = "", verdict = ""] of text.matchAll(/^((?: {2})*)(\S.*?) \.\.\.(.*)$/gm)) {
    const depth = indent.length / 2;
    open.length = Math.min(open.length, depth);
    if (/^ (ok|FAILED|ignored|cancelled)\b/.test(verdict)) ended = [...open, name].join(" > ");
    else open[depth] = name;
  }
  ended ??= [...text.matchAll(/^\((?:pass|fail|skip)\) (.*?)(?: \[.*\])?$/gm)].at(-1)?.[1]; // Bun tells ends only
  const where = file === undefined ? "before the first file" : `in ${file[1] ?? file[2]}`;
  const at = open.length > 0
    ? `at ${JSON.stringify(open.join(" > "))}`
    : ended && `behind ${JSON.stringify(ended)}`;
  return [where, ...at ? [at] : []].join(", ");
}
