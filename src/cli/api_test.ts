/** The HTTP API of `plumb serve`: the token, logins, users, permissions, settings and the snapshot, as a process has them. @module */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type ChildProcess, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { patient, until } from "../testing/patience.ts";
import { plumb, startPlumb } from "../testing/plumb_process.ts";
import { readToken, tokenFileOf, tokenIn } from "./api_token.ts";
import { CallError } from "./error.ts";
import { settingsOf } from "./options.ts";
import { fileOfUser } from "./passwd.ts";
import { masked } from "./web_settings.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-api-"));
after(() => rmSync(folder, { recursive: true }));

const NOTHING = () => undefined;

/** A broker, and how it is asked. */
class Running {
  readonly child: ChildProcess;
  said = "";
  /** Of its one listener. */
  url = "";
  token = "";

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = startPlumb(["--listen", "ws://127.0.0.1:0", "--websocket-page", ...args], {
      NO_COLOR: "1",
      ...env,
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => this.said += text);
  }

  async begun(): Promise<this> {
    const isDone = () => /msg=listening url=ws/.test(this.said) || this.child.exitCode !== null;
    await until(isDone, () => `it listens; ${this.said}`);
    this.url = /url=ws(:\/\/127\.0\.0\.1:\d+)/.exec(this.said)![1]!;
    return this;
  }

  async ask(path: string, method = "GET", body?: unknown, headers: Record<string, string> = {}) {
    const sent = { ...this.token && { authorization: `Bearer ${this.token}` }, ...headers };
    const response = await fetch(`http${this.url}/api/v1${path}`, {
      method,
      headers: { ...sent, ...body !== undefined && { "content-type": "application/json" } },
      ...body !== undefined && { body: JSON.stringify(body) },
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const isJson = response.headers.get("content-type") === "application/json";
    // deno-lint-ignore no-explicit-any
    const json: any = isJson ? JSON.parse(new TextDecoder().decode(bytes)) : undefined;
    return { status: response.status, json, bytes, cookie: response.headers.get("set-cookie") };
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const over = new Promise((resolve) => this.child.on("close", resolve));
    this.child.kill("SIGTERM");
    await over;
  }
}

async function running(
  args: readonly string[],
  body: (one: Running) => Promise<void>,
  env = {},
): Promise<void> {
  const one = await new Running(args, env).begun();
  try {
    await body(one);
  } finally {
    await one.end();
  }
}

describe("the token of the owner", () => {
  test("is made once, for its owner alone, and kept", () => {
    const file = join(folder, "some/where/token");
    const token = tokenIn(file);
    assertMatch(token, /^[\w-]{43}$/);
    assertEquals([tokenIn(file), readToken(file)], [token, token]);
    if (process.platform !== "win32") assertEquals(statSync(file).mode & 0o777, 0o600);
  });

  test("that is none, or cannot be made, is an error that says what to do", () => {
    const file = join(folder, "short");
    writeFileSync(file, "short\n");
    assertMatch(assertThrows(() => tokenIn(file), CallError).message, /has no token: 22 letters/);
    const missing = join(folder, "missing");
    assertMatch(assertThrows(() => readToken(missing), CallError).message, /there is no token/);
    mkdirSync(join(folder, "directory"));
    assertMatch(
      assertThrows(() => readToken(join(folder, "directory")), CallError).message,
      /cannot be read/,
    );
    assertMatch(
      assertThrows(() => tokenIn(join(file, "x")), CallError).message,
      /cannot be (written|read).*/,
    );
  });

  test("is where a setting says, else beside the data, else with what is the user's own", () => {
    const place = (args: string[], runtime?: string) =>
      tokenFileOf(settingsOf(args, NOTHING), (name) => name === "XDG_RUNTIME_DIR" ? runtime : undefined);
    assertEquals(place(["--api-token-file", "t"]), "t");
    assertEquals(place(["--data", "d"]), join("d", "api-token"));
    assertEquals(place(["--memory"], "/run/user/1"), join("/run/user/1/plumb/api-token"));
    assertMatch(place(["--memory"]), /\.plumb.api-token$/);
  });
});

describe("settings by HTTP", () => {
  test("mask what is secret", () => {
    assertEquals(masked({ key: "bridge.password" }, "secret"), "***");
    assertEquals(masked({ key: "login.password-file", isPath: true }, "passwords"), "passwords");
    assertEquals(
      masked({ key: "url" }, "https://user:secret@example.org/x?key=secret"),
      "https://***@example.org/x?***",
    );
    assertEquals(masked({ key: "url" }, "mqtt://[::]:1883"), "mqtt://[::]:1883");
  });
});

describe("plumb page", () => {
  test("prints the address with the token of the broker", patient, async () => {
    const data = join(folder, "page");
    const token = tokenIn(join(data, "api-token"));
    assertEquals(await plumb(["page", "--data", data]), {
      status: 0,
      out: `http://localhost:8080/#token=${token}\n`,
      err: "",
    });
    const named = ["--listen", "mqtt://a", "--listen", "wss://[::]:8443", "--websocket-page", "--data", data];
    assertEquals((await plumb(["page", ...named])).out, `https://localhost:8443/#token=${token}\n`);
    const none = await plumb(["page", "--listen", "ws://a:1", "--data", data]);
    assertEquals([none.status, none.err.split("\n").length], [2, 2]);
    assertMatch(none.err, /no listener shows the page/);
    assertMatch(
      (await plumb(["page", "--data", join(folder, "nowhere")])).err,
      /there is no token in .*nowhere/,
    );
  });
});

describe("plumb serve with the HTTP API", () => {
  test("has users, permissions, settings and a snapshot of its own", patient, async () => {
    const data = join(folder, "data");
    const passwords = join(folder, "passwords");
    const permissions = join(folder, "permissions.toml");
    writeFileSync(passwords, await fileOfUser("ann", "of ann"));
    writeFileSync(permissions, "[everyone]\nallow = [{ publish = '#' }]\n");
    const files = ["--password-file", passwords, "--permissions", permissions];
    await running(["--data", data, ...files, "--admins", "ann"], async (one) => {
      one.token = readToken(join(data, "api-token"));

      // A login, by the broker's own chain.
      const stranger = Object.assign(Object.create(one), { token: "" }) as Running;
      const login = await stranger.ask("/login", "POST", { user: "ann", password: "of ann" });
      assertEquals([login.status, login.json], [200, { user: "ann" }]);
      const cookie = login.cookie!.split(";")[0]!;
      assertEquals((await stranger.ask("/figures", "GET", undefined, { cookie })).status, 200);
      assertEquals((await stranger.ask("/login", "POST", { user: "ann", password: "wrong" })).status, 403);
      for (let i = 0; i < 6; i++) {
        await stranger.ask("/login", "POST", { user: "bob", password: `wrong ${i}` });
      }

      // Users hold at once.
      assertEquals((await one.ask("/users/ben", "PUT", { password: "of ben", scram: true })).json, {
        isNew: true,
      });
      assertEquals((await one.ask("/users/ben", "PUT", { password: "of ben 2" })).json, { isNew: false });
      assertEquals((await one.ask("/users")).json.items, [
        { name: "ann", password: true, scram: false },
        { name: "ben", password: true, scram: true },
      ]);
      assertEquals((await one.ask("/users?limit=1")).json.next, "ann");
      const refused = await stranger.ask("/login", "POST", { user: "ben", password: "of ben 2" });
      assertMatch(refused.json.error.message, /none of the setting admins/);
      assertEquals((await one.ask("/users/a%3Ab", "PUT", { password: "x" })).status, 400);
      assertEquals((await one.ask("/users/ben", "DELETE")).status, 204);
      assertEquals((await one.ask("/users/ben", "DELETE")).status, 404);
      if (process.platform !== "win32") assertEquals(statSync(passwords).mode & 0o777, 0o600);

      // Permissions are checked before they are written.
      const { json: before } = await one.ask("/permissions");
      assertEquals([before.file, before.kind], [permissions, "toml"]);
      const wrong = await one.ask("/permissions", "PUT", {
        text: "[everyone]\n\nallow = [{ publish = 'a/#/b' }]\n",
      });
      assertEquals([wrong.status, wrong.json.error.line], [422, 3], JSON.stringify(wrong.json));
      assertEquals((await one.ask("/permissions")).json, before);
      const text = "[everyone]\nallow = [{ subscribe = '#' }]\n";
      const { version } = before;
      const written = await one.ask("/permissions", "PUT", { text, version });
      assertEquals(written.status, 200);
      assertEquals(readFileSync(permissions, "utf8"), text);
      await until(() => one.said.includes('msg="permissions read again"'), () => one.said);
      assertEquals((await one.ask("/permissions", "PUT", { text: "", version })).status, 409);

      // What holds.
      const { json: settings } = await one.ask("/settings");
      const valueOf = (key: string) => settings.items.find((one: { key: string }) => one.key === key);
      assertEquals(valueOf("data").values, [data]);
      assertEquals([valueOf("data").isDefault, valueOf("sys-interval").isDefault], [false, true]);
      assertEquals(valueOf("web.admins").values, ["ann"]);
      const [listener] = (await one.ask("/listeners")).json.items;
      assertEquals(listener, {
        url: "ws://127.0.0.1:0",
        addresses: [`ws${one.url}`],
        tls: false,
        page: true,
        api: true,
        metrics: false,
        login: ["password-file", "anonymous"],
      });

      // A snapshot, as plumb import reads it.
      writeFileSync(join(data, "export-0123456789ab"), "left behind by a crash");
      assertEquals(
        (await one.ask("/publish", "POST", { topic: "r", payload: "kept", retain: true })).status,
        200,
      );
      const { status, bytes } = await one.ask("/export");
      assertEquals(status, 200);
      const snapshot = join(folder, "snapshot");
      writeFileSync(snapshot, bytes);
      const imported = await plumb(["import", "--data", join(folder, "imported"), snapshot]);
      assertMatch(imported.out + imported.err, /1 retained message/);
      assertEquals(
        readdirSync(data).filter((name) => name.startsWith("export")),
        [],
        "nothing is left behind",
      );
    });
  });

  test("lets nobody be an administrator for a name that is not proved", patient, async () => {
    const token = join(folder, "memory-token");
    await running(["--memory", "--api-token-file", token, "--admins", "ann"], async (one) => {
      assertEquals((await one.ask("/login", "POST", { user: "ann", password: "whatever" })).status, 403);
      one.token = readToken(token);
      assertEquals((await one.ask("/export")).status, 409);
      assertEquals((await one.ask("/users")).status, 409);
      assertEquals((await one.ask("/permissions")).status, 409);
      assertEquals((await one.ask("/figures")).json.connected, 0);
    });
  });

  test("keeps its token over a restart, and takes other administrators while it runs", patient, async () => {
    const data = join(folder, "again");
    const config = join(folder, "again.toml");
    const toml = (more: string) => `data = ${JSON.stringify(data)}\n[web]\n${more}\n`;
    writeFileSync(config, toml("admins = ['ann']"));
    let token = "";
    await running(["--config", config], async (one) => {
      token = one.token = readToken(join(data, "api-token"));
      assertEquals((await one.ask("/settings")).status, 200);
      writeFileSync(config, toml("admins = ['ann', 'bob']"));
      await until(() => one.said.includes("changed=web.admins"), () => one.said);
      const { json } = await one.ask("/settings");
      const { values } = json.items.find((one: { key: string }) => one.key === "web.admins");
      assertEquals(values, ["ann", "bob"]);
    });
    await running(["--config", config], async (one) => {
      one.token = token;
      assertEquals((await one.ask("/figures")).status, 200);
    });
  });

  const isLinux = process.platform === "linux";
  const noNamespace = isLinux && spawnSync("unshare", ["-rn", "true"]).status === 0
    ? false
    : "no network namespace can be made";

  test(
    "starts without the page where port 8080 is taken, and says so",
    { ...patient, skip: noNamespace },
    () => {
      const main = new URL("./main.ts", import.meta.url).pathname;
      const run = "Deno" in globalThis ? `run -A --no-check ${main}` : main;
      const data = join(folder, "taken");
      const script = `ip link set lo up
      "$0" ${run} --listen mqtt://127.0.0.1:8080 --memory 2>"${data}.other" & other=$!
      until grep -q listening "${data}.other"; do sleep 0.05; done
      timeout 100 "$0" ${run} --data "${data}" 2>"${data}.own" & own=$!
      until grep -q 'url=mqtt:' "${data}.own" && grep -q "no page" "${data}.own"; do sleep 0.05; done
      kill $own $other; wait`;
      const { status } = spawnSync("unshare", ["-rn", "sh", "-c", script, process.execPath], {
        stdio: "ignore",
      });
      const log = existsSync(`${data}.own`) ? readFileSync(`${data}.own`, "utf8") : "";
      assertEquals(status, 0, log);
      assertMatch(log, /level=warn msg="no page: its listener cannot be opened" why=.*8080.*--listen ws:/);
    },
  );
});
