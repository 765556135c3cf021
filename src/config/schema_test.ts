/**
 * Each setting by flag, variable and key, and the JSON Schema of all of them.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { variableOf } from "../cli/flags.ts";
import { type Listen, type Settings, settingsOf } from "../cli/options.ts";
import { serveOptionsOf } from "../cli/serve_options.ts";
import { Log } from "../cli/log.ts";
import { Watch } from "../cli/watch.ts";
import { LIMITS } from "../broker/limits.ts";
import { policyOf } from "../broker/policy.ts";
import { parseConfig } from "./file.ts";
import { jsonSchemaText } from "./json_schema.ts";
import { LISTENER_SETTINGS, LISTENER_URL, SETTINGS } from "./schema.ts";
import type { Setting } from "./setting.ts";
import { tomlValue } from "./write.ts";

const NOTHING = () => undefined;
const LOG = new Log({ level: "off", format: "logfmt", stream: { write: () => {}, colours: false } });

/** Values of texts that must look like something. */
const SAMPLES: Readonly<Record<string, string>> = {
  listen: "mqtt://127.0.0.1:1",
  durability: "interval=7",
  "websocket-origins": "https://a.example",
  "webhook-url": "https://a.example/hook",
};

/** A value other than the default. */
function sampleOf(row: Setting): string {
  switch (row.kind) {
    case "integer":
      return String(row.default === String(row.least) ? Number(row.least) + 1 : row.least);
    case "choice":
      return row.choices!.find((choice) => choice !== row.default)!;
    case "flag":
      return "true";
    case "switch":
      return row.default === "true" ? "false" : "true";
    default:
      if (row.choices !== undefined) return row.choices[0]!;
      return SAMPLES[row.name] ?? "some";
  }
}

/** The value at a path such as `limits.packetBytesMax`. */
function at(options: object, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (value, name) => (value as Record<string, unknown>)?.[name],
    options,
  );
}

/** Listeners without the flag that they were given by. */
function comparable(settings: Settings): unknown {
  return { ...settings, listen: settings.listen.map(({ url, own }: Listen) => ({ url, own })) };
}

describe("each setting", () => {
  for (const row of SETTINGS) {
    test(`${row.key}: key, flag and variable reach the option ${row.option}`, async () => {
      const value = sampleOf(row);
      const flag = row.kind === "flag" ? [`--${row.name}`] : [`--${row.name}`, value];
      const byFlag = settingsOf(flag, NOTHING);
      const byVariable = settingsOf([], (name) => name === variableOf(row) ? value : undefined);
      const text = `${row.key} = ${tomlValue(row, [value])}`;
      const byFile = settingsOf([], NOTHING, await parseConfig(text, "plumb.toml"));
      const before = at(settingsOf([], NOTHING), row.option);
      assert(
        JSON.stringify(at(byFlag, row.option)) !== JSON.stringify(before),
        `${row.option} is still ${before}`,
      );
      assertEquals(comparable(byVariable), comparable(byFlag));
      assertEquals(comparable(byFile), comparable(byFlag));
      const other = row.name === "listen" ? "mqtt://127.0.0.1:2" : value;
      const words = (name: string) => name === variableOf(row) ? other : undefined;
      const file = await parseConfig(text, "plumb.toml");
      assertEquals(settingsOf([], words, file).listen[0]?.flag === "plumb.toml:1: listen", false);
    });
  }

  for (const row of LISTENER_SETTINGS) {
    test(`${row.key}: a [[listener]] may have its own`, async () => {
      const value = tomlValue(row, [sampleOf(row)]);
      const text = `[[listener]]\nurl = "mqtt://127.0.0.1:1"\n${row.key} = ${value}\n`;
      const [listen] = settingsOf([], NOTHING, await parseConfig(text, "plumb.toml")).listen;
      const ofBroker = settingsOf([], NOTHING, await parseConfig(`${row.key} = ${value}`, "plumb.toml"));
      assertEquals(at(listen!.own!, row.option), at(ofBroker, row.option));
    });
  }

  test("limits, features and tolerances reach serve(), of the broker and of a listener", async () => {
    const rows = LISTENER_SETTINGS.filter(({ option }) => /^(limits\.|features\.|tolerate$)/.test(option));
    const lines = rows.map((row) => `${row.key} = ${tomlValue(row, [sampleOf(row)])}\n`).join("");
    const text = `${lines}[[listener]]\nurl = "mqtt://127.0.0.1:1"\n${lines}`;
    const options = serveOptionsOf(
      settingsOf([], NOTHING, await parseConfig(text, "plumb.toml")),
      {
        tls: { shared: undefined, own: new Map() },
        logins: { of: () => ({}) as never },
        permissions: { of: () => ({}) },
        web: new Watch().web,
      },
      LOG,
    );
    const [listener] = options.listen as [object];
    const { listen: _, ...broker } = options;
    assertEquals({ ...listener, url: undefined }, { ...broker, url: undefined });
    const policy = policyOf(broker);
    for (const row of rows) {
      const value = at(policy, row.option.replace("features.", ""));
      assertEquals(String(value), sampleOf(row), row.key);
    }
  });

  test("the flag counts more than the variable, and that more than the file", async () => {
    const file = await parseConfig(
      "limits.sessions-max = 1\nlog.level = 'error'\nlimits.name-bytes-max = 16",
      "p",
    );
    const variables: Record<string, string> = { PLUMB_SESSIONS_MAX: "2", PLUMB_LOG_LEVEL: "warn" };
    const { limits, logLevel } = settingsOf(["-s", "3"], (name) => variables[name], file);
    assertEquals([limits.sessionsMax, logLevel, limits.nameBytesMax], [3, "warn", 16]);
  });

  for (const name of ["PLUMB_x.toml", "-x.toml"]) {
    test(`a file counts as a file, also if it is called ${name}`, async () => {
      const text =
        "memory = true\n[[listener]]\nurl = 'mqtt://127.0.0.1:1'\n[listener.login]\nanonymous = 'never'";
      const file = await parseConfig(`listen = 'mqtt://127.0.0.1:2'\n${text}`, name);
      const { listen, data } = settingsOf(["--data", "d"], NOTHING, file);
      assertEquals([listen.map(({ url }) => url), data], [["mqtt://127.0.0.1:2", "mqtt://127.0.0.1:1"], "d"]);
    });
  }
});

describe("the schema", () => {
  test("has keys, names and variables of their own, and no key that is a table of another", () => {
    const keys = SETTINGS.map(({ key }) => key);
    const names = SETTINGS.map(({ name }) => name);
    assertEquals([new Set(keys).size, new Set(names).size], [keys.length, names.length]);
    for (const key of keys) {
      assert(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(key), key);
      assert(!keys.some((other) => other.startsWith(`${key}.`)), key);
    }
    assert(!keys.includes(LISTENER_URL.key));
  });

  test("has a row for each limit of the engine, with its range and default", () => {
    for (const [limit, row] of Object.entries(LIMITS)) {
      const setting = SETTINGS.find(({ option }) => option === `limits.${limit}`)!;
      assertEquals(
        [setting.least, setting.most, setting.default, setting.unit, setting.scope === "broker"],
        [row.least, row.most, String(row.default), row.unit, row.scope === "broker"],
        limit,
      );
    }
  });

  test("plumb.schema.json is what `plumb config schema` prints now: write it anew if not", () => {
    const text = readFileSync(new URL("./plumb.schema.json", import.meta.url), "utf8");
    assertEquals(JSON.parse(text), JSON.parse(jsonSchemaText()));
  });

  test("the JSON Schema has each key with its range, and no others", () => {
    const schema = JSON.parse(jsonSchemaText());
    for (const row of SETTINGS) {
      const node = row.key.split(".").reduce((table, name) => {
        const { properties } = table.anyOf?.[0] ?? table; // a login chain is a table, or an array of tables
        return properties[name];
      }, schema);
      const least = row.kind === "list" ? node.anyOf[1].minItems : node.minimum;
      assertEquals([least, node.maximum], [row.least, row.most], row.key);
    }
    const { listener } = schema.properties;
    assertEquals([listener.items.required, listener.items.additionalProperties], [["url"], false]);
    assertEquals(Object.hasOwn(listener.items.properties.limits.properties, "sessions-max"), false);
    assertEquals(Object.hasOwn(listener.items.properties.limits.properties, "packet-bytes-max"), true);
  });
});
