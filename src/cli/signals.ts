/**
 * The signals that a broker listens to.
 * Knows their names on each system, and that one may come twice; refuses to know what is done then.
 * @module
 */
import process from "node:process";

/** A shell's exit status for a process that a signal ended. On Windows a console that is closed sends SIGHUP. */
export const SIGNALS: Readonly<Record<string, number>> = process.platform === "win32"
  ? { SIGINT: 130, SIGBREAK: 149, SIGHUP: 129 }
  : { SIGINT: 130, SIGTERM: 143, SIGQUIT: 131 };
/** Signals that would end the process if nothing listened to them, and mean nothing here. */
export const IGNORED: readonly string[] = process.platform === "win32" ? [] : ["SIGUSR1", "SIGUSR2"];
/** Signals at which settings are read again. */
export const RELOAD: readonly string[] = process.platform === "win32" ? [] : ["SIGHUP"];

/** A signal often comes twice at once: to the process group, and passed on by the parent process (`timeout`, npm). */
const SAME_SIGNAL_MS = 250;

/** Calls `came` for each of these signals that the system and the runtime have. */
export function listenTo(names: readonly string[], came: (name: string) => void): void {
  for (const name of names) {
    try {
      process.on(name as NodeJS.Signals, () => came(name));
    } catch { // this system has no such signal
    }
  }
}

/** Resolves at the first signal that ends a broker. A second one ends the process at once. */
export function endSignal(came: (name: string) => void): Promise<string> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    listenTo(Object.keys(SIGNALS), (name) => {
      const at = performance.now();
      if (firstAt !== undefined && at - firstAt > SAME_SIGNAL_MS) process.exit(SIGNALS[name]);
      if (firstAt !== undefined) return;
      firstAt = at;
      came(name);
      resolve(name);
    });
  });
}
