/**
 * The data of a broker with another number of workers than before: all of it is there, each part where its home is, whenever the process ends.
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { homeOf } from "../../nodes/home.ts";
import { STORE_FILE } from "../../store/mod.ts";
import { verifyStore } from "../../store/verify.ts";
import { patient } from "../../testing/patience.ts";
import { plumb } from "../../testing/plumb_process.ts";
import { fill, FILLING, inDirectory, tamper } from "../../testing/store_files.ts";
import { CallError } from "../error.ts";
import { Log } from "../log.ts";
import { arrange, finish, move } from "./data.ts";
import { isDivided, storesIn } from "./layout.ts";

const SETTINGS = { durability: "os", strictStore: false } as const;

/** A log, and what was written to it. */
function logged(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const stream = {
    colours: false,
    write(text: string, done: () => void) {
      lines.push(text);
      done();
    },
  };
  return { log: new Log({ level: "info", format: "logfmt", stream }), lines };
}

/** Brings the data into the form for so many processes; gives the log. */
async function arranged(data: string, of: number): Promise<string> {
  const { log, lines } = logged();
  (await arrange(data, of, SETTINGS, log)).release();
  await log.flush();
  return lines.join("");
}

/** All that stores have, in words that do not depend on the numbers of rows; every row where its home is, and every store sound. */
function contentsOf(data: string): string[] {
  const directories = storesIn(data);
  const all = directories.flatMap((directory, index) => {
    const path = join(directory, STORE_FILE);
    if (!existsSync(path)) return [];
    const faults: string[] = [];
    verifyStore(path, (line) => faults.push(line));
    assertEquals(faults, []);
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const rows = (sql: string) =>
        database.prepare(sql).all().map((row) => Object.values(row as object).map(String));
      const clients = rows("SELECT client_id FROM session").flat();
      const topics = rows("SELECT topic FROM retained").flat();
      for (const name of [...clients, ...topics]) assertEquals(homeOf(name, directories.length), index, name);
      const said = [
        ...rows(
          "SELECT 'session', client_id, level, expiry_seconds, connected, expires_at, user, address FROM session",
        ),
        ...rows("SELECT 'will', client_id, will.* FROM will JOIN session ON id = session").map((row) =>
          row.toSpliced(2, 1)
        ),
        ...rows(
          `SELECT 'subscription', client_id, filter, qos, no_local, retain_as_published, retain_handling, identifier
          FROM subscription JOIN session ON id = session`,
        ),
        ...rows("SELECT 'received', client_id, packet_id FROM received JOIN session ON id = session"),
        // In their order, with the order of their PUBRECs.
        ...rows(
          `SELECT 'delivery', client_id, row_number() OVER (PARTITION BY session ORDER BY delivery.id), step, delivery.qos,
          retain, packet_id, released > 0, rank() OVER (PARTITION BY session ORDER BY released), identifiers, share, bytes,
          delivery.message IS NULL, coalesce(message.topic, delivery.topic),
          hex(coalesce(message.payload, delivery.payload)), hex(coalesce(message.properties, delivery.properties)),
          coalesce(message.header, delivery.header), delivery.expires_at
          FROM delivery JOIN session ON session.id = delivery.session LEFT JOIN message ON message.id = delivery.message`,
        ),
        ...rows(
          "SELECT 'retained', topic, hex(payload), hex(properties), header, expires_at, publisher FROM retained",
        ),
      ];
      return said.map((row) => row.join(" "));
    } finally {
      database.close();
    }
  });
  return all.sort();
}

describe("The data directory", patient, () => {
  test("with other workers has all that it had, each part at its home: 1, 2, 5, 3 and 1 again", () =>
    inDirectory(async (data) => {
      await fill(data, { sessions: 9, waiting: 4, retained: 20 });
      const before = contentsOf(data);
      assert(before.length > 9 * 9 + 20, `${before.length} rows`);
      for (const count of [2, 5, 3]) {
        const said = await arranged(data, count);
        assertMatch(said, new RegExp(`data moved.* to=${count} sessions=9 retained=20`));
        assertEquals(readdirSync(join(data, "workers")).length, count);
        assertEquals(storesIn(data).length, count);
        assertEquals(contentsOf(data), before);
        assertEquals(await arranged(data, count), "", "nothing is to be moved");
      }
      await arranged(data, 1);
      assertEquals(contentsOf(data), before);
      assert(!isDivided(data) && existsSync(join(data, STORE_FILE)));
    }));

  test("that is empty gets the directories of its workers, without a word", () =>
    inDirectory(async (data) => {
      assertEquals(await arranged(join(data, "new"), 3), "");
      assertEquals(readdirSync(join(data, "new", "workers")).sort(), ["1-of-3", "2-of-3", "3-of-3"]);
      await arranged(join(data, "new"), 1);
      assert(!isDivided(join(data, "new")));
    }));

  for (const [from, to] of [[1, 3], [3, 2], [3, 1]] as const) {
    test(`has all that it had wherever the process ends on the way from ${from} to ${to} workers`, () =>
      inDirectory(async (root) => {
        for (let steps = 0, isDone = false; !isDone; steps++) {
          const data = join(root, `${steps}`);
          await fill(data, { sessions: 5, waiting: 2, retained: 6 });
          await arranged(data, from);
          const before = contentsOf(data);
          const way = move(data, storesIn(data), to);
          for (let step = 0; step < steps && !isDone; step++) isDone = way.next().done === true;
          // Another process finds what is there; it may end too, one step further.
          const second = finish(data);
          for (let step = 0; step < steps % 3; step++) second.next();
          await arranged(data, to);
          assertEquals(contentsOf(data), before, `${steps} steps`);
          assertEquals(storesIn(data).length, to);
          assertEquals(
            readdirSync(data).filter((name) => !/^broker|-(shm|wal)$/.test(name)).sort(),
            [to === 1 ? STORE_FILE : "workers"],
          );
        }
      }));
  }

  test("of several workers is copied, exported, checked and made smaller as one", () =>
    inDirectory(async (root) => {
      const data = join(root, "data");
      await fill(data, { sessions: 6, waiting: 3, retained: 9 });
      const before = contentsOf(data);
      await arranged(data, 3);
      const does = async (...args: string[]) => {
        const { status, out, err } = await plumb([...args, "--data", data], {}, root);
        assertEquals([status, err], [0, ""], args.join(" "));
        return out;
      };
      assertMatch(await does("verify"), /: 6 sessions, .* 9 retained messages, .* sound\n$/);
      assertMatch(await does("compact"), /3-of-3.*bytes after\n$/);
      assertMatch(await does("backup", "copy.sqlite"), /^copy\.sqlite: 6 sessions, .* 9 retained messages/);
      assertMatch(await does("export", "snapshot"), /^snapshot: 6 sessions, .* 9 retained messages/);
      assertEquals(readdirSync(root).sort(), ["copy.sqlite", "data", "snapshot"]);
      const other = join(root, "other");
      mkdirSync(other);
      renameSync(join(root, "copy.sqlite"), join(other, STORE_FILE));
      assertEquals(contentsOf(other), before);
      const imported = await plumb(["import", "snapshot", "--data", "third"], {}, root);
      assertEquals(imported.status, 0, imported.err);
      assertEquals(contentsOf(join(root, "third")).length, before.length);
      const { status, err } = await plumb(["import", "snapshot", "--data", data, "--force"], {}, root);
      assertEquals(status, 2);
      assertMatch(err, /^plumb: .*has the data of several workers; choose another directory, or/);
    }));

  test("of a name that two workers have, what is at its home counts", () =>
    inDirectory(async (data) => {
      await fill(data, { sessions: 4, waiting: 0, retained: 4 });
      await arranged(data, 2);
      const before = contentsOf(data);
      const away = storesIn(data)[1 - homeOf("client-0", 2)]!;
      tamper(
        join(away, STORE_FILE),
        "INSERT INTO session VALUES (900, 'client-0', 3, 0, 0, 1.0, NULL, NULL)",
        "INSERT INTO session VALUES (901, 'lost', 3, 0, 0, 1.0, NULL, NULL)",
      );
      await arranged(data, 1);
      const after = contentsOf(data);
      assertEquals(after.filter((row) => !row.startsWith("session lost")), before);
      assertEquals(after.length, before.length + 1);
    }));

  test("keeps what was set aside of the stores of workers", () =>
    inDirectory(async (data) => {
      await fill(data, { sessions: 1, waiting: 0, retained: 0 });
      await arranged(data, 2);
      writeFileSync(join(data, "workers/2-of-2", `${STORE_FILE}.damaged-2026`), "for a person");
      await arranged(data, 1);
      assert(existsSync(join(data, `${STORE_FILE}.damaged-2026.worker-2-of-2`)));
    }));

  test("with stores of both kinds, or not of all workers, is refused, and stays as it is", () =>
    inDirectory(async (data) => {
      await fill(data, FILLING);
      await arranged(data, 2);
      const path = join(data, STORE_FILE);
      writeFileSync(path, "a backup that was put there");
      await assertRejects(() => arranged(data, 1), CallError, "move one of them away");
      assert(existsSync(path) && isDivided(data));
      const other = join(data, "other");
      mkdirSync(join(other, "workers/1-of-2"), { recursive: true });
      await assertRejects(() => arranged(other, 2), CallError, "not the stores of all workers, but 1-of-2");
    }));
});
