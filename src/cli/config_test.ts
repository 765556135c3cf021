/**
 * Configuration files as they are used: named, checked, shown, imported, and changed while the broker runs.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync } from "mqtt";
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../config/file.ts";
import { patient, until } from "../testing/patience.ts";
import { plumb, startPlumb } from "../testing/plumb_process.ts";
import { CA, CERT, KEY, OTHER_CERT, OTHER_KEY } from "../testing/tls.ts";
import { settingsOf } from "./options.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-config-"));
after(() => rmSync(folder, { recursive: true }));

/** A file with this text, put there at once. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return path;
}

/** A broker with this file, and what it has said. */
async function broker(
  path: string,
  body: (said: () => string, process: ChildProcess) => Promise<void>,
): Promise<void> {
  const child = startPlumb(["--config", path]);
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
  const ended = new Promise((resolve) => child.on("close", resolve));
  try {
    await until(() => said.includes("msg=listening"), () => `it listens; it said ${said}`);
    await body(() => said, child);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

const enter = (url: string, options = {}) =>
  connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, ...options });

const SOME = `data = "here"
[log]
level = "warn"
[limits]
sessions-max = 7
name-bytes-max = 99
[[listener]]
url = "mqtt://127.0.0.1:1"
features.maximum-qos = 1
`;

describe("plumb config show", () => {
  test("says what holds and where it comes from: flag, variable, file or default", patient, async () => {
    const path = file("some.toml", SOME);
    const env = { PLUMB_CONFIG: path, PLUMB_SESSIONS_MAX: "8", PLUMB_LOG_FORMAT: "json" };
    const { status, out, err } = await plumb(["config", "show", "--name-bytes-max", "100"], env);
    assertEquals([status, err], [0, ""]);
    const lines = out.split("\n").map((line) => line.split(/ +# /));
    const of = (text: string) => lines.find(([left]) => left === text)?.[1];
    assertEquals(of(`data = "${folder}/here"`), `${path}:1`);
    assertEquals(of('log.level = "warn"'), `${path}:3`);
    assertEquals(of('log.format = "json"'), "variable PLUMB_LOG_FORMAT");
    assertEquals(of("limits.sessions-max = 8"), "variable PLUMB_SESSIONS_MAX");
    assertEquals(of("limits.name-bytes-max = 100"), "flag --name-bytes-max");
    assertEquals(of("limits.receive-maximum = 1000"), "default");
    assertEquals(of("[[listener]]"), `${path}:7`);
    assertEquals(of("features.maximum-qos = 1"), `${path}:9`);
  });

  test("prints a file that means the same", patient, async () => {
    const path = file("again.toml", SOME);
    const { out } = await plumb(["config", "show", "--config", path, "-s", "9"]);
    const [before, again] = [await parseConfig(SOME, path), await parseConfig(out, path)];
    const { limits, logLimits: _, features: __, ...asked } = settingsOf(["-s", "9"], () => undefined, before);
    const shown = settingsOf([], () => undefined, again);
    const own = (settings: typeof shown) => settings.listen.map(({ url, own }) => ({ url, own }));
    assertEquals(own(shown), asked.listen.map(({ url, own }) => ({ url, own })));
    assertEquals({ ...shown.limits, ...limits }, shown.limits);
    assertEquals([shown.data, shown.logLevel], [asked.data, asked.logLevel]);
  });

  test(
    "shows no listener of the file when a flag gives one, and no directory with --memory",
    patient,
    async () => {
      const path = file("other.toml", SOME);
      const { out } = await plumb(["config", "show", "--config", path, "-p", "2", "--memory"]);
      assertMatch(out, /^listen = \["mqtt:\/\/localhost:2"\] +# flag -p\n/);
      assertMatch(out, /\nmemory = true +# flag --memory\n/);
      assert(!out.includes("[[listener]]") && !out.includes("data ="), out);
    },
  );

  test("--json gives values with their kinds", patient, async () => {
    const path = file("json.toml", SOME);
    const { out } = await plumb(["config", "show", "--json", "--config", path]);
    const { settings, listeners } = JSON.parse(out);
    const of = (wanted: string) => settings.find(({ key }: { key: string }) => key === wanted);
    assertEquals(of("limits.sessions-max"), {
      key: "limits.sessions-max",
      value: 7,
      unit: "sessions",
      from: `${path}:5`,
    });
    assertEquals(of("strict-store").value, false);
    assertEquals(listeners, [{
      url: "mqtt://127.0.0.1:1",
      from: `${path}:7`,
      settings: [{ key: "features.maximum-qos", value: 1, from: `${path}:9` }],
    }]);
  });

  for (
    const [args, said] of [
      [["config"], "write plumb config show, or plumb config schema"],
      [["config", "shwo"], 'unknown command "config shwo"; did you mean show?'],
      [["config", "show", "--jsn"], "unknown flag --jsn; did you mean --json?"],
      [["config", "show", "more"], 'unexpected argument "more"'],
    ] as const
  ) {
    test(`refuses ${args.join(" ")} in one line`, patient, async () => {
      assertEquals(await plumb(args), { status: 2, out: "", err: `plumb: ${said}\n` });
    });
  }
});

test("plumb config schema prints the file that editors read", patient, async () => {
  const { out } = await plumb(["config", "schema"]);
  assertEquals(out, readFileSync(new URL("../config/plumb.schema.json", import.meta.url), "utf8"));
});

describe("--check-config", () => {
  test("prints ok, and nothing else", patient, async () => {
    const path = file("good.toml", SOME);
    assertEquals(await plumb(["--check-config", "--config", path]), { status: 0, out: "ok\n", err: "" });
  });

  test("prints every fault of a file in a line of its own", patient, async () => {
    const path = file("bad.toml", "port = 70000\n[limit]\n[log]\nlevel = 'no'\n");
    assertEquals(await plumb(["--check-config", "--config", path]), {
      status: 2,
      out: "",
      err: `plumb: ${path}:1:1: port takes a whole number from 0 to 65535, not 70000\n` +
        `plumb: ${path}:2:2: unknown table limit; did you mean limits?\n` +
        `plumb: ${path}:4:1: log.level takes debug, info, warn, error, off, not "no"\n`,
    });
  });

  test("looks at the certificates too", patient, async () => {
    file("cert.pem", CERT);
    const text =
      '[[listener]]\nurl = "mqtts://127.0.0.1"\ntls.certificate = "cert.pem"\ntls.key = "no.pem"\n';
    const path = file("tls.toml", text);
    const { status, err } = await plumb(["--check-config", "--config", path]);
    assertEquals([status, err], [2, `plumb: ${path}:1: tls.key ${folder}/no.pem: there is no such file\n`]);
  });

  test(
    "holds what is named against a certificate that the broker is to make, and makes none",
    patient,
    async () => {
      const path = file("own.toml", 'data = "own"\nlisten = "mqtts://127.0.0.1"\ntls.ca = "own.toml"\n');
      const said = async () => (await plumb(["--check-config", "--config", path])).err;
      const ca = `plumb: --tls-ca ${path}`;
      assertEquals(
        await said(),
        `${ca} is for Clients' certificates, which this listener does not ask for\n`,
      );
      writeFileSync(path, readFileSync(path, "utf8") + 'tls.client-certificate = "required"\n');
      assertEquals(await said(), `${ca} holds no certificate: PEM text begins -----BEGIN CERTIFICATE-----\n`);
      assertEquals(existsSync(join(folder, "own")), false);
    },
  );
});

test(
  "plumb verify looks where the file says that the data are, unless --data says otherwise",
  patient,
  async () => {
    const path = file("data.toml", 'data = "nothing-here"\n');
    for (
      const [args, directory] of [[[], join(folder, "nothing-here")], [["--data", "none"], "none"]] as const
    ) {
      const { status, err } = await plumb(["verify", "--config", path, ...args]);
      assertEquals([status, err], [2, `plumb: there is no store in ${directory}; --data says where\n`]);
    }
  },
);

describe("a plumb.toml in the working directory", () => {
  test("that is wrong, or cannot be read, starts no broker with the defaults", patient, async () => {
    const directory = mkdtempSync(join(folder, "cwd-"));
    const path = join(directory, "plumb.toml");
    const of = () => plumb(["--check-config"], {}, directory);
    writeFileSync(path, 'login.anonymous = "nobody"\n');
    const takes = "login.anonymous takes loopback, never, always, not";
    assertEquals(await of(), { status: 2, out: "", err: `plumb: plumb.toml:1:1: ${takes} "nobody"\n` });
    rmSync(path);
    symlinkSync(join(directory, "gone.toml"), path);
    assertEquals(await of(), { status: 2, out: "", err: "plumb: plumb.toml: there is no such file\n" });
  });

  test("that Deno may not look for is named in the log", {
    ...patient,
    skip: !("Deno" in globalThis) && "only Deno has permissions",
  }, async () => {
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const may = ["--no-prompt", "--no-check", "--allow-net=127.0.0.1:0"];
    const args = ["run", ...may, main, "--memory", "--listen", "mqtt://127.0.0.1:0"];
    const child = spawn(process.execPath, args, { stdio: "pipe" });
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
    const ended = new Promise((resolve) => child.on("close", resolve));
    await until(() => said.includes("listening") || child.exitCode !== null, () => `it listens; ${said}`);
    child.kill("SIGKILL");
    await ended;
    assertMatch(said, /level=warn msg="plumb.toml is not looked for" advice="--allow-read=plumb.toml"\n/);
  });
});

describe("a broker with a file", () => {
  test("takes it again when it is replaced, or at SIGHUP: nobody is dropped", patient, async () => {
    const head = "memory = true\nlog.level = 'info'\n[[listener]]\nurl = 'mqtt://127.0.0.1:0'\n";
    const path = file("live.toml", head);
    await broker(path, async (said, child) => {
      const url = /url=(mqtt:\S+)\n/.exec(said())![1]!;
      const client = await enter(url);
      let isLost = false;
      client.on("close", () => isLost = true);
      client.on("error", () => {});
      const takes = () => client.subscribeAsync("a/b/c").then(([got]) => got!.qos < 0x80, () => false);
      assertEquals(await takes(), true);
      file("live.toml", `${head}limits.topic-levels-max = 2\n`);
      await until(() => said().includes("changed=listen"), said);
      assertEquals(await takes(), false);

      file("live.toml", `${head}limits.topic-levels-max = 0\n`);
      await until(() => said().includes("the old one stays"), said);
      assertMatch(
        said(),
        /live\.toml:5:1: limits\.topic-levels-max takes a whole number from 1 to 1000, not 0/,
      );

      file("live.toml", `durability = "os"\n${head}[[listener]]\nurl = 'mqtt://localhost:0'\n`);
      process.kill(child.pid!, "SIGHUP");
      await until(() => said().includes("holds after a restart"), said);
      assertMatch(said(), /level=warn msg="changed, and holds after a restart" settings=durability\n/);
      const other = /url=(mqtt:\S+)\n/.exec(said().slice(said().indexOf("topic-levels-max takes")))![1]!;
      const second = await enter(other);
      assertEquals([await takes(), isLost, other === url], [true, false, false]);
      await second.endAsync();

      file("live.toml", "memory = true\nlisten = 'mqtt://127.0.0.1:0'\n");
      await until(() => said().includes("not listening any more"), said);
      assertEquals([await takes(), isLost], [true, false]);
      client.end(true);
    });
  });

  test("says so when a change lets everybody in", patient, async () => {
    const text = "memory = true\nlisten = 'mqtt://0.0.0.0:0'\n";
    const path = file("everybody.toml", text);
    await broker(path, async (said) => {
      await until(() => said().includes("clients of other machines are refused"), said);
      file("everybody.toml", `${text}login.anonymous = "always"\n`);
      await until(() => said().includes("everybody who reaches this address may connect"), said);
      file("everybody.toml", `${text}login.anonymous = "always"\nlog.format = "json"\n`);
      await until(() => said().includes('"changed":"log.format"'), said);
      assertEquals([...said().matchAll(/everybody who reaches/g)].length, 1);
    });
  });

  test("each listener shows its own certificate, which SIGHUP reads again", patient, async () => {
    for (
      const [name, text] of [["a.pem", CERT], ["a.key", KEY], ["b.pem", OTHER_CERT], [
        "b.key",
        OTHER_KEY,
      ]] as const
    ) {
      file(name, text);
    }
    const listener = (name: string) =>
      `[[listener]]\nurl = "mqtts://127.0.0.1:0"\ntls = { certificate = "${name}.pem", key = "${name}.key" }\n`;
    const path = file("two.toml", `memory = true\n${listener("a")}${listener("b")}`);
    await broker(path, async (said, child) => {
      await until(() => [...said().matchAll(/url=mqtts/g)].length >= 2, said);
      const [first, second] = [...said().matchAll(/msg=listening url=(\S+)\n/g)].map(([, url]) => url!);
      await (await enter(first!, { ca: CA })).endAsync();
      const stays = await enter(second!, { ca: OTHER_CERT });
      file("b.pem", CERT);
      file("b.key", KEY);
      process.kill(child.pid!, "SIGHUP");
      await until(() => said().includes("configuration read again"), said);
      await (await enter(second!, { ca: CA })).endAsync();
      assertEquals(stays.connected, true);
      await stays.endAsync();
    });
  });
});

describe("a [[listener]] with a login of its own", () => {
  const text = (anonymous: string, more = "") =>
    `memory = true\nlogin.anonymous = "always"\n${more}[[listener]]\nurl = "mqtt://127.0.0.1:0"\n` +
    `[[listener]]\nurl = "mqtt://localhost:0"\nlogin.anonymous = "${anonymous}"\n`;

  test("is asked for its own Clients, before a reload and behind it", patient, async () => {
    const path = file("login.toml", text("never"));
    await broker(path, async (said) => {
      await until(() => [...said().matchAll(/msg=listening/g)].length >= 2, said);
      const [open, closed] = [...said().matchAll(/msg=listening url=(\S+)\n/g)].map(([, url]) => url!);
      const comesIn = (url: string) =>
        enter(url).then((client) => client.endAsync().then(() => true), () => false);
      assertEquals([await comesIn(open!), await comesIn(closed!)], [true, false]);
      file("login.toml", text("never", "limits.topic-levels-max = 9\n"));
      await until(() => said().includes("changed=limits.topic-levels-max"), said);
      assertEquals([await comesIn(open!), await comesIn(closed!)], [true, false]);
      file("login.toml", text("loopback"));
      await until(() => said().includes('changed="listen limits.topic-levels-max"'), said);
      assertEquals([await comesIn(open!), await comesIn(closed!)], [true, true]);
    });
  });
});

describe("plumb import", () => {
  const CONF =
    "listener 18899 127.0.0.1\nmax_keepalive 60\nbind_interface eth0\nallow_anonymous true\npersistence false\n";

  test(
    "prints a file that a broker takes, and names on stderr what has no counterpart",
    patient,
    async () => {
      const { status, out, err } = await plumb(["import", file("m.conf", CONF)]);
      assertEquals(status, 0);
      assertMatch(err, /m\.conf:3: bind_interface has no counterpart/);
      const { listen, data } = settingsOf([], () => undefined, await parseConfig(out, "p.toml"));
      assertEquals([listen.map(({ url }) => url), data], [["mqtt://127.0.0.1:18899"], undefined]);
    },
  );

  test(
    "-o writes a file that only its owner reads, and replaces none unless it is told to",
    patient,
    async () => {
      const conf = file("n.conf", CONF);
      const [directory, path] = [join(folder, "out"), join(folder, "out", "plumb.toml")];
      assertEquals((await plumb(["import", conf, "-o", directory])).status, 0);
      assertEquals([existsSync(path), statSync(path).mode & 0o777], [true, 0o600]);
      const { status, err } = await plumb(["import", conf, "-o", directory]);
      assertEquals([status, err], [2, `plumb: ${path}: it is there already; --force replaces it\n`]);
      assertEquals((await plumb(["import", conf, "-o", directory, "--force"])).status, 0);
      assertEquals((await plumb(["--check-config", "--config", path])).out, "ok\n");
    },
  );

  test("reads the files of include_dir in their order, where they are included", patient, async () => {
    const conf = file("o.conf", `include_dir ${join(folder, "conf.d")}\n`);
    const { status, err } = await plumb(["import", conf]);
    assertEquals([status, err], [2, `plumb: ${conf}:1: ${join(folder, "conf.d")}: there is no such file\n`]);
    mkdirSync(join(folder, "conf.d"));
    file("conf.d/b.conf", "max_keepalive 20\n");
    file("conf.d/a.conf", "max_keepalive 10\nmax_packet_size 1000\n");
    file("conf.d/c.txt", "max_keepalive 30\n");
    const { out } = await plumb(["import", conf]);
    assertMatch(out, /keep-alive-seconds-max = 20 {2}# \S+b\.conf:1: max_keepalive\n/);
    assertMatch(out, /packet-bytes-max = 1000 {2}# \S+a\.conf:2: /);
  });

  test("says how it is called", patient, async () => {
    assertEquals((await plumb(["import"])).err, "plumb: say which file: plumb import FILE\n");
    assertMatch((await plumb(["help", "import"])).out, /^plumb import \[flags\] FILE/);
    assertMatch((await plumb(["help", "config"])).out, /^plumb config show/);
  });
});
