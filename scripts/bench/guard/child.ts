/**
 * What both of the guard's processes do: tell where they listen, and how much CPU time they have used when asked.
 * Knows standard input and output; refuses to know what listens.
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import type { GuardLine } from "./figures.ts";

/** A clock that takes its time: the driver asks it for each chunk and each turn. */
export function slowClock(slowUs: number, now: () => number): () => number {
  return () => {
    const spentUs = (): number => {
      const { user, system } = process.cpuUsage(); // not the time of day: others may have the core meanwhile
      return user + system;
    };
    for (const end = spentUs() + slowUs; spentUs() < end;);
    return now();
  };
}

/** Tells the port; then a line on standard input asks for the CPU time, and its end ends the process. */
export function tellOn(port: number): void {
  const tell = (line: GuardLine): void => void process.stdout.write(JSON.stringify(line) + "\n");
  createInterface(process.stdin)
    .on("line", () => {
      const { user, system } = process.cpuUsage();
      tell({ cpuUs: user + system });
    })
    .on("close", () => process.exit(0));
  tell({ port });
}
