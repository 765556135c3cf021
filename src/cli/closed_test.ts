/**
 * A broker that is closed to strangers, as its owner sets it up: certificate, passwords, permissions and a file of settings, with real
 * sockets; changes of all of them while Clients are connected; and an installation of mosquitto that is imported.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { pbkdf2Sync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { patient, until } from "../testing/patience.ts";
import { type Outcome, plumb, startPlumb } from "../testing/plumb_process.ts";
import { CA, CERT, KEY, OTHER_CERT, OTHER_KEY } from "../testing/tls.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-closed-"));
after(() => rmSync(folder, { recursive: true }));

/** Puts a file in its place at once. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return path;
}

interface Broker {
  readonly log: () => string;
  /** The port of the listener whose URL begins so. */
  readonly port: (begin: string) => number;
  readonly hangUp: () => void;
}

async function broker(
  args: readonly string[],
  body: (broker: Broker) => Promise<void>,
  child: ChildProcess = startPlumb(args, { NO_COLOR: "1" }),
): Promise<void> {
  let log = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
  let isOver = false;
  child.on("close", () => isOver = true);
  const port = (begin: string) => {
    const found = log.split("\n").find((line) =>
      line.includes("msg=listening") && line.includes(`url=${begin}`)
    );
    return Number(/:(\d+)$/.exec(found ?? "")?.[1]);
  };
  try {
    // Signals are heard once all listeners are told of.
    await until(() => log.includes("msg=listening") || isOver, () => `it listens; ${log}`);
    assert(!isOver, log);
    await body({ log: () => log, port, hangUp: () => void process.kill(child.pid!, "SIGHUP") });
  } finally {
    child.kill("SIGKILL");
    await until(() => isOver, "it has ended");
  }
}

async function userAdded(path: string, user: string, password: string): Promise<void> {
  const child = startPlumb(["passwd", path, user]);
  child.stdin!.end(`${password}\n`);
  assertEquals(await new Promise((resolve) => child.on("close", resolve)), 0);
}

/** The code of a CONNACK. */
async function code(url: string, options: IClientOptions): Promise<number> {
  try {
    const client = await connectAsync(url, { reconnectPeriod: 0, ...options });
    await client.endAsync(true);
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

/** What a Client is sent, and with which code it is disconnected. */
async function listening(client: MqttClient): Promise<{ topics: string[]; ended: number[] }> {
  const seen = { topics: [] as string[], ended: [] as number[] };
  client.on("message", (topic) => seen.topics.push(topic));
  client.on("disconnect", ({ reasonCode = 0 }) => seen.ended.push(reasonCode));
  client.on("error", () => {});
  await Promise.resolve();
  return seen;
}

function run(program: string, ...args: string[]): Promise<Outcome> {
  const child = spawn(program, args, { stdio: "pipe" });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.err += text);
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...said })));
}

const noMosquitto = spawnSync("mosquitto_pub", ["--help"]).error !== undefined;
/** An address of this machine that is not loopback. */
const outside = Object.values(networkInterfaces()).flat().find((one) =>
  one?.family === "IPv4" && !one.internal
)
  ?.address;

describe("a broker without options", () => {
  test(
    "lets in this machine, and refuses Clients of others",
    { ...patient, skip: outside === undefined },
    async () => {
      const data = join(folder, "default");
      const listen = ["--listen", "mqtt://127.0.0.1:0", "--listen", "mqtts://0.0.0.0:0"];
      await broker([...listen, "--data", data], async ({ log, port }) => {
        await until(() => log().includes("trust it: Plumb"), log);
        const ca = readFileSync(join(data, "tls", "ca.pem"));
        const secure = port("mqtts:");
        for (const [protocolVersion, refused, wrong] of [[4, 5, 4], [5, 0x87, 0x86]] as const) {
          assertEquals(await code(`mqtt://127.0.0.1:${port("mqtt:")}`, { protocolVersion }), 0);
          assertEquals(await code(`mqtts://localhost:${secure}`, { protocolVersion, ca }), 0);
          assertEquals(await code(`mqtts://${outside}:${secure}`, { protocolVersion, ca }), refused);
          // A user name proves nothing where nobody checks it.
          const named = { protocolVersion, ca, username: "root", password: "x" };
          assertEquals(await code(`mqtts://${outside}:${secure}`, named), wrong);
        }
        assertMatch(
          log(),
          /msg="clients of other machines are refused" url=mqtts:\/\/0\.0\.0\.0:\d+ advice=/,
        );
      });
    },
  );
});

const PERMISSIONS = `[user.ann]
allow = [{ publish = "home/#", subscribe = "home/#" }]
[user.bob]
allow = [{ subscribe = "home/kitchen" }, { publish = "bob/%c/#" }]
`;

describe("a broker with a certificate, passwords and permissions in plumb.toml", () => {
  const settings = (more = "", rules = "permissions.toml") =>
    `memory = true
log.level = "info"
${more}
[[listener]]
url = "mqtts://127.0.0.1:0"
tls.certificate = "cert.pem"
tls.key = "key.pem"
permissions = "${rules}"
[[listener.login]]
kind = "password-file"
file = "passwords"
`;

  test("lets in its users to do what they may, and follows changes of all files", patient, async () => {
    const config = file("plumb.toml", settings());
    file("cert.pem", CERT);
    file("key.pem", KEY);
    const rules = file("permissions.toml", PERMISSIONS);
    await userAdded(join(folder, "passwords"), "ann", "of ann");
    await userAdded(join(folder, "passwords"), "bob", "of bob");
    assertEquals((await plumb(["--config", config, "--check-config"])).out, "ok\n");
    const shown = (await plumb(["config", "show", "--config", config])).out;
    assertMatch(shown, /\n\[\[listener\.login\]\] +# \S+plumb\.toml:9\nkind = "password-file" +# \S+:9\n/);
    const asked = ["acl", "test", "--permissions", rules, "--user", "bob", "--client", "c1", "publish"];
    assertEquals((await plumb([...asked, "home/kitchen"])).status, 1);
    const byConfig = [
      "acl",
      "test",
      "--config",
      file("acl.toml", `permissions = "permissions.toml"`),
      "--user",
    ];
    assertEquals((await plumb([...byConfig, "bob", "publish", "home/kitchen"])).status, 1);
    assertEquals(
      (await plumb([...asked, "bob/c1/x"])).out,
      `allowed: ${rules}:4: allow publish bob/%c/#\n`,
    );

    await broker(["--config", config], async ({ log, port, hangUp }) => {
      const url = `mqtts://localhost:${port("mqtts:")}`;
      const ca = CA;
      const ann = { protocolVersion: 5, ca, username: "ann", password: "of ann" } as const;
      const bob = { protocolVersion: 5, ca, username: "bob", password: "of bob", clientId: "c1" } as const;
      assertEquals([
        await code(url, ann),
        await code(url, { ...ann, password: "wrong" }),
        await code(url, { ...ann, username: "nobody" }),
        await code(url, { protocolVersion: 5, ca }),
        await code(url, { protocolVersion: 4, ca }),
      ], [0, 0x86, 0x86, 0x87, 5]);

      const [one, other] = [
        await connectAsync(url, ann),
        await connectAsync(url, { ...bob, reconnectPeriod: 0 }),
      ];
      const [ofAnn, ofBob] = [await listening(one), await listening(other)];
      await one.subscribeAsync("home/#", { qos: 1 });
      await other.subscribeAsync("home/kitchen", { qos: 1 });
      const refused = await other.subscribeAsync("home/#", { qos: 1 }).catch((error) => error);
      assertMatch(String(refused), /not authorized|unspecified/i);
      const denied = await other.publishAsync("home/kitchen", "x", { qos: 1 }).catch((error) => error);
      assertEquals((denied as { code?: number }).code, 0x87);
      await one.publishAsync("home/kitchen", "on", { qos: 1 });
      await one.publishAsync("home/cellar", "off", { qos: 1 });
      await until(() => ofAnn.topics.length === 2 && ofBob.topics.length === 1, "the messages came");
      assertEquals(ofBob.topics, ["home/kitchen"]);

      // Permissions: bob loses the kitchen, and is told.
      file("permissions.toml", PERMISSIONS.replace("home/kitchen", "home/garden"));
      hangUp();
      await until(() => ofBob.ended.length > 0, () => `bob is told; ${log()}`);
      assertEquals(ofBob.ended, [0x87]);
      assert(one.connected, "nobody else is disconnected");

      // Passwords.
      await userAdded(join(folder, "passwords"), "bob", "another one");
      hangUp();
      await until(() => log().split('msg="file read again"').length > 2, log);
      assertEquals([await code(url, bob), await code(url, { ...bob, password: "another one" })], [0x86, 0]);

      // A file of settings with a fault changes nothing, nor does one that names rules with a fault.
      file("plumb.toml", settings("limits.packet-bytes-maxx = 1"));
      hangUp();
      await until(() => log().includes("did you mean limits.packet-bytes-max?"), log);
      file("broken.toml", "[user.ann]\nallow = [{ publsh = 1 }]\n");
      file(
        "plumb.toml",
        settings('log.level = "debug"'.replace("log.level", "limits.name-bytes-max = 64 #"), "broken.toml"),
      );
      hangUp();
      await until(() => log().includes("broken.toml:2"), log);
      assertEquals(log().split('msg="configuration not read again, the old one stays"').length, 3);
      await one.publishAsync(`home/${"x".repeat(100)}`, "", { qos: 1 });

      // Other rules, a limit and one more listener: all at once, for Clients that are connected too.
      file("fewer.toml", PERMISSIONS.replace('publish = "home/#"', 'publish = "home/cellar"'));
      const more = '[[listener]]\nurl = "mqtt://127.0.0.1:0"\n';
      file("plumb.toml", `${settings("limits.name-bytes-max = 64", "fewer.toml")}${more}`);
      hangUp();
      await until(() => port("mqtt:") > 0, log);
      assertEquals(await code(`mqtt://127.0.0.1:${port("mqtt:")}`, { protocolVersion: 5 }), 0);
      const gone = await one.publishAsync("home/kitchen", "", { qos: 1 }).catch((error) => error);
      assertEquals((gone as { code?: number }).code, 0x87);
      await one.publishAsync("home/cellar", "", { qos: 1 });
      assertEquals(ofAnn.ended, []);
      for (const secret of ["of ann", "of bob", "another one", "argon2id"]) {
        assert(!log().includes(secret), secret);
      }
      await one.endAsync();
    });
  });

  test(
    "loses no connection and no message while all of its files change, again and again",
    patient,
    async () => {
      const rounds = 20;
      const config = file("plumb.toml", settings());
      file("cert.pem", CERT);
      file("key.pem", KEY);
      file("permissions.toml", PERMISSIONS);
      await userAdded(join(folder, "passwords"), "ann", "of ann");
      const users = readFileSync(join(folder, "passwords"), "utf8");
      await broker(["--config", config], async ({ log, port, hangUp }) => {
        const url = `mqtts://localhost:${port("mqtts:")}`;
        const ann = {
          protocolVersion: 5,
          ca: CA + OTHER_CERT,
          username: "ann",
          password: "of ann",
        } as const;
        const [from, to] = [await connectAsync(url, ann), await connectAsync(url, ann)];
        const lost: string[] = [];
        for (const [name, client] of [["from", from], ["to", to]] as const) {
          client.on("close", () => lost.push(name));
          client.on("error", () => {});
        }
        const came: number[] = [];
        to.on("message", (_topic, payload) => came.push(Number(payload)));
        await to.subscribeAsync("home/#", { qos: 1 });
        let sent = 0;
        let isOver = false;
        const sending = (async () => {
          while (!isOver) await from.publishAsync("home/a", `${sent++}`, { qos: 1 });
        })();
        for (let round = 1; round <= rounds; round++) {
          const isOther = round % 2 === 1;
          file("cert.pem", isOther ? OTHER_CERT : CERT);
          file("key.pem", isOther ? OTHER_KEY : KEY);
          file("permissions.toml", `# ${round}\n${PERMISSIONS}`);
          file("passwords", `# ${round}\n${users}`);
          file("plumb.toml", settings(`limits.name-bytes-max = ${1000 + round}`));
          hangUp();
          const times = () =>
            log().split(/msg="configuration read again".* changed=limits\.name-bytes-max\n/).length - 1;
          await until(() => times() === round, () => `round ${round} of ${log()}`);
          assertEquals(await code(url, ann), 0);
        }
        isOver = true;
        await sending;
        await until(() => came.length === sent, () => `${came.length} of ${sent} came`);
        assertEquals([lost, came], [[], Array.from({ length: sent }, (_, i) => i)]);
        assert(!log().includes("level=error"), log());
        await Promise.all([from.endAsync(), to.endAsync()]);
      });
    },
  );

  test(
    "mosquitto_pub and mosquitto_sub log in by password over TLS",
    { ...patient, skip: noMosquitto },
    async () => {
      const config = file("plumb.toml", settings());
      const ca = file("ca.pem", CA);
      file("cert.pem", CERT);
      file("key.pem", KEY);
      file("permissions.toml", PERMISSIONS);
      await userAdded(join(folder, "passwords"), "ann", "of ann");
      await broker(["--config", config], async ({ log, port }) => {
        const at = ["-h", "localhost", "-p", `${port("mqtts:")}`, "--cafile", ca, "-q", "1"];
        const heard = run(
          "mosquitto_sub",
          ...at,
          "-u",
          "ann",
          "-P",
          "of ann",
          "-t",
          "home/#",
          "-C",
          "1",
          "-i",
          "sub",
        );
        await until(() => log().includes("msg=connected client=sub"), log);
        // Retained, so that it comes whether or not the subscription is there already.
        const sent = await run(
          "mosquitto_pub",
          ...at,
          "-u",
          "ann",
          "-P",
          "of ann",
          "-t",
          "home/a",
          "-m",
          "hi",
          "-r",
        );
        assertEquals([sent.status, (await heard).out], [0, "hi\n"]);
        const wrong = await run("mosquitto_pub", ...at, "-u", "ann", "-P", "no", "-t", "home/a", "-m", "hi");
        assert(wrong.status !== 0);
        assertMatch(wrong.err, /bad user name or password/i);
        assert((await run("mosquitto_pub", ...at, "-t", "home/a", "-m", "hi")).status !== 0);
      });
    },
  );
});

describe("a closed broker on Deno", { skip: !("Deno" in globalThis) }, () => {
  test("needs no more permissions than docs/run.md says", patient, async () => {
    const source = fileURLToPath(new URL("../..", import.meta.url));
    const [rules, passwords] = [file("permissions.toml", PERMISSIONS), join(folder, "denos passwords")];
    await userAdded(passwords, "ann", "of ann");
    const may = ["--no-prompt", "--allow-net=127.0.0.1:0", `--allow-read=${source}`];
    may.push(`--allow-read=${rules}`, `--allow-read=${passwords}`);
    const main = join(source, "src/cli/main.ts");
    const args = [
      "--memory",
      "--listen",
      "mqtt://127.0.0.1:0",
      "--anonymous",
      "never",
      "--log-level",
      "info",
    ];
    args.push("--permissions", rules, "--password-file", passwords);
    const child = spawn(process.execPath, ["run", "--no-check", ...may, main, ...args], { stdio: "pipe" });
    await broker(args, async ({ log, port, hangUp }) => {
      const url = `mqtt://127.0.0.1:${port("mqtt:")}`;
      const ann = { protocolVersion: 5, username: "ann", password: "of ann", reconnectPeriod: 0 } as const;
      const client = await connectAsync(url, ann);
      await client.publishAsync("home/a", "", { qos: 1 });
      const denied = await client.publishAsync("other", "", { qos: 1 }).catch((error) => error);
      assertEquals((denied as { code?: number }).code, 0x87);
      file("permissions.toml", PERMISSIONS.replaceAll("home", "house"));
      hangUp();
      await until(() => log().includes('msg="permissions read again"'), log);
      await client.publishAsync("house/a", "", { qos: 1 });
      await client.endAsync();
    }, child);
  });
});

/** A line of mosquitto_passwd: PBKDF2 with SHA-512. */
function mosquittoLine(user: string, password: string): string {
  const salt = Buffer.from(`salt of ${user}`);
  const hash = pbkdf2Sync(password, salt, 101, 64, "sha512");
  return `${user}:$7$101$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}

describe("an installation of mosquitto", () => {
  test("is imported with users, ACL and TLS, and its Clients work unchanged", patient, async () => {
    const [ca, cert, key] = [file("ca.pem", CA), file("m.crt", CERT), file("m.key", KEY)];
    const passwords = file("m.passwd", mosquittoLine("ann", "of ann") + mosquittoLine("bob", "of bob"));
    const acl = file(
      "m.acl",
      "user ann\ntopic readwrite home/#\n\nuser bob\ntopic read home/kitchen\npattern write bob/%c/#\n",
    );
    const conf = file(
      "mosquitto.conf",
      `per_listener_settings false\nlistener 18884 127.0.0.1\n` +
        `cafile ${ca}\ncertfile ${cert}\nkeyfile ${key}\n` +
        `allow_anonymous false\npassword_file ${passwords}\nacl_file ${acl}\n`,
    );
    const into = join(folder, "imported");
    mkdirSync(into);
    const imported = await plumb(["import", conf, "-o", into]);
    assertEquals([imported.status, imported.err], [0, ""]);
    const config = join(into, "plumb.toml");
    // Any free port, which a mosquitto.conf cannot say.
    writeFileSync(config, readFileSync(config, "utf8").replace(":18884", ":0"));
    await broker(["--config", config], async ({ port }) => {
      const url = `mqtts://localhost:${port("mqtts:")}`;
      for (const protocolVersion of [4, 5] as const) {
        const ann = { protocolVersion, ca: CA, username: "ann", password: "of ann" };
        const bob = { protocolVersion, ca: CA, username: "bob", password: "of bob", clientId: "c1" };
        assertEquals([
          await code(url, ann),
          await code(url, bob),
          await code(url, { ...bob, password: "of ann" }),
          await code(url, { protocolVersion, ca: CA }),
        ], protocolVersion === 4 ? [0, 0, 4, 5] : [0, 0, 0x86, 0x87]);
        const [one, other] = [await connectAsync(url, ann), await connectAsync(url, bob)];
        const [ofAnn, ofBob] = [await listening(one), await listening(other)];
        await one.subscribeAsync("home/#", { qos: 1 });
        await other.subscribeAsync("home/#", { qos: 1 }); // granted, and each message is checked, as there
        await other.publishAsync("home/kitchen", "no", { qos: 1 }).catch(() => {});
        await one.publishAsync("home/cellar", "x", { qos: 1 });
        await one.publishAsync("home/kitchen", "x", { qos: 1 });
        await until(() => ofBob.topics.length > 0 && ofAnn.topics.length > 1, "the messages came");
        assertEquals([ofAnn.topics, ofBob.topics], [["home/cellar", "home/kitchen"], ["home/kitchen"]]);
        await Promise.all([one.endAsync(), other.endAsync()]);
      }
      if (noMosquitto) return;
      const at = [
        "-h",
        "localhost",
        "-p",
        `${port("mqtts:")}`,
        "--cafile",
        ca,
        "-t",
        "home/a",
        "-m",
        "x",
        "-q",
        "1",
      ];
      assertEquals((await run("mosquitto_pub", ...at, "-u", "ann", "-P", "of ann")).status, 0);
      assert((await run("mosquitto_pub", ...at, "-u", "ann", "-P", "of bob")).status !== 0);
    });
  });
});
