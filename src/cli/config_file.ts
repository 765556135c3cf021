/**
 * The configuration file of a call: which one it is, and how it is watched.
 * Knows paths, and when a file has come to rest; refuses to know what stands in it.
 * @module
 */
import { type FSWatcher, lstatSync, readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { clearTimeout, setTimeout } from "node:timers";
import { type ConfigFile, readConfig } from "../config/file.ts";
import { type Call, DEFAULT_CONFIG } from "./options.ts";
import { isPermitted } from "./permitted.ts";

/**
 * Reads the file that the call names, else `./plumb.toml` if it is there.
 * @throws {ConfigError}
 */
export async function configFileOf({ config }: Pick<Call, "config">): Promise<ConfigFile | undefined> {
  if (config !== undefined) return await readConfig(config);
  return isThere(DEFAULT_CONFIG) ? await readConfig(DEFAULT_CONFIG) : undefined;
}

/**
 * A file that Deno may not look at counts as not there: nobody is to be asked for a file that was not named. One that cannot be read, or a
 * link that leads nowhere, is there: a broker with the defaults in its place could be more open than it asks for.
 */
function isThere(path: string): boolean {
  try {
    return mayRead(path) && lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Whether it can be read without a question on the terminal. */
export function mayRead(path: string): boolean {
  return isPermitted({ name: "read", path });
}

/** Editors write a file in steps, or put another one in its place. */
const SETTLE_MS = 200;

/**
 * Calls `changed` when the text of the file is another one than `text` or the last one, and has been the same for a while. The directory is
 * watched, for a file that is replaced is another file. Calls `failed` if it cannot be watched.
 */
export function watchText(
  path: string,
  text: string,
  changed: (text: string) => void,
  failed: (error: Error) => void,
): { close(): void } {
  let known = text;
  let last: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const read = (): string | undefined => {
    try {
      return readFileSync(path, "utf8");
    } catch { // it is being replaced
      return undefined;
    }
  };
  const look = (): void => {
    timer = undefined;
    const now = read();
    if (now === undefined || now === known) return void (last = undefined);
    if (now !== last) {
      last = now;
      return lookSoon();
    }
    known = now;
    last = undefined;
    changed(now);
  };
  const lookSoon = (): void => {
    if (timer === undefined) timer = setTimeout(look, SETTLE_MS);
    timer.unref();
  };
  let watcher: FSWatcher | undefined;
  const directory = dirname(path);
  try {
    if (!mayRead(directory)) throw new Error(`that needs --allow-read=${directory}`);
    watcher = watch(directory, { persistent: false }, lookSoon);
    watcher.on("error", (error) => failed(error as Error));
  } catch (error) {
    failed(error as Error);
  }
  lookSoon(); // for a change between the reading and the watching
  return {
    close() {
      watcher?.close();
      clearTimeout(timer);
    },
  };
}
