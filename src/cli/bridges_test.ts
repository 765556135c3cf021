/** Bridges of `plumb.toml`: what is said of wrong ones, their files, reloads, and the executable with one. @module */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type Client, connect } from "../client_api/mod.ts";
import { ConfigError, parseConfig } from "../config/file.ts";
import { type FinishedSpan, serve, type ServeOptions, type Server } from "../server/serve.ts";
import { openStore } from "../store/mod.ts";
import { patient, until } from "../testing/patience.ts";
import { plumb, startPlumb } from "../testing/plumb_process.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import { Bridges, plansOf } from "./bridges.ts";
import { CallError } from "./error.ts";
import { Log } from "./log.ts";
import { changedKeys } from "./reload.ts";
import { type Settings, settingsOf } from "./options.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-bridges-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

function file(text: string): string {
  const path = join(folder, `${files++}`);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

async function settings(text: string): Promise<Settings> {
  return settingsOf([], () => undefined, await parseConfig(text, "p.toml"));
}

const TOPIC = '[[bridge.topic]]\nfilter = "#"\ndirection = "both"\nqos = 2\n';
const bridge = (lines: string): string => `[[bridge]]\nname = "b"\n${lines}\n${TOPIC}`;

describe("a [[bridge]] in plumb.toml", () => {
  test("sets the options of a bridge", async () => {
    const { bridges } = await settings(
      bridge(
        'url = "mqtts://h"\nlevel = 4\ntls.ca = "/ca"\nclean = true\nmessages-max = 7\nbridge-bit = false',
      ),
    );
    assertEquals(bridges, [{
      where: "p.toml:1",
      options: {
        name: "b",
        url: "mqtts://h",
        level: 4,
        tls: { ca: "/ca" },
        isClean: true,
        numbers: { messagesMax: 7 },
        bridgeBit: false,
        topics: [{ filter: "#", direction: "both", qos: 2 }],
      },
    }]);
  });

  const faults: readonly (readonly [text: string, said: string])[] = [
    ["[bridge]\n", "p.toml:1:2: bridge is an array of tables: write [[bridge]] for each"],
    ['[[bridge]]\nname = "a"\n' + TOPIC, "p.toml:1:3: a [[bridge]] needs url"],
    [
      '[[bridge]]\nname = "a"\nurl = "mqtt://h"\n',
      "p.toml:1:3: a [[bridge]] needs a [[bridge.topic]], with a filter",
    ],
    [
      bridge('url = "mqtt://h"\nlevels = 4'),
      "p.toml:4:1: unknown key levels of a [[bridge]]; did you mean level?",
    ],
    [
      bridge('url = "mqtt://ann:secret@h"'),
      'p.toml:3:1: url takes mqtt://HOST:PORT, mqtts://, ws://, wss:// or unix:/PATH, without a user and a password, not "mqtt://ann:***@h"',
    ],
    [
      `${bridge('url = "mqtt://h"')}${bridge('url = "mqtt://h"')}`,
      "p.toml:9:1: there are two bridges of the name b",
    ],
    [
      bridge('url = "mqtt://h"').replace('filter = "#"\n', ""),
      "p.toml:4:3: a [[bridge.topic]] needs filter",
    ],
  ];
  for (const [text, said] of faults) {
    test(`is refused: ${said}`, async () => {
      const error = await assertRejects(() => parseConfig(text, "p.toml"), ConfigError);
      assertEquals((error as ConfigError).faults, [said]);
    });
  }

  const troubles: readonly (readonly [text: string, said: string])[] = [
    ['url = "mqtt://h"\ntls.ca = "/ca"', "p.toml:1: tls goes with mqtts://HOST:PORT or wss://"],
    ['url = "mqtts://h"\ntls.ca = "/none"', "p.toml:1: tls.ca /none: there is no such file"],
    ['url = "mqtts://h"\ntls.key = "/k"', "p.toml:1: tls.key needs tls.certificate"],
    ['url = "mqtt://h"\npassword-file = "/none"', "p.toml:1: password-file /none: there is no such file"],
    [
      'url = "mqtt://h"\npassword-variable = "SECRET"',
      "p.toml:1: password-variable: there is no variable SECRET",
    ],
    [
      'url = "mqtt://h"\npassword-file = "/none"\npassword-variable = "SECRET"',
      "p.toml:1: password-file and password-variable exclude each other",
    ],
  ];
  for (const [text, said] of troubles) {
    test(`is refused before anything begins: ${said}`, async () => {
      const wanted = await settings(bridge(text));
      const error = await assertRejects(() => plansOf(wanted, () => undefined), CallError);
      assert((error as Error).message.startsWith(said), (error as Error).message);
    });
  }

  test("with a filter that is none is refused, with its line", async () => {
    const wanted = await settings(bridge('url = "mqtt://h"').replace('"#"', '"a#"'));
    await assertRejects(() => plansOf(wanted), CallError, 'p.toml:1: "a#" is no Topic Filter [MQTT-4.7.1-1]');
  });

  test("that is changed is told of at a reload", async () => {
    const [one, other] = [
      await settings(bridge('url = "mqtt://h"')),
      await settings(bridge('url = "mqtt://i"')),
    ];
    assertEquals([changedKeys(one, other), changedKeys(one, one)], [["bridge"], []]);
  });
});

/** A broker, a Client of it, and the texts that it gets below `t/`. */
async function broker(
  options: ServeOptions = {},
): Promise<{ server: Server; url: string; got: string[]; client: Client }> {
  const server = await serve({ listen: ["mqtt://127.0.0.1:0"], ...options });
  const [url = ""] = server.addresses;
  const got: string[] = [];
  server.tap("t/#", ({ topic, view }) => {
    got.push(`${topic}=${new TextDecoder().decode(view.bytes.subarray(view.payloadAt, view.end))}`);
  });
  const client = await connect("mqtt://memory", {
    dial: async () => {
      const { inProcess } = await import("../runtime/in_process.ts");
      const [theirs, ours] = inProcess();
      server.acceptOwn(theirs, "test");
      return ours;
    },
  });
  return { server, url, got, client };
}

function logOf(): { log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const stream = {
    colours: false,
    write: (text: string, done: () => void) => void (lines.push(text), done()),
  };
  return { log: new Log({ level: "info", format: "logfmt", stream }), lines };
}

describe("the bridges of a broker", () => {
  test("go over TLS with a login, whose password is read again for each connection", patient, async () => {
    const far = await broker({
      listen: ["mqtts://127.0.0.1:0"],
      tls: { cert: CERT, key: KEY },
      authenticate: ({ username, password, peer }) => {
        const isRight = username === "ann" && new TextDecoder().decode(password) === "right";
        return { code: isRight || peer.transport === "memory" ? 0 : 0x86 };
      },
    });
    const near = await broker();
    const [ca, secret] = [file(CA), file("wrong\n")];
    const port = new URL(far.url).port;
    const data = mkdtempSync(join(folder, "data-"));
    const wanted = await settings(
      `data = "${data}"\n` +
        bridge(
          `url = "mqtts://localhost:${port}"\ntls.ca = "${ca}"\nusername = "ann"\npassword-file = "${secret}"\nreconnect-ms-max = 20`,
        ),
    );
    const { log, lines } = logOf();
    const spans: FinishedSpan[] = [];
    const bridges = new Bridges(near.server, log, (span) => spans.push(span));
    await bridges.change(await plansOf(wanted));
    await until(() => lines.some((line) => line.includes("CONNACK 0x86")), "a refusal");
    writeFileSync(secret, "right\n");
    await until(() => bridges.figures[0]!.isConnected, () => lines.join(""));
    assertEquals(
      spans.map((
        { name, attributes, startMs, endMs },
      ) => [name, attributes["plumb.bridge"], startMs <= endMs]),
      [
        ["mqtt.bridge", "b", true],
      ],
    );
    await near.client.publish("t/1", "out", { qos: 2 });
    await far.client.publish("t/2", "in", { qos: 2 });
    await until(() => far.got.length === 2 && near.got.length === 2, "both messages at both");
    assertEquals([near.got, far.got].map((all) => all.toSorted()), [["t/1=out", "t/2=in"], [
      "t/1=out",
      "t/2=in",
    ]]);
    assertEquals(lines.join("").includes("right"), false);
    assert(readdirSync(data).includes("bridge-b.db"));
    await bridges.close();
    for (const { server, client } of [near, far]) {
      await client.close();
      await server.close();
    }
  });

  test(
    "change with the settings: others stay, and the session of one that is gone ends",
    patient,
    async () => {
      const [near, far] = [await broker(), await broker()];
      const { log, lines } = logOf();
      const bridges = new Bridges(near.server, log);
      const text = (...names: string[]) =>
        "memory = true\n" + names.map((name) =>
          bridge(`url = "${far.url}"`).replace('"b"', `"${name[0]}"`)
            .replace('"both"', name.endsWith("!") ? '"in"' : '"out"')
        ).join("");
      const isAll = (count: number) => () =>
        bridges.figures.length === count && bridges.figures.every(({ isConnected }) => isConnected);
      const change = async (...names: string[]) => {
        await bridges.change(await plansOf(await settings(text(...names))));
        await until(isAll(names.length), () => lines.join(""));
      };
      await change("a", "b", "c");
      const since = bridges.figures[0]!.since;
      const sessions = () => [...near.server.broker.clientIds()].filter((id) => id.startsWith("$")).sort();
      assertEquals(sessions(), ["$bridge/a", "$bridge/b", "$bridge/c"]);
      await change("a", "b!");
      assertEquals(bridges.figures.map(({ name }) => name), ["a", "b"]);
      assertEquals(bridges.figures[0]!.since, since);
      await until(() => sessions().length === 2, "the end of a session");
      await until(() => lines.join("").match(/msg="bridge connected"/g)!.length === 4, () => lines.join(""));
      await bridges.close();
      for (const { server, client } of [near, far]) {
        await client.close();
        await server.close();
      }
    },
  );

  test("that an earlier process had, and that are not wanted any more, keep nothing", patient, async () => {
    const data = mkdtempSync(join(folder, "left-"));
    const far = await broker();
    for (const names of [["b"], []]) {
      const store = openStore(data);
      const near = await broker({ store });
      const bridges = new Bridges(near.server, logOf().log);
      const text = `data = "${data}"\n${names.length > 0 ? bridge(`url = "${far.url}"`) : ""}`;
      await bridges.change(await plansOf(await settings(text)));
      if (names.length > 0) await until(() => bridges.figures[0]!.isConnected, "a connection");
      const isThere = () => near.server.broker.session("$bridge/b") !== undefined;
      if (names.length === 0) await until(() => !isThere(), "the end of the session");
      await bridges.close();
      assertEquals(isThere(), names.length > 0);
      await near.client.close();
      await near.server.close();
      await store.close();
    }
    await far.client.close();
    await far.server.close();
  });
});

describe("the executable with a bridge", () => {
  test("carries messages, takes over another configuration, and shows no secret", patient, async () => {
    const far = await broker();
    const directory = mkdtempSync(join(folder, "run-"));
    const config = join(directory, "plumb.toml");
    const secret = file("s3cret");
    const write = (direction: string) =>
      writeFileSync(
        config,
        'data = "data"\nlisten = "mqtt://127.0.0.1:0"\n' +
          bridge(`url = "${far.url}"\nusername = "ann"\npassword-file = "${secret}"\nlevel = 4`)
            .replace('"both"', `"${direction}"`),
      );
    write("both");
    const shown = await plumb(["config", "show", "--config", config]);
    assertEquals([shown.status, shown.out.includes("s3cret"), shown.err], [0, false, ""]);
    assertMatch(shown.out, /\[\[bridge\.topic\]\].*\nfilter = "#"/);
    const checked = await plumb(["--config", config, "--check-config"]);
    assertEquals([checked.status, checked.out], [0, "ok\n"]);
    const child = startPlumb(["--config", config]);
    let log = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
    try {
      await until(() => log.includes('msg="bridge connected" bridge=b mqtt=3.1.1'), () => log);
      const url = /url=(mqtt:\S+)/.exec(log)![1]!;
      const near = await connect(url);
      await near.publish("t/1", "out", { qos: 2 });
      await until(() => far.got.includes("t/1=out"), () => log);
      const messages = await near.subscribe("t/2");
      await far.client.publish("t/2", "in", { qos: 1 });
      for await (const { bytes } of messages) {
        assertEquals(new TextDecoder().decode(bytes), "in");
        break;
      }
      write("in");
      await until(() => log.includes("changed=bridge"), () => log);
      await until(() => log.match(/bridge connected/g)!.length === 2, () => log);
      await near.publish("t/1", "does not go out", { qos: 2 });
      await far.client.publish("t/2", "comes in", { qos: 1 });
      for await (const { bytes } of messages) {
        assertEquals(new TextDecoder().decode(bytes), "comes in");
        break;
      }
      assertEquals(far.got.includes("t/1=does not go out"), false);
      assertEquals(log.includes("s3cret"), false);
      await near.close();
    } finally {
      const over = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGTERM");
      await over;
      await far.client.close();
      await far.server.close();
    }
    assertMatch(log, /msg=stopped/);
  });
});
