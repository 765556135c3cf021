/**
 * §4.1 Sessions and retained messages of stores, divided among others: each goes where its home is.
 * Knows the rows that belong together, and their numbers; refuses to know directories, and how a home is found.
 * @module
 */
import { rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Database } from "./database.ts";
import { troubleWith } from "./error.ts";
import { BESIDE, syncFile } from "./files.ts";
import { TABLES } from "./tables.ts";

/** The index of the home of a Client Identifier or topic among so many. */
export type HomeOf = (text: string, of: number) => number;

/** What was divided. */
export interface Divided {
  readonly sessions: number;
  readonly retained: number;
}

/** Rows whose homes are found together. */
const ROWS_AT_ONCE = 1_000;

/** In the place of a column: the number that a row gets, behind the highest one that the other file has. */
const RENUMBERED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  session: { id: "id + :session" },
  will: { session: "session + :session" },
  subscription: { session: "session + :session" },
  received: { session: "session + :session" },
  message: { id: "id + :message" },
  delivery: {
    id: "id + :order",
    session: "session + :session",
    released: "CASE WHEN released > 0 THEN released + :order ELSE 0 END",
    message: "message + :message",
  },
};

/** The rows of a table that go to one home. */
const CHOSEN: Readonly<Record<string, string>> = {
  session: "WHERE id IN (SELECT session FROM temp.place WHERE home = :home)",
  will: "WHERE session IN (SELECT session FROM temp.place WHERE home = :home)",
  subscription: "WHERE session IN (SELECT session FROM temp.place WHERE home = :home)",
  received: "WHERE session IN (SELECT session FROM temp.place WHERE home = :home)",
  message: `WHERE id IN (SELECT message FROM main.delivery WHERE message IS NOT NULL
    AND session IN (SELECT session FROM temp.place WHERE home = :home))`,
  delivery: "WHERE session IN (SELECT session FROM temp.place WHERE home = :home)",
  retained: "WHERE rowid IN (SELECT row FROM temp.spot WHERE home = :home) ORDER BY rowid",
};

/**
 * Copies all sessions and retained messages of the files `from` to the files `to`, which are made, and are complete on the disk when this
 * returns. No process may have the files open, and those of `from` have no log. Of a name that is in two of them, what stands at its home
 * counts.
 * @throws {StoreError}
 */
export function divide(from: readonly string[], to: readonly string[], homeOf: HomeOf): Divided {
  for (const path of [...from, ...to]) new Database(path, "os").close(); // of our version from here on
  let sessions = 0;
  let retained = 0;
  for (const isAtHome of [true, false]) {
    for (const [index, path] of from.entries()) {
      const database = attempt(path, () => new DatabaseSync(path));
      try {
        attempt(path, () => {
          place(database, homeOf, to.length, (text) => (homeOf(text, from.length) === index) === isAtHome);
          for (const [home, other] of to.entries()) {
            const moved = copy(database, home, other);
            sessions += moved.sessions;
            retained += moved.retained;
          }
        });
      } finally {
        database.close();
      }
    }
  }
  for (const path of to) {
    new Database(path, "fsync").close();
    for (const ending of BESIDE) rmSync(path + ending, { force: true });
    attempt(path, () => syncFile(path));
  }
  return { sessions, retained };
}

/** Writes down where each row goes. */
function place(database: DatabaseSync, homeOf: HomeOf, of: number, isMeant: (text: string) => boolean): void {
  database.exec(`
    PRAGMA temp_store = MEMORY;
    DROP TABLE IF EXISTS temp.place; CREATE TEMP TABLE place (session INTEGER PRIMARY KEY, home INTEGER NOT NULL);
    DROP TABLE IF EXISTS temp.spot; CREATE TEMP TABLE spot (row INTEGER PRIMARY KEY, home INTEGER NOT NULL)`);
  const each = (select: string, insert: string) => {
    const [rows, put] = [database.prepare(select), database.prepare(insert)];
    for (let last = -1;;) {
      const some = rows.all(last) as { readonly number: number; readonly text: string }[];
      for (const { number, text } of some) if (isMeant(text)) put.run(number, homeOf(text, of));
      if (some.length < ROWS_AT_ONCE) break;
      last = some.at(-1)!.number;
    }
  };
  each(
    `SELECT id AS number, client_id AS text FROM main.session WHERE id > ? ORDER BY id LIMIT ${ROWS_AT_ONCE}`,
    "INSERT INTO temp.place VALUES (?, ?)",
  );
  each(
    `SELECT rowid AS number, topic AS text FROM main.retained WHERE rowid > ? ORDER BY rowid LIMIT ${ROWS_AT_ONCE}`,
    "INSERT INTO temp.spot VALUES (?, ?)",
  );
}

/** Copies what goes to one home, if it is not there already. */
function copy(database: DatabaseSync, home: number, other: string): Divided {
  const number = (sql: string) => Number(Object.values(database.prepare(sql).get() as object)[0] ?? 0);
  database.prepare("ATTACH ? AS other").run(other);
  try {
    database.exec("BEGIN IMMEDIATE");
    database.exec(`
      DELETE FROM temp.place WHERE session IN
        (SELECT id FROM main.session WHERE client_id IN (SELECT client_id FROM other.session));
      DELETE FROM temp.spot WHERE row IN
        (SELECT rowid FROM main.retained WHERE topic IN (SELECT topic FROM other.retained))`);
    const before: Readonly<Record<string, number>> = {
      home,
      session: number("SELECT max(id) FROM other.session"),
      message: number("SELECT max(id) FROM other.message"),
      order: Math.max(
        number("SELECT max(id) FROM other.delivery"),
        number("SELECT max(released) FROM other.delivery WHERE step > 0"),
      ),
    };
    const moved = {
      sessions: number(`SELECT count(*) FROM temp.place WHERE home = ${home}`),
      retained: number(`SELECT count(*) FROM temp.spot WHERE home = ${home}`),
    };
    for (const { name, columns } of TABLES) {
      if (CHOSEN[name] === undefined) continue;
      const names = Object.keys(columns);
      const values = names.map((column) => RENUMBERED[name]?.[column] ?? column);
      const sql = `INSERT INTO other.${name} (${names.join()}) SELECT ${values.join()} FROM main.${name} ${
        CHOSEN[name]
      }`;
      // Each of the named values where its name stands: not every runtime takes those that a statement does not have.
      const given: number[] = [];
      const numbered = sql.replace(/:(\w+)/g, (_, key: string) => (given.push(before[key]!), "?"));
      database.prepare(numbered).run(...given);
    }
    database.exec(`INSERT INTO other.clock SELECT id, at FROM main.clock WHERE true
      ON CONFLICT (id) DO UPDATE SET at = max(at, excluded.at)`);
    database.exec("COMMIT");
    return moved;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  } finally {
    database.exec("DETACH other");
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw troubleWith(path, error);
  }
}
