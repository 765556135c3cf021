/**
 * `plumb init`: what it writes lets its user in by TLS, and nobody else.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync } from "mqtt";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { patient, until } from "../testing/patience.ts";
import { type Outcome, plumb, startPlumb } from "../testing/plumb_process.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-init-"));
after(() => rmSync(folder, { recursive: true }));

function init(input: string, ...args: string[]): Promise<Outcome> {
  const child = startPlumb(["init", ...args]);
  const said = { out: "", err: "" };
  child.stdout!.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said.err += text);
  child.stdin!.on("error", () => {}).end(input);
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...said })));
}

describe("plumb init", () => {
  test("writes a broker that its user reaches by TLS, and strangers do not", patient, async () => {
    const directory = join(folder, "home");
    const flags = [
      "--name",
      "localhost",
      "--user",
      "ann",
      "--password-stdin",
      "--local",
      "closed",
      "--topics",
      "own",
    ];
    const { status, out, err } = await init("of ann\n", directory, ...flags);
    assertEquals([status, err], [0, ""]);
    assert(!out.includes("of ann"), "a password that was given is not shown");
    for (const name of ["plumb.toml", "passwords", "permissions.toml", "data/tls/ca.key"]) {
      assertEquals(statSync(join(directory, name)).mode & 0o077, 0, name);
    }
    const ca = join(directory, "data/tls/ca.pem");
    assert(out.includes(`--cafile ${ca} -u ann -P PASSWORD`), out);
    const config = join(directory, "plumb.toml");
    assertEquals((await plumb(["--config", config, "--check-config"])).out, "ok\n");
    const text = readFileSync(config, "utf8");
    writeFileSync(config, text.replace("localhost:1883", "127.0.0.1:0").replace("[::]:8883", "127.0.0.1:0"));

    const child = startPlumb(["--config", config], { NO_COLOR: "1" });
    let log = "";
    child.stderr!.setEncoding("utf8").on("data", (more: string) => log += more);
    let isOver = false;
    child.on("close", () => isOver = true);
    try {
      await until(() => isOver || log.includes("trust it: Plumb"), () => log);
      assertMatch(log, /msg="certificate of our own"/); // the one that is written already
      const url = `mqtts://localhost:${/mqtts:\S+:(\d+)/.exec(log)![1]}`;
      const options = { ca: readFileSync(ca), reconnectPeriod: 0, protocolVersion: 5 } as const;
      const client = await connectAsync(url, { ...options, username: "ann", password: "of ann" });
      await client.publishAsync("any/topic", "x", { qos: 1 });
      await client.endAsync();
      const code = (more: object) =>
        connectAsync(url, { ...options, ...more }).then(() => 0, (error) => (error as { code: number }).code);
      assertEquals([await code({}), await code({ username: "ann", password: "x" })], [0x87, 0x86]);
    } finally {
      child.kill("SIGKILL");
      await until(() => isOver, "it has ended");
    }
  });

  test("makes a password where none is given, shows it once, and writes over nothing", patient, async () => {
    const directory = join(folder, "made");
    const { status, out } = await init("", directory, "--yes", "--name", "pump");
    assertEquals(status, 0);
    const password = /shown only now: (\S{20})\n/.exec(out)![1]!;
    const check = startPlumb(["passwd", "--check", join(directory, "passwords"), "admin"]);
    check.stdin!.end(`${password}\n`);
    assertEquals(await new Promise((resolve) => check.on("close", resolve)), 0);
    const again = await init("", directory, "--yes");
    assertEquals([again.status, again.err], [
      2,
      `plumb: ${join(directory, "plumb.toml")} is there already; name another directory\n`,
    ]);
    const rules = ["acl", "test", "--permissions", join(directory, "permissions.toml"), "--user", "bob"];
    assertEquals((await plumb([...rules, "publish", "users/bob/x"])).status, 0);
    assertEquals((await plumb([...rules, "publish", "users/admin/x"])).status, 1);
  });
});
