/**
 * Finds modules that import each other in a circle.
 * Knows paths and import statements; refuses to know which circles are allowed.
 * @module
 */
import { posix } from "node:path";
import { importsOf } from "./source.ts";

/** For each module the modules that it imports, types and dynamic imports included, by the text of each. */
export function importGraph(texts: ReadonlyMap<string, string>): Map<string, readonly string[]> {
  return new Map([...texts].map(([path, text]) => {
    const targets = importsOf(text).filter(({ specifier }) => specifier.startsWith("."))
      .map(({ specifier }) => posix.join(posix.dirname(path), specifier));
    return [path, [...new Set(targets)].filter((target) => texts.has(target))];
  }));
}

/** For each set of modules that all reach each other a shortest circle in it: its first module is its last one too. */
export function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  return knotsOf(graph).map((knot) => {
    const inside = new Set(knot);
    const paths = knot.map((start) => shortestCircle(start, graph, inside));
    return paths.reduce((best, path) => path.length < best.length ? path : best);
  });
}

/** The sets of modules that all reach each other (Tarjan's strongly connected components), each sorted. */
function knotsOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (path: string): number => {
    let low = order.size;
    order.set(path, low);
    lowest.set(path, low);
    stack.push(path);
    const targets = graph.get(path) ?? [];
    for (const target of targets) {
      if (!order.has(target)) low = Math.min(low, visit(target));
      else if (lowest.has(target)) low = Math.min(low, lowest.get(target)!);
    }
    lowest.set(path, low);
    if (low === order.get(path)) {
      const knot = stack.splice(stack.indexOf(path));
      for (const one of knot) lowest.delete(one);
      if (knot.length > 1 || targets.includes(path)) found.push(knot.sort());
    }
    return low;
  };
  for (const path of graph.keys()) if (!order.has(path)) visit(path);
  return found;
}

/** The shortest way from `start` back to it that does not leave `inside`; there is one. */
function shortestCircle(
  start: string,
  graph: ReadonlyMap<string, readonly string[]>,
  inside: ReadonlySet<string>,
): string[] {
  const from = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const target of graph.get(path) ?? []) {
      if (target === start) {
        const circle = [start];
        for (let at = path; at !== start; at = from.get(at)!) circle.unshift(at);
        return [start, ...circle];
      }
      if (!inside.has(target) || from.has(target)) continue;
      from.set(target, path);
      queue.push(target);
    }
  }
  throw new Error(`${start} is in no circle`);
}
