/**
 * `plumb pub`, `plumb sub` and `plumb request` as they are called: output, exit status, signals.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { connect } from "../client_api/mod.ts";
import { serve, type Server } from "../server/serve.ts";
import { patient, until } from "../testing/patience.ts";
import { type Outcome, plumb, startPlumb } from "../testing/plumb_process.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import { PUB_OPTIONS, pubHelp } from "./pub.ts";
import { REQUEST_OPTIONS, requestHelp } from "./request.ts";
import { SUB_OPTIONS, subHelp } from "./sub.ts";

/** A broker that refuses what begins with `no/`, and counts what happens. */
class Stage {
  readonly server: Server;
  readonly subscribed: string[] = [];
  readonly disconnected: string[] = [];
  readonly #children: ChildProcess[] = [];

  constructor(server: Server, subscribed: string[], disconnected: string[]) {
    this.server = server;
    this.subscribed = subscribed;
    this.disconnected = disconnected;
  }

  get url(): string {
    return this.server.addresses[0]!;
  }

  pub(...args: string[]): Promise<Outcome> {
    return plumb(["pub", "-L", this.url, ...args]);
  }

  /** Starts `plumb sub`; resolves when it has subscribed to `filter`, or at once without one. */
  async sub(filter: string | undefined, ...args: string[]): Promise<Running> {
    const before = this.subscribed.length;
    const more = filter === undefined ? [] : ["-t", filter];
    const child = startPlumb(["sub", "-L", this.url, ...more, ...args]);
    this.#children.push(child);
    const running = new Running(child);
    if (filter !== undefined) {
      await until(() => this.subscribed.slice(before).includes(filter) || running.isOver, `sub -t ${filter}`);
    }
    return running;
  }

  async end(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await this.server.close();
  }
}

/** A process. */
class Running {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
  isOver = false;
  out = "";
  err = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout!.setEncoding("latin1").on("data", (text: string) => this.out += text);
    child.stderr!.setEncoding("utf8").on("data", (text: string) => this.err += text);
    this.outcome = new Promise((resolve) =>
      child.on("close", (status) => {
        this.isOver = true;
        resolve({ status, out: this.out, err: this.err });
      })
    );
  }
}

async function serveOn(
  listen: readonly string[],
  subscribed: string[],
  disconnected: string[],
): Promise<Server> {
  return await serve({
    listen: [...listen],
    ...listen.some((url) => /^(mqtts|wss):/.test(url)) && { tls: { cert: CERT, key: KEY } },
    authorize: ({ topic }) => topic.startsWith("no/") ? 0x87 : 0,
    hooks: {
      subscribed: (_, filter) => void subscribed.push(filter),
      disconnected: ({ clientId }) => void disconnected.push(clientId),
    },
  });
}

async function onStage(
  body: (stage: Stage) => Promise<void>,
  listen: readonly string[] = ["mqtt://127.0.0.1:0"],
): Promise<void> {
  const [subscribed, disconnected]: [string[], string[]] = [[], []];
  const stage = new Stage(await serveOn(listen, subscribed, disconnected), subscribed, disconnected);
  try {
    await body(stage);
  } finally {
    await stage.end();
  }
}

function withInput(args: readonly string[], input: string | Uint8Array): Promise<Outcome> {
  const child = startPlumb(args);
  child.stdin!.on("error", () => {});
  child.stdin!.end(input);
  return new Running(child).outcome;
}

describe("plumb pub", () => {
  test(
    "publishes each line of stdin, and says what the Server answered",
    patient,
    () =>
      onStage(async ({ server, url }) => {
        const got: string[] = [];
        await using reader = await connect(url);
        const subscription = await reader.subscribe("lines", { qos: 2 });
        const args = ["pub", "-L", url, "-t", "lines", "-q", "1", "-l", "--json"];
        const { status, out, err } = await withInput(args, "one\n\ntwo");
        assertEquals([status, err], [0, ""]);
        const answers = out.trim().split("\n").map((line) => JSON.parse(line));
        assertEquals(answers.map(({ reasonCode, payloadlen }) => [reasonCode, payloadlen]), [[0, 3], [0, 0], [
          0,
          3,
        ]]);
        for await (const message of subscription) {
          if (got.push(Buffer.from(message.bytes).toString()) === 3) break;
        }
        assertEquals(got, ["one", "", "two"]);
        assert(server.addresses.length === 1);
      }),
  );

  test(
    "goes on behind a message that is refused, and ends with 1",
    patient,
    () =>
      onStage(async ({ url }) => {
        const { status, out, err } = await plumb([
          "pub",
          "-L",
          url,
          "-t",
          "no/1",
          "-q",
          "1",
          "-m",
          "x",
          "--repeat",
          "2",
        ]);
        assertEquals([status, out], [1, ""]);
        assertMatch(err, /^(plumb: no\/1: The Server refuses by PUBACK: Not authorized, [^\n]+\n){2}$/);
        const quiet = await plumb(["pub", "-L", url, "-t", "no/1", "-q", "1", "-m", "x", "--quiet"]);
        assertEquals([quiet.status, quiet.err], [1, ""]);
      }),
  );

  test(
    "ends with 1 when the connection is lost, however much there is to publish",
    patient,
    () =>
      onStage(async ({ server, url }) => {
        await using reader = await connect(url);
        await using messages = await reader.subscribe("more");
        const args = ["pub", "-L", url, "-t", "more", "-q", "1", "-m", "x", "--repeat", "1000000000"];
        const running = new Running(startPlumb(args));
        try {
          for await (const _ of messages) break;
          await server.close();
          assertEquals((await running.outcome).status, 1);
        } finally {
          running.child.kill("SIGKILL");
        }
      }),
  );

  test(
    "ends with 141 when nothing reads what the Server answered",
    patient,
    () =>
      onStage(async ({ url }) => {
        const running = new Running(startPlumb(["pub", "-L", url, "-t", "a", "-m", "b", "--json"]));
        running.child.stdout!.destroy();
        assertEquals((await running.outcome).status, 141);
      }),
  );

  test("a call that is wrong is one line, and 2", patient, async () => {
    const calls: readonly (readonly [string, readonly string[]])[] = [
      ["plumb: a topic is missing: -t TOPIC\n", ["-m", "x"]],
      ["plumb: a payload is missing: -m TEXT, -f FILE, -s, -n, -l\n", ["-t", "a"]],
      ["plumb: -m and -n exclude each other\n", ["-t", "a", "-m", "x", "-n"]],
      [
        'plumb: -t "a/#": a Topic Name has no + and #, no U+0000, and is not empty\n',
        ["-t", "a/#", "-m", "x"],
      ],
      ["plumb: -f /nowhere/at/all: there is no such file\n", ["-t", "a", "-f", "/nowhere/at/all"]],
    ];
    for (const [message, args] of calls) {
      const { status, out, err } = await plumb(["pub", ...args]);
      assertEquals([status, out, err], [2, "", message]);
    }
  });
});

describe("plumb sub", () => {
  test("does not take a filter that it is to subscribe to and to give up", patient, async () => {
    const { status, out, err } = await plumb(["sub", "-t", "a", "-t", "b", "-U", "b"]);
    const message = "plumb: b is to be subscribed to and to be given up: -t and -U exclude each other\n";
    assertEquals([status, out, err], [2, "", message]);
  });

  test(
    "acknowledges what it has printed: what comes behind -C is there the next time",
    patient,
    () =>
      onStage(async (stage) => {
        const own = ["-i", "own", "-c", "-q", "2"];
        assertEquals((await (await stage.sub("kept/#", ...own, "-E")).outcome).status, 0);
        for (const qos of ["1", "2", "1"]) {
          assertEquals(
            (await stage.pub("-q", qos, "-t", `kept/${qos}`, "-m", qos, "--repeat", "2")).status,
            0,
          );
        }
        const got: string[] = [];
        for (const count of ["1", "2", "3"]) {
          const { status, out } = await (await stage.sub("kept/#", ...own, "-C", count)).outcome;
          assertEquals(status, 0);
          got.push(out);
        }
        assertEquals(got.join(""), "1\n1\n2\n2\n1\n1\n");
      }),
  );

  test(
    "prints messages of its session that none of its filters matches",
    patient,
    () =>
      onStage(async (stage) => {
        const own = ["-i", "own", "-c", "-q", "1"];
        await (await stage.sub("earlier/#", ...own, "-E")).outcome;
        await stage.pub("-q", "1", "-t", "earlier/1", "-m", "waited");
        const { out } = await (await stage.sub("now/#", ...own, "-C", "1", "-v")).outcome;
        assertEquals(out, "earlier/1 waited\n");
      }),
  );

  test(
    "prints a message once, though several filters match, in the order of arrival",
    patient,
    () =>
      onStage(async (stage) => {
        const running = await stage.sub("a/#", "-q", "1", "-C", "6", "-t", "+/1", "-t", "a/1", "-v");
        await until(() => stage.subscribed.length === 3, "three filters");
        for (const topic of ["a/1", "b/1", "a/2"]) {
          await stage.pub("-q", "1", "-t", topic, "-m", "x", "--repeat", "2");
        }
        const { out } = await running.outcome;
        assertEquals(out, "a/1 x\na/1 x\nb/1 x\nb/1 x\na/2 x\na/2 x\n");
      }),
  );

  test("waits for stdout that is not read, and loses nothing", patient, () =>
    onStage(async (stage) => {
      const running = await stage.sub("flood", "-q", "1", "-C", "20000");
      running.child.stdout!.pause();
      const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${"x".repeat(200)}\n`).join("");
      const { status, err } = await withInput(
        ["pub", "-L", stage.url, "-t", "flood", "-q", "1", "-l"],
        lines,
      );
      assertEquals([status, err], [0, ""]);
      running.child.stdout!.resume();
      const outcome = await running.outcome;
      assertEquals([outcome.status, outcome.err], [0, ""]);
      assert(outcome.out === lines, `${outcome.out.length} of ${lines.length} bytes`);
    }));

  test("ends with 141 when nothing reads stdout any more", patient, () =>
    onStage(async (stage) => {
      const running = await stage.sub("pipe");
      running.child.stdout!.destroy();
      await using client = await connect(stage.url);
      while (!running.isOver) {
        await client.publish("pipe", "x");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertEquals((await running.outcome).status, 141);
    }));

  test(
    "says which subscription is refused, and ends with 1 when none is left",
    patient,
    () =>
      onStage(async (stage) => {
        const refused = await (await stage.sub(undefined, "-t", "no/1")).outcome;
        assertEquals(refused.status, 1);
        assertMatch(refused.err, /^plumb: no\/1: The Server refuses by SUBACK: Not authorized, [^\n]+\n$/);
        const running = await stage.sub("yes", "-t", "no/1", "-q", "1", "-C", "1");
        await stage.pub("-q", "1", "-t", "yes", "-m", "x");
        assertEquals([(await running.outcome).status, running.out], [1, "x\n"]);
      }),
  );

  test("connects again as --reconnect says", patient, async () => {
    const [subscribed, disconnected]: [string[], string[]] = [[], []];
    const first = await serveOn(["mqtt://127.0.0.1:0"], subscribed, disconnected);
    const [url] = first.addresses;
    const stage = new Stage(first, subscribed, disconnected);
    const lasting = await stage.sub("r", "-q", "1", "-C", "1");
    const once = await stage.sub("r", "--reconnect", "never");
    await first.close();
    const { status, err } = await once.outcome;
    assertEquals(status, 1);
    assertMatch(err, /^plumb: The Server refuses by DISCONNECT: Server shutting down/);
    const second = await serveOn([url!], subscribed, disconnected);
    try {
      await until(() => subscribed.length === 3, "the subscription is made again");
      assertEquals((await stage.pub("-q", "1", "-t", "r", "-m", "again")).status, 0);
      assertEquals([(await lasting.outcome).status, lasting.out], [0, "again\n"]);
      assertMatch(lasting.err, /connecting again\n/);
    } finally {
      await second.close();
      lasting.child.kill("SIGKILL");
    }
  });

  test("has the Server publish its will when a signal ends it", patient, () =>
    onStage(async (stage) => {
      const watching = await stage.sub("will", "-C", "1", "-v");
      const will = ["--will-topic", "will", "--will-payload", "gone"];
      const willing = await stage.sub("nothing", ...will);
      process.kill(willing.child.pid!, "SIGINT");
      assertEquals((await willing.outcome).status, 0);
      assertEquals((await watching.outcome).out, "will gone\n");
    }));

  test("counts topics in place of messages with --stats", patient, () =>
    onStage(async (stage) => {
      for (const topic of ["s/1", "s/2"]) await stage.pub("-r", "-t", topic, "-m", "12345");
      const table = await (await stage.sub("s/#", "--stats", "-C", "2")).outcome;
      assertEquals([table.status, table.err], [0, ""]);
      assertMatch(table.out, /^messages .*\n +1 .* s\/1\n +1 .* s\/2\n2 messages, 10 B, 2 topics in /);
      const json = await (await stage.sub("s/#", "--stats", "--json", "-W", "1")).outcome;
      assertEquals(json.status, 0);
      assertEquals(JSON.parse(json.out).topics.map(({ topic }: { topic: string }) => topic), ["s/1", "s/2"]);
    }));
});

describe("plumb request", () => {
  test("prints the answers to itself, and no others", patient, () =>
    onStage(async ({ url }) => {
      await using client = await connect(url);
      await using requests = await client.subscribe("ask", { qos: 1 });
      const answering = (async () => {
        for await (const request of requests) {
          const { responseTopic } = request.properties;
          await client.publish(responseTopic!, "of another", { qos: 1, correlationData: Uint8Array.of(1) });
          for (const text of ["one", "two"]) await request.reply(text, { qos: 1 });
        }
      })();
      const args = ["request", "-L", url, "-t", "ask", "-q", "1", "-m", "?"];
      const { status, out, err } = await plumb([...args, "-C", "2"]);
      assertEquals([status, out, err], [0, "one\ntwo\n", ""]);
      const late = await plumb([...args, "-C", "3", "-W", "1"]);
      assertEquals([late.status, late.out], [27, "one\ntwo\n"]);
      await requests.unsubscribe();
      await answering;
    }));

  test("says at once that nothing can answer", patient, () =>
    onStage(async ({ url }) => {
      const { status, err } = await plumb(["request", "-L", url, "-t", "ask", "-q", "1", "-m", "?"]);
      assertEquals([status, err], [1, "plumb: ask: no Client has subscribed to it, so none can answer\n"]);
      const below = await plumb(["request", "-L", url, "-t", "ask", "-m", "?", "-V", "311"]);
      assertEquals([below.status, below.err], [
        1,
        "plumb: below MQTT 5.0 a request has no Response Topic: say -e TOPIC\n",
      ]);
    }));
});

test("all go over TLS, WebSocket and Unix sockets too", patient, () => {
  const folder = mkdtempSync(join(tmpdir(), "plumb-pub-"));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, CA);
  const socket = `unix:${join(folder, "broker.sock")}`;
  const listen = ["mqtts://127.0.0.1:0", "ws://127.0.0.1:0/mqtt", "wss://127.0.0.1:0/mqtt", socket];
  return onStage(async ({ server }) => {
    for (const url of server.addresses) {
      const to = ["-L", url, .../^(?:ws|unix):/.test(url) ? [] : ["--cafile", ca]];
      const published = await plumb(["pub", ...to, "-r", "-q", "1", "-t", "over", "-m", url]);
      assertEquals([published.status, published.err], [0, ""]);
      const got = await plumb(["sub", ...to, "-t", "over", "-C", "1"]);
      assertEquals([got.status, got.out, got.err], [0, `${url}\n`, ""]);
    }
    const asked = plumb(["request", "-L", socket, "-t", "over", "-m", "?", "-e", "over", "-C", "1"]);
    assertEquals((await asked).out, `${socket}\n`); // the one that is retained
    const distrusted = await plumb(["pub", "-L", server.addresses[0]!, "-t", "a", "-m", "b"]);
    assertEquals([distrusted.status, distrusted.out], [1, ""]);
    assertMatch(distrusted.err, /^plumb: 127\.0\.0\.1:\d+: [^\n]+\n$/);
  }, listen).finally(() => rmSync(folder, { recursive: true }));
});

test("goes to the Server that a refusal names (§4.11)", patient, () =>
  onStage(async ({ url }) => {
    const reference = url.slice("mqtt://".length);
    const before = await serve({
      listen: ["mqtt://127.0.0.1:0"],
      authenticate: () => ({ code: 0x9c, serverReference: reference }),
    });
    try {
      const { status, err } = await plumb(["pub", "-L", before.addresses[0]!, "-t", "a", "-m", "b"]);
      assertEquals([status, err], [0, ""]);
    } finally {
      await before.close();
    }
  }));

test("a user name and a password that no command line shows", patient, async () => {
  const seen: string[] = [];
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    authenticate: ({ username, password }) => {
      seen.push(`${username} ${password === undefined ? undefined : new TextDecoder().decode(password)}`);
      return { code: 0 };
    },
  });
  try {
    const env = { PLUMB_URL: server.addresses[0]!, PLUMB_USERNAME: "ann", PLUMB_PASSWORD: "secret" };
    assertEquals((await plumb(["pub", "-t", "a", "-m", "b"], env)).status, 0);
    assertEquals(seen, ["ann secret"]);
  } finally {
    await server.close();
  }
});

test("the help has every flag", patient, async () => {
  const all = [[PUB_OPTIONS, pubHelp], [SUB_OPTIONS, subHelp], [REQUEST_OPTIONS, requestHelp]] as const;
  for (const [groups, help] of all) {
    for (const { name, short, rare } of groups.flatMap(({ rows }) => rows)) {
      const shown = `${short === undefined ? "    " : `-${short[0]}, `}--${name}`;
      assert(help(true).includes(shown), shown);
      assertEquals(help().includes(`--${name}`), rare !== true, name);
    }
  }
  const { status, out } = await plumb(["help", "sub"]);
  assertEquals([status, out], [0, subHelp(true)]);
  assertEquals((await plumb(["pub", "--help"], { PLUMB_URL: process.version })).out, pubHelp());
});
