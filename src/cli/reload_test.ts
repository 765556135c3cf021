/**
 * Settings that are read again while the broker runs.
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parseConfig } from "../config/file.ts";
import type { ReconfigureOptions } from "../server/serve.ts";
import { watchText } from "./config_file.ts";
import { CallError } from "./error.ts";
import { Log } from "./log.ts";
import { hooksFor } from "./log_hooks.ts";
import { type Settings, settingsOf } from "./options.ts";
import { serveOptionsOf } from "./serve_options.ts";
import { Watch } from "./watch.ts";
import { changedKeys, Reload, withoutRestart } from "./reload.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-reload-"));
after(() => rmSync(folder, { recursive: true }));

async function settings(text: string): Promise<Settings> {
  return settingsOf([], () => undefined, await parseConfig(text, "p.toml"));
}

/** A reload of these texts, one after the other: the log lines, and the options that the server was given. */
async function reloaded(
  texts: readonly string[],
  refuses?: (options: ReconfigureOptions) => Error | undefined,
) {
  let lines = "";
  const given: ReconfigureOptions[] = [];
  const stream = { colours: false, write: (text: string, done: () => void) => void (lines += text, done()) };
  const log = new Log({ level: "info", format: "logfmt", stream, clock: () => 0 });
  let addresses = ["mqtt://a:1"];
  let told = addresses;
  const [first, ...rest] = texts as [string, ...string[]];
  const wanted = [...rest];
  const reload = new Reload({
    server: {
      get addresses() {
        return addresses;
      },
      reconfigure: (options) => {
        const error = refuses?.(options);
        if (error !== undefined) return Promise.reject(error);
        given.push(options);
        addresses = options.listen!.map((one) => typeof one === "string" ? one : one.url);
        return Promise.resolve();
      },
    },
    log,
    settings: await settings(first),
    read: () => settings(wanted.shift()!),
    opened: ({ listen }) => {
      assertEquals(addresses, listen.map(({ url }) => url));
      for (const url of addresses) if (!told.includes(url)) log.info("listening", { url });
      told = addresses;
    },
    prepare: (settings) => {
      const options = serveOptionsOf(settings, {
        tls: { shared: undefined, own: new Map() },
        logins: { of: () => ({}) as never },
        permissions: { of: () => ({}) },
        web: new Watch().web,
      }, log);
      return Promise.resolve({ options: { ...options, hooks: hooksFor(log, settings.logLevel) } });
    },
  });
  await Promise.all(rest.map(() => reload.run({ file: "p.toml" })));
  await log.flush();
  return { given, lines: lines.trimEnd().split("\n").map((line) => line.slice(line.indexOf("level="))) };
}

describe("Reload", () => {
  test("changes what can change, and names what waits for a restart each time", async () => {
    const next = 'data = "b"\nlisten = "mqtt://b:1"\n[limits]\nknown-topics-max = 99\nname-bytes-max = 99\n';
    const { given, lines } = await reloaded([
      'data = "a"\nlisten = "mqtt://a:1"',
      next,
      next + "[features]\nmaximum-qos = 1",
    ]);
    assertEquals(given.map(({ listen, limits, maximumQos }) => ({ listen, limits, maximumQos })), [
      { listen: [{ url: "mqtt://b:1" }], limits: { nameBytesMax: 99 }, maximumQos: undefined },
      { listen: [{ url: "mqtt://b:1" }], limits: { nameBytesMax: 99 }, maximumQos: 1 },
    ]);
    const waits =
      'level=warn msg="changed, and holds after a restart" settings="data limits.known-topics-max"';
    assertEquals(lines, [
      'level=info msg="configuration read again" file=p.toml changed="listen limits.name-bytes-max"',
      'level=info msg="not listening any more" url=mqtt://a:1',
      "level=info msg=listening url=mqtt://b:1",
      waits,
      'level=info msg="configuration read again" file=p.toml changed=features.maximum-qos',
      waits,
    ]);
  });

  test("a file with an error, and options that the server refuses, are one line, and nothing changes", async () => {
    const text = "listen = 'mqtt://a:1'\n";
    const { given, lines } = await reloaded(
      [text, "lisen = 1\nport = 'x'", `${text}log.level = 'error'\nport = 2`, `${text}log.format = 'logfmt'`],
      ({ listen }) => listen!.length === 2 ? new Error("the port is in use") : undefined,
    );
    assertEquals(given.length, 1);
    assertEquals(lines, [
      'level=error msg="configuration not read again, the old one stays" file=p.toml ' +
      'why="p.toml:1:1: unknown key lisen; did you mean listen?; ' +
      'p.toml:2:1: port takes a whole number from 0 to 65535, not \\"x\\""',
      'level=error msg="configuration not read again, the old one stays" file=p.toml why="the port is in use"',
      'level=info msg="configuration read again" file=p.toml changed=nothing',
    ]);
  });

  test("the log changes with its settings, and per-message hooks come with debug", async () => {
    const { given, lines } = await reloaded([
      "",
      "log.level = 'debug'",
      "log.level = 'error'",
      "log.level = 'info'",
    ]);
    assertEquals(given.map(({ hooks }) => hooks!.subscribed !== undefined), [true, false, false]);
    assertEquals(lines.filter((line) => line.includes("read again")), [
      'level=info msg="configuration read again" file=p.toml changed=log.level',
      'level=info msg="configuration read again" file=p.toml changed=log.level',
    ]);
  });

  test("a listener or a link of a login chain that moves to another line is the same", async () => {
    const link = "login]]\nkind = 'anonymous'";
    const text = `[[${link}\n[[listener]]\nurl = 'mqtt://a:1'\n[[listener.${link}`;
    const { lines } = await reloaded([text, `\n\n${text}`]);
    assertEquals(lines, ['level=info msg="configuration read again" file=p.toml changed=nothing']);
  });

  test("a setting that is not given any more has its default again", async () => {
    const { given } = await reloaded(["limits.name-bytes-max = 99", ""]);
    assertEquals(given.map(({ limits }) => limits), [{}]);
  });
});

describe("withoutRestart()", () => {
  test("keeps limits that were not given as such", async () => {
    const [before, wanted] = [
      await settings(""),
      await settings("limits.batch-messages-max = 1\ndurability = 'os'"),
    ];
    assertEquals(changedKeys(before, wanted), ["durability", "limits.batch-messages-max"]);
    const { next, waiting } = withoutRestart(before, wanted);
    assertEquals([next.limits, next.durability, waiting], [{}, "fsync", [
      "durability",
      "limits.batch-messages-max",
    ]]);
  });
});

describe("watchText()", () => {
  test("tells of a text that has come to rest, once: written in steps, replaced, and back again", async () => {
    const path = join(folder, "watched.toml");
    writeFileSync(path, "a");
    let told: (text: string) => void = () => {};
    const next = () => new Promise<string>((resolve) => told = resolve);
    const all: string[] = [];
    const watcher = watchText(path, "a", (text) => {
      all.push(text);
      told(text);
    }, (error) => all.push(error.message));
    try {
      let came = next();
      writeFileSync(path, "");
      writeFileSync(path, "b");
      assertEquals(await came, "b");
      came = next();
      writeFileSync(`${path}.new`, "c");
      renameSync(`${path}.new`, path);
      assertEquals(await came, "c");
      came = next();
      rmSync(path);
      writeFileSync(path, "a");
      assertEquals(await came, "a");
      assertEquals(all, ["b", "c", "a"]);
    } finally {
      watcher.close();
    }
  });

  test("tells of a change that came before it began", async () => {
    const path = join(folder, "early.toml");
    writeFileSync(path, "new");
    let close = () => {};
    const text = await new Promise((resolve, reject) => {
      ({ close } = watchText(path, "old", resolve, reject));
    });
    close();
    assertEquals(text, "new");
  });
});

test("a wrong call is one error, with a line for each fault", async () => {
  const error = await assertRejects(() => settings("a = 1\nb = 2"), CallError);
  assertEquals(error.message.split("\n").length, 2);
});
