/** Which URLs are dialled, and how: the Unix socket. TCP, TLS and WebSocket: client_test.ts and web_socket_test.ts. @module */
import { assertEquals, assertRejects } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { serve } from "../server/serve.ts";
import { patient } from "../testing/patience.ts";
import { connect } from "./mod.ts";

describe("A Unix socket", () => {
  for (const before of ["unix:", "unix://", "mqtt+unix:", "mqtt+unix://"]) {
    test(`is dialled by ${before}/PATH`, patient, async () => {
      const folder = mkdtempSync(join(tmpdir(), "plumb dial "));
      const path = join(folder, "broker.sock");
      const server = await serve({ listen: [`unix:${path}`] });
      try {
        const client = await connect(`${before}${path}`);
        const messages = await client.subscribe("a", { qos: 1 });
        await client.publish("a", "b", { qos: 1 });
        for await (const { topic } of messages) {
          assertEquals(topic, "a");
          break;
        }
        await client.close();
      } finally {
        await server.close();
        rmSync(folder, { recursive: true });
      }
    });
  }

  test("whose Server names another one is left for TCP", patient, async () => {
    const folder = mkdtempSync(join(tmpdir(), "plumb-dial-"));
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const reference = new URL(server.addresses[0]!).host;
    const before = await serve({
      listen: [`unix:${join(folder, "broker.sock")}`],
      authenticate: () => ({ code: 0x9c, serverReference: reference }),
    });
    try {
      const client = await connect(before.addresses[0]!);
      assertEquals(server.broker.stats.connections, 1);
      await client.close();
    } finally {
      await before.close();
      await server.close();
      rmSync(folder, { recursive: true });
    }
  });

  test("that is not there, or is no path, is told in words", patient, async () => {
    await assertRejects(
      () => connect("unix:/nowhere/broker.sock"),
      Error,
      "/nowhere/broker.sock: there is no such socket",
    );
    for (const url of ["unix://host/path", "unix:", "unix:/", "unix:path"]) {
      await assertRejects(() => connect(url), Error, "is no socket: write unix:/PATH");
    }
  });
});
