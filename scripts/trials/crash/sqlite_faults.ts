/**
 * Comes between a thread and its SQLite files: ends the process by SIGKILL at a chosen operation, or forgets to write.
 * Knows `node:sqlite`; refuses to know what the operations are for.
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";

/** What is done to a thread. */
export interface Sabotage {
  /** It dies at this operation, counted from 1, before or after it is done. */
  readonly at?: number;
  readonly when?: "before" | "after";
  /** Only those that begin so are counted. */
  readonly only?: string;
  /** Statements that begin so are said to be run, and are not. */
  readonly forget?: string;
  /** Pages of the log after which it is written back, in the place of the store's own choice. */
  readonly checkpointPages?: number;
}

type Method = (this: object, ...args: unknown[]) => unknown;

const STATEMENT_METHODS = ["run", "get", "all", "iterate"] as const;
/** Characters of SQL that say which operation it was. */
const SQL_CHARACTERS = 70;

/** From now on operations are counted. `thread` is how it is called. */
export function sabotage({ at, when, only = "", forget, checkpointPages }: Sabotage, thread: string): void {
  let count = 0;
  const die = (sql: string): void => {
    const text = sql.replaceAll(/\s+/g, " ").trim().slice(0, SQL_CHARACTERS);
    writeSync(2, `crash: ${when} ${thread}: ${text}\n`);
    process.kill(process.pid, "SIGKILL");
  };
  const wrap = (method: Method, sqlOf: (self: object, args: unknown[]) => string): Method =>
    function (...args) {
      const sql = sqlOf(this, args);
      const isIt = sql.startsWith(only) && ++count === at;
      if (isIt && when === "before") die(sql);
      const result = method.apply(this, args);
      if (isIt && when === "after") die(sql);
      return result;
    };

  const databases = DatabaseSync.prototype as unknown as Record<string, Method>;
  const probe = new DatabaseSync(":memory:");
  const statements = Object.getPrototypeOf(probe.prepare("SELECT 1")) as Record<string, Method>;
  probe.close();
  const texts = new WeakMap<object, string>();
  const prepare = databases["prepare"]!;
  databases["prepare"] = function (sql) {
    const statement = prepare.call(this, sql) as object;
    texts.set(statement, String(sql));
    return statement;
  };
  const exec = databases["exec"]!;
  databases["exec"] = wrap(
    checkpointPages === undefined ? exec : function (sql) {
      return exec.call(
        this,
        String(sql).replace(/wal_autocheckpoint = \d+/, `wal_autocheckpoint = ${checkpointPages}`),
      );
    },
    (_self, [sql]) => String(sql),
  );
  for (const name of STATEMENT_METHODS) {
    statements[name] = wrap(statements[name]!, (self) => texts.get(self) ?? "");
  }
  if (forget === undefined) return;
  const run = statements["run"]!;
  statements["run"] = function (...args) {
    const isForgotten = (texts.get(this) ?? "").trimStart().startsWith(forget);
    return isForgotten ? { changes: 1, lastInsertRowid: 1 } : run.apply(this, args);
  };
}

/** The variable that tells the thread of the disk. */
export const VARIABLE = "PLUMB_CRASH";
