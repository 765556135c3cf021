/**
 * A broker of several processes is one for who looks from outside: one log, one status, one end; and none of them outlives it.
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { encodePacket } from "../../codec/encode.ts";
import { PacketType } from "../../codec/packet_type.ts";
import { parseConfig } from "../../config/file.ts";
import { patient, until } from "../../testing/patience.ts";
import { plumb, startPlumb } from "../../testing/plumb_process.ts";
import { inDirectory } from "../../testing/store_files.ts";
import { isAlive, workersOf } from "../../testing/worker_processes.ts";

/** Elsewhere the system does not spread connections. */
const HERE = { ...patient, skip: process.platform !== "linux" };

/** A broker with workers that runs. */
class Running {
  readonly child: ChildProcess;
  said = "";
  ended: { readonly status: number | null; readonly signal: string | null } | undefined;

  constructor(args: readonly string[], cwd?: string, env: Readonly<Record<string, string>> = {}) {
    this.child = startPlumb(
      ["serve", "--workers", "2", ...args],
      { XDG_RUNTIME_DIR: cwd ?? "", ...env },
      cwd,
    );
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => this.said += text);
    this.child.on("close", (status, signal) => this.ended = { status, signal });
  }

  get lines(): string[] {
    return this.said.split("\n").slice(0, -1);
  }

  /** The port of its listener for `mqtt://127.0.0.1`. */
  get port(): number {
    return Number(/mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(this.said)![1]);
  }

  async says(what: RegExp): Promise<void> {
    await until(() => what.test(this.said) || this.ended !== undefined, () => `${what} in ${this.said}`);
    assertMatch(this.said, what);
  }

  /** The process ids of the workers. */
  get workers(): number[] {
    return workersOf(this.child.pid!);
  }

  /** `kill()` of a child makes Deno 2.9 say that the signal has ended it, however it ends. */
  tell(signal: NodeJS.Signals): void {
    try {
      process.kill(this.child.pid!, signal);
    } catch { // it has ended just now
    }
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.ended === undefined) this.tell(signal);
    await until(() => this.ended !== undefined, () => `its end in ${this.said}`);
  }
}

/** Runs a broker with workers; whatever happens, none of its processes is left. */
async function running(
  args: readonly string[],
  body: (broker: Running, directory: string) => Promise<void>,
): Promise<void> {
  await inDirectory(async (directory) => {
    const broker = new Running(args, directory);
    try {
      await broker.says(/msg=listening|"msg":"listening"/);
      const { workers } = broker;
      await body(broker, directory);
      await broker.end();
      await until(() => !workers.some(isAlive), "the workers end");
    } finally {
      if (broker.ended === undefined) broker.tell("SIGKILL");
      await until(() => broker.ended !== undefined, "it ends");
    }
  });
}

/** A Client connects, and is gone. */
async function visit(port: number, clientId: string): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    const packet = { type: PacketType.CONNECT, level: 4, cleanStart: true, keepAlive: 60, clientId } as const;
    socket.write(encodePacket(packet, 4));
    const [answer] = await once(socket, "data") as [Uint8Array];
    assertEquals([...answer], [0x20, 2, 0, 0]);
  } finally {
    socket.destroy();
  }
}

describe("plumb serve --workers", HERE, () => {
  test(
    "tells once what all workers say at the start, and of all else who says it; both of them take Clients",
    HERE,
    () =>
      running(["--data", "data", "--port", "0", "--log-level", "debug"], async (broker, directory) => {
        const { lines } = broker;
        assertEquals(
          lines.filter((line) => line.includes("msg=listening url=mqtt://127.0.0.1:")).length,
          1,
          broker.said,
        );
        assert(!/msg=listening.* worker=/.test(broker.said), broker.said);
        for (const worker of [1, 2]) {
          assertMatch(broker.said, new RegExp(`store made.*workers/${worker}-of-2/.* worker=${worker}\n`));
        }
        assertEquals(statSync(join(directory, "data/run")).mode & 0o777, 0o700);
        let visits = 0;
        const hasSaid = (worker: number) => new RegExp(`visitor-\\d+.* worker=${worker}\n`).test(broker.said);
        while (!hasSaid(1) || !hasSaid(2)) await visit(broker.port, `visitor-${visits++}`);
        await broker.end("SIGINT");
        assertEquals(broker.ended, { status: 0, signal: null });
        assertMatch(broker.said, /msg=stopping signal=SIGINT\n(.*worker=.*\n)*.*msg=stopped\n$/);
        assert(!existsSync(join(directory, "data/run")));
      }),
  );

  test(
    "says in JSON which worker says it",
    HERE,
    () =>
      running(["--data", "data", "--port", "0", "--log-format", "json"], (broker) => {
        const all = broker.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
        assertEquals(all.filter(({ msg }) => msg === "store made").map(({ worker }) => worker).sort(), [
          1,
          2,
        ]);
        assert(all.some(({ msg, worker }) => msg === "listening" && worker === undefined));
        return Promise.resolve();
      }),
  );

  test(
    "starts a worker again that was killed, and says by what; the others go on",
    HERE,
    () =>
      running(["--memory", "--port", "0"], async (broker) => {
        const [first, second] = broker.workers as [number, number];
        process.kill(first, "SIGKILL");
        await broker.says(/worker ended.* worker=\d signal=SIGKILL again="at once"/);
        await broker.says(/worker started again/);
        assertEquals(broker.workers.length, 2);
        assert(broker.workers.includes(second) && !broker.workers.includes(first));
        await visit(broker.port, "one");
      }),
  );

  test(
    "leaves no worker behind when the supervisor is killed, and no directory",
    HERE,
    () =>
      running(["--memory", "--port", "0"], async (broker) => {
        const { workers } = broker;
        const sockets = () => readdirSync(tmpdir()).filter((name) => /^plumb-[A-Za-z0-9]{6}$/.test(name));
        const own = JSON.parse(
          readFileSync(`/proc/${workers[0]}/environ`, "utf8").split("\0").find((one) =>
            one.startsWith("PLUMB_WORKER=")
          )!
            .slice("PLUMB_WORKER=".length),
        ) as { readonly directory: string };
        assert(existsSync(own.directory) && sockets().length > 0);
        broker.tell("SIGKILL");
        await until(() => !workers.some(isAlive), "the workers end");
        assert(!existsSync(own.directory));
      }),
  );

  test(
    "does not end when a worker is told to by a signal, and reads settings again in all of them at SIGHUP",
    HERE,
    () =>
      running(["--memory", "--port", "0"], async (broker) => {
        const { workers } = broker;
        for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) process.kill(workers[0]!, signal);
        const hasRead = (worker: number) =>
          new RegExp(`nothing to read again.* worker=${worker}\\n`).test(broker.said);
        let looks = 0;
        await until(() => {
          if (looks++ % 100 === 0) broker.tell("SIGHUP"); // at the start there is nothing to read again yet
          return hasRead(1) && hasRead(2);
        }, () => `both read again in ${broker.said}`);
        assertEquals(broker.workers, workers);
      }),
  );

  test(
    "ends at once, with all workers, at a second signal",
    HERE,
    () =>
      running(["--memory", "--port", "0"], async (broker) => {
        const { workers } = broker;
        for (const worker of workers) process.kill(worker, "SIGSTOP"); // they cannot end well
        broker.tell("SIGTERM");
        await broker.says(/msg=stopping/);
        while (broker.ended === undefined) { // signals that come at once are one
          broker.tell("SIGTERM");
          await new Promise<void>((resolve) => setTimeout(resolve, 50));
        }
        assertEquals(broker.ended, { status: 143, signal: null });
        await until(() => !workers.some(isAlive), "the workers end");
      }),
  );

  test(
    "that cannot begin says what one process says, and ends as that does",
    HERE,
    () =>
      inDirectory(async (directory) => {
        writeFileSync(join(directory, "file"), "");
        const taken: Server = createServer().listen(0, "127.0.0.1");
        await once(taken, "listening");
        const { port } = taken.address() as { readonly port: number };
        try {
          for (
            const args of [
              ["--memory", "-l", "127.0.0.1", "--port", `${port}`],
              ["--memory", "--port", "0", "--password-file", "none"],
              ["--memory", "--listen", "mqtt://127.0.0.1:0", "--listen", "unix:/none/socket"],
              ["--data", join(directory, "file"), "--port", "0"],
            ]
          ) {
            const [one, two] = await Promise.all([
              plumb(["serve", ...args], {}, directory),
              plumb(["serve", "--workers", "2", ...args], {}, directory),
            ]);
            const complaints = (text: string) => text.split("\n").filter((line) => line.startsWith("plumb:"));
            assertEquals(complaints(two.err), complaints(one.err));
            assertEquals([one.status, two.status, complaints(one.err).length], [2, 2, 1]);
          }
        } finally {
          taken.close();
        }
      }),
  );

  test(
    "does not share its port with another broker that has workers, nor its data",
    HERE,
    () =>
      running(["--data", "data", "--listen", "mqtt://127.0.0.1:0"], async (broker, directory) => {
        const listen = ["--listen", `mqtt://127.0.0.1:${broker.port}`];
        const port = await plumb(["serve", "--workers", "2", "--memory", ...listen], {}, directory);
        assertMatch(port.err, /^plumb: Cannot listen on 127\.0\.0\.1:\d+: the port is in use/m);
        for (const workers of ["1", "2", "3"]) {
          const data = await plumb(
            ["serve", "--workers", workers, "--data", "data", "--port", "0"],
            {},
            directory,
          );
          assertMatch(data.err, /^plumb: data is in use by another broker/m);
          assertEquals(data.status, 2);
        }
      }),
  );

  test(
    "has Unix sockets in worker 1 alone, and one port for both addresses of localhost",
    HERE,
    () =>
      running([
        "--memory",
        "--port",
        "0",
        "--listen",
        "unix:socket".replace("unix:", `unix:${tmpdir()}/plumb-${process.pid}-`),
      ], (broker) => {
        assertMatch(broker.said, /msg=listening url=unix:.* worker=1\n/);
        const ports = [...broker.said.matchAll(/listening url=mqtt:\/\/\S*:(\d+)/g)].map(([, port]) => port);
        assertEquals(new Set(ports).size, 1);
        return Promise.resolve();
      }),
  );
});

test("--workers takes a number from 1 to 64 or auto, and says so", patient, async () => {
  for (const value of ["0", "-1", "65", "two", "1.5"]) {
    const { status, err } = await plumb(["serve", `--workers=${value}`, "--check-config"]);
    assertEquals(err, `plumb: --workers takes a whole number from 1 to 64, or auto, not "${value}"\n`);
    assertEquals(status, 2);
  }
  assertEquals(
    (await plumb(["serve", "--workers", "auto", "--check-config"], { PLUMB_DATA: "none" })).out,
    "ok\n",
  );
});

test("--workers needs all permissions on Deno, and says so before anything is done", {
  ...HERE,
  skip: !("Deno" in globalThis) && "the other runtimes permit everything",
}, () =>
  inDirectory(async (directory) => {
    const main = fileURLToPath(new URL("../main.ts", import.meta.url));
    const flags = [
      "--no-prompt",
      "--no-check",
      "--allow-net",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-run",
    ];
    const child = spawn(process.execPath, [
      "run",
      ...flags,
      main,
      "serve",
      "--workers",
      "2",
      "--data",
      "data",
    ], {
      cwd: directory,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
    const [status] = await once(child, "close");
    assertEquals(
      said,
      "plumb: --workers needs -A on Deno: it starts processes, and they may do what this one may\n",
    );
    assertEquals([status, readdirSync(directory)], [2, []]);
  }));

test("plumb.toml has workers as a number or auto", patient, async () => {
  const valueOf = async (text: string) =>
    (await parseConfig(text, "plumb.toml")).values.get("workers")?.values;
  assertEquals(await valueOf("workers = 3"), ["3"]);
  assertEquals(await valueOf('workers = "auto"'), ["auto"]);
  for (const value of ['"3"', '"many"', "0", "65", "1.5"]) {
    await assertRejects(
      () => valueOf(`workers = ${value}`),
      Error,
      "workers takes a whole number from 1 to 64, or auto, not",
    );
  }
});
