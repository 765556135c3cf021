/**
 * `plumb serve --cluster`: members of several machines are one broker, whoever of them goes; and what is wrong is said in a line.
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { connect } from "../../client_api/mod.ts";
import type { ClusterSeen } from "../../cluster/status.ts";
import { homeOf } from "../../nodes/home.ts";
import { openStore } from "../../store/mod.ts";
import { freePort } from "../../testing/free_port.ts";
import { type NatsServer, noNats, startNats } from "../../testing/nats_server.ts";
import { patient, until } from "../../testing/patience.ts";
import { plumb, startPlumb } from "../../testing/plumb_process.ts";
import { inDirectory } from "../../testing/store_files.ts";
import { isAlive, workersOf } from "../../testing/worker_processes.ts";
import { CallError } from "../error.ts";
import { settingsOf } from "../options.ts";
import { natsOptionsOf } from "./access.ts";
import { clusterOf } from "./settings.ts";
import { shown } from "./status.ts";

const skip = noNats || (process.platform !== "linux" && "only Linux spreads connections over processes");
const HERE = { ...patient, skip };
const SHARDS = 3;

/** One member that runs. */
class RunningMember {
  readonly name: string;
  readonly child: ChildProcess;
  said = "";
  ended: { readonly status: number | null } | undefined;

  constructor(name: string, url: string, data: string, flags: readonly string[]) {
    this.name = name;
    this.child = startPlumb([
      "serve",
      ...["--cluster", url, "--cluster-name", "test", "--cluster-member", name],
      ...["--cluster-shards", `${SHARDS}`, "--data", join(data, name), ...flags],
    ]);
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => this.said += text);
    this.child.on("close", (status) => this.ended = { status });
  }

  async says(what: RegExp): Promise<void> {
    await until(() => what.test(this.said) || this.ended !== undefined, () => `${what} in ${this.said}`);
    assertMatch(this.said, what);
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.ended === undefined) process.kill(this.child.pid!, signal);
    await until(() => this.ended !== undefined, () => `${this.name} ends: ${this.said}`);
  }
}

describe("plumb serve --cluster", () => {
  let nats: NatsServer;
  before(async () => {
    if (skip === false) nats = await startNats();
  });
  after(() => nats?.end());

  async function statusOf(): Promise<ClusterSeen> {
    const { out } = await plumb([
      "cluster",
      "status",
      "--json",
      "--cluster",
      nats.url,
      "--cluster-name",
      "test",
    ]);
    return JSON.parse(out);
  }

  test(
    "is one broker of two members; what one had goes on at the other, also when it is killed",
    HERE,
    () =>
      inDirectory(async (data) => {
        const ports = [await freePort(), await freePort()];
        const begin = (i: number) =>
          new RunningMember(`m${i}`, nats.url, data, ["--listen", `mqtt://127.0.0.1:${ports[i - 1]}`]);
        const [one, two] = [begin(1), begin(2)];
        try {
          await one.says(/msg=listening/);
          await two.says(/msg=listening/);
          const before = await statusOf();
          assertEquals(before.members.map(({ member }) => member), ["m1", "m2"]);
          assertEquals(before.shards.map(({ state, status }) => [state, status?.links.length]), [
            ["live", 2],
            ["live", 2],
            ["live", 2],
          ]);
          // Sessions of all shards, so of both members.
          const ids = Array.from({ length: 12 }, (_, i) => `reader-${i}`);
          assertEquals(new Set(ids.map((id) => homeOf(id, SHARDS))).size, SHARDS);
          const options = { cleanStart: false, sessionExpiry: 600 } as const;
          for (const clientId of ids) {
            const reader = await connect(`mqtt://127.0.0.1:${ports[0]}`, { clientId, ...options });
            await reader.subscribe("t/#", { qos: 1 });
            await reader.close();
          }
          const writer = await connect(`mqtt://127.0.0.1:${ports[1]}`, { clientId: "writer" });
          await writer.publish("t/1", "kept", { qos: 1 });
          await writer.publish("r", "retained", { qos: 1, retain: true });
          await writer.close();
          const lost = two.said.match(/msg="shard claimed".* shard=\d+/g)!;
          assert(lost.length > 0 && lost.length < SHARDS, two.said);
          await two.end("SIGKILL");
          await until(() => (one.said.match(/msg="shard claimed"/g) ?? []).length === SHARDS, () => one.said);
          for (const clientId of ids) {
            const reader = await connect(`mqtt://127.0.0.1:${ports[0]}`, {
              clientId,
              ...options,
              connectTimeoutMs: Infinity,
            });
            const [message] = await take(await reader.subscribe("t/#", { qos: 1 }), 1);
            assertEquals(message, "kept", clientId);
            await reader.close();
          }
          const other = await connect(`mqtt://127.0.0.1:${ports[0]}`);
          assertEquals(await take(await other.subscribe("r"), 1), ["retained"]);
          await other.close();
          await one.end();
          assertEquals(one.ended?.status, 0);
          assertStringIncludes(one.said, "msg=stopped");
        } finally {
          one.child.kill("SIGKILL");
          two.child.kill("SIGKILL");
        }
      }),
  );

  test(
    "ends its processes with it, and refuses a second member of its name",
    HERE,
    () =>
      inDirectory(async (data) => {
        const flags = ["--listen", "mqtt://127.0.0.1:0"];
        const one = new RunningMember("same", nats.url, data, flags);
        try {
          await one.says(/msg=listening/);
          const second = new RunningMember("same", nats.url, join(data, "elsewhere"), flags);
          await until(() => second.ended !== undefined, () => second.said);
          assertEquals(second.ended?.status, 2);
          assertMatch(second.said, /msg="member refused" why="another member is called same"/);
          const pids = workersOf(one.child.pid!);
          assertEquals(pids.length, SHARDS);
          await one.end("SIGKILL");
          await until(() => pids.every((pid) => !isAlive(pid)), "the processes of its shards are gone");
        } finally {
          one.child.kill("SIGKILL");
        }
      }),
  );

  test("says in a line why it cannot begin", HERE, () =>
    inDirectory(async (data) => {
      const serve = (...more: readonly string[]) =>
        plumb(["serve", "--cluster", nats.url, "--cluster-member", "x", "--data", join(data, "x"), ...more]);
      const alone = join(data, "alone");
      await openStore(alone).close();
      const first = await serve("--data", alone);
      assertEquals(first.status, 2);
      assertMatch(
        first.err,
        /^plumb: .*alone has the data of a broker that is in no cluster: choose another directory/,
      );
      const other = await serve("--cluster-name", "test", "--cluster-shards", `${SHARDS + 1}`);
      assertEquals(other.status, 2);
      assertMatch(
        other.err,
        /^plumb: --cluster-shards 4: the cluster test was begun with 3, and keeps that number\n$/,
      );
      const nobody = await plumb(["serve", "--cluster", "nats://127.0.0.1:1", "--data", join(data, "y")]);
      assertEquals(nobody.status, 2);
      assertMatch(nobody.err, /^plumb: NATS at 127\.0\.0\.1:1 cannot be reached .*\n$/);
    }));
});

/** The texts of the next messages. */
async function take(
  messages: AsyncIterable<{ readonly bytes: Uint8Array }>,
  count: number,
): Promise<string[]> {
  const texts: string[] = [];
  for await (const { bytes } of messages) {
    texts.push(new TextDecoder().decode(bytes));
    if (texts.length === count) break;
  }
  return texts;
}

test("settings of a cluster that make no sense together are refused, and say what would be right", () => {
  const said = (...args: readonly string[]): string => {
    try {
      clusterOf(settingsOf(args, () => undefined));
    } catch (error) {
      if (error instanceof CallError) return error.message;
    }
    return "";
  };
  const there = ["--cluster", "nats://127.0.0.1"];
  assertEquals(
    said("--cluster-name", "x"),
    "settings of a cluster need --cluster nats://HOST:PORT",
  );
  assertEquals(
    said(...there, "--memory"),
    "--memory and --cluster exclude each other: sessions of a cluster are in logs",
  );
  assertEquals(
    said(...there, "--workers", "2"),
    "--workers is for one machine: in a cluster --cluster-shards are its processes",
  );
  assertEquals(
    said("--durability", "replicated"),
    "--durability takes replicated in a cluster only; fsync, os or interval=MS without one",
  );
  assertEquals(
    said(...there, "--durability", "os"),
    "--durability takes log or replicated in a cluster, not os",
  );
  const planOf = (...args: readonly string[]) => clusterOf(settingsOf(args, () => undefined));
  const plan = planOf(...there, ...there, ...there);
  assertEquals([plan?.cluster.name, plan?.cluster.replicas, plan?.durability], ["default", 3, "log"]);
  assertEquals(planOf(...there, "--cluster-replicas", "5")?.cluster.replicas, 5);
});

test("secrets of a cluster come from files or variables, and a file that cannot be read is named", () =>
  inDirectory((directory) => {
    const file = join(directory, "secret");
    writeFileSync(file, "s3cret\nmore\n");
    const access = { servers: ["nats://a"], name: "default" };
    const variables = (name: string) => ({ PLUMB_CLUSTER_PASSWORD: "other" })[name];
    assertEquals(natsOptionsOf({ ...access, user: "u", passwordFile: file }, () => undefined), {
      servers: ["nats://a"],
      user: "u",
      password: "s3cret",
    });
    assertEquals(natsOptionsOf({ ...access, user: "u" }, variables).password, "other");
    assertEquals(natsOptionsOf({ ...access, ca: file }, () => undefined).tls, { ca: "s3cret\nmore\n" });
    try {
      natsOptionsOf({ ...access, tokenFile: join(directory, "none") }, () => undefined);
      assert(false);
    } catch (error) {
      assert(error instanceof CallError);
      assertMatch(error.message, /^--cluster-token-file .*none: /);
    }
    return Promise.resolve();
  }));

test("the status of a cluster is shown in words", () => {
  const log = {
    epoch: 4,
    appends: 10,
    appendedBytes: 100,
    appendMs: 5,
    waiting: 1,
    position: 12,
    logBytes: 3 * 1024 * 1024,
    checkpoints: 0,
    isFailing: false,
  };
  const text = shown({
    cluster: "default",
    members: [{ member: "a", program: "1.2.3", shards: [1], isLeaving: false }],
    shards: [
      {
        shard: 1,
        state: "live",
        member: "a",
        epoch: 4,
        status: { log, links: [2], clients: 7, sessions: 9 },
      },
      { shard: 2, state: "silent", member: "b", epoch: 1 },
      { shard: 3, state: "without owner" },
    ],
  });
  assertEquals(
    text,
    `Cluster default

member  version  state  shards
a       1.2.3    live   1

shard  owner  epoch  state          log      waiting  append  links   clients  sessions
1      a      4      live           3.0 MiB  1        0.5 ms  1 of 2  7        9
2      b      1      silent         -        -        -       -       -        -
3      -      -      without owner  -        -        -       -       -        -
`,
  );
});
