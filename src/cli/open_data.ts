/**
 * The store of `plumb serve`, and what the log says of it.
 * Knows events and advice; refuses to know how a store is kept, which is loaded only where there is one.
 * @module
 */
import type { Durability, SqliteStore, StoreTrouble } from "../store/mod.ts";
import { CallError } from "./error.ts";
import type { Log } from "./log.ts";
import type { Settings } from "./options.ts";

/**
 * Opens the store of sessions and messages.
 * @throws {CallError}
 */
export async function openData(
  data: string,
  { durability, strictStore }: Pick<Settings, "durability" | "strictStore">,
  log: Log,
): Promise<SqliteStore> {
  const { openStore, StoreError } = await import("../store/mod.ts");
  try {
    const own = new URL(import.meta.url);
    const isBundled = !/\/cli\/open_data\.[jt]s$/.test(own.pathname);
    return openStore(data, {
      durability: durability as Durability, // those of logs are refused where there is no cluster
      strict: strictStore,
      ...(isBundled && { worker: own }),
      onEvent: (event) => {
        const { path } = event;
        if (event.kind === "made") return log.info("store made", { path });
        if (event.kind === "clock set") {
          const day = (ms: number) => new Date(ms).toISOString();
          const [from, to] = [day(event.from), day(event.to)];
          return log.warn("clock set since the last run; deadlines moved with it", { path, from, to });
        }
        const { why } = event;
        if (event.kind === "damaged") {
          return log.error("store damaged; a restart saves all that can be read", { path, why });
        }
        log.error("store damaged, set aside", { path, to: event.to, why, ...event.saved });
      },
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new CallError(`${error.message}${STORE_ADVICE[error.trouble] ?? ""}`);
  }
}

/** Advice for each trouble. */
export const STORE_ADVICE: Partial<Record<StoreTrouble, string>> = {
  locked: "; choose another directory with --data",
  unwritable: "; choose another directory with --data, or --memory to go without",
  newer: "; run the version that wrote it, or choose another directory with --data",
  foreign: "; choose another directory with --data",
  corrupt: "; without --strict-store it is set aside, and all that can be read is saved",
};
