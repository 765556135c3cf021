/** §4.1 What is saved of a damaged store: everything that can be read, whole, and nothing that stands on what is lost. @module */
import { assert, assertEquals } from "@std/assert";
import { copyFileSync, existsSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import {
  change,
  contentsOf,
  digest,
  fill,
  FILLING,
  type Filling,
  folder,
  inDirectory,
  overwrite,
  PAGE_BYTES,
  rootOf,
  tamper,
} from "../testing/store_files.ts";
import { shownFound } from "../testing/store_scene.ts";
import { openStore, STORE_FILE } from "./mod.ts";
import { salvage, type Salvaged } from "./salvage.ts";
import { verifyStore } from "./verify.ts";
import { patient } from "../testing/patience.ts";

/** Damages a filled store and saves what can be saved: fails unless the damaged file stays as it is and the result is sound. */
async function saved(
  damage: (path: string) => void,
  check: (saved: Salvaged, to: string, from: string) => void | Promise<void>,
  filling: Partial<Filling> = {},
): Promise<void> {
  await inDirectory(async (directory) => {
    const from = await fill(folder(directory, "old"), filling);
    damage(from);
    const before = digest(from);
    const to = join(folder(directory, "new"), STORE_FILE);
    const result = salvage(from, to);
    assertEquals(digest(from), before, "the damaged file has changed");
    assertEquals(readdirSync(join(directory, "new")), [STORE_FILE]);
    const faults: string[] = [];
    const { sessions, subscriptions, deliveries, retained } = verifyStore(to, (line) => faults.push(line));
    assertEquals(faults, []);
    assertEquals(result, {
      sessions,
      subscriptions,
      deliveries,
      retained,
      unusable: result.unusable,
      mended: result.mended,
    });
    await check(result, to, from);
  });
}

/** Everything in the store of a file. */
async function found(path: string): Promise<unknown> {
  const store = openStore(join(path, ".."), { worker: false, durability: "os" });
  const sessions = [...store.sessions()].sort((a, b) => a.storeId - b.storeId);
  const shown = shownFound({
    sessions,
    retained: [...store.retainedMessages()],
    lastOrder: store.lastOrder(),
  });
  const queues: unknown[] = [];
  for (const { storeId, session: { clientId } } of sessions) {
    const page = await store.load({ clientId, storeId }, 0, 10_000, 1e9);
    queues.push(shownFound({ sessions: [], retained: page.map(({ message }) => message), lastOrder: 0 }));
  }
  await store.close();
  return { shown, queues };
}

const ALL: Salvaged = { ...contentsOf(), unusable: 0, mended: 0 };
const NOTHING: Salvaged = {
  sessions: 0,
  subscriptions: 0,
  deliveries: 0,
  retained: 0,
  unusable: 0,
  mended: 0,
};

describe("salvage() brings back everything", () => {
  const whole: Readonly<Record<string, (path: string) => void>> = {
    "of a sound file": () => {},
    "when the header is zeros": (path) => change(path, (bytes) => bytes.fill(0, 0, 100)),
    "when the first page is zeros": (path) => overwrite(path, [1], 0),
    "when the first page of a compacted file is noise": (path) => {
      tamper(path, "VACUUM");
      overwrite(path, [1]);
    },
    "when another page of the schema is noise": (path) => {
      const roots = new Set(tables(path));
      const page = Array.from({ length: 20 }, (_, i) => i + 2).find((page) => !roots.has(page))!;
      overwrite(path, [page]);
    },
    "when an index is noise": (path) => overwrite(path, [rootOf(path, "delivery_waiting")]),
    "when the file is longer than it should be": (path) =>
      change(path, (bytes) => {
        const longer = new Uint8Array(bytes.length + 1_000).fill(7);
        longer.set(bytes);
        return longer;
      }),
  };
  for (const [when, damage] of Object.entries(whole)) {
    test(when, patient, () =>
      saved(damage, async (result, to, from) => {
        assertEquals(result, ALL);
        if (when === "of a sound file") assertEquals(await found(to), await found(from));
      }));
  }

  function tables(path: string): number[] {
    const database = new DatabaseSync(path);
    const rows = database.prepare("SELECT rootpage FROM sqlite_schema").all();
    database.close();
    return rows.map((row) => row["rootpage"] as number);
  }

  test("of a log that was not written back", patient, () =>
    inDirectory(async (directory) => {
      const from = await withLog(directory);
      const logBefore = digest(`${from}-wal`);
      const result = salvage(from, join(directory, "new"));
      assertEquals([result.sessions, result.retained], [13, 100]);
      assertEquals(digest(`${from}-wal`), logBefore);
    }));

  test("of a log whose file is damaged at its head", patient, () =>
    inDirectory(async (directory) => {
      const from = await withLog(directory);
      overwrite(from, [1], 0);
      const result = salvage(from, join(directory, "new"));
      assertEquals([result.sessions, result.retained], [13, 100]);
    }));

  test("of a log whose file is empty", patient, () =>
    inDirectory(async (directory) => {
      const path = join(folder(directory, "live"), STORE_FILE);
      const store = openStore(join(path, ".."), { worker: false, durability: "os" });
      [...store.sessions(), ...store.retainedMessages()];
      const { keyOf, record } = await import("../testing/store_scene.ts");
      store.saved(keyOf("alone"), record("alone"));
      await store.commit();
      const from = join(directory, "left");
      copyFileSync(`${path}-wal`, `${from}-wal`);
      writeFileSync(from, "");
      await store.close();
      assertEquals(salvage(from, join(directory, "new")).sessions, 1);
      assert(existsSync(`${from}-wal`));
    }));

  /** A store whose last session is in the log alone. */
  async function withLog(directory: string): Promise<string> {
    const path = await fill(folder(directory, "live"));
    const database = new DatabaseSync(path);
    database.exec("INSERT INTO session VALUES (1000, 'late', 5, 60, 0, NULL, NULL, NULL)");
    const from = join(directory, "left");
    for (const ending of ["", "-wal"]) copyFileSync(path + ending, from + ending);
    database.close();
    return from;
  }
});

describe("salvage() brings back what it can", () => {
  test("when a page of messages is noise", patient, () =>
    saved((path) => {
      const pages = statSync(path).size / PAGE_BYTES;
      overwrite(path, [Math.floor(pages / 2)]);
    }, ({ sessions, subscriptions, deliveries }) => {
      assertEquals([sessions, subscriptions], [ALL.sessions, ALL.subscriptions]);
      assert(deliveries >= ALL.deliveries - 30 && deliveries < ALL.deliveries, `${deliveries}`);
    }));

  test("when every tenth page is noise", patient, () =>
    saved((path) => {
      const pages = statSync(path).size / PAGE_BYTES;
      overwrite(
        path,
        Array.from({ length: pages }, (_, i) => i + 1).filter((page) => page > 30 && page % 10 === 0),
      );
    }, ({ sessions, deliveries, retained }) => {
      assertEquals(sessions, 100);
      assert(deliveries > 100 * 45 * 0.75, `${deliveries} deliveries`);
      assert(retained > 1_000 * 0.75, `${retained} retained`);
    }, { sessions: 100, retained: 1_000 }));

  test("when the last pages of a table and of the file are noise", patient, () =>
    saved((path) => {
      const pages = statSync(path).size / PAGE_BYTES;
      overwrite(path, [20, 21, 22, pages - 2, pages - 1, pages]);
    }, ({ deliveries, retained }) => assert(deliveries > 400 && retained > 50, `${deliveries} ${retained}`)));

  test("when the file ends in the middle", patient, () =>
    saved(
      (path) => truncateSync(path, Math.floor(statSync(path).size / 2) + 77),
      ({ sessions, subscriptions, deliveries }) => {
        assertEquals([sessions, subscriptions], [ALL.sessions, ALL.subscriptions]);
        assert(deliveries > 50, `${deliveries}`);
      },
    ));

  test("without what belongs to sessions that are lost", patient, () =>
    saved(
      (path) => overwrite(path, [rootOf(path, "session")]),
      (result) => {
        const { subscriptions, deliveries, retained } = ALL;
        const wills = FILLING.sessions;
        const received = FILLING.sessions;
        assertEquals(result, {
          ...NOTHING,
          retained,
          unusable: subscriptions + deliveries + wills + received,
        });
      },
    ));

  test("of a page whose rows are in no order, once", patient, () =>
    saved((path) => {
      const root = rootOf(path, "received");
      change(path, (bytes) => {
        const cells = (root - 1) * PAGE_BYTES + 8;
        const [a, b] = [bytes.slice(cells, cells + 2), bytes.slice(cells + 18, cells + 20)];
        bytes.set(b, cells);
        bytes.set(a, cells + 18);
        return bytes;
      });
    }, (result) => assertEquals(result, ALL)));

  const useless: Readonly<Record<string, readonly [sql: string, lost: Partial<Salvaged>]>> = {
    "a header that is none": ["UPDATE retained SET header = 54 WHERE topic = 'r/1'", { retained: 1 }],
    "a topic that is none": ["UPDATE retained SET topic = 'r/#' WHERE topic = 'r/1'", { retained: 1 }],
    "a text that is none": ["UPDATE retained SET topic = CAST(x'fffe' AS TEXT) WHERE topic = 'r/1'", {
      retained: 1,
    }],
    "properties that are none": ["UPDATE retained SET properties = x'ff00' WHERE topic = 'r/1'", {
      retained: 1,
    }],
    "a number that is too large": [
      "UPDATE delivery SET bytes = 9223372036854775807 WHERE id = 1",
      { deliveries: 1 },
    ],
    "a step that is none": ["UPDATE delivery SET step = 9 WHERE id = 1", { deliveries: 1 }],
    "identifiers that are none": ["UPDATE delivery SET identifiers = '[0]' WHERE id = 1", { deliveries: 1 }],
    "no message": ["UPDATE delivery SET topic = NULL WHERE id = 1", { deliveries: 1 }],
    "a message that is not there": [
      "UPDATE delivery SET message = 7777, topic = NULL, payload = NULL, properties = NULL, header = NULL, publisher = NULL WHERE id = 1",
      { deliveries: 1 },
    ],
    "a Packet Identifier that another has": [
      "UPDATE delivery SET packet_id = 1 WHERE session = 1 AND packet_id = 2",
      { deliveries: 1 },
    ],
    "a filter that is none": ["UPDATE subscription SET filter = 't/#/x' WHERE filter = 't/1/#'", {
      subscriptions: 1,
    }],
    "a Client Identifier that is none": [
      "UPDATE session SET client_id = x'00' WHERE client_id = 'client-0'",
      { sessions: 1, subscriptions: 2, deliveries: FILLING.waiting + 5 },
    ],
  };
  for (const [what, [sql, lost]] of Object.entries(useless)) {
    test(`without rows with ${what}`, patient, () =>
      saved((path) => tamper(path, sql), (result) => {
        const expected: Record<string, number> = { ...ALL };
        for (const [key, count] of Object.entries(lost)) expected[key]! -= count as number;
        const more = lost.sessions === undefined ? 0 : 2; // its will and its received identifier
        expected["unusable"] = Object.values(lost).reduce((sum, count) => sum + (count as number), more);
        assertEquals(result, expected as unknown as Salvaged);
      }));
  }

  const mendable: Readonly<Record<string, string>> = {
    "a level": "UPDATE session SET level = 6 WHERE id = 1",
    "a Session Expiry Interval": "UPDATE session SET expiry_seconds = 'soon' WHERE id = 1",
    "the end of a session": "UPDATE session SET expires_at = 'soon' WHERE id = 1",
    "the flag of a connection": "UPDATE session SET connected = 2.5 WHERE id = 1",
    "a Will Delay Interval": "UPDATE will SET delay_seconds = x'05' WHERE session = 1",
    "a flag of a subscription": "UPDATE subscription SET no_local = 'no' WHERE filter = 't/1/#'",
    "the end of a message": "UPDATE retained SET expires_at = 'soon' WHERE topic = 'r/1'",
  };
  for (const [what, sql] of Object.entries(mendable)) {
    test(
      `and rows with another value in the place of ${what}`,
      patient,
      () => saved((path) => tamper(path, sql), (result) => assertEquals(result, { ...ALL, mended: 1 })),
    );
  }

  test("and a released Packet Identifier without its message", patient, () =>
    saved(
      (path) => tamper(path, "UPDATE delivery SET topic = '#', header = 1 WHERE step = 3"),
      (result) => assertEquals(result, ALL),
    ));

  test("and what a session that is over has left is missed by nobody", patient, () =>
    saved(
      (path) => tamper(path, "DELETE FROM session WHERE id = 2", "INSERT INTO ended VALUES (2)"),
      ({ sessions, unusable }) => assertEquals([sessions, unusable], [ALL.sessions - 1, 0]),
    ));
});

describe("salvage() of what is no database finds nothing, and says so", () => {
  const nothing: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
    "zeros": (bytes) => bytes.fill(0),
    "noise": (bytes) => bytes.map((_, i) => (i * 2_654_435_761) >>> 13),
    "its first hundred bytes": (bytes) => bytes.subarray(0, 100),
    "one byte": (bytes) => bytes.subarray(0, 1),
    "nothing": (bytes) => bytes.subarray(0, 0),
    "a text": () => new TextEncoder().encode("no database\n".repeat(1_000)),
  };
  for (const [what, how] of Object.entries(nothing)) {
    test(
      what,
      patient,
      () =>
        saved((path) => change(path, how), (result) => assertEquals(result, NOTHING), {
          sessions: 3,
          retained: 3,
        }),
    );
  }
});
