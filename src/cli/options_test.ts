/**
 * Arguments and environment: what they mean, and what is said of wrong ones.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { LIMITS } from "../broker/limits.ts";
import { SETTINGS } from "../config/schema.ts";
import { CallError } from "./error.ts";
import { variableOf } from "./flags.ts";
import { helpText, OPTIONS, settingsOf } from "./options.ts";

const NOTHING = () => undefined;

function listenOf(...args: string[]): readonly string[] {
  return settingsOf(args, NOTHING).listen.map(({ url }) => url);
}

describe("settingsOf()", () => {
  test("takes the defaults when nothing is said", () =>
    assertEquals(settingsOf([], NOTHING), {
      help: undefined,
      version: false,
      listen: [
        { url: "mqtt://localhost:1883", flag: "--listen-addr", value: "localhost", portFlag: "-p" },
        { url: "mqtts://[::]:8883", flag: "--listen", value: "mqtts://[::]:8883", portFlag: "--listen" },
        { url: "ws://localhost:8080", flag: "--listen", value: "ws://localhost:8080", portFlag: "--listen" },
      ],
      isDefaultListen: true,
      tls: {},
      tlsNames: [],
      proxyProtocol: [],
      webSocket: {},
      web: {},
      apiLimits: {},
      passwordFile: undefined,
      anonymous: "loopback",
      loginLimits: {},
      permissions: undefined,
      mosquittoAcl: undefined,
      limits: {},
      features: {},
      tolerate: [],
      data: "./plumb-data",
      hooks: undefined,
      hookLimits: {},
      webhook: {},
      workers: 1,
      durability: "fsync",
      strictStore: false,
      sysInterval: 10,
      otel: false,
      logLevel: "info",
      logFormat: "logfmt",
      logLimits: {},
    }));

  test("listens where --listen says, in that order", () =>
    assertEquals(listenOf("--listen", "mqtt://0.0.0.0", "--listen=mqtt://[::]:1884"), [
      "mqtt://0.0.0.0",
      "mqtt://[::]:1884",
    ]));

  test("takes one listener in short", () => {
    assertEquals(listenOf("-p", "1884"), ["mqtt://localhost:1884"]);
    assertEquals(listenOf("--port=0"), ["mqtt://localhost:0"]);
    assertEquals(listenOf("-l", "0.0.0.0"), ["mqtt://0.0.0.0:1883"]);
    assertEquals(listenOf("-l", "::", "-p", "9"), ["mqtt://[::]:9"]);
    assertEquals(listenOf("-p", "9", "--listen", "mqtt://0.0.0.0"), ["mqtt://localhost:9", "mqtt://0.0.0.0"]);
  });

  test("takes a host, or a host and a port, for a URL", () =>
    assertEquals(listenOf("--listen", "0.0.0.0:1884", "--listen", "::1", "--listen", "[::]:1"), [
      "mqtt://0.0.0.0:1884",
      "mqtt://[::1]",
      "mqtt://[::]:1",
    ]));

  test("remembers how address and port were written", () => {
    const written = (...args: string[]) =>
      settingsOf(args, NOTHING).listen.map(({ flag, value, portFlag }) => [flag, value, portFlag]);
    assertEquals(written("-l", "::1", "--port=9"), [["-l", "::1", "--port"]]);
    assertEquals(written("--listen-addr=::1", "-p9"), [["--listen-addr", "::1", "-p"]]);
    assertEquals(written("--listen", "mqtt://a"), [["--listen", "mqtt://a", "--listen"]]);
    const { listen } = settingsOf([], (name) => name === "PLUMB_LISTEN" ? "mqtt://a" : undefined);
    assertEquals(listen[0]?.flag, "PLUMB_LISTEN");
  });

  test("takes limits of the log", () =>
    assertEquals(settingsOf(["--log-lines-per-second-max", "5"], NOTHING).logLimits, {
      logLinesPerSecondMax: 5,
    }));

  test("takes limits by their names and by those of other brokers", () => {
    const { limits } = settingsOf(
      ["-s", "10", "--max-active-sessions", "20", "--packet-bytes-max", "30000", "--memory"],
      NOTHING,
    );
    assertEquals(limits, { sessionsMax: 10, connectionsMax: 20, packetBytesMax: 30_000 });
  });

  test("takes every flag from the environment, and the command line wins", () => {
    const variables: Record<string, string> = {
      PLUMB_LISTEN: "mqtt://127.0.0.1:1 mqtt://127.0.0.1:2,mqtt://127.0.0.1:3",
      PLUMB_LOG_LEVEL: "debug",
      PLUMB_LOG_FORMAT: "json",
      PLUMB_MEMORY: "yes",
      PLUMB_SESSIONS_MAX: "7",
      PLUMB_RECEIVE_MAXIMUM: "",
    };
    const settings = settingsOf(["--log-level", "warn"], (name) => variables[name]);
    assertEquals(settings.listen.map(({ url }) => url), [
      "mqtt://127.0.0.1:1",
      "mqtt://127.0.0.1:2",
      "mqtt://127.0.0.1:3",
    ]);
    assertEquals([settings.logLevel, settings.logFormat], ["warn", "json"]);
    assertEquals(settings.limits, { sessionsMax: 7 });
  });

  test("takes --memory in place of a directory in the environment, and the other way round", () => {
    const dataOf = (args: string[], variables: Record<string, string>) =>
      settingsOf(args, (name) => variables[name]).data;
    assertEquals(dataOf(["--memory"], { PLUMB_DATA: "a" }), undefined);
    assertEquals(dataOf(["--data", "a"], { PLUMB_MEMORY: "1" }), "a");
  });

  const refusals: readonly (readonly [args: string[], message: string])[] = [
    [["--prot", "1"], "unknown flag --prot; did you mean --port?"],
    [["--max-session=1"], "unknown flag --max-session; did you mean --max-sessions?"],
    [["--confg", "a"], "unknown flag --confg; did you mean --config?"],
    [["--colour", "a"], "unknown flag --colour; plumb --help-all names all"],
    [
      ["--durability", "interval=0"],
      '--durability takes fsync, os or interval=MS, in a cluster log or replicated, not "interval=0"',
    ],
    [["--retain-available", "maybe"], '--retain-available takes true or false, not "maybe"'],
    [["-x"], "unknown flag -x; plumb --help-all names all"],
    [["--memory", "--data", "a"], "--data and --memory exclude each other"],
    [["now"], 'unexpected argument "now"'],
    [["--port"], "--port needs a value: --port N"],
    [["--port", "--memory"], "--port needs a value: --port N"],
    [["-p", "65536"], '-p takes a whole number from 0 to 65535, not "65536"'],
    [["--port", "1e3"], '--port takes a whole number from 0 to 65535, not "1e3"'],
    [["--max-sessions=0"], '--max-sessions takes a whole number from 1 to 4294967295, not "0"'],
    [["--receive-maximum", "0"], '--receive-maximum takes a whole number from 1 to 65535, not "0"'],
    [["--log-format", "xml"], '--log-format takes logfmt, json, not "xml"'],
  ];
  for (const [args, message] of refusals) {
    test(`refuses ${args.join(" ")}`, () => {
      assertEquals(assertThrows(() => settingsOf(args, NOTHING), CallError).message, message);
    });
  }

  test("names the variable that is wrong", () => {
    const variables: Record<string, string> = { PLUMB_MEMORY: "perhaps" };
    const error = assertThrows(() => settingsOf([], (name) => variables[name]), CallError);
    assertEquals(error.message, 'PLUMB_MEMORY takes 1 or 0, not "perhaps"');
  });
});

describe("OPTIONS", () => {
  const rows = OPTIONS.flatMap((group) => group.rows);

  test("have a flag for every limit", () => {
    assertEquals(
      SETTINGS.flatMap(({ option }) => /^limits\.(.*)/.exec(option)?.[1] ?? []).sort(),
      Object.keys(LIMITS).sort(),
    );
    assertEquals(SETTINGS.find(({ option }) => option === "limits.packetBytesMax")?.name, "packet-bytes-max");
  });

  test("have names, short names and variables of their own", () => {
    for (
      const names of [
        rows.map(({ name }) => name),
        rows.flatMap(({ short }) => short ?? []),
        rows.map((row) => variableOf(row)),
      ]
    ) {
      assertEquals(new Set(names).size, names.length);
    }
  });

  test("are all in the long help, whose lines fit", () => {
    const lines = helpText(true).split("\n");
    for (const { name } of rows) assert(lines.some((line) => line.includes(`--${name}`)), name);
    assert(lines.every((line) => line.length <= 100));
  });

  test("are in the short help if they are not rare, and its lines fit on a screen", () => {
    const lines = helpText().split("\n");
    assert(lines.length <= 61, `${lines.length} lines`);
    for (const { name, rare } of rows) {
      assertEquals(lines.some((line) => line.includes(` --${name} `)), rare !== true, name);
    }
    assert(lines.some((line) => line.includes("plumb --help-all")));
  });
});
