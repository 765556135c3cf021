/** §4.1, §4.13 A disk that is full, a thread that is gone: what depends on the store is refused, the rest goes on, and nothing acknowledged is lost. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers";
import { PacketType } from "../codec/packet_type.ts";
import { serve, type Server } from "../server/serve.ts";
import { assertClosed, assertEnded } from "../testing/assertions.ts";
import { type ConnectInit, Pair } from "../testing/pair.ts";
import { folder, inDirectory } from "../testing/store_files.ts";
import { keyOf, message, record, waiting } from "../testing/store_scene.ts";
import {
  openStore,
  type OpenStoreOptions,
  type SqliteStore,
  type StoreError,
  type StoreEvent,
} from "./mod.ts";
import { patient, until, WAIT_MS } from "../testing/patience.ts";

const KEPT: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
const LARGE = "x".repeat(20_000);

/** A disk whose room is in the hands of a test: it comes between this thread and SQLite. */
class Room {
  readonly #databases: Set<DatabaseSync> = new Set();
  readonly #methods = DatabaseSync.prototype as unknown as { exec(this: DatabaseSync, sql: string): void };
  readonly #exec: (this: DatabaseSync, sql: string) => void = this.#methods.exec;

  constructor() {
    const { add } = { add: (database: DatabaseSync) => this.#databases.add(database) };
    const exec = this.#exec;
    this.#methods.exec = function (sql) {
      if (sql.startsWith("PRAGMA busy_timeout")) add(this);
      exec.call(this, sql);
    };
  }

  /** No file may grow. */
  full(): void {
    this.#limit(1); // SQLite takes what there is
  }

  /** There is room again. */
  free(): void {
    this.#limit(1_000_000);
  }

  #limit(pages: number): void {
    for (const database of this.#databases) {
      if (database.isOpen) this.#exec.call(database, `PRAGMA max_page_count = ${pages}`);
    }
  }

  [Symbol.dispose](): void {
    this.#methods.exec = this.#exec;
  }
}

/** A broker under virtual time on a store without a thread, and what it told. */
class Stage {
  readonly directory: string;
  readonly troubles: string[] = [];
  store: SqliteStore;
  pair: Pair;

  constructor(directory: string, options: OpenStoreOptions = {}) {
    this.directory = directory;
    this.store = openStore(directory, { worker: false, durability: "os", ...options });
    this.pair = this.#begin();
  }

  #begin(): Pair {
    return new Pair({
      store: this.store,
      hooks: {
        storeFailed: (error) => this.troubles.push((error as StoreError).message),
        storeRecovered: () => this.troubles.push("recovered"),
        failed: (error) => this.troubles.push(`failed: ${error}`),
      },
    });
  }

  /** Another broker on the same directory. */
  async restart(): Promise<void> {
    await this.store.close();
    this.store = openStore(this.directory, { worker: false, durability: "os" });
    this.pair = this.#begin();
  }

  /** Somebody who is away, and for whom everything below `kept/` waits. */
  keeper(): void {
    const keeper = this.pair.connect({ ...KEPT, clientId: "keeper" });
    keeper.subscribe("kept/#");
    keeper.disconnect();
  }

  /** What waits for that one. */
  kept(): string[] {
    return this.pair.connect({ ...KEPT, clientId: "keeper" }).takePublishes().map(({ topic }) => topic);
  }
}

describe("a disk that is full", () => {
  test("refuses at level 5 what needs it, and says so", () =>
    inDirectory(async (directory) => {
      using room = new Room();
      const stage = new Stage(directory);
      const { pair } = stage;
      stage.keeper();
      room.full();
      const first = pair.connect({ clientId: "first" });
      first.publish({ topic: "kept/1", qos: 1, payload: LARGE });
      assertEnded(first, 0x97, "limit/store"); // it was on its way when the disk was found full
      assertEquals(stage.troubles, [`${join(directory, "plumb.sqlite")}: database or disk is full`]);
      const second = pair.connect({ clientId: "second" });
      for (const qos of [1, 2] as const) {
        second.publish({ topic: "kept/2", qos, payload: LARGE });
        assertEquals(second.take(qos === 1 ? PacketType.PUBACK : PacketType.PUBREC).reasonCode, 0x97);
      }
      second.publish({ topic: "retained", qos: 1, retain: true });
      assertEquals(second.take(PacketType.PUBACK).reasonCode, 0x97);
      const refused = pair.open();
      refused.connect({ ...KEPT, clientId: "new" });
      assertEquals(refused.take(PacketType.CONNACK).reasonCode, 0x97);
      room.free();
      await stage.store.close();
    }));

  test("ends connections at level 4 that need it", () =>
    inDirectory(async (directory) => {
      using room = new Room();
      const stage = new Stage(directory);
      stage.keeper();
      room.full();
      for (let i = 0; i < 2; i++) {
        const client = stage.pair.connect({ clientId: `old-${i}`, level: 4 });
        client.publish({ topic: "kept/1", qos: 1, payload: LARGE });
        assertClosed(client);
      }
      room.free();
      await stage.store.close();
    }));

  test("is nothing to who does not need it", () =>
    inDirectory(async (directory) => {
      using room = new Room();
      const stage = new Stage(directory);
      const { pair } = stage;
      stage.keeper();
      const passing = pair.connect({ clientId: "passing" });
      passing.subscribe("passing/#");
      room.full();
      const first = pair.connect({ clientId: "first" });
      first.publish({ topic: "kept/1", qos: 1, payload: LARGE });
      assert(pair.broker.stats.isFailing);
      const second = pair.connect({ clientId: "second" });
      second.publish({ topic: "passing/0", qos: 0, payload: "none" });
      second.publish({ topic: "passing/1", qos: 1, payload: "once" });
      assertEquals(second.take(PacketType.PUBACK).reasonCode, 0);
      second.publish({ topic: "passing/2", qos: 2, payload: "twice" });
      assertEquals(second.take(PacketType.PUBREC).reasonCode, 0);
      assertEquals(passing.takeTexts(), ["none", "once", "twice"]);
      room.free();
      await stage.store.close();
    }));

  test("costs nothing that was acknowledged before, nor after there is room again", () =>
    inDirectory(async (directory) => {
      using room = new Room();
      const stage = new Stage(directory);
      const { pair } = stage;
      stage.keeper();
      const before = pair.connect({ clientId: "before" });
      before.publish({ topic: "kept/before", qos: 1, payload: LARGE });
      before.take(PacketType.PUBACK);
      room.full();
      const first = pair.connect({ clientId: "first" });
      first.publish({ topic: "kept/doubtful", qos: 1, payload: LARGE });
      const second = pair.connect({ clientId: "second" });
      second.publish({ topic: "kept/refused", qos: 1, payload: LARGE });
      assertEquals(second.take(PacketType.PUBACK).reasonCode, 0x97);
      pair.advance(10_000);
      assertEquals(stage.troubles.length, 1); // not for each try
      room.free();
      pair.advance(1_000);
      assertEquals(stage.troubles.at(-1), "recovered");
      second.publish({ topic: "kept/after", qos: 1, payload: LARGE });
      assertEquals(second.take(PacketType.PUBACK).reasonCode, 0);
      await stage.restart();
      assertEquals(stage.kept(), ["kept/before", "kept/doubtful", "kept/after"]);
      await stage.store.close();
    }));

  test("is said when the broker ends, and what was acknowledged is there the next time", () =>
    inDirectory(async (directory) => {
      using room = new Room();
      const stage = new Stage(directory);
      stage.keeper();
      const before = stage.pair.connect({ clientId: "before" });
      before.publish({ topic: "kept/before", qos: 2, payload: LARGE });
      before.take(PacketType.PUBREC);
      room.full();
      const first = stage.pair.connect({ clientId: "first" });
      first.publish({ topic: "kept/doubtful", qos: 1, payload: LARGE });
      const error = await stage.store.close().then(() => undefined, (error: StoreError) => error);
      assertEquals(error?.trouble, "full");
      const next = new Stage(directory);
      assertEquals(next.kept(), ["kept/before"]);
      await next.store.close();
    }));

  test("keeps what waits and could not be written yet, although nobody has waited for that", () =>
    inDirectory(async (directory) => {
      using room = new Room();
      const stage = new Stage(directory, { durability: 3_600_000 });
      const { pair } = stage;
      stage.keeper();
      room.full();
      const publisher = pair.connect({ clientId: "publisher" });
      publisher.publish({ topic: "kept/1", qos: 1, payload: LARGE });
      assertEquals(publisher.take(PacketType.PUBACK).reasonCode, 0);
      pair.open().connect({ ...KEPT, clientId: "keeper" }); // asks for what waits, and finds that the disk is full
      pair.advance(10);
      room.free();
      pair.advance(3_000);
      await Promise.resolve(); // the page is read now, and comes by the promise that `load()` gave
      assertEquals(stage.kept(), ["kept/1"]);
      assertEquals(stage.troubles.filter((text) => text.includes("not in the store")), []);
      await stage.store.close();
    }));

  const mounted = mountsMayBe();
  test(
    "of a system's own, under a real broker with a thread",
    { ...patient, skip: mounted },
    () =>
      inDirectory(async (parent) => {
        const directory = folder(parent, "small");
        mount(directory);
        try {
          await onFullDisk(directory);
        } finally {
          spawnSync("umount", [directory]);
        }
      }),
  );

  test(
    "of which 4 MB are freed takes as much again, though its log is larger than that",
    { ...patient, skip: mounted },
    () =>
      inDirectory(async (parent) => {
        const directory = folder(parent, "small");
        mount(directory, "24m");
        try {
          await onFourFreed(directory);
        } finally {
          spawnSync("umount", [directory]);
        }
      }),
  );
});

/** Fills the disk with messages that wait, frees 4 MB, and fills it again; then all that was committed is there. */
async function onFourFreed(directory: string): Promise<void> {
  const filler = join(directory, "filler");
  writeFileSync(filler, new Uint8Array(4 << 20));
  const options: OpenStoreOptions = { worker: false, durability: "os" };
  const store = openStore(join(directory, "data"), options);
  [...store.sessions(), ...store.retainedMessages()];
  const key = keyOf("a");
  store.saved(key, record("a"));
  let order = 0;
  const commits = async (): Promise<number> => {
    for (let count = 0;; count++) {
      for (let i = 0; i < 4; i++) {
        store.queued(key, waiting(++order, { message: message("t", { bytes: 5_000 }) }));
      }
      try {
        await store.commit();
      } catch (error) {
        assertEquals((error as StoreError).trouble, "full");
        return count;
      }
    }
  };
  const first = await commits();
  assert(first > 400, `${first} commits`);
  rmSync(filler);
  const second = await commits();
  assert(second > 80, `${second} commits of 20 KB in 4 MB`);
  await store.close().catch(() => {});
  rmSync(filler, { force: true });
  const next = openStore(join(directory, "data"), options);
  const [found] = [...next.sessions()];
  assert(found!.waiting.count >= 4 * (first + second));
  await next.close().catch(() => {});
}

/** Why no small file system can be had here, or false. */
function mountsMayBe(): string | false {
  if (!existsSync("/proc/mounts")) return "mount is not the same everywhere";
  const { status } = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]);
  return status === 0 ? false : "this user may not mount a small file system";
}

function mount(directory: string, size = "4m"): void {
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", directory]);
  assertEquals(status, 0, String(stderr));
}

/** A broker with a thread on a real socket, and what it told. */
async function onServer(
  directory: string,
  options: OpenStoreOptions,
  body: (server: Server, troubles: string[], events: StoreEvent[]) => Promise<void>,
): Promise<StoreError | undefined> {
  const troubles: string[] = [];
  const events: StoreEvent[] = [];
  const store = openStore(directory, { onEvent: (event) => events.push(event), ...options });
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    store,
    hooks: {
      storeFailed: (error) => troubles.push((error as StoreError).message),
      storeRecovered: () => troubles.push("recovered"),
      failed: (error) => troubles.push(`failed: ${error}`),
    },
  });
  try {
    await body(server, troubles, events);
  } finally {
    await server.close();
  }
  return await store.close().then(() => undefined, (error: StoreError) => error);
}

function client(server: Server, clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
  // Without `false` a connection that ends before CONNACK would be waited for for ever.
  return connectAsync(server.addresses[0]!, { ...OPTIONS, clientId, ...options }, false);
}

const OPTIONS: IClientOptions = { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: WAIT_MS };

const STAYING: IClientOptions = { clean: false, properties: { sessionExpiryInterval: 600 } };

/** The Reason Code that answers a QoS 1 message, or how the connection ended instead. */
function answer(publisher: MqttClient, topic: string, payload = LARGE): Promise<number | string> {
  let why = "";
  publisher.once(
    "disconnect",
    ({ reasonCode, properties }) => why += ` ${reasonCode} ${properties?.reasonString}`,
  );
  publisher.once("error", (error) => why += ` ${error}`);
  return new Promise((resolve) => {
    publisher.once("close", () => resolve(`closed${why}`));
    publisher.on("error", () => {});
    publisher.publish(topic, payload, { qos: 1 }, (error, packet) => {
      const code = (packet as { reasonCode?: number } | undefined)?.reasonCode ??
        (error as { code?: number } | null)?.code;
      if (typeof code === "number") resolve(code);
      else if (!error) resolve(0);
    });
  });
}

async function onFullDisk(directory: string): Promise<void> {
  const acknowledged: string[] = [];
  const filler = join(directory, "filler");
  await onServer(directory, {}, async (server, troubles) => {
    const keeper = await client(server, "keeper", STAYING);
    await keeper.subscribeAsync("kept/#", { qos: 1 });
    await keeper.endAsync();
    const publisher = await client(server, "publisher");
    const passing = await client(server, "passing");
    await passing.subscribeAsync("passing", { qos: 1 });
    let passed = 0;
    passing.on("message", () => passed++);
    assertEquals(await answer(publisher, "kept/before"), 0);
    acknowledged.push("kept/before");

    const { bavail, bsize } = statfsSync(directory);
    writeFileSync(filler, new Uint8Array(Number(bavail) * Number(bsize)));
    for (let i = 0; troubles.length === 0; i++) {
      assert(i < 1_000, "the disk is never full");
      const one = await client(server, `one-${i}`);
      const code = await answer(one, `kept/filling-${i}`);
      if (code === 0) acknowledged.push(`kept/filling-${i}`);
      await one.endAsync(true);
    }
    assertEquals(troubles, [`${join(directory, "plumb.sqlite")}: database or disk is full`]);
    assertEquals(await answer(publisher, "kept/refused"), 0x97);
    const old = await client(server, "old", { protocolVersion: 4 });
    assertEquals(await answer(old, "kept/refused"), "closed");
    assertEquals(await answer(publisher, "passing", "QoS 1"), 0);
    await publisher.publishAsync("passing", "QoS 0");
    await until(() => passed === 2, "what needs no store arrives");

    rmSync(filler);
    await until(() => troubles.at(-1) === "recovered", "the store recovers");
    assertEquals(await answer(publisher, "kept/after"), 0);
    acknowledged.push("kept/after");
    for (const one of [publisher, passing]) await one.endAsync();
  });
  await onServer(directory, {}, async (server) => {
    const found = new Set<string>();
    const keeper = connect(server.addresses[0]!, { ...OPTIONS, ...STAYING, clientId: "keeper" });
    keeper.on("message", (topic) => found.add(topic));
    await until(() => acknowledged.every((topic) => found.has(topic)), "everything acknowledged is there");
    await keeper.endAsync();
  });
}

describe("a thread of the store", () => {
  const ends: Readonly<Record<string, readonly [how: string, says: RegExp]>> = {
    "that throws": [
      `throw new Error("out of luck")`,
      /the thread of the store has ended, start anew: .*out of luck/,
    ],
    "that ends": ["process.exit(7)", /the thread of the store has ended, start anew: without a word/],
  };
  for (const [what, [how, says]] of Object.entries(ends)) {
    test(
      `${what} is told and refuses what needs it; the broker goes on, ends, and starts anew`,
      patient,
      () =>
        inDirectory(async (parent) => {
          const directory = join(parent, "data");
          const script = join(parent, "worker.ts");
          const signal = join(parent, "die");
          writeFileSync(
            script,
            `import { existsSync } from "node:fs";
           import process from "node:process";
           await import(${JSON.stringify(new URL("./worker.ts", import.meta.url).href)});
           setInterval(() => { if (existsSync(${JSON.stringify(signal)})) ${how}; }, 5);`,
          );
          const worker = new URL(`file://${script}`);
          const error = await onServer(directory, { worker }, async (server, troubles) => {
            const keeper = await client(server, "keeper", STAYING);
            await keeper.subscribeAsync("kept/#", { qos: 1 });
            await keeper.endAsync();
            const publisher = await client(server, "publisher");
            assertEquals(await answer(publisher, "kept/before"), 0);
            writeFileSync(signal, "");
            let code: number | string = 0;
            for (let i = 0; code === 0; i++) {
              assert(i < 2_000, "it is never noticed");
              const one = await client(server, `one-${i}`);
              code = await answer(one, "kept/during", "small");
              await one.endAsync(true);
            }
            await until(() => troubles.length > 0, "it is told");
            assertMatch(troubles[0]!, says);
            assertEquals(await answer(publisher, "kept/refused"), 0x97);
            assertEquals(await answer(publisher, "nobody", "QoS 1"), 0);
            await new Promise((resolve) => setTimeout(resolve, 1_200)); // a try later: with none by then the rest shows less, and fails no more
            assertEquals(await answer(publisher, "kept/refused"), 0x97);
            assertEquals(troubles.length, 1);
            await publisher.endAsync();
          });
          assertEquals(error?.trouble, "io");
          const store = openStore(directory, { worker: false });
          assertEquals([...store.sessions()].map(({ session }) => session.clientId), ["keeper"]);
          await store.close();
        }),
    );
  }
});
