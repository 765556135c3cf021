/**
 * `plumb pub`, `plumb sub` and `plumb request` beside mosquitto_pub, mosquitto_sub and mosquitto_rr: the same flags, the same broker, the
 * same bytes and exit statuses, against Plumb and against mosquitto.
 * @module
 */
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { connect } from "../../../src/client_api/mod.ts";
import { serve } from "../../../src/server/serve.ts";
import { patient, until } from "../../../src/testing/patience.ts";
import { startPlumb } from "../../../src/testing/plumb_process.ts";
import { onlyOn, type Runtime } from "../../lib/broker_process.ts";
import { within } from "../../lib/within.ts";
import { freePort, mosquittoVersion, startMosquitto } from "../peers/start.ts";
import { whatIsMissing } from "./mosquitto.ts";
import { pattern } from "./test_broker.ts";

const missing = mosquittoVersion() === undefined ? "mosquitto is not installed" : whatIsMissing();
const required = process.env["PLUMB_REQUIRE_MOSQUITTO"] === "1";
const options = { ...(missing !== undefined && !required && { skip: missing }), ...patient };

type Tool = "pub" | "sub" | "rr";

const FOLDER = mkdtempSync(join(tmpdir(), "plumb-tools-"));
process.on("exit", () => rmSync(FOLDER, { recursive: true, force: true }));

/** How a tool ended. */
interface Ended {
  readonly status: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** A tool that runs. */
class Running {
  readonly child: ChildProcess;
  readonly #name: string;
  readonly #chunks: Uint8Array[] = [];
  #err = "";

  constructor(child: ChildProcess, name: string, input?: Uint8Array) {
    this.child = child;
    this.#name = name;
    child.stdout!.on("data", (chunk: Uint8Array) => this.#chunks.push(chunk));
    child.stderr!.on("data", (chunk: Uint8Array) => this.#err += new TextDecoder().decode(chunk));
    child.stdin!.on("error", () => {});
    child.stdin!.end(input);
  }

  get out(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  async end(): Promise<Ended> {
    const closed = new Promise<number | null>((resolve, reject) => {
      this.child.on("close", resolve);
      this.child.on("error", reject);
    });
    const status = await within(closed, `the end of ${this.#name}`);
    return { status, out: Buffer.concat(this.#chunks), err: this.#err };
  }
}

const OURS: Readonly<Record<Tool, string>> = { pub: "pub", sub: "sub", rr: "request" };

/** Starts the tool of mosquitto. */
function theirs(tool: Tool, args: readonly string[], input?: Uint8Array): Running {
  return new Running(
    spawn(`mosquitto_${tool}`, args, { stdio: "pipe" }),
    `mosquitto_${tool} ${args.join(" ")}`,
    input,
  );
}

/** Starts ours. */
function ours(tool: Tool, args: readonly string[], input?: Uint8Array): Running {
  return new Running(startPlumb([OURS[tool], ...args]), `plumb ${OURS[tool]} ${args.join(" ")}`, input);
}

/** Runs both with the same arguments, one behind the other. */
async function both(
  tool: Tool,
  argsOf: (id: string) => readonly string[],
  input?: Uint8Array,
): Promise<readonly [theirs: Ended, ours: Ended]> {
  return [await theirs(tool, argsOf("theirs"), input).end(), await ours(tool, argsOf("ours"), input).end()];
}

async function well(running: Running): Promise<Buffer> {
  const { status, out, err } = await running.end();
  assertEquals([status, err], [0, ""]);
  return out;
}

type Broker = (body: (to: readonly string[], port: number) => Promise<void>) => Promise<void>;

const BROKERS: Readonly<Record<string, Broker>> = {
  Plumb: async (body) => {
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    try {
      const port = Number(new URL(server.addresses[0]!).port);
      await body(["-h", "127.0.0.1", "-p", `${port}`], port);
    } finally {
      await server.close();
    }
  },
  mosquitto: async (body) => {
    const { port, stop } = await startMosquitto();
    try {
      await body(["-h", "127.0.0.1", "-p", `${port}`], port);
    } finally {
      await stop();
    }
  },
};

function file(name: string, bytes: Uint8Array): string {
  const path = join(FOLDER, name);
  writeFileSync(path, bytes);
  return path;
}

const BINARY = pattern(300);
const PROPERTIES = [
  ["content-type", "text/plain"],
  ["response-topic", "answers/ä"],
  ["correlation-data", "id 7"],
  ["payload-format-indicator", "1"],
  ["user-property", "name", "value"],
  ["user-property", "other", ""],
].flatMap((property) => ["-D", "publish", ...property]);

/** Retained messages: topic, how mosquitto_pub is to send them. */
const RETAINED: Readonly<Record<string, readonly string[]>> = {
  "s/text": ["-m", "hello"],
  "s/ünicode": ["-m", "wörld"],
  "s/json": ["-q", "1", "-m", '{"a": [1, "x"], "b": null}'],
  "s/binary": ["-q", "1", "-f", file("binary", BINARY)],
  "s/properties": ["-m", "with", ...PROPERTIES],
};

/** Forms of output: the flags, and the only topic for which they are compared. */
const FORMS: readonly { readonly flags: readonly string[]; readonly topic?: string }[] = [
  { flags: [] },
  { flags: ["-v", "-q", "1"] },
  { flags: ["-N"] },
  {
    flags: [
      "-q",
      "2",
      "-F",
      "%t|%-12t|%12.3t|%.2t|%p|%q%r|%m|%l|%6l|%06l|%-6l|%x|%X|%8p|%-8p|%08p|%2p|%10x|%-10Xz|%010x|" +
      "\\t\\e\\0\\\\n\\a\\r\\v\\n%%@@",
    ],
  },
  { flags: ["-F", "%C|%14C|%.4C|%-14Cz|%R|%14R|%D|%P|%F|%3F|%03F|%E|%4E|%A|%3A|%S|%3S"] },
  { flags: ["-N", "-F", "%j\\n%J\\n"], topic: "s/json" },
  { flags: ["-F", "%j"], topic: "s/properties" },
];

const TIME = /"tst":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z[+-]\d{4}"/g;

function timeless(out: Buffer): Buffer {
  return Buffer.from(out.toString("latin1").replace(TIME, '"tst":""'), "latin1");
}

/** Every call of our tools is tried on both runtimes, with one broker on each: what they print does not come from the broker. */
const TRIED_ON: Readonly<Record<string, Runtime>> = { Plumb: "bun", mosquitto: "deno" };

for (const [name, onBroker] of Object.entries(BROKERS)) {
  const here = { ...options, ...onlyOn(TRIED_ON[name]!) };
  describe(`the tools with ${name} as broker`, () => {
    for (const version of ["5", "311"]) {
      test(
        `sub -V ${version} prints the bytes that mosquitto_sub prints, in every form`,
        here,
        () =>
          onBroker(async (to) => {
            for (const [topic, args] of Object.entries(RETAINED)) {
              await well(theirs("pub", [...to, "-V", "5", "-r", "-t", topic, ...args]));
            }
            const [all] = [Object.keys(RETAINED)];
            for (const { flags, topic } of FORMS) {
              const from = topic === undefined ? all.flatMap((one) => ["-t", one]) : ["-t", topic];
              const count = topic === undefined ? all.length : 1;
              const args = [...to, "-V", version, "-C", `${count}`, ...from, ...flags];
              const [them, us] = await both("sub", () => args);
              assertEquals([us.status, us.err, them.status], [0, "", 0]);
              assertEquals(timeless(us.out).toString("latin1"), timeless(them.out).toString("latin1"));
            }
          }),
      );

      test(
        `sub -V ${version} takes what a kept session has, as mosquitto_sub does: -c -E -C -T -U -R`,
        here,
        () =>
          onBroker(async (to) => {
            const own = (id: string) => [...to, "-V", version, "-i", id, "-c", "-q", "2"];
            const filters = ["-t", "k/#", "-t", "gone/#"];
            for (const { status } of await both("sub", (id) => [...own(id), ...filters, "-E"])) {
              assertEquals(status, 0);
            }
            for (const qos of ["1", "2"]) {
              await well(theirs("pub", [...to, "-q", qos, "-t", `k/${qos}`, "-m", `kept ${qos}`]));
              await well(theirs("pub", [...to, "-q", qos, "-t", `k/no/${qos}`, "-m", "not this"]));
            }
            await well(theirs("pub", [...to, "-q", "1", "-t", "k/last", "-m", "last"]));
            const taking = ["-t", "k/#", "-C", "3", "-T", "k/no/+", "-F", "%q %t %p"];
            const [them, us] = await both("sub", (id) => [...own(id), ...taking]);
            assertEquals([us.status, us.err], [0, ""]);
            // mosquitto_sub prints a message of QoS 2 when its PUBREL has come.
            const sorted = (out: Buffer) => out.toString().split("\n").sort();
            assertEquals(sorted(us.out), sorted(them.out));
            for (
              const { status } of await both("sub", (id) => [...own(id), "-U", "gone/#", "-E", "-t", "k/#"])
            ) {
              assertEquals(status, 0);
            }
            await well(theirs("pub", [...to, "-q", "1", "-t", "gone/1", "-m", "nobody wants this"]));
            await well(theirs("pub", [...to, "-q", "1", "-r", "-t", "stale", "-m", "stale"]));
            await well(theirs("pub", [...to, "-q", "1", "-t", "k/end", "-m", "end"]));
            const [theirEnd, ourEnd] = await both(
              "sub",
              (id) => [...own(id), "-R", "-t", "stale", "-C", "1", "-v"],
            );
            assertEquals([ourEnd.status, ourEnd.err], [0, ""]);
            assertEquals([ourEnd.out.toString(), theirEnd.out.toString()], ["k/end end\n", "k/end end\n"]);
          }),
      );

      test(`pub -V ${version} sends what mosquitto_pub sends`, here, () =>
        onBroker(async (to) => {
          const watcher = [...to, "-V", "5", "-i", "watcher", "-c", "-q", "2"];
          await well(theirs("sub", [...watcher, "-t", "p/#", "-E"]));
          const level5 = version === "5" ? [["-m", "props", ...PROPERTIES]] : [];
          const calls: readonly (readonly string[])[] = [
            ...["1", "2"].map((qos) => ["-q", qos, "-m", `at ${qos}`]),
            ["-q", "1", "-n"],
            ["-q", "1", "-f", file("binary", BINARY)],
            ["-q", "2", "-m", "again", "--repeat", "3"],
            ...level5,
          ];
          let count = 0;
          for (const args of calls) {
            const qos = args.includes("-q") ? [] : ["-q", "1"];
            const retries = await both(
              "pub",
              (id) => [...to, "-V", version, ...qos, ...args, "-t", `p/${id}`],
            );
            assertEquals(retries.map(({ status, err }) => [status, err]), [[0, ""], [0, ""]]);
            count += args.includes("--repeat") ? 3 : 1;
          }
          const lines = Buffer.from("one\n\ntwo\r\nwithout an end");
          for (const [flag, input, more] of [["-l", lines, 4], ["-s", BINARY, 1]] as const) {
            await both("pub", (id) => [...to, "-V", version, "-q", "2", flag, "-t", `p/${id}`], input);
            count += more;
          }
          const format = "%t %q %r %l %x %C %R %D %P %F";
          const args = [...watcher, "-t", "p/#", "-C", `${2 * count}`, "-F", format];
          const seen = (await well(theirs("sub", args))).toString().split("\n").slice(0, -1);
          const of = (id: string) =>
            seen.filter((line) => line.startsWith(`p/${id} `)).map((line) => line.slice(id.length + 3));
          assertEquals(of("ours"), of("theirs"));
          assertEquals(of("ours").length, count);
          await both("pub", (id) => [...to, "-V", version, "-r", "-m", "kept", "-t", `kept/${id}`]);
          const kept = [...to, "-t", "kept/ours", "-t", "kept/theirs", "-C", "2", "-F", "%t %q %r %p"];
          const retained = (await well(theirs("sub", kept))).toString().split("\n").sort();
          assertEquals(retained, ["", "kept/ours 0 1 kept", "kept/theirs 0 1 kept"]);
        }));

      test(
        `request -V ${version} prints the answer that mosquitto_rr prints`,
        here,
        () =>
          onBroker(async (to, port) => {
            await using answerer = await connect(`mqtt://127.0.0.1:${port}`);
            const requests = await answerer.subscribe("ask/#", { qos: 1 });
            const answering = (async () => {
              for await (const request of requests) {
                const { responseTopic = request.topic.replace("ask", "answer") } = request.properties;
                const { correlationData } = request.properties;
                await answerer.publish(responseTopic, Buffer.concat([request.bytes, Buffer.from("!")]), {
                  qos: 1,
                  ...correlationData !== undefined && { correlationData },
                });
              }
            })();
            const args = [...to, "-V", version, "-q", "1", "-m", "question", "-v"];
            const [them, us] = await both("rr", (id) => [...args, "-t", `ask/${id}`, "-e", `answer/${id}`]);
            assertEquals([us.status, us.err, them.status], [0, "", 0]);
            assertEquals(us.out.toString().replace("ours", "theirs"), them.out.toString());
            if (version === "5") {
              const own = await ours("rr", [...to, "-q", "1", "-m", "question", "-t", "ask/own"]).end();
              assertEquals([own.status, own.out.toString()], [0, "question!\n"]);
            }
            await requests.unsubscribe();
            await answering;
          }),
      );
    }

    test("the end of -W is status 27, and SIGTERM ends both well", here, () =>
      onBroker(async (to) => {
        const ended = await both("sub", () => [...to, "-t", "silence", "-W", "1"]);
        assertEquals(ended.map(({ status }) => status), [27, 27]);
        await well(theirs("pub", [...to, "-r", "-t", "here", "-m", "it is there"]));
        for (const start of [theirs, ours]) {
          const running = start("sub", [...to, "-t", "here"]);
          await until(() => running.out !== "", "the retained message");
          process.kill(running.child.pid!, "SIGTERM");
          assertEquals((await running.end()).status, 0);
        }
      }));
  });
}

test("a refused CONNECT is the status, as with mosquitto's tools", options, async () => {
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    authenticate: ({ username }) => ({ code: username === "banned" ? 0x8a : 0x87 }),
  });
  try {
    const to = ["-h", "127.0.0.1", "-p", new URL(server.addresses[0]!).port];
    const statuses: Readonly<Record<string, number>> = { "5": 0x87, "311": 5 };
    for (const [version, status] of Object.entries(statuses)) {
      const args = [...to, "-V", version];
      const ended = [
        ...await both("sub", () => [...args, "-t", "a"]),
        ...await both("pub", () => [...args, "-t", "a", "-m", "b"]),
      ];
      assertEquals(ended.map((one) => one.status), [status, status, status, status]);
    }
    const [them, us] = await both("sub", () => [...to, "-V", "5", "-u", "banned", "-t", "a"]);
    assertEquals([us.status, them.status], [0x8a, 0x8a]);
  } finally {
    await server.close();
  }
});

test("where nothing listens the status is 1", options, async () => {
  const port = await freePort();
  const ended = await both("pub", () => ["-h", "127.0.0.1", "-p", `${port}`, "-t", "a", "-m", "b"]);
  assertEquals(ended.map(({ status }) => status), [1, 1]);
});
