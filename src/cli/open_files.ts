/**
 * How many files and sockets this process may have open.
 * Knows Linux's /proc; refuses to know their use.
 * @module
 */
import { readFileSync } from "node:fs";
import { isPermitted } from "./permitted.ts";

/** Files that are not Clients' connections: the runtime's own, listeners, and connections that are just being closed. */
const RESERVE = 64;
const PATH = "/proc/self/limits";

/**
 * Connections that there is room for, or undefined where it cannot be known. Beyond it the system accepts no connection: Clients
 * wait without an answer, and Bun, which reports no error, tries again and again. A limit of our own answers them.
 */
export function connectionsRoom(): number | undefined {
  if (!isPermitted({ name: "read", path: PATH })) return undefined; // nobody is to be asked: it is a nicety
  try {
    const files = /^Max open files +(\d+)/m.exec(readFileSync(PATH, "utf8"))?.[1];
    return files === undefined ? undefined : Math.max(1, Number(files) - RESERVE);
  } catch {
    return undefined;
  }
}
