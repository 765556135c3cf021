/** A broker of several processes is one for who asks it by HTTP, and stays that when one of them ends. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { connect } from "../../client_api/mod.ts";
import { patient, until } from "../../testing/patience.ts";
import { plumb, startPlumb } from "../../testing/plumb_process.ts";
import { inDirectory } from "../../testing/store_files.ts";

/** Elsewhere the system does not spread connections. */
const HERE = { ...patient, skip: process.platform !== "linux" && "connections are not spread here" };

/** Each question on a connection of its own, which any worker may get. */
async function get(url: string, token = ""): Promise<Response> {
  return await fetch(url, { headers: { authorization: `Bearer ${token}`, connection: "close" } });
}

async function metrics(url: string): Promise<Map<string, number>> {
  const lines = (await (await get(`${url}/metrics`)).text()).split("\n").filter((line) =>
    /^[a-z]/.test(line)
  );
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
}

/** Asks until the answer is as it should be. */
// deno-lint-ignore no-explicit-any
async function untilIs(ask: () => Promise<any>, isSo: (answer: any) => boolean, what: string): Promise<any> {
  let answer = await ask();
  let isAsking = false;
  await until(() => {
    if (isSo(answer)) return true;
    if (!isAsking) {
      isAsking = true;
      void ask().then((next) => answer = next, () => {}).finally(() => isAsking = false);
    }
    return false;
  }, () => `${what}: ${JSON.stringify(answer)}`);
  return answer;
}

describe("plumb serve --workers 2, by HTTP", () => {
  test(
    "shows one broker, also while a worker is started again",
    HERE,
    () =>
      inDirectory(async (directory) => {
        const listen = ["--listen", "mqtt://127.0.0.1:0", "--listen", "ws://127.0.0.1:0"];
        const shown = ["--websocket-page", "--websocket-metrics", "--sys-interval", "1"];
        const child = startPlumb(
          ["serve", "--workers", "2", "--data", directory, ...listen, ...shown],
          { XDG_RUNTIME_DIR: directory },
        );
        let said = "";
        let isOver = false;
        child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
        child.on("close", () => isOver = true);
        try {
          await until(() => said.split("msg=listening").length > 2 || isOver, () => `it listens; ${said}`);
          const url = `http://127.0.0.1:${/ws:\/\/127\.0\.0\.1:(\d+)/.exec(said)![1]}`;
          const mqtt = /mqtt:\/\/127\.0\.0\.1:\d+/.exec(said)![0];
          const token = readFileSync(join(directory, "api-token"), "utf8").trim();
          const api = async (path: string) => await (await get(`${url}/api/v1${path}`, token)).json();
          assertEquals(await (await get(`${url}/readyz`)).text(), "ready\n");

          const ids = Array.from({ length: 6 }, (_, i) => `c${i}`);
          const clients = await Promise.all(
            ids.map((clientId) => connect(mqtt, { clientId, sessionExpiry: 1_000 })),
          );
          for (const one of clients) await one.subscribe("a/#", { qos: 1 });
          const { items, next } = await api("/clients");
          assertEquals(items.map(({ clientId }: { clientId: string }) => clientId).sort(), ids);
          assertEquals(next, null);
          for (const id of ids) assertEquals((await api(`/clients/${id}`)).session.clientId, id);
          const before = await metrics(url);
          assertEquals(before.get("plumb_connected_clients"), 6);
          assertEquals(before.get("plumb_accepted_connects_total"), 6);

          const explained = await plumb(
            ["explain", "--url", url, "--token-file", join(directory, "api-token"), "c1", "a/b"],
          );
          assertEquals([explained.status, explained.err], [0, ""]);

          const snapshot = join(directory, "all.snapshot");
          const exported = await get(`${url}/api/v1/export`, token);
          assertEquals(exported.status, 200);
          writeFileSync(snapshot, new Uint8Array(await exported.arrayBuffer()));
          const imported = await plumb(["import", snapshot, "--data", join(directory, "other")]);
          assertEquals([imported.status, imported.err], [0, ""]);
          assertMatch(imported.out, /6 sessions, 6 subscriptions/);

          const system = await clients[0]!.subscribe("$SYS/broker/clients/connected");
          for await (const { payload } of system) {
            assertEquals(new TextDecoder().decode(payload), "6");
            break;
          }

          const { pid } = child;
          const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(
            Number,
          );
          const two = children.find((one) =>
            readFileSync(`/proc/${one}/environ`, "utf8").includes('PLUMB_WORKER={"number":2')
          )!;
          const settings = { since: (await api("/figures")).process.since };
          process.kill(two, "SIGKILL");
          await until(
            () => said.includes('msg="worker started again"'),
            () => `it is started again; ${said}`,
          );
          await untilIs(
            async () => await (await get(`${url}/readyz`)).text(),
            (text) => text === "ready\n",
            "all are ready",
          );
          const figures = await untilIs(
            () => api("/figures"),
            ({ connected }) => connected === 6,
            "the Clients are back",
          );
          assertEquals(figures.process.since, settings.since);
          assert(figures.traffic.connectsAccepted >= 6);
          const after = await metrics(url);
          for (const [name, value] of before) {
            if (!/_(total|count|bucket)(\{|$)/.test(name) || name.includes("worker=")) continue;
            assert((after.get(name) ?? 0) >= value, `${name} fell from ${value} to ${after.get(name)}`);
          }
          for (const one of clients) await one.close();
        } finally {
          try {
            process.kill(child.pid!, "SIGTERM");
          } catch { // it has ended
          }
          await until(() => isOver, () => `it ends; ${said}`);
        }
      }),
  );
});
