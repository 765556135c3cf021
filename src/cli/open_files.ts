/**
 * How many files and sockets this process may have open.
 * Knows Linux's /proc; refuses to know their use.
 * @module
 */
import { readFileSync } from "node:fs";

/** Files that are not Clients' connections: the runtime's own, listeners, and connections that are just being closed. */
const RESERVE = 64;
const PATH = "/proc/self/limits";

interface DenoSlice {
  readonly permissions: {
    querySync(what: { readonly name: "read"; readonly path: string }): { readonly state: string };
  };
}

/**
 * Connections that there is room for, or undefined where it cannot be known. Beyond it the system accepts no connection: Clients
 * wait without an answer, and Bun, which reports no error, tries again and again. A limit of our own answers them.
 */
export function connectionsRoom(): number | undefined {
  const deno = (globalThis as unknown as { Deno?: DenoSlice }).Deno;
  // Not to be asked for on a terminal: it is a nicety.
  if (deno !== undefined && deno.permissions.querySync({ name: "read", path: PATH }).state !== "granted") {
    return undefined;
  }
  try {
    const files = /^Max open files +(\d+)/m.exec(readFileSync(PATH, "utf8"))?.[1];
    return files === undefined ? undefined : Math.max(1, Number(files) - RESERVE);
  } catch {
    return undefined;
  }
}
