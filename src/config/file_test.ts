/**
 * `plumb.toml`: what is read, and what is said of a wrong one.
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { settingsOf } from "../cli/options.ts";
import { ConfigError, parseConfig, readConfig } from "./file.ts";
import { LISTENER_SETTINGS, SETTINGS } from "./schema.ts";
import type { Setting } from "./setting.ts";
import { tomlValue } from "./write.ts";

async function faultsOf(text: string): Promise<readonly string[]> {
  return (await assertRejects(() => parseConfig(text, "p.toml"), ConfigError) as ConfigError).faults;
}

describe("parseConfig()", () => {
  test("reads settings, and listeners with their own", async () => {
    const text = 'memory = true\n[limits]\nsessions-max = 1_000\n[[listener]]\nurl = "0.0.0.0:1"\n' +
      "[listener.limits]\npacket-bytes-max = 0x100\n[[listener]]\nurl = 'mqtt://[::1]'\n";
    const { values, listeners } = await parseConfig(text, "p.toml");
    assertEquals([...values], [
      ["memory", { values: ["true"], where: "p.toml:1" }],
      ["sessions-max", { values: ["1000"], where: "p.toml:3" }],
    ]);
    assertEquals(listeners.map(({ url, where, values }) => ({ url, where, values: [...values] })), [
      {
        url: "mqtt://0.0.0.0:1",
        where: "p.toml:4",
        values: [["packet-bytes-max", { values: ["256"], where: "p.toml:7" }]],
      },
      { url: "mqtt://[::1]", where: "p.toml:8", values: [] },
    ]);
  });

  test("reads one or several URLs", async () => {
    for (
      const [text, urls] of [['"localhost"', ["mqtt://localhost"]], ['["a:1", "b:2"]', [
        "mqtt://a:1",
        "mqtt://b:2",
      ]]]
    ) {
      assertEquals(
        (await parseConfig(`listen = ${text}`, "p")).values.get("listen")?.values,
        urls as string[],
      );
    }
  });

  test("means paths from the directory of the file", async () => {
    const text = 'data = "d"\ntls.certificate = "/c"\n[[listener]]\nurl = "mqtts://a"\ntls.key = "k"';
    const { values, listeners } = await parseConfig(text, "/etc/plumb/plumb.toml");
    assertEquals(
      [values.get("data"), values.get("tls-cert"), listeners[0]?.values.get("tls-key")].map((one) =>
        one?.values[0]
      ),
      ["/etc/plumb/d", "/c", "/etc/plumb/k"],
    );
    assertEquals((await parseConfig(text, "plumb.toml")).values.get("data")?.values, ["d"]);
  });

  const SUPPORTED =
    "mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH or unix:/PATH";
  const faults: readonly (readonly [text: string, ...faults: string[]])[] = [
    ["a = ", "1:5: this is not TOML: invalid value"],
    ["port = 1\nport = 2", "2:1: this is not TOML: trying to redefine an already defined table or value"],
    ["dat = 1", "1:1: unknown key dat; did you mean data?"],
    ["\n[limit]\nx = 1", "2:2: unknown table limit; did you mean limits?"],
    ["sessions-max = 1", "1:1: unknown key sessions-max; did you mean limits.sessions-max?"],
    ["max-sessions = 1", "1:1: unknown key max-sessions; did you mean limits.sessions-max?"],
    ["log-level = 1", "1:1: unknown key log-level; did you mean log.level?"],
    [
      "[qwertz]",
      "1:2: unknown table qwertz; there are cluster, tls, websocket, login, log, web, webhook, features, limits",
    ],
    ["qwertz = 1", "1:1: unknown key qwertz; plumb config show names all"],
    ["listeners = []", "1:1: unknown key listeners; did you mean [[listener]]?"],
    ['"\\u001b[31m" = 1', '1:1: unknown key "\\u001b[31m"; plumb config show names all'],
    ['"\\u202e\\n" = 1', '1:1: unknown key "\\u{202e}\\n"; plumb config show names all'],
    ["log.level = '\u202e'", '1:1: log.level takes debug, info, warn, error, off, not "\\u{202e}"'],
    ["port = 1.0", "1:1: port takes a whole number from 0 to 65535, not 1"],
    ["port = '1'", '1:1: port takes a whole number from 0 to 65535, not "1"'],
    ["port = 65536", "1:1: port takes a whole number from 0 to 65535, not 65536"],
    ["memory = 1", "1:1: memory takes true or false, not 1"],
    ["data = ''", '1:1: data takes a text in quotes, not ""'],
    ["data = { a = 1 }", "1:1: data takes a text in quotes, not a table"],
    ["data = []", "1:1: data takes a text in quotes, not a list"],
    [
      "durability = 'never'",
      '1:1: durability takes fsync, os or interval=MS, in a cluster log or replicated, not "never"',
    ],
    ["log = 'debug'", "1:1: log is a table: write [log]"],
    ["log.level = 'loud'", '1:1: log.level takes debug, info, warn, error, off, not "loud"'],
    [
      "log.level = 1979-05-27",
      '1:1: log.level takes "debug", "info", "warn", "error", "off", not a date',
    ],
    [
      "listen = ['a',\n'coap://b']",
      `2:1: listen: "coap://b": coap: is not supported: write ${SUPPORTED}`,
    ],
    [
      "websocket.origins = ['https://a.example',\n'b.example']",
      '2:1: websocket.origins takes https://HOST, https://HOST:PORT or *, not "b.example"',
    ],
    ["listen = []", "1:1: listen takes 1 or more, not an empty list"],
    ["listener = []", "1:1: listener is an array of tables: write [[listener]] for each"],
    ["[listener]\nurl = 'a'", "1:2: listener is an array of tables: write [[listener]] for each"],
    ["[[listener]]\n", '1:3: a [[listener]] needs a url, such as "mqtt://0.0.0.0:1883"'],
    ["[[listener]]\nurl = 1", "2:1: url takes a text in quotes, not 1"],
    ["[[listener]]\nurl = 'a'\nur = 1", "3:1: unknown key ur of a [[listener]]; did you mean url?"],
    [
      "[[listener]]\nurl = 'a'\n[[listener]]\nurl = 'b'\nlimits.sessions-max = 1",
      "5:1: limits.sessions-max holds for the whole broker: it cannot be set for one listener",
    ],
    [
      "[[listener]]\nurl = 'a'\nlimits = 1",
      "3:1: limits is a table: write [listener.limits]",
    ],
    [
      "[limits]\nname-bytes-max = 1\nreceive-maximum = 0\n[log]\nlevl = 1",
      "2:1: limits.name-bytes-max takes a whole number from 16 to 65535, not 1",
      "3:1: limits.receive-maximum takes a whole number from 1 to 65535, not 0",
      "5:1: unknown key log.levl; did you mean log.level?",
    ],
  ];
  for (const [text, ...said] of faults) {
    test(`refuses ${JSON.stringify(text)}`, async () =>
      assertEquals(await faultsOf(text), said.map((one) => `p.toml:${one}`)));
  }

  test("says that a file is not there, or is none", async () => {
    const of = async (path: string) => (await assertRejects(() => readConfig(path), ConfigError)).message;
    assertEquals(await of("/not/there.toml"), "/not/there.toml: there is no such file");
    assertEquals(await of("/"), "/: that is a directory");
    const folder = mkdtempSync(join(tmpdir(), "plumb-file-"));
    writeFileSync(join(folder, "latin1.toml"), Uint8Array.of(0x61, 0xff));
    const path = join(folder, "latin1.toml");
    assertEquals(await of(path), `${path}: it is not UTF-8 text`);
    rmSync(folder, { recursive: true });
  });

  test("gives back the values of a random configuration", async () => {
    await fc.assert(fc.asyncProperty(CONFIGURATION, async ({ values, listeners }) => {
      const text = [
        ...values.map(([row, value]) => `${row.key} = ${tomlValue(row, value)}`),
        ...listeners.flatMap(({ port, own }) => [
          "[[listener]]",
          `url = "mqtt://127.0.0.1:${port}"`,
          ...own.map(([row, value]) => `${row.key} = ${tomlValue(row, value)}`),
        ]),
      ].join("\n");
      const file = await parseConfig(text, "p.toml");
      assertEquals(
        [...file.values].map(([name, { values, where }]) => [name, values, where]).sort(),
        values.map(([row, value], i) => [row.name, value, `p.toml:${i + 1}`]).sort(),
      );
      assertEquals(
        file.listeners.map((
          { url, values },
        ) => [url, [...values].map(([name, { values }]) => [name, values]).sort()]),
        listeners.map(({ port, own }) => [
          `mqtt://127.0.0.1:${port}`,
          own.map(([row, value]) => [row.name, value]).sort(),
        ]),
      );
      settingsOf([], () => undefined, file);
    }));
  });
});

type Given = readonly (readonly [row: Setting, values: readonly string[]])[];

function arbitraryValue(row: Setting): fc.Arbitrary<readonly string[]> {
  const number = () => fc.integer({ min: row.least ?? 0, max: row.most ?? 1000 }).map(String);
  const url = fc.integer({ min: 0, max: 65_535 }).map((port) => `mqtt://127.0.0.1:${port}`);
  const one: Readonly<Record<Setting["kind"], () => fc.Arbitrary<string>>> = {
    integer: number,
    flag: () => fc.boolean().map(String),
    switch: () => fc.boolean().map(String),
    choice: () => fc.constantFrom(...row.choices!),
    text: () => {
      if (row.form === undefined) return fc.string({ minLength: 1 });
      return row.name === "durability" ? fc.constantFrom("fsync", "os", "interval=5") : fc.constantFrom(
        ...["https://a.example/x", "http://b:1", "pump"].filter((one) => row.form!.pattern.test(one)),
      );
    },
    list: () =>
      row.form !== undefined
        ? fc.constantFrom(...["https://a.example", "*", "pump"].filter((one) => row.form!.pattern.test(one)))
        : url,
  };
  if (row.choices !== undefined) return fc.constantFrom(...row.choices).map((value) => [value]);
  return row.kind === "list"
    ? fc.array(one.list(), { minLength: 1, maxLength: 3 })
    : one[row.kind]().map((value) => [value]);
}

function given(rows: readonly Setting[]): fc.Arbitrary<Given> {
  const some = fc.uniqueArray(fc.constantFrom(...rows), { maxLength: 12 });
  return some.chain((rows) =>
    fc.tuple(...rows.map((row) => arbitraryValue(row).map((value) => [row, value] as const)))
  );
}

const CONFIGURATION: fc.Arbitrary<{
  readonly values: Given;
  readonly listeners: readonly { readonly port: number; readonly own: Given }[];
}> = fc.record({
  // The directory and --memory exclude each other.
  values: given(SETTINGS.filter(({ name }) => name !== "memory")),
  listeners: fc.array(
    fc.record({ port: fc.integer({ min: 0, max: 65_535 }), own: given(LISTENER_SETTINGS) }),
    { maxLength: 3 },
  ),
});
