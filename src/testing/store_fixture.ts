/**
 * Writes a small store of the present version, compressed, for tests that a later version reads it:
 * `deno run -A src/testing/store_fixture.ts src/testing/files/store_version_N.sqlite.gz`
 * Knows one content; refuses to know versions.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { backUp } from "../store/backup.ts";
import { openStore } from "../store/mod.ts";
import { fill, inDirectory } from "./store_files.ts";
import { keyOf, message, record, waiting } from "./store_scene.ts";

/** When the messages of `expiring` expire: far from now, so that the file stays as good as new. */
const EXPIRES_AT = 4_000_000_000_000;

await inDirectory(async (directory) => {
  const path = await fill(directory, { sessions: 2, waiting: 3, retained: 3, bytes: 40 });
  const store = openStore(directory, { worker: false });
  [...store.sessions(), ...store.retainedMessages()];
  let order = store.lastOrder();
  const expiring = message("expiring", { expiresAt: EXPIRES_AT });
  for (const clientId of ["expiring-a", "expiring-b"]) {
    const key = keyOf(clientId);
    store.saved(key, record(clientId, { expirySeconds: 0xffff_ffff, expiresAt: Infinity }));
    const own = message(`own/${clientId}`, { expiresAt: EXPIRES_AT + 1 });
    store.queued(key, waiting(++order, { message: own }));
  }
  const keys = ["expiring-c", "expiring-d"].map((clientId) => keyOf(clientId));
  for (const key of keys) store.saved(key, record(key.clientId, { expiresAt: EXPIRES_AT }));
  for (const key of keys) store.queued(key, waiting(++order, { message: expiring }));
  store.retained("expiring", message("expiring", { retain: true, expiresAt: EXPIRES_AT }));
  await store.commit();
  await store.close();
  const copy = join(directory, "copy");
  backUp(path, copy);
  writeFileSync(process.argv[2]!, gzipSync(readFileSync(copy), { level: 9 }));
});
