/**
 * Listeners for WebSocket and on Unix sockets, as the command opens them; on Deno with no more permissions than docs/run.md names.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { encodePacket, PacketType } from "../codec/mod.ts";
import { dial } from "../runtime/dial.ts";
import { startPlumb } from "../testing/plumb_process.ts";
import { patient, until } from "../testing/patience.ts";
import { Recorder } from "../testing/transport_contract.ts";
import type { Transport } from "../transport/mod.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-listen-"));
after(() => rmSync(folder, { recursive: true }));

/** Waits for its listeners, and gives its log so far. */
async function started(child: ChildProcess, listeners: number): Promise<() => string> {
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
  const isDone = () => said.split("msg=listening").length > listeners || child.exitCode !== null;
  await until(isDone, () => `it listens; ${said}`);
  return () => said;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const over = new Promise((resolve) => child.on("close", resolve));
  child.kill("SIGTERM");
  await over;
}

/** Connects as this Client, until CONNACK. */
async function enters(transport: Transport, clientId: string): Promise<void> {
  const client = new Recorder(transport);
  const connect = { type: PacketType.CONNECT, level: 4, cleanStart: true, keepAlive: 0, clientId } as const;
  client.transport.write(encodePacket(connect, 4));
  await until(() => client.length >= 4, "CONNACK");
  assertEquals([...client.bytes], [0x20, 2, 0, 0]);
  client.transport.abort();
}

function portOf(said: string): number {
  return Number(/url="?ws:\/\/127\.0\.0\.1:(\d+)\/mqtt/.exec(said)?.[1]);
}

const host = "127.0.0.1";

describe("--listen", () => {
  test("takes Clients by ws:// and unix:, and the log says whence they come", patient, async () => {
    const path = join(folder, "both.sock");
    const child = startPlumb(["--memory", "--listen", "ws://127.0.0.1:0/mqtt", "--listen", `unix:${path}`]);
    const said = await started(child, 2);
    try {
      await enters(await dial({ host, port: portOf(said()) }, undefined, {}), "web");
      await enters(await dial({ host: path, port: 0 }), "file");
      await until(() => /client=web .*peer=ws:127\.0\.0\.1:\d+/.test(said()), said);
      await until(() => said().includes(`peer=unix:${path} `), said);
    } finally {
      await ended(child);
    }
  });

  const onDeno = { ...patient, skip: !("Deno" in globalThis) && "only Deno has permissions" };
  const main = fileURLToPath(new URL("main.ts", import.meta.url));

  /** Starts it on Deno with these permissions. */
  function permitted(may: readonly string[], url: string): ChildProcess {
    const args = ["run", "--no-prompt", "--no-check", ...may, main, "--memory", "--listen", url];
    return spawn(process.execPath, args, { stdio: "pipe" });
  }

  test("on Deno --allow-net is enough for ws://", onDeno, async () => {
    const child = permitted(["--allow-net=127.0.0.1:0"], "ws://127.0.0.1:0/mqtt");
    const said = await started(child, 1);
    try {
      await enters(await dial({ host, port: portOf(said()) }, undefined, {}), "web");
    } finally {
      await ended(child);
    }
  });

  test(
    "on Deno unix: needs the file, to be read, written and listened on, and nothing else",
    onDeno,
    async () => {
      const path = join(folder, "alone.sock");
      const [read, write] = [`--allow-read=${path}`, `--allow-write=${path}`];
      const net = `--allow-net=unix:${path}`;
      const child = permitted([net, read!, write!], `unix:${path}`);
      const log = await started(child, 1);
      try {
        assertEquals(child.exitCode, null, log());
        await enters(await dial({ host: path, port: 0 }), "file");
      } finally {
        await ended(child);
      }
      const refused = permitted([net, read!], `unix:${path}`);
      const said = await started(refused, 1);
      await until(() => refused.exitCode !== null, said);
      assert(said().includes("no permission for this file"), said());
    },
  );
});
