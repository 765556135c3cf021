/**
 * Unix sockets: the contract of all transports, who may connect, and what is there already.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { childArguments, linesOf } from "../testing/network_contract.ts";
import { type Joined, transportContract } from "../testing/transport_contract.ts";
import { patient, until } from "../testing/patience.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { dialTcp } from "./dial.ts";
import { type Listener, ListenError, listenTcp } from "./listen.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-unix-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const fresh = (): string => join(folder, `${count++}.sock`);

function listen(host: string, mode?: number): Promise<Listener> {
  return listenTcp({ host, port: 0, ...mode !== undefined && { mode } }, (transport) => transport.abort());
}

transportContract("Unix socket", async (): Promise<Joined> => {
  const host = fresh();
  let right: Transport | undefined;
  const listener = await listenTcp({ host, port: 0 }, (transport) => right = transport);
  const left = await dialTcp({ host, port: 0 });
  await until(() => right !== undefined, "the connection is accepted");
  return {
    left,
    right: right!,
    until,
    async done(): Promise<void> {
      left.abort();
      right!.abort();
      await listener.close();
    },
  };
});

describe("a listener on a Unix socket", () => {
  test("is for its owner alone unless other permissions are asked for, and its file goes with it", async () => {
    const before = process.umask();
    for (const mode of [undefined, 0o660]) {
      const path = fresh();
      const listener = await listen(path, mode);
      assertEquals([listener.host, listener.port], [path, 0]);
      assertEquals(statSync(path).mode & 0o777, mode ?? 0o600);
      await listener.close();
      assert(!existsSync(path));
    }
    assertEquals(process.umask(), before);
  });

  test("names its path as the peer's address, and in labels", async () => {
    const path = fresh();
    const peers: [PeerInfo, string][] = [];
    const listener = await listenTcp({ host: path, port: 0 }, (transport, peer) => {
      peers.push([peer, transport.label]);
      transport.abort();
    });
    const ours = await dialTcp({ host: path, port: 0 });
    assertEquals(ours.label, `unix ${path}`);
    await until(() => peers.length === 1, "it is accepted");
    assertEquals(peers, [[{ address: path, port: 0, transport: "unix" }, `unix ${path}`]]);
    ours.abort();
    await listener.close();
  });

  test("takes the place of one whose process was killed", patient, async () => {
    const path = fresh();
    const child = spawn(process.execPath, [...childArguments, "listen", path]);
    const lines = linesOf(child);
    await until(() => lines.length > 0, "the child listens");
    const refused = await assertRejects(() => listen(path), ListenError);
    assertEquals(refused.message, `Cannot listen on ${path}: another process listens there`);
    assertEquals(refused.code, "EADDRINUSE");
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    assert(existsSync(path));
    const listener = await listen(path);
    const ours = await dialTcp({ host: path, port: 0 });
    ours.abort();
    await listener.close();
  });

  test("leaves a file alone that is no socket, and says what is wrong with a path", async () => {
    const path = fresh();
    writeFileSync(path, "notes");
    const wrong = async (host: string) => (await assertRejects(() => listen(host), ListenError)).message;
    assertEquals(await wrong(path), `Cannot listen on ${path}: there is a file that is no socket`);
    assertEquals(statSync(path).size, 5);
    const lost = join(folder, "none", "s");
    assertEquals(await wrong(lost), `Cannot listen on ${lost}: there is no such directory`);
    const long = join(folder, "x".repeat(120));
    assertEquals(await wrong(long), `Cannot listen on ${long}: the path is too long`);
  });
});
