/**
 * §4.1 Durable sessions, queues and retained messages in an SQLite file.
 *
 * On Deno it needs `--allow-read=DIR --allow-write=DIR`.
 *
 * @example
 * ```ts
 * import { serve } from "@plumb/mqtt/serve";
 * import { openStore } from "@plumb/mqtt/store";
 *
 * const store = openStore("./plumb-data");
 * const server = await serve({ store });
 * await server.close();
 * await store.close();
 * ```
 * @module
 */
export { type Durability, openStore, type OpenStoreOptions, STORE_FILE, type StoreEvent } from "./open.ts";
export type { StoreClock } from "./clock.ts";
export type { ClockJump } from "./deadlines.ts";
export type { Sync } from "./database.ts";
export { StoreError, type StoreTrouble } from "./error.ts";
export type { Salvaged } from "./salvage.ts";
export type { FactStore as SqliteStore } from "./fact_store.ts";
