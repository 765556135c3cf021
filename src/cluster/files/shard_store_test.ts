/** §4.1 A shard's store: what every store brings back, by file and by log, and who may write. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { FactStore } from "../../store/fact_store.ts";
import { InstantLog } from "../../testing/instant_log.ts";
import { until } from "../../testing/patience.ts";
import { storeContract } from "../../testing/store_contract.ts";
import { keyOf, message, record, waiting } from "../../testing/store_scene.ts";
import { readEntry } from "../shard_entry.ts";
import {
  localFile,
  openShardStore,
  type OpenShardStoreOptions,
  type ShardStore,
  ShardStoreError,
} from "./open.ts";

/** Two logs, and a directory for each machine that may own the shard. */
class World {
  readonly log = new InstantLog();
  readonly checkpoints = new InstantLog();
  readonly directory: string = mkdtempSync(join(tmpdir(), "plumb-shard-"));
  /** Owners that were told that somebody else owns it. */
  readonly fenced: string[] = [];
  #lives = 0;

  open(machine: string, more: Partial<OpenShardStoreOptions> = {}): Promise<ShardStore> {
    return openShardStore({
      log: this.log,
      checkpoints: this.checkpoints,
      directory: join(this.directory, machine),
      durability: "log",
      member: machine,
      incarnation: `${machine}-${++this.#lives}`,
      worker: false,
      fenced: () => this.fenced.push(machine),
      ...more,
    });
  }

  /** The machine loses its file. */
  forget(machine: string): void {
    rmSync(join(this.directory, machine), { recursive: true, force: true });
  }

  end(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function subject(
  elsewhere: boolean,
  worker?: false,
  withCheckpoint = false,
): Parameters<typeof storeContract>[1] {
  return async () => {
    const world = new World();
    const more = worker === false
      ? { worker }
      : { worker: new URL("../../store/worker.ts", import.meta.url) };
    let open = await world.open("a", more);
    let opens = 0;
    return {
      store: open.store,
      reopen: async () => {
        if (withCheckpoint) {
          await open.store.commit();
          await open.checkpoint();
        }
        await open.store.close();
        open = await world.open(elsewhere ? `other-${++opens}` : "a", more);
        return open.store;
      },
      close: async () => {
        await open.store.close();
        world.end();
      },
    };
  };
}

storeContract("a shard, where its file is", subject(false, false), "fewChoices");
storeContract("a shard, on another machine by its log", subject(true, false), "fewChoices");
storeContract("a shard, with a thread, on another machine", subject(true), "fewChoices");
storeContract("a shard, by a checkpoint", subject(true, false, true), "fewChoices");

/** Writes one waiting message. */
function write(store: FactStore, clientId: string, order: number): void {
  const key = keyOf(clientId);
  store.saved(key, record(clientId, { expirySeconds: 0xffff_ffff, expiresAt: Infinity }));
  store.queued(key, waiting(order, { message: message(`t/${order}`) }));
}

/** The Clients whose sessions come back. */
function clients({ store }: ShardStore): string[] {
  return [...store.sessions()].map(({ session: { clientId } }) => clientId).sort();
}

async function worlds(body: (world: World) => Promise<void>): Promise<void> {
  const world = new World();
  try {
    await body(world);
  } finally {
    world.end();
  }
}

describe("a shard", () => {
  test("is owned in ever higher epochs, and its log says by whom", () =>
    worlds(async (world) => {
      const first = await world.open("a");
      await first.store.close();
      const second = await world.open("b");
      assertEquals([first.epoch, second.epoch], [1, 2]);
      await second.store.close();
      const claims = world.log.entries.map(({ batch }) => readEntry(batch));
      assertEquals(claims.map((one) => one?.kind === "claim" && one.member), ["a", "b"]);
    }));

  test("that somebody else claims has nothing of its former owner any more, and acknowledges nothing there", () =>
    worlds(async (world) => {
      const first = await world.open("a");
      clients(first);
      write(first.store, "before", 1);
      await first.store.commit();
      const second = await world.open("b");
      assertEquals(clients(second), ["before"]);
      write(first.store, "late", 2);
      let isSafe = false;
      void Promise.resolve(first.store.commit()).then(() => isSafe = true, () => {});
      await until(() => world.fenced.length > 0, "the fence");
      write(second.store, "after", 2);
      await second.store.commit();
      assertEquals([isSafe, world.fenced], [false, ["a"]]);
      await assertRejects(async () => await first.store.commit(), Error, "the shard has another owner");
      await assertRejects(() => first.store.close());
      await second.store.close();
      const third = await world.open("a"); // its file has what was never acknowledged
      assertEquals(clients(third), ["after", "before"]);
      await third.store.close();
    }));

  test("goes on with its file where that is one that the log has been at, and reads the rest", () =>
    worlds(async (world) => {
      const first = await world.open("a");
      clients(first);
      write(first.store, "one", 1);
      await first.store.close();
      const second = await world.open("b");
      clients(second);
      write(second.store, "two", 2);
      await second.store.close();
      const third = await world.open("a");
      assertEquals(clients(third), ["one", "two"]);
      await third.store.close();
      assertEquals(localFile(join(world.directory, "a"), 7), { shard: 7, epoch: 3, number: 0 });
    }));

  test("whose log has lost its end is as its file says, and a checkpoint of that is whole before it is used", () =>
    worlds(async (world) => {
      const first = await world.open("a", { durability: "replicated" });
      clients(first);
      write(first.store, "one", 1);
      await first.store.commit();
      write(first.store, "two", 2);
      await first.store.commit();
      await first.store.close();
      world.log.lose(1);
      const second = await world.open("a", { durability: "replicated" });
      assertEquals(clients(second), ["one", "two"]);
      assertEquals(second.figures().checkpoints, 1);
      await second.store.close();
      const third = await world.open("b");
      assertEquals(clients(third), ["one", "two"]);
      await third.store.close();
    }));

  test("has a checkpoint that begins its log anew, and that a former owner cannot damage", () =>
    worlds(async (world) => {
      const first = await world.open("a");
      clients(first);
      for (let order = 1; order <= 200; order++) {
        write(first.store, `client-${order}`, order);
        await first.store.commit();
      }
      assertEquals(world.log.entries.length, 201);
      await first.checkpoint();
      assert(world.log.entries.length < 100, `${world.log.entries.length} entries`);
      write(first.store, "last", 201);
      await first.store.commit();
      const second = await world.open("b");
      assertEquals(clients(second).length, 201);
      write(first.store, "late", 202);
      void Promise.resolve(first.store.commit()).catch(() => {});
      await until(() => world.fenced.length > 0, "the fence");
      await Promise.race([first.checkpoint().catch(() => {}), Promise.resolve()]);
      await second.store.close();
      const third = await world.open("c");
      assertEquals(clients(third).length, 201);
      await third.store.close();
    }));

  test("whose checkpoint was not whole when its owner ended is as the log says", () =>
    worlds(async (world) => {
      const first = await world.open("a");
      clients(first);
      write(first.store, "one", 1);
      await first.store.commit();
      world.log.onAppend = (batch) => world.log.isAway = readEntry(batch)?.kind === "checkpoint";
      void first.checkpoint().catch(() => {});
      await until(() => world.log.isAway, "the last step");
      assert(world.checkpoints.entries.length > 0);
      world.log.onAppend = () => {};
      world.log.isAway = false;
      const second = await world.open("b");
      assertEquals(clients(second), ["one"]);
      await second.store.close();
    }));

  test("that two claim at once is one's, and the other is told", () =>
    worlds(async (world) => {
      const all = await Promise.allSettled([world.open("a"), world.open("b"), world.open("c")]);
      const owners = all.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
      const reasons = all.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
      assertEquals(owners.length, 1);
      assert(
        reasons.every((reason) => reason instanceof ShardStoreError && reason.trouble === "taken"),
        String(reasons),
      );
      await owners[0]!.store.close();
    }));

  test("whose log does not answer is not owned, and says so; one that fails later goes on when it answers", () =>
    worlds(async (world) => {
      world.log.isAway = true;
      const error = await assertRejects(() => world.open("a"), ShardStoreError);
      assertEquals([error.trouble, error.message], ["failed", "the log of the shard: nobody answers"]);
      world.log.isAway = false;
      const first = await world.open("a");
      clients(first);
      world.log.isAway = true;
      write(first.store, "one", 1);
      await assertRejects(async () => await first.store.commit());
      assertEquals(first.figures().isFailing, true);
      world.log.isAway = false;
      await first.store.commit();
      await first.store.close();
      const second = await world.open("b");
      assertEquals(clients(second), ["one"]);
      await second.store.close();
    }));
});
