/** `plumb serve` with hooks in a file and a webhook: settings, reload, and a broker that goes on while hooks stall. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { after, describe, test } from "node:test";
import { type Client, connect } from "../client_api/mod.ts";
import { patient, until } from "../testing/patience.ts";
import { plumb, startPlumb } from "../testing/plumb_process.ts";
import { HookFolder } from "../testing/rule_world.ts";

const folder = new HookFolder();
after(() => folder.remove());

/** A broker as a process, with what it says. */
class Process implements AsyncDisposable {
  readonly #child: ChildProcess;
  said = "";

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = startPlumb(["--memory", ...args], env, folder.path);
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.said += text);
  }

  /** Waits until it has said this. */
  async says(text: string | RegExp, times = 1): Promise<void> {
    const count = () => this.said.split(text).length - 1;
    await until(() => count() >= times || this.#child.exitCode !== null, () => `${text}: ${this.said}`);
    assert(count() >= times, `${text}: ${this.said}`);
  }

  /** The URL of its first listener. */
  async url(): Promise<string> {
    await this.says(/listening" ?|msg=listening url=\S+/);
    return /msg=listening url=(\S+)/.exec(this.said)![1]!;
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.#child.pid!, name); // kill() of a child does so once on Deno
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode === null) this.#child.kill("SIGTERM");
    await gone;
  }
}

/** What a service was sent. */
interface SentEvent {
  readonly kind: string;
  readonly clientId?: string;
  readonly topic?: string;
}

/** A service that takes all events. */
async function service() {
  const events: SentEvent[] = [];
  const signed: boolean[] = [];
  const http = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text) => body += text).on("end", () => {
      events.push(...JSON.parse(body).events);
      const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signature } = request.headers;
      const hmac = createHmac("sha256", "hush").update(`${id}.${time}.${body}`).digest("base64");
      signed.push(signature === `v1,${hmac}`);
      response.end();
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    events,
    signed,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** Payloads of what comes for a filter, as text. */
async function listen(client: Client, filter: string): Promise<string[]> {
  const got: string[] = [];
  const messages = await client.subscribe(filter);
  void (async () => {
    for await (const { bytes } of messages) got.push(new TextDecoder().decode(bytes));
  })();
  return got;
}

const HOOKS = `
import type { Hooks } from "@plumb/mqtt/hooks";
export default {
  connect: ({ client }, broker) => broker.publish({ topic: "came/" + client.clientId, payload: "here", retain: true }),
  subscribe: ({ client, filter }, broker) => {
    if (filter === "forbidden") broker.disconnect(client.clientId);
  },
  publish: { "ask/#": (m, broker) => {
    if (m.text() === "stall") for (;;);
    broker.publish({ topic: "answer", payload: "old " + m.text() });
  } },
} satisfies Hooks;
`;

describe("plumb --hooks", () => {
  test(
    "calls the hooks of a file, which may publish and end connections; SIGHUP reads them again",
    patient,
    async () => {
      const file = folder.file(HOOKS);
      await using broker = new Process(["-l", "127.0.0.1", "-p", "0", "--hooks", file]);
      const url = await broker.url();
      await using client = await connect(url, { clientId: "asks" });
      const answers = await listen(client, "answer");
      const came = await listen(client, "came/asks");
      await until(() => came.length === 1, () => broker.said);
      await client.publish("ask/1", "a");
      await until(() => answers.length === 1, () => broker.said);
      if (process.platform !== "win32") {
        folder.file(HOOKS.replace("old ", "new "), file.slice(folder.path.length + 1));
        broker.signal("SIGHUP");
        await broker.says("hooks read again");
      }
      await client.publish("ask/1", "b");
      await until(() => answers.length === 2, () => broker.said);
      assertEquals(answers, ["old a", "new b"]);
      const ended = await connect(url, { clientId: "other", reconnect: false });
      await ended.subscribe("forbidden").catch(() => {}); // its SUBACK may be the last that comes
      await broker.says('msg=disconnected client=other how="ended by the Server" code=0x98');
      await ended.close({ timeoutMs: 0 });
    },
  );

  test("answers other Clients at once while a hook stalls", patient, async () => {
    const file = folder.file(HOOKS);
    await using broker = new Process([
      "-l",
      "127.0.0.1",
      "-p",
      "0",
      "--hooks",
      file,
      "--hook-stall-ms",
      "3600000",
    ]);
    await using client = await connect(await broker.url(), { clientId: "clean" });
    const got = await listen(client, "t");
    await client.publish("ask/1", "stall");
    for (let i = 0; i < 200; i++) await client.publish("t", `${i}`, { qos: 1 });
    await until(() => got.length === 200, () => `${got.length}`);
    assertEquals(broker.said.includes("level=error"), false, broker.said);
  });

  const WRONG: readonly (readonly [what: string, args: readonly string[], says: string])[] = [
    ["is not there", ["--hooks", "nowhere.ts"], "plumb: --hooks nowhere.ts: there is no such file\n"],
    [
      "has unknown hooks",
      ["--hooks", folder.file("export default { conect() {} };", "unknown.ts")],
      "there is no hook",
    ],
    ["has no URL", ["--webhook-payload", "base64"], "plumb: webhook.payload is set, and webhook.url is not"],
    [
      "has a wrong filter",
      ["--webhook-url", "http://localhost/", "--webhook-topics", "a/#/b"],
      "not a Topic Filter",
    ],
    [
      "has no secret",
      ["--webhook-url", "http://localhost/", "--webhook-secret-file", "no"],
      "there is no such file",
    ],
    ["has a password", ["--webhook-url", "http://u:p@localhost/"], "it has a password in it"],
  ];
  for (const [what, args, says] of WRONG) {
    test(
      `a file or a webhook that ${what} ends the program in one line, checked or not`,
      patient,
      async () => {
        for (const more of [[], ["--check-config"]]) {
          const { status, err } = await plumb([...args, "--memory", "-p", "0", ...more], {}, folder.path);
          assertStringIncludes(err, says);
          assertEquals([status, err.trimEnd().split("\n").length], [2, 1], err);
        }
      },
    );
  }
});

test("plumb.toml may name another file of hooks; one that is wrong changes nothing", patient, async () => {
  const text = (file: string) => `listen = "mqtt://127.0.0.1:0"\nhooks = "${file}"\n`;
  folder.file(HOOKS, "one.ts");
  folder.file(HOOKS.replace("old ", "two "), "two.ts");
  folder.file("export default { publsh: {} };", "wrong.ts");
  const path = folder.file(text("one.ts"), "hooks.toml");
  await using broker = new Process(["--config", path]);
  await using client = await connect(await broker.url(), { clientId: "asks" });
  const answers = await listen(client, "answer");
  const ask = async (said: string) => {
    const count = answers.length;
    await client.publish("ask/1", said);
    await until(() => answers.length > count, () => broker.said);
    return answers.at(-1);
  };
  assertEquals(await ask("a"), "old a");
  folder.file(text("wrong.ts"), "hooks.toml");
  await broker.says("configuration not read again");
  await broker.says('there is no hook \\"publsh\\"');
  assertEquals(await ask("b"), "old b");
  folder.file(text("two.ts"), "hooks.toml");
  await broker.says("configuration read again");
  assertEquals(await ask("c"), "two c");
});

describe("plumb --webhook-url", () => {
  test("tells a service who comes and goes, with a signature, by flags and a variable", patient, async () => {
    await using told = await service();
    await using broker = new Process(
      ["-l", "127.0.0.1", "-p", "0", "--webhook-url", told.url],
      { PLUMB_WEBHOOK_SECRET: "hush" },
    );
    const client = await connect(await broker.url(), { clientId: "c" });
    await client.publish("t", "x");
    await client.close();
    await until(() => told.events.length === 2, () => broker.said);
    assertEquals(told.events.map(({ kind, clientId }) => `${kind} ${clientId}`), [
      "connect c",
      "disconnect c",
    ]);
    assertEquals(new Set(told.signed), new Set([true]));
    assertEquals(broker.said.includes("hush"), false);
  });

  test("goes elsewhere when plumb.toml says so, and figures show it", patient, async () => {
    await using first = await service();
    await using second = await service();
    const text = (url: string) => `
      [[listener]]
      url = "mqtt://127.0.0.1:0"
      [[listener]]
      url = "ws://127.0.0.1:0"
      websocket.metrics = true
      [webhook]
      url = "${url}"
      topics = ["a/#"]
      secret-file = "secret"
    `;
    folder.file("hush\n", "secret");
    const path = folder.file(text(first.url), "plumb.toml");
    await using broker = new Process(["--config", path]);
    await using client = await connect(await broker.url(), { clientId: "c" });
    await client.publish("a/1", "x");
    await client.publish("b", "x");
    await until(() => first.events.length === 2, () => broker.said);
    assertEquals(first.events.map(({ kind, topic }) => `${kind} ${topic}`), [
      "connect undefined",
      "publish a/1",
    ]);
    folder.file(text(second.url), "plumb.toml");
    await broker.says("configuration read again");
    await client.publish("a/2", "x");
    await until(() => second.events.length === 1, () => broker.said);
    assertEquals(second.events[0]!.topic, "a/2");
    assertEquals([...first.signed, ...second.signed].every(Boolean), true);
    const metrics = /msg=listening url=(ws:\S+)/.exec(broker.said)![1]!.replace("ws:", "http:");
    await until(() => second.signed.length === 1, "an answer");
    const headers = { accept: "application/openmetrics-text" };
    const answer = await (await fetch(new URL("/metrics", metrics), { headers })).text();
    assertStringIncludes(answer, "# TYPE plumb_webhook_requests counter");
    assertStringIncludes(answer, "plumb_webhook_requests_total 1\n");
    assert(answer.endsWith("# EOF\n"));
  });
});
