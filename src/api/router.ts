/**
 * Which operation a path asks for.
 * Knows paths and their parts; refuses to know what operations do.
 * @module
 */
import { ApiError } from "./error.ts";
import type { Operation } from "./operation.ts";

/** Where the API is. */
export const ROOT = "/api/v1";

/** An operation, and the parts of its path. */
export interface Routed {
  readonly operation: Operation;
  readonly parts: Readonly<Record<string, string>>;
}

/** Operations by their paths. */
export class Router {
  readonly #routes: readonly { readonly levels: readonly string[]; readonly operation: Operation }[];

  /** Of these; a path without parameters goes before one with. */
  constructor(operations: readonly Operation[]) {
    this.#routes = operations
      .map((operation) => ({ levels: levelsOf(operation.path), operation }))
      .sort((one, other) => namesOf(one.levels).length - namesOf(other.levels).length);
  }

  /** @throws {ApiError} if there is none for this path, or for this method. */
  find(method: string, path: string): Routed {
    const levels = levelsOf(path);
    const here = this.#routes.filter((route) => isAt(route.levels, levels));
    if (here.length === 0) {
      throw new ApiError(
        "not-found",
        `There is no ${ROOT}${path.slice(0, 200)}; ${ROOT} names what there is`,
      );
    }
    const wanted = method === "HEAD" ? "get" : method.toLowerCase();
    const route = here.find(({ operation }) => operation.method === wanted);
    if (route === undefined) {
      throw new ApiError(
        "method-not-allowed",
        `${path.slice(0, 200)} takes ${methodsOf(here.map(({ operation }) => operation))}`,
      );
    }
    const parts: Record<string, string> = {};
    route.levels.forEach((level, i) => {
      if (level.startsWith("{")) parts[level.slice(1, -1)] = decoded(levels[i]!);
    });
    return { operation: route.operation, parts };
  }

  /** What a path may be asked with, as `Allow` has it. */
  methods(path: string): string {
    const levels = levelsOf(path);
    return methodsOf(
      this.#routes.filter((route) => isAt(route.levels, levels)).map(({ operation }) => operation),
    );
  }
}

function methodsOf(operations: readonly Operation[]): string {
  return operations.flatMap(({ method }) => method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()]).join(
    ", ",
  );
}

function levelsOf(path: string): string[] {
  return path.split("/").filter((level, i, all) => level !== "" || (i > 0 && i < all.length - 1));
}

function namesOf(levels: readonly string[]): string[] {
  return levels.filter((level) => level.startsWith("{"));
}

function isAt(route: readonly string[], levels: readonly string[]): boolean {
  return route.length === levels.length &&
    route.every((level, i) => level.startsWith("{") || level === levels[i]);
}

/** A part of a path as it is meant. @throws {ApiError} */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ApiError("bad-request", `${part.slice(0, 200)} is not percent-encoded UTF-8`);
  }
}
