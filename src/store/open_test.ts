/** §4.1 What becomes of a data directory when a store is opened in it, and what a broker finds there. @module */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import type { StoredSession } from "../broker/mod.ts";
import { assertEnded } from "../testing/assertions.ts";
import { Pair } from "../testing/pair.ts";
import {
  change,
  contentsOf,
  digest,
  fill,
  FILLING,
  folder,
  inDirectory,
  notAsRoot,
  overwrite,
  PAGE_BYTES,
  rootOf,
  tamper,
} from "../testing/store_files.ts";
import { backUp } from "./backup.ts";
import {
  openStore,
  type OpenStoreOptions,
  type SqliteStore,
  STORE_FILE,
  StoreError,
  type StoreEvent,
} from "./mod.ts";
import { patient } from "../testing/patience.ts";

const QUICK = { worker: false, durability: "os" } as const;

/** Opens a store and closes it; gives what it told. */
async function openAndClose(directory: string, options: OpenStoreOptions = {}): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  await openStore(directory, { ...QUICK, onEvent: (event) => events.push(event), ...options }).close();
  return events;
}

/** Fails unless it cannot be opened; gives why. */
function refused(directory: string, options: OpenStoreOptions = {}): StoreError {
  const error = assertThrows(() => openStore(directory, { ...QUICK, ...options }), StoreError);
  assertEquals(error.message.split("\n").length, 1);
  return error;
}

describe("openStore()", () => {
  test("makes directory and file, and says so once", () =>
    inDirectory(async (parent) => {
      const directory = join(parent, "a", "b");
      const path = join(directory, STORE_FILE);
      assertEquals(await openAndClose(directory), [{ kind: "made", path }]);
      assertEquals(await openAndClose(directory), []);
      assertEquals(readdirSync(directory).sort(), ["broker.lock", STORE_FILE]);
    }));

  test("refuses a directory that another broker has, in this process", () =>
    inDirectory(async (directory) => {
      const store = openStore(directory, QUICK);
      const { trouble, message } = refused(directory);
      assertEquals([trouble, message], ["locked", `${directory} is in use by another broker`]);
      await store.close();
      await openAndClose(directory);
    }));

  test(
    "refuses a directory that another broker has, in another process",
    patient,
    () =>
      inDirectory(async (directory) => {
        const store = openStore(directory, QUICK);
        const script = join(directory, "second.ts");
        const url = new URL("./mod.ts", import.meta.url).href;
        writeFileSync(
          script,
          `import { openStore } from ${JSON.stringify(url)};
         try {
           openStore(${JSON.stringify(directory)}, { worker: false });
         } catch (error) {
           console.log(error.trouble, error.message);
         }`,
        );
        const args = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : [script];
        const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
        assertEquals(stdout, `locked ${directory} is in use by another broker\n`);
        await store.close();
      }),
  );

  test("releases the directory when it cannot open the file", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 1 });
      overwrite(path, [1]);
      assertEquals(refused(directory, { strict: true }).trouble, "corrupt");
      assertEquals(refused(directory, { strict: true }).trouble, "corrupt");
      await openAndClose(directory);
    }));

  describe("names a directory that cannot be had", () => {
    test("below a file", () =>
      inDirectory((parent) => {
        const file = join(parent, "file");
        writeFileSync(file, "");
        const directory = join(file, "data");
        const { trouble, message } = refused(directory);
        assertEquals([trouble, message.startsWith(`${directory}: `)], ["unwritable", true]);
      }));
    test("that is a file", () =>
      inDirectory((parent) => {
        const file = join(parent, "file");
        writeFileSync(file, "");
        const { trouble, message } = refused(file);
        assertEquals([trouble, message.startsWith(`${file}: `)], ["unwritable", true]);
      }));
    const noProc = !existsSync("/proc/self") && "there is no /proc";
    const spins = !("Deno" in globalThis) && !("Bun" in globalThis) &&
      "mkdirSync() of Node 24 that is recursive never returns there";
    test("where nobody makes files", { skip: noProc || spins }, () => {
      const { trouble, message } = refused("/proc/plumb");
      assertEquals([trouble, message.startsWith("/proc/plumb: ")], ["unwritable", true]);
    });
    test("that may only be read", { skip: notAsRoot }, () =>
      inDirectory(async (directory) => {
        await fill(directory, { sessions: 1 });
        chmodSync(directory, 0o555);
        const { trouble } = refused(directory);
        chmodSync(directory, 0o755);
        assertEquals(trouble, "unwritable");
      }));
    test("where the file is a directory", () =>
      inDirectory((directory) => {
        const path = folder(directory, STORE_FILE);
        const { trouble, message } = refused(directory);
        assert(trouble === "unwritable" || trouble === "io", trouble);
        assert(message.startsWith(path), message);
      }));
  });

  describe("leaves alone", () => {
    const foreign: Readonly<
      Record<string, readonly [how: (path: string) => void, trouble: string, says: RegExp]>
    > = {
      "what a newer version has written": [
        (path) => tamper(path, "PRAGMA user_version = 99"),
        "newer",
        /written by a newer Plumb \(its version is 99, and this one knows \d+\)/,
      ],
      "somebody else's database": [
        (path) => tamper(path, "PRAGMA application_id = 7"),
        "foreign",
        /a database, but not one of Plumb's/,
      ],
      "somebody else's database that is damaged": [
        (path) => {
          tamper(path, "PRAGMA application_id = 7");
          overwrite(path, [rootOf(path, "retained")]);
        },
        "foreign",
        /not one of Plumb's/,
      ],
    };
    for (const [what, [how, trouble, says]] of Object.entries(foreign)) {
      test(what, () =>
        inDirectory(async (directory) => {
          const path = await fill(directory, { sessions: 1 });
          how(path);
          const before = digest(path);
          const error = refused(directory);
          assertEquals(error.trouble, trouble);
          assertMatch(error.message, says);
          assert(error.message.startsWith(`${path}: `));
          assertEquals(digest(path), before);
        }));
    }
  });
});

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  "a page of messages is noise": (path) =>
    overwrite(path, [Math.floor(statSync(path).size / PAGE_BYTES / 2)]),
  "its header is noise": (path) => change(path, (bytes) => bytes.fill(0xff, 0, 100)),
  "its first page is noise": (path) => overwrite(path, [1]),
  "it ends in the middle": (path) => truncateSync(path, Math.floor(statSync(path).size / 2) + 77),
  "it ends behind its first hundred bytes": (path) => truncateSync(path, 100),
  "it is full of zeros": (path) => change(path, (bytes) => bytes.fill(0)),
  "it is noise": (path) => change(path, (bytes) => bytes.map((_, i) => (i * 2_654_435_761) >>> 13)),
  "it is empty, and its log is not": (path) => {
    writeFileSync(path, "");
    writeFileSync(`${path}-wal`, "noise");
  },
  "its schema is not as it was made": (path) =>
    change(path, (bytes) => {
      const at = Buffer.from(bytes).lastIndexOf("identifier INTEGER"); // others are what a page that was split left
      assert(at > 0);
      bytes[at + 9] = 0x73; // identifies
      return bytes;
    }),
  "its version is none": (path) => tamper(path, "PRAGMA user_version = -1"),
  "it was found damaged while it was in use": (path) =>
    writeFileSync(`${path}.suspect`, `${path}: a page is malformed\n`),
  "a row cannot be a message": (path) => tamper(path, "UPDATE retained SET header = 54 WHERE topic = 'r/1'"),
  "a delivery that is sent cannot be a message": (path) =>
    tamper(path, "UPDATE delivery SET properties = x'ff' WHERE step = 2 AND session = 1"),
  "a filter is none": (path) =>
    tamper(path, "UPDATE subscription SET filter = '#/#' WHERE session = 1 AND qos = 1"),
};

describe("a damaged store", () => {
  for (const [what, damage] of Object.entries(DAMAGES)) {
    test(
      `is set aside, and the broker goes on with what was saved: ${what}`,
      patient,
      () =>
        inDirectory(async (directory) => {
          const path = await fill(directory);
          damage(path);
          const before = digest(path);
          const events: StoreEvent[] = [];
          const store = openStore(directory, { ...QUICK, onEvent: (event) => events.push(event) });
          assertEquals(events.length, 1);
          const [event] = events;
          assert(event?.kind === "set aside");
          assertEquals([event.path, event.why.startsWith(`${path}: `)], [path, true]);
          assertMatch(event.to, /plumb\.sqlite\.damaged-\d{4}-\d\d-\d\dT[\d-]+Z$/);
          if (!what.includes("cannot be") && !what.includes("filter")) assertEquals(digest(event.to), before);
          const { sessions, retained } = event.saved;
          await serves(store, sessions, retained);
          await store.close();
          assertEquals(await openAndClose(directory), []);
          const names = readdirSync(directory).filter((name) => !name.includes("damaged"));
          assertEquals(names.sort(), ["broker.lock", STORE_FILE]);
        }),
    );

    test(
      `is refused, and stays as it is, if the owner wants that: ${what}`,
      patient,
      () =>
        inDirectory(async (directory) => {
          const path = await fill(directory, { sessions: 3, retained: 3 });
          damage(path);
          const before = digest(path);
          const { trouble, message } = refused(directory, { strict: true });
          assertEquals([trouble, message.startsWith(`${path}: `)], ["corrupt", true]);
          assertEquals(digest(path), before);
        }),
    );
  }

  /** Fails unless a broker on this store has what was saved, and goes on. */
  async function serves(store: SqliteStore, sessions: number, retained: number): Promise<void> {
    const pair = new Pair({ store });
    assertEquals([pair.broker.stats.sessions, pair.broker.stats.retainedMessages], [sessions, retained]);
    const properties = { sessionExpiryInterval: 600, receiveMaximum: 65_535 };
    if (sessions > 0) {
      const client = pair.connect({
        clientId: "client-0",
        username: "user of client-0",
        cleanStart: false,
        properties,
      });
      assertEquals(client.connack!.sessionPresent, true);
      const found = client.takePublishes();
      assert(found.length > FILLING.waiting / 2, `${found.length} messages`);
      for (const { payload, topic } of found) assert(payload.length > 0 && topic !== "");
      const pubrel = client.take(PacketType.PUBREL);
      assertEquals(pubrel.packetId, 3);
      pair.broker.publish({ topic: "t/0/new", payload: "new", qos: 1 }, pair.now);
      assertEquals(client.takeTexts(), ["new"]);
    }
    const other = pair.connect({ clientId: "other", cleanStart: false, properties });
    other.subscribe("r/#");
    assertEquals(other.takePublishes().length, retained);
    other.publish({ topic: "r/new", payload: "x", qos: 1, retain: true });
    await store.commit();
    pair.advance(10); // the answer to a Client that gets its own message waits a moment for its next packet
    other.take(PacketType.PUBACK);
    assert(!pair.broker.stats.isFailing);
  }

  test("says what was saved", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      overwrite(path, [1]);
      const [event] = await openAndClose(directory);
      assert(event?.kind === "set aside");
      assertEquals(event.saved, { ...contentsOf(), unusable: 0, mended: 0 });
    }));

  test("brings its log along when it is set aside", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 1 });
      overwrite(path, [1]);
      writeFileSync(`${path}-journal`, "");
      const [event] = await openAndClose(directory);
      assert(event?.kind === "set aside");
      assert(existsSync(`${event.to}-journal`) && !existsSync(`${path}-journal`));
    }));

  test("is saved anew if that was interrupted", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      overwrite(path, [1]);
      writeFileSync(`${path}.saving`, "half of it");
      writeFileSync(`${path}.saving-wal`, "and half of its log");
      const [event] = await openAndClose(directory);
      assert(event?.kind === "set aside");
      assertEquals(event.saved, { ...contentsOf(), unusable: 0, mended: 0 });
    }));

  for (const when of ["before", "after"]) {
    test(`is replaced by what was saved, if the broker ended just ${when} it was renamed`, () =>
      inDirectory(async (directory) => {
        const path = await fill(directory, { sessions: 2 });
        renameSync(path, `${path}.saved`);
        if (when === "before") writeFileSync(path, "noise");
        const [event, ...more] = await openAndClose(directory);
        assert(event?.kind === "set aside" && more.length === 0);
        assertEquals(event.saved.sessions, 2);
        assertEquals(existsSync(event.to), when === "before");
        assertEquals(await openAndClose(directory), []);
      }));
  }

  test("gives no room to a log that was another file's", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 2 });
      backUp(path, join(directory, "copy"));
      const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
      database.exec("DELETE FROM session");
      copyFileSync(`${path}-wal`, join(directory, "log"));
      database.close();
      renameSync(join(directory, "copy"), path);
      renameSync(join(directory, "log"), `${path}-wal`);
      const store = openStore(directory, QUICK);
      assertEquals([...store.sessions()].length, 2);
      await store.close();
    }));
});

describe("a store that turns out to be damaged while it is in use", () => {
  test(
    "names the file, serves what can be read, and is mended at the next start",
    patient,
    () =>
      inDirectory(async (directory) => {
        const path = await fill(directory, { sessions: 2, waiting: 200, retained: 10 });
        const events: StoreEvent[] = [];
        const failures: string[] = [];
        const store = openStore(directory, { ...QUICK, onEvent: (event) => events.push(event) });
        const hooks = { failed: (error: unknown) => void failures.push((error as Error).message) };
        const pair = new Pair({ store, hooks, limits: { residentMessagesMax: 20 } });
        spoil(path, leavesOf(path).slice(4, 6));
        const properties = { sessionExpiryInterval: 600, receiveMaximum: 65_535 };
        const client = pair.connect({
          clientId: "client-0",
          username: "user of client-0",
          cleanStart: false,
          properties,
        });
        const found = client.takePublishes();
        assert(found.length > 150 && found.length < 203, `${found.length} messages`);
        const [event, ...more] = events;
        assert(event?.kind === "damaged" && more.length === 0, JSON.stringify(events));
        assertEquals([event.path, event.why.startsWith(`${path}: `)], [path, true]);
        assertEquals(failures.length, 1);
        assertMatch(failures[0]!, /^\d+ messages of client-0 are not in the store$/);
        const other = pair.connect({
          clientId: "client-1",
          username: "user of client-1",
          cleanStart: false,
          properties,
        });
        assertEquals(other.takePublishes().length, 204);
        pair.broker.publish({ topic: "t/0/new", payload: "new", qos: 1 }, pair.now);
        assertEquals(client.takeTexts(), ["new"]);
        assert(existsSync(`${path}.suspect`));
        await store.close();

        const [next] = await openAndClose(directory);
        assert(next?.kind === "set aside", JSON.stringify(next));
        assertEquals(next.saved.sessions, 2);
        assert(!existsSync(`${path}.suspect`));
      }),
  );

  test(
    "refuses what needs it when it cannot be written, and is mended at the next start",
    patient,
    () =>
      inDirectory(async (directory) => {
        const path = await fill(directory, { sessions: 1, waiting: 200, retained: 0 });
        const events: StoreEvent[] = [];
        const failures: string[] = [];
        const store = openStore(directory, { ...QUICK, onEvent: (event) => events.push(event) });
        const hooks = { storeFailed: (error: unknown) => void failures.push((error as Error).message) };
        const pair = new Pair({ store, hooks });
        spoil(path, leavesOf(path).slice(-1)); // where the next one would stand
        const client = pair.connect({ clientId: "publisher" });
        client.publish({ topic: "t/0/new", payload: "new", qos: 1 });
        assertEnded(client, 0x97, "limit/store");
        pair.advance(5_000);
        assertEquals(failures, [`${path}: database disk image is malformed`]);
        assertEquals(events.map(({ kind }) => kind), ["damaged"]);
        const error = await store.close().then(() => undefined, (error: StoreError) => error);
        assertEquals(error?.trouble, "corrupt");

        const [next, ...more] = await openAndClose(directory);
        assert(next?.kind === "set aside" && more.length === 0, JSON.stringify(next));
        assertEquals(next.why, `${path}: database disk image is malformed`);
        assertEquals(next.saved.sessions, 1);
        assert(next.saved.deliveries > 190, `${next.saved.deliveries}`);
        assertEquals(await openAndClose(directory), []);
      }),
  );

  for (
    const [where, options] of Object.entries(
      { "this thread": { worker: false }, "one of its own": {} } as const,
    )
  ) {
    test(
      `passes over what cannot be read, and tells that once, by ${where}`,
      patient,
      () =>
        inDirectory(async (directory) => {
          const path = await fill(directory, { sessions: 1, waiting: 200, retained: 0 });
          const events: StoreEvent[] = [];
          const store = openStore(directory, { ...options, onEvent: (event) => events.push(event) });
          const [{ storeId }] = [...store.sessions()] as [StoredSession];
          spoil(path, leavesOf(path).slice(4, 6));
          const page = async (from: number, messages: number) => {
            const found = await store.load({ clientId: "client-0", storeId }, from, messages, 1e9);
            return found.map(({ order }) => order);
          };
          const orders: number[] = [];
          for (let found = await page(0, 10); found.length > 0; found = await page(orders.at(-1)! + 1, 10)) {
            orders.push(...found);
          }
          assertEquals(
            orders,
            [...new Set(orders)].sort((a, b) => a - b),
          );
          assert(orders.length > 150 && orders.length < 201, `${orders.length} messages`);
          assertEquals(events.map(({ kind }) => kind), ["damaged"]);
          await store.close();
        }),
    );
  }

  /** Overwrites pages behind the back of a store: what SQLite has in memory goes with a change that another makes. */
  function spoil(path: string, pages: readonly number[]): void {
    tamper(path, "UPDATE session SET level = 9 - level");
    overwrite(path, pages);
  }

  /** Pages of tables that hold rows, behind those that every file has. */
  function leavesOf(path: string): number[] {
    const bytes = readFileSync(path);
    return Array.from({ length: bytes.length / PAGE_BYTES }, (_, i) => i + 1)
      .filter((page) => page > 20 && bytes[(page - 1) * PAGE_BYTES] === 13);
  }
});
