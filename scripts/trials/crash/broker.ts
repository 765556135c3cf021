/**
 * A broker that is there to be killed: it loads everything, waits for a line of orders, and then opens its store and listens.
 * Knows how to start; refuses to know how it ends, but that SIGTERM is the good way. Its log line is that of `plumb`.
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import type { LimitName } from "../../../src/broker/mod.ts";
import { serve } from "../../../src/server/serve.ts";
import { openStore } from "../../../src/store/mod.ts";
import { type Sabotage, sabotage, VARIABLE } from "./sqlite_faults.ts";

/** Where and how to work. */
export interface Orders {
  /** The data directory; without one everything is in memory. */
  readonly data?: string;
  readonly durability?: "fsync" | "os";
  /** The disk has no thread of its own. */
  readonly isLocal?: boolean;
  readonly limits?: Partial<Record<LimitName, number>>;
  /** What is done to the thread that opens the store, or to that of the disk. */
  readonly sabotage?: Sabotage & { readonly thread: "main" | "disk" };
}

function log(level: "info" | "error", message: string, fields: Record<string, string>): void {
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`).join("");
  console.error(`time=${performance.now().toFixed(0)} level=${level} msg=${message}${rest}`);
}

async function main(
  { data, durability = "fsync", isLocal, limits = {}, sabotage: wanted }: Orders,
): Promise<void> {
  const failed = (error: unknown): void => {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    log("error", "failed", { error: JSON.stringify(text) });
  };
  log("info", "ordered", {});
  process.on("uncaughtException", failed);
  process.on("unhandledRejection", failed);
  if (wanted?.thread === "disk" && !isLocal) process.env[VARIABLE] = JSON.stringify(wanted);
  else if (wanted !== undefined) sabotage(wanted, "main");
  const store = data === undefined ? undefined : openStore(data, {
    durability,
    worker: isLocal ? false : new URL("./worker.ts", import.meta.url),
    onEvent: (event) => {
      if (event.kind !== "made") failed(new Error(JSON.stringify(event)));
    },
  });
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    limits,
    hooks: { failed, storeFailed: failed },
    ...(store && { store }),
  });
  process.on("SIGTERM", async () => {
    await server.close();
    await store?.close();
    process.exit(0);
  });
  log("info", "listening", { url: server.addresses[0]! });
}

if (import.meta.main) {
  log("info", "loaded", {});
  createInterface(process.stdin).once("line", (line) =>
    main(JSON.parse(line)).catch((error) => {
      log("error", "failed", { error: JSON.stringify(String(error?.stack)) });
      process.exit(1);
    }))
    .on("close", () => process.exit(1)); // whoever gives orders is gone
}
