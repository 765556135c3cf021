/** Every example runs on the runtime that the test runs on, does what it says, and ends when it is asked to. @module */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { patient, WAIT_MS } from "../src/testing/patience.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-examples-"));
after(() => rmSync(folder, { recursive: true }));
const ANYWHERE = "mqtt://127.0.0.1:0";
/** The files that were run. */
const started = new Set<string>();

/** An example as a process. What hangs is killed. */
class Example {
  readonly #child;
  readonly #ended: Promise<number | string>;
  #said = "";
  #told = () => {};

  constructor(name: string, ...args: readonly string[]) {
    started.add(`${name}.ts`);
    const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
    const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    this.#child = spawn(process.execPath, [...before, file, ...args], {
      stdio: "pipe",
      timeout: WAIT_MS,
      killSignal: "SIGKILL",
    });
    const heard = (text: string) => {
      this.#said += text;
      this.#told();
    };
    this.#child.stdout.setEncoding("utf8").on("data", heard);
    this.#child.stderr.setEncoding("utf8").on("data", heard);
    this.#ended = new Promise((resolve) =>
      this.#child.on("close", (status, signal) => {
        resolve(status ?? signal!);
        this.#told();
      })
    );
  }

  /** Waits until it has said this. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const ended = this.#ended.then(() => true);
    for (;;) {
      const found = pattern.exec(this.#said);
      if (found !== null) return found;
      const told = new Promise<boolean>((resolve) => this.#told = () => resolve(false));
      if (await Promise.race([told, ended])) throw new Error(`${pattern} was not said, but: ${this.#said}`);
    }
  }

  /** Where it listens. */
  async urls(): Promise<string[]> {
    return (await this.says(/^listening on (.*)\n/m))[1]!.split(", ");
  }

  interrupt(): void {
    const { pid, exitCode, signalCode } = this.#child;
    // Not by kill() of the child: behind that Deno reports the signal, however the child ended.
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(pid, "SIGINT");
  }

  /** Its exit status, or the signal that killed it, and all that it said. */
  async end(): Promise<{ status: number | string; said: string }> {
    return { status: await this.#ended, said: this.#said };
  }
}

/** Runs an example while `body` uses it; it must close by itself when it is interrupted. */
async function during(
  example: Example,
  body: (...urls: string[]) => Promise<void>,
): Promise<string> {
  try {
    await body(...await example.urls());
  } finally {
    example.interrupt();
    await example.end();
  }
  const { status, said } = await example.end();
  assertEquals(status, 0, said);
  assertMatch(said, /\nclosed\n$/);
  return said;
}

async function withClient(
  url: string,
  options: IClientOptions,
  body: (client: MqttClient) => Promise<void>,
): Promise<void> {
  const client = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, ...options });
  try {
    await body(client);
  } finally {
    await client.endAsync();
  }
}

/** The next message, as `topic payload`. */
function next(client: MqttClient): Promise<string> {
  return new Promise((resolve) => client.once("message", (topic, payload) => resolve(`${topic} ${payload}`)));
}

async function codeOf(promise: Promise<unknown>): Promise<number> {
  try {
    await promise;
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

describe("the example", () => {
  test("embed answers, counts its Clients, and keeps sessions in a file", patient, async () => {
    const data = join(folder, "embed");
    const durable = { clientId: "durable", clean: false, properties: { sessionExpiryInterval: 60 } };
    await during(new Example("embed", ANYWHERE, data), (url) =>
      withClient(url!, durable, async (client) => {
        const answer = next(client);
        await client.subscribeAsync("echo/answer/+", { qos: 1 });
        await client.publishAsync("echo/ask/me", "hello", { qos: 1 });
        assertEquals(await answer, "echo/answer/me hello");
        const stats = next(client);
        await client.subscribeAsync("stats/clients");
        assertEquals(await stats, "stats/clients 1");
        await client.unsubscribeAsync("stats/clients");
      }));
    await during(new Example("embed", ANYWHERE, data), async (url) => {
      await withClient(url!, { clientId: "asker" }, async (asker) => {
        await asker.publishAsync("echo/ask/you", "still there?", { qos: 1 });
      });
      const back = connect(url!, { ...durable, protocolVersion: 5, reconnectPeriod: 0 });
      const waited = await next(back);
      await back.endAsync();
      assertEquals(waited, "echo/answer/you still there?");
    });
  });

  test("authenticate lets in whom it knows, and guests by a listener of their own", patient, async () => {
    const said = await during(new Example("authenticate", ANYWHERE, ANYWHERE), async (url, guestUrl) => {
      const ada = { clientId: "ada's", username: "ada", password: "engine" };
      const wrong = { ...ada, password: "wrong", protocolVersion: 5, reconnectPeriod: 0 } as const;
      assertEquals(await codeOf(connectAsync(url!, wrong)), 0x86);
      await withClient(url!, ada, (client) =>
        withClient(guestUrl!, { clientId: "guest" }, async (guest) => {
          const news = next(guest);
          await guest.subscribeAsync("news/#");
          await assertRejects(() => guest.subscribeAsync("users/ada/#"), Error, "Not authorized");
          const own = next(client);
          await client.subscribeAsync("users/ada/#");
          await client.publishAsync("users/ada/note", "mine", { qos: 1 });
          assertEquals(await own, "users/ada/note mine");
          assertEquals(await codeOf(client.publishAsync("users/bob/note", "his", { qos: 1 })), 0x87);
          await client.publishAsync("news/today", "rain", { qos: 1 });
          assertEquals(await news, "news/today rain");
        }));
    });
    assertMatch(said, /did not come in/);
    assertMatch(said, /ada's: /);
  });

  for (const protocolVersion of [5, 4] as const) {
    test(
      `bridge carries messages of level ${protocolVersion} to the other side once`,
      patient,
      () =>
        during(
          new Example("bridge", ANYWHERE, ANYWHERE),
          (url, otherUrl) =>
            withClient(url!, { protocolVersion }, (here) =>
              withClient(otherUrl!, { protocolVersion }, async (there) => {
                const got: string[] = [];
                for (const [client, name] of [[here, "here"], [there, "there"]] as const) {
                  client.on("message", (topic, payload) =>
                    got.push(`${name} ${topic} ${payload}`));
                  await client.subscribeAsync("#", { qos: 1 });
                }
                await here.publishAsync("private/a", "stays", { qos: 1 });
                await here.publishAsync("shared/a", "one", { qos: 1 });
                await there.publishAsync("shared/b", "two", { qos: 1 });
                await Promise.all([here, there].map(async (client) => {
                  const last = new Promise<void>((resolve) =>
                    client.on("message", (topic) =>
                      topic === "end" && resolve())
                  );
                  await client.publishAsync("end", "", { qos: 1 });
                  await last;
                }));
                assertEquals(got.filter((line) => !line.includes(" end ")).sort(), [
                  "here private/a stays",
                  "here shared/a one",
                  "here shared/b two",
                  "there shared/a one",
                  "there shared/b two",
                ]);
              })),
        ).then(() => {}),
    );
  }

  test("audit_in_ci writes its reports and finds nothing", patient, async () => {
    const { status, said } = await new Example("audit_in_ci", join(folder, "audit"), "3.12", "3.3.1").end();
    assertEquals(status, 0, said);
    assertMatch(said, /MQTT 5\.0: \d+ of \d+ cases pass/);
    assertEquals(readdirSync(join(folder, "audit")).sort(), ["audit.svg", "audit.xml"]);
    const xml = readFileSync(join(folder, "audit", "audit.xml"), "utf8");
    assertMatch(xml, /<testsuites .*tests="[1-9]\d*" failures="0" errors="0"/);
  });

  test(
    "shared_worker serves a page and its worker, and its broker on the same port",
    patient,
    () =>
      during(new Example("shared_worker/serve", "ws://127.0.0.1:0/mqtt"), async (url) => {
        const origin = new URL(url!.replace(/^ws/, "http")).origin;
        for (
          const [path, has] of [["/", "/tab.js"], ["/tab.js", "SharedWorker"], ["/worker.js", '"connect"']]
        ) {
          assertMatch(await (await fetch(`${origin}${path}`)).text(), new RegExp(has!));
        }
        await withClient(url!, {}, async () => {});
      }).then(() => {}),
  );

  test(
    "browser_broker serves a page and its worker, and the broker outside on the same port",
    patient,
    () =>
      during(new Example("browser_broker/serve", "ws://127.0.0.1:0/mqtt"), async (url) => {
        const origin = new URL(url!.replace(/^ws/, "http")).origin;
        for (
          const [path, has] of [["/", "/page.js"], ["/page.js", "SharedWorker"], [
            "/worker.js?name=a",
            "indexedDB",
          ]]
        ) {
          assertMatch(await (await fetch(`${origin}${path}`)).text(), new RegExp(has!));
        }
        await withClient(url!, {}, async () => {});
      }).then(() => {}),
  );

  test("of every file in this folder is among those above", () => {
    const files = readdirSync(fileURLToPath(new URL(".", import.meta.url))).filter((name) =>
      name.endsWith(".ts") && !name.endsWith("_test.ts")
    );
    assertEquals(files.sort(), [...started].filter((name) => !name.includes("/")).sort());
  });
});
