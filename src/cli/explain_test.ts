/** `plumb explain` and `plumb trace`, as they are called, of a broker that runs. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync, type MqttClient } from "mqtt";
import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { patient, until } from "../testing/patience.ts";
import { type Outcome, plumb, startPlumb } from "../testing/plumb_process.ts";

const directory = mkdtempSync(join(tmpdir(), "plumb-explain-"));
const RULES = join(directory, "rules.toml");
const TOKEN = join(directory, "token");
writeFileSync(
  RULES,
  '[everyone]\nallow = [{ publish = "#", subscribe = "#" }]\ndeny = [{ publish = "secret" }]\n',
);

let child: ChildProcess;
let mqtt = "";
let url = "";
const clients: MqttClient[] = [];

/** With the address and the token of the broker. */
const ours = (...args: string[]) => [...args, "--url", url, "--token-file", TOKEN];

async function client(clientId: string): Promise<MqttClient> {
  const one = await connectAsync(mqtt, {
    protocolVersion: 5,
    clientId,
    reconnectPeriod: 0,
    password: "hidden",
    username: "u",
  });
  clients.push(one);
  return one;
}

/** A trace, once it has begun. */
async function tracing(...args: string[]): Promise<{ trace: ChildProcess; end: Promise<Outcome> }> {
  const trace = startPlumb(ours("trace", "--seconds", "600", ...args));
  const said = { out: "", err: "" };
  trace.stdout!.setEncoding("utf8").on("data", (text: string) => said.out += text);
  const end = new Promise<Outcome>((resolve) => trace.on("close", (status) => resolve({ status, ...said })));
  await new Promise<void>((resolve) => {
    trace.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said.err += text;
      if (said.err.startsWith(BEGUN)) resolve();
    });
    trace.on("close", () => resolve());
  });
  return { trace, end };
}

const BEGUN = "tracing; Ctrl-C ends it\n";

before(async () => {
  child = startPlumb([
    "--memory",
    ...["--listen", "mqtt://127.0.0.1:0", "--listen", "ws://127.0.0.1:0"],
    ...["--websocket-api", "--api-token-file", TOKEN, "--permissions", RULES, "--anonymous", "always"],
  ]);
  let log = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
  const urlOf = async (scheme: string): Promise<string> => {
    for (;;) {
      const found = new RegExp(`url=${scheme}://(\\S+?)/?\\n`).exec(log);
      if (found !== null) return found[1]!;
      await once(child.stderr!, "data");
    }
  };
  mqtt = `mqtt://${await urlOf("mqtt")}`;
  url = `http://${await urlOf("ws")}`;
  const one = await client("reader");
  await one.subscribeAsync("a/#", { qos: 1 });
  await client("writer");
}, patient);

after(async () => {
  for (const one of clients) await one.endAsync(true);
  rmSync(directory, { recursive: true });
}, patient);

describe("plumb explain", patient, () => {
  test("says that a Client gets a message, and how", patient, async () => {
    const { status, out, err } = await plumb(
      ours("explain", "reader", "a/b", "--qos", "2", "--publisher", "writer"),
    );
    assertEquals([status, err], [0, ""]);
    assertMatch(out, /^"reader" gets it at once at QoS 1\.\n\n/);
    assertMatch(out, /^ {2}yes {2}filters +"a\/#" \(QoS 1\) matches$/m);
    assertMatch(
      out,
      /^ {2}yes {2}permission to publish {2}"writer" may publish it: \S+rules\.toml:2: allow publish #$/m,
    );
    assertMatch(out, /granted at QoS 1, so it comes at QoS 1 \[MQTT-3\.8\.4-8\]$/m);
  });

  test("says why not, with the line of the rule; status 1", patient, async () => {
    const { status, out } = await plumb(ours("explain", "reader", "secret", "--publisher", "writer"));
    assertEquals(status, 1);
    assertMatch(
      out,
      /^"reader" does not get it\. "writer" may not publish "secret" at QoS 0: \S+rules\.toml:3: deny publish secret\.\n/,
    );
    assertMatch(out, /^ {3}NO {2}filters /m);
    const nobody = await plumb(ours("explain", "nobody", "a"));
    assertMatch(nobody.out, /^"nobody" does not get it\. There is no session of "nobody"/);
  });

  test("gives JSON to programs", patient, async () => {
    const { status, out } = await plumb(ours("explain", "reader", "a", "--json"));
    const { gets, copies, receivers, past } = JSON.parse(out);
    const copy = { how: "sent", qos: 0, retain: false, subscriptionIdentifiers: [], share: null };
    assertEquals([status, gets, copies, receivers, past.lastDrop], [0, true, [copy], 1, null]);
  });
});

describe("plumb trace", patient, () => {
  test(
    "shows what a Client does from its CONNECT on, a line for each packet, without the password",
    patient,
    async () => {
      const { end } = await tracing("--client", "new", "--packets", "7");
      const one = await client("new");
      await one.publishAsync("a/b", "hello", { qos: 1 });
      await one.endAsync();
      await client("new");
      const { status, out, err } = await end;
      assertEquals([status, err], [0, `${BEGUN}ended: as many packets as --packets says\n`]);
      const lines = out.trimEnd().split("\n");
      assertEquals(lines.map((line) => line.split(" ").slice(2, 4).join(" ")), [
        "> CONNECT",
        "< CONNACK",
        "> PUBLISH",
        "< PUBACK",
        "> DISCONNECT",
        "> CONNECT",
        "< CONNACK",
      ]);
      assertMatch(
        lines[0]!,
        /^\d\d:\d\d:\d\d\.\d{3} "new" > CONNECT .*clientId="new".* password="\*{8}".* \(\d+ bytes\)$/,
      );
      assertMatch(lines[2]!, /> PUBLISH "a\/b" qos=1 packetId=\d+ .*"hello" \(\d+ bytes\)$/);
      assert(!out.includes("hidden"));
    },
  );

  test("gives JSON to programs, of topics, and status 1 if nothing passes", patient, async () => {
    const { end } = await tracing("--json", "--topic", "a/+", "--packets", "3");
    const writer = clients[1]!;
    await writer.publishAsync("b", "x");
    await writer.publishAsync("a/b", "x", { qos: 1 });
    const { status, out } = await end;
    assertEquals(status, 0);
    const lines = out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ client, direction, type, topic }) => [client, direction, type, topic]), [
      ["writer", "in", "PUBLISH", "a/b"],
      ["reader", "out", "PUBLISH", "a/b"],
      ["writer", "out", "PUBACK", undefined],
    ]);
    const nothing = await plumb(ours("trace", "--address", "192.0.2.1", "--seconds", "1"));
    assertEquals(nothing, { status: 1, out: "", err: `${BEGUN}nothing passed\n` });
  });

  test("writes a capture, which stays when it is stopped", patient, async () => {
    const file = join(directory, "a.pcap");
    const { end, trace } = await tracing("--client", "writer", "--pcap", file);
    await clients[1]!.publishAsync("a/b", "x", { qos: 1 });
    await until(() => readFileSync(file).length > 300, "packets are in the file");
    process.kill(trace.pid!, "SIGINT"); // kill() of Deno's child would hide the status
    assertEquals((await end).status, 0);
    const { error, stdout } = spawnSync("tshark", ["-r", file, "-T", "fields", "-e", "mqtt.msgtype"], {
      encoding: "utf8",
    });
    if (error === undefined) assertEquals(stdout.split(/\s+/).filter((one) => one !== ""), ["3", "4"]);
    assertEquals([...readFileSync(file).subarray(0, 4)], [0xa1, 0xb2, 0xc3, 0xd4]);
  });
});

describe("plumb explain and trace", patient, () => {
  for (
    const [call, fault] of [
      [["explain"], /say which Client and topic: plumb explain CLIENT TOPIC/],
      [["explain", "c"], /say which topic: plumb explain c TOPIC/],
      [["explain", "c", "t", "--qos", "3"], /--qos/],
      [["explain", "c", "t", "u"], /unexpected argument "u"/],
      [["trace"], /say what to trace: --client ID, --topic FILTER or --address IP/],
      [["trace", "c"], /say what "c" is: --client, --topic or --address/],
      [["trace", "--client", "c", "--topic", "t"], /say what to trace/],
      [["trace", "--clent", "c"], /did you mean --client\?/],
      [["explain", "c", "t", "--url", "ftp://x"], /--url takes a URL such as http:\/\/localhost:8080/],
      [["explain", "c", "t", "--token-file", "nowhere"], /there is no token in nowhere/],
    ] as const
  ) {
    test(`says what would be right: ${call.join(" ")}`, patient, async () => {
      const { status, out, err } = await plumb(call, {}, directory);
      assertEquals([status, out], [2, ""]);
      assertMatch(err, /^plumb: [^\n]+\n$/);
      assertMatch(err, fault);
    });
  }

  test("say what the broker says, or that none is there", patient, async () => {
    const bad = await plumb(ours("trace", "--topic", "a/#/b"));
    assertEquals([bad.status, bad.out], [2, ""]);
    assertMatch(bad.err, /"a\/#\/b" is no Topic Filter that can be traced\n$/);
    const none = await plumb(["explain", "c", "t", "--url", "http://127.0.0.1:1", "--token-file", TOKEN]);
    assertEquals(none.status, 2);
    assertMatch(none.err, /^plumb: no broker answers at http:\/\/127\.0\.0\.1:1\/: /);
    const wrong = join(directory, "wrong");
    writeFileSync(wrong, "0123456789012345678901234567890123\n");
    const stranger = await plumb(["explain", "c", "t", "--url", url, "--token-file", wrong]);
    assertEquals([stranger.status, stranger.out], [2, ""]);
  });
});

describe("a broker that stops", patient, () => {
  test("ends the traces that are under way", patient, async () => {
    const { end } = await tracing("--client", "writer");
    const over = once(child, "close");
    child.kill("SIGTERM");
    await over;
    assert((await end).status !== null);
  });
});
