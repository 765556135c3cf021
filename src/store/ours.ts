/**
 * Which program has written a database, and which version of it.
 * Knows the two numbers in its header; refuses to know its tables. Apart from `Database`, whose declaration does without
 * `node:sqlite`: not every project has types for that.
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { StoreError } from "./error.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "./schema.ts";

/**
 * The version of an open file, 0 if there is nothing in it.
 * @throws {StoreError} if another program, or a newer Plumb, has written it: `foreign`, `newer`.
 */
export function assertOurs(database: DatabaseSync, path: string): number {
  const number = (sql: string) => Number(Object.values(database.prepare(sql).get()!)[0]);
  const version = number("PRAGMA user_version");
  const owner = number("PRAGMA application_id");
  if (version === 0 && number("SELECT count(*) FROM sqlite_schema") === 0) return 0;
  if (owner !== APPLICATION_ID) {
    throw new StoreError("foreign", `${path}: a database, but not one of Plumb's`);
  }
  if (version <= 0) throw new StoreError("corrupt", `${path}: its version is ${version}`);
  if (version > SCHEMA_VERSION) {
    const versions = `its version is ${version}, and this one knows ${SCHEMA_VERSION}`;
    throw new StoreError("newer", `${path}: written by a newer Plumb (${versions})`);
  }
  return version;
}
