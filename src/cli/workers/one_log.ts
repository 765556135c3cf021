/**
 * The lines of all workers as those of one log: each says whose it is, and what all say at the start is said once.
 * Knows how a line says its time, and where a field goes; refuses to know the messages.
 * @module
 */

/** A process's line with its number: ` worker=2`, or `,"worker":2` in JSON. */
export function withNumber(line: string, what: "worker" | "shard", number: number, colours = false): string {
  if (isJson(line)) return `${line.slice(0, -1)},"${what}":${number}}`;
  return colours ? `${line} \x1b[2m${what}\x1b[0m=${number}` : `${line} ${what}=${number}`;
}

function isJson(line: string): boolean {
  return line.startsWith('{"time":') && line.endsWith("}");
}

/** Whether the log has written it; a runtime that ends with an error writes others. */
export function isOfLog(line: string): boolean {
  return isJson(line) || line.startsWith("time=");
}

/** All of a line but its time. */
function saidIn(line: string): string {
  return line.replace(/^time=\S+ |^\{"time":"[^"]*",/, "");
}

/** A line, and the worker that has written it; undefined: all have. */
export interface MergedLine {
  readonly line: string;
  readonly worker: number | undefined;
}

/** Lines of workers that start together. */
export class StartLines {
  readonly #lines: { readonly line: string; readonly worker: number }[] = [];

  add(line: string, worker: number): void {
    this.#lines.push({ line, worker });
  }

  /** What they have said, and forgets it: what all of these workers have said stands once, where the first has said it. */
  take(workers: number): MergedLine[] {
    const by = new Map<string, Set<number>>();
    for (const { line, worker } of this.#lines) {
      const said = saidIn(line);
      const all = by.get(said) ?? new Set();
      by.set(said, all.add(worker));
    }
    const told = new Set<string>();
    return this.#lines.splice(0).flatMap(({ line, worker }): MergedLine[] => {
      const said = saidIn(line);
      if (by.get(said)!.size < workers) return [{ line, worker }];
      if (told.has(said)) return [];
      told.add(said);
      return [{ line, worker: undefined }];
    });
  }
}
