/** The broker as an app of Home Assistant, beside a stub of its Supervisor. @module */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { connect } from "../client_api/mod.ts";
import { patient, until } from "../testing/patience.ts";
import { plumb, startPlumb } from "../testing/plumb_process.ts";
import { readConfig } from "../config/file.ts";

const root = mkdtempSync(join(tmpdir(), "plumb-app-"));
after(() => rmSync(root, { recursive: true }));

function folder(options: unknown): string {
  const path = mkdtempSync(join(root, "data-"));
  writeFileSync(join(path, "options.json"), JSON.stringify(options));
  return path;
}

interface Asked {
  readonly what: string;
  readonly token: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A Supervisor that knows the user ann, and fails the first time it is told something. */
async function supervisor() {
  const asked: Asked[] = [];
  const http = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part) => text += part).on("end", () => {
      const what = `${request.method} ${request.url}`;
      const isFirst = !asked.some((one) => one.what === what);
      const body = text === "" ? {} : JSON.parse(text);
      asked.push({ what, token: request.headers.authorization, body });
      const isUser = body.username === "ann" && body.password === "of home";
      const status = request.url === "/auth" ? (isUser ? 200 : 401) : isFirst ? 502 : 200;
      response.writeHead(status, { "content-type": "application/json" }).end('{"result":"ok","data":{}}');
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    asked,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

describe("plumb home-assistant", () => {
  test(
    "lets in users of Home Assistant, logins of the app, and Home Assistant itself, which it tells where it is",
    patient,
    async () => {
      await using home = await supervisor();
      const data = folder({ logins: [{ username: "pump", password: "of app" }], log_level: "info" });
      const env = { SUPERVISOR_TOKEN: "token", PLUMB_SUPERVISOR_URL: home.url };
      const child = startPlumb(["home-assistant", data, "-l", "127.0.0.1", "-p", "0"], env);
      let said = "";
      child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
      try {
        await until(() => /msg=listening/.test(said) || child.exitCode !== null, () => said);
        const url = /msg=listening url=(\S+)/.exec(said)![1]!;
        await until(
          () => home.asked.filter(({ what }) => what === "POST /services/mqtt").length === 2,
          () => said,
        );
        const told = (what: string) => home.asked.findLast((one) => one.what === what)!;
        const discovery = told("POST /discovery");
        const { config } = discovery.body as { config: Record<string, string> };
        assertEquals([discovery.body["service"], discovery.token], ["mqtt", "Bearer token"]);
        assertEquals({ ...config, password: "" }, {
          host: hostname(),
          port: 1883 as never,
          ssl: false as never,
          protocol: "3.1.1",
          username: "homeassistant",
          password: "",
        });
        const service = told("POST /services/mqtt").body as Record<string, string>;
        const comesIn = async (username: string, password: string): Promise<boolean> => {
          const client = await connect(url, { username, password, reconnect: false }).catch(() => undefined);
          await client?.close();
          return client !== undefined;
        };
        assertEquals(await comesIn("homeassistant", config["password"]!), true);
        assertEquals(await comesIn("addons", service["password"]!), true);
        assertEquals(await comesIn("pump", "of app"), true);
        assertEquals(await comesIn("ann", "of home"), true);
        assertEquals(await comesIn("ann", "of app"), false);
        assertEquals(await comesIn("addons", config["password"]!), false);
        // The Supervisor is not asked about users of its own, whatever their password.
        const names = home.asked.filter(({ what }) => what === "POST /auth").map(({ body }) =>
          body["username"]
        );
        assertEquals(new Set(names), new Set(["ann"]));
        const written = await readConfig(join(data, "plumb.toml"));
        assertEquals(written.listeners.map(({ url }) => url), [
          "mqtt://0.0.0.0:1883",
          "mqtts://0.0.0.0:8883",
          "ws://0.0.0.0:8080",
        ]);
        if (process.platform !== "win32") {
          const modes = ["passwords", "supervisor.headers", "system_user.json"].map((name) =>
            statSync(join(data, name)).mode & 0o777
          );
          assertEquals(modes, [0o600, 0o600, 0o600]);
        }
      } finally {
        const gone = new Promise((resolve) => child.once("exit", resolve));
        if (child.exitCode === null) child.kill("SIGTERM");
        await gone;
      }
    },
  );

  const WRONG: readonly (readonly [says: string, options: unknown, env: Readonly<Record<string, string>>])[] =
    [
      ["SUPERVISOR_TOKEN is not set", {}, { SUPERVISOR_TOKEN: "" }],
      [
        '"addons" is a user of Home Assistant\'s own',
        { logins: [{ username: "addons", password: "x" }] },
        {},
      ],
      ['"a" has no password', { logins: [{ username: "a", password: "" }] }, {}],
    ];
  for (const [says, options, env] of WRONG) {
    test(`says what is wrong: ${says}`, patient, async () => {
      const { status, err } = await plumb(["home-assistant", folder(options)], {
        SUPERVISOR_TOKEN: "t",
        ...env,
      });
      assertStringIncludes(err, says);
      assertEquals([status, err.trimEnd().split("\n").length], [2, 1]);
    });
  }
});

test("the app's version is that of the program", async () => {
  const { VERSION } = await import("./version.ts");
  const config = readFileSync(
    new URL("../../scripts/release/home_assistant/plumb/config.yaml", import.meta.url),
    "utf8",
  );
  assertStringIncludes(config, `version: "${VERSION}"`);
});
