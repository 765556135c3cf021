/**
 * What a store holds when nothing is left to do: sessions, subscriptions, retained messages, and no message on its way.
 * Knows the tables; refuses to know who wrote them.
 * @module
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { STORE_FILE } from "../../../src/store/mod.ts";

/** Tables in which a session without anything to do has no row. */
const BUSY = ["delivery", "received", "will"] as const;

/** What should not be in the store of a directory; `filters` are those of each Client that there must be a session for. */
export function leftovers(directory: string, filters: ReadonlyMap<string, readonly string[]>): string[] {
  const wrong: string[] = [];
  const db = new DatabaseSync(join(directory, STORE_FILE), { readOnly: true });
  try {
    const texts = (sql: string): string[] =>
      db.prepare(sql).all().map((row) => String(Object.values(row!)[0]));
    const [soundness] = texts("PRAGMA integrity_check");
    if (soundness !== "ok") wrong.push(`The store is damaged: ${soundness}`);
    for (const table of BUSY) {
      const [count] = texts(`SELECT count(*) FROM ${table} WHERE session IN (SELECT id FROM session)`);
      if (count !== "0") wrong.push(`${count} rows are left in the table ${table}`);
    }
    const known = "SELECT id FROM session UNION SELECT session FROM ended";
    for (const table of [...BUSY, "subscription"]) {
      const [count] = texts(`SELECT count(*) FROM ${table} WHERE session NOT IN (${known})`);
      if (count !== "0") wrong.push(`${count} rows of nobody are left in the table ${table}`);
    }
    const [orphans] = texts("SELECT count(*) FROM message WHERE id NOT IN (SELECT message FROM delivery)");
    if (orphans !== "0") wrong.push(`${orphans} messages are left that nobody waits for`);
    const found = texts(
      "SELECT client_id || ' ' || filter FROM subscription JOIN session ON session.id = session ORDER BY 1",
    );
    const wanted = [...filters].flatMap(([id, all]) => all.map((filter) => `${id} ${filter}`)).sort();
    if (found.join() !== wanted.join()) {
      wrong.push(`The store has the subscriptions ${found.join(", ")}; there should be ${wanted.join(", ")}`);
    }
    const sessions = texts("SELECT client_id FROM session ORDER BY 1");
    const ids = [...filters.keys()].sort();
    if (sessions.join() !== ids.join()) {
      wrong.push(`The store has the sessions ${sessions.join(", ")}; there should be ${ids.join(", ")}`);
    }
  } finally {
    db.close();
  }
  return wrong;
}
