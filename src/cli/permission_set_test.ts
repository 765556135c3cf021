/** Permissions of listeners through changes of settings and files. @module */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parseConfig } from "../config/file.ts";
import { Pair } from "../testing/pair.ts";
import { patient, until } from "../testing/patience.ts";
import { Log } from "./log.ts";
import { type Settings, settingsOf } from "./options.ts";
import { permissionFiles, PermissionSet } from "./permission_set.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-permission-set-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, publish: string): string {
  const path = join(folder, name);
  writeFileSync(path, `[everyone]\nallow = [{ publish = "${publish}", subscribe = "#" }]\n`);
  return path;
}

const [A, B, C] = [file("a.toml", "a"), file("b.toml", "b"), file("c.toml", "c")];
const stream = { colours: false, write: (_: string, done: () => void) => done() };
const log = new Log({ level: "error", format: "logfmt", stream, clock: () => 0 });

async function settings(text: string): Promise<Settings> {
  return settingsOf([], () => undefined, await parseConfig(text, join(folder, "plumb.toml")));
}

/** Two listeners, the second one with a file of its own. */
const both = (of: string, own: string) =>
  settings(
    `permissions = "${of}"\n[[listener]]\nurl = "mqtt://h:1"\n[[listener]]\nurl = "mqtt://h:2"\npermissions = "${own}"`,
  );

function permissionsOf(set: PermissionSet, { permissions, mosquittoAcl, listen }: Settings) {
  const files = listen.map(({ own }) => permissionFiles({ permissions, mosquittoAcl }, own));
  return files.map((each) => set.of(each).permissions!);
}

/** What each of the listeners lets a Client publish to. */
function topics(set: PermissionSet, settings: Settings): string[] {
  const client = { clientId: "client", username: undefined };
  return permissionsOf(set, settings).map((each) =>
    ["a", "b", "c"].filter((topic) => each.explain(client, "publish", topic).isAllowed).join()
  );
}

describe("permissions whose file is another one now", () => {
  for (
    const [of, own, now] of [[C, B, "c,b"], [A, C, "a,c"], [C, C, "c,c"], [B, A, "b,a"], [
      B,
      C,
      "b,c",
    ]] as const
  ) {
    test(`are those that were applied, for each listener: ${now}`, async () => {
      const first = await both(A, B);
      const before = await PermissionSet.open(first, log);
      assertEquals(topics(before, first), ["a", "b"]);
      const second = await both(of, own);
      const next = await PermissionSet.open(second, log, before);
      assertEquals(topics(before, first), ["a", "b"], "until they are applied");
      next.apply();
      assertEquals(topics(next, second).join(), now);
    });
  }

  test("[MQTT-3.1.3-9] hold for the Will of a session that is away", async () => {
    const [first, second] = [await both(A, A), await both(C, C)];
    const before = await PermissionSet.open(first, log);
    const [permissions] = permissionsOf(before, first);
    const pair = new Pair({ permissions: permissions! });
    const watcher = pair.connect({ clientId: "watcher" });
    watcher.subscribe("#");
    const payload = new Uint8Array(1);
    for (const clientId of ["1", "2"]) {
      const will = {
        topic: "a",
        qos: 0,
        retain: false,
        payload,
        properties: { willDelayInterval: 5 },
      } as const;
      pair.connect({ clientId, will, properties: { sessionExpiryInterval: 100 } }).lose();
      if (clientId === "2") (await PermissionSet.open(second, log, before)).apply();
      pair.broker.permissionsChanged(pair.now);
      pair.advance(6_000);
      assertEquals(watcher.takePublishes().length, clientId === "1" ? 1 : 0);
    }
  });
});

describe("a set of permissions", () => {
  test("that is watched has what its files say now, though they changed before", patient, async () => {
    const path = file("watched.toml", "a");
    const one = await settings(`permissions = "${path}"\n[[listener]]\nurl = "mqtt://h:1"`);
    const set = await PermissionSet.open(one, log);
    file("watched.toml", "b");
    set.watch();
    await until(() => topics(set, one)[0] === "b", "the file is read again");
    set.close();
  });

  test("that is closed while it reads its files takes nothing of them", async () => {
    const path = file("read.toml", "a");
    const one = await settings(`permissions = "${path}"\n[[listener]]\nurl = "mqtt://h:1"`);
    const set = await PermissionSet.open(one, log);
    file("read.toml", "b");
    const reading = set.reload();
    set.close();
    await reading;
    assertEquals(topics(set, one), ["a"]);
    const next = await PermissionSet.open(one, log, set);
    file("read.toml", "c");
    await Promise.all([next.reload(), next.reload()]);
    assertEquals(topics(next, one), ["c"]);
    assert(!next.isEmpty);
  });
});
