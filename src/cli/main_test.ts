/**
 * The executable as it is called: output, exit status, signals.
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { connectAsync, type MqttClient } from "mqtt";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { listenTcp } from "../runtime/listen.ts";
import { settingsOf } from "./options.ts";
import { listenAdvice } from "./serve.ts";
import { CA, CERT, EXPIRED_CERT, KEY, OTHER_CERT, OTHER_KEY } from "../testing/tls.ts";
import { patient, until } from "../testing/patience.ts";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const door = fileURLToPath(new URL("../../mod.ts", import.meta.url));

/** Where data are if nothing is said: for each process somewhere else. */
const folder = mkdtempSync(join(tmpdir(), "plumb-main-"));
let calls = 0;
after(() => rmSync(folder, { recursive: true }));

/** A file with this text. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A process, and what it has said so far. */
interface Called {
  readonly process: ChildProcess;
  readonly said: { out: string; err: string };
  /** Exit status, or undefined while it runs. */
  readonly status: () => number | null | undefined;
}

interface CallOptions {
  readonly file?: string;
  readonly env?: Record<string, string>;
  /** How many files it may have open. */
  readonly files?: number;
  /** A file that its stderr goes to. */
  readonly stderr?: string;
}

function call(
  args: readonly string[],
  { file = main, env = {}, files, stderr }: CallOptions = {},
): Called {
  const before = "Deno" in globalThis ? ["run", "-A", "--no-check", file] : [file];
  const command = [process.execPath, ...before, ...args];
  const words = [
    ...files === undefined ? [] : [`ulimit -n ${files};`],
    'exec "$0" "$@"',
    ...stderr === undefined ? [] : [`2>${stderr}`],
  ];
  const shell = words.length === 1 ? [] : ["sh", "-c", words.join(" ")];
  const [program, ...rest] = [...shell, ...command] as [string, ...string[]];
  const PLUMB_DATA = join(folder, `${++calls}`);
  const child = spawn(program, rest, { env: { ...process.env, PLUMB_DATA, ...env } });
  const said = { out: "", err: "" };
  let status: number | null | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.err += text);
  child.on("close", (code) => status = code);
  return { process: child, said, status: () => status };
}

async function ended({ status, said }: Called): Promise<number | null> {
  await until(() => status() !== undefined, () => `the process ends; it said ${JSON.stringify(said)}`);
  return status()!;
}

/** Not by `kill()` of the child: on Deno it then says that the signal ended the process, whatever did. */
function signal(called: Called, name: NodeJS.Signals): boolean {
  try {
    return process.kill(called.process.pid!, name);
  } catch { // It is gone.
    return false;
  }
}

async function run(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  const called = call(args);
  return { status: await ended(called), ...called.said };
}

/** A broker, and the URL it says it listens on. */
async function broker(
  body: (called: Called, url: string) => Promise<void>,
  args: readonly string[] = [],
  options: CallOptions = {},
): Promise<void> {
  const called = call(["--listen", "mqtt://127.0.0.1:0", ...args], options);
  const url = () => /url=(\S+)\n/.exec(called.said.err)?.[1];
  try {
    await until(() => url() !== undefined, () => `it listens; it said ${JSON.stringify(called.said)}`);
    await body(called, url()!);
  } finally {
    called.process.kill("SIGKILL");
    await ended(called);
  }
}

/** A Client that does not close its half of the connection, once CONNACK says that the broker has it, and not only the system. */
async function halfOpen(url: string): Promise<Socket> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  socket.write(Uint8Array.of(0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 0));
  await new Promise((resolve) => socket.once("data", resolve));
  return socket;
}

describe("plumb", () => {
  test("-h says what is used most, on stdout, and --help-all says all", patient, async () => {
    const { status, out, err } = await run("-h");
    assertEquals([status, err], [0, ""]);
    assertMatch(out, /^plumb \[serve\] \[flags\]/);
    assertMatch(out, /plumb --help-all names/);
    assertEquals(out.includes("--packet-bytes-max"), false);
    assertEquals([(await run("serve", "--help")).out, (await run("help")).out], [out, out]);
    const all = await run("--help-all");
    assertMatch(all.out, /--packet-bytes-max N/);
    assertEquals(await run("help", "serve"), all);
  });

  for (const command of ["audit", "bench", "backup", "export", "verify", "compact"]) {
    test(`help ${command} says what ${command} does`, patient, async () => {
      const { status, out, err } = await run("help", command);
      assertEquals([status, err], [0, ""]);
      assertMatch(out, new RegExp(`^plumb ${command} `));
      assertMatch(out, /\nExit status: 0 all is well, 1 something wrong was found, 2 /);
    });
  }

  for (const args of [["-V"], ["-v"], ["--version"], ["version"], ["serve", "-v"]]) {
    test(`${args.join(" ")} says the version`, patient, async () => {
      assertEquals(await run(...args), { status: 0, out: `plumb ${config.version}\n`, err: "" });
    });
  }

  const unknown: readonly (readonly [args: readonly string[], said: string])[] = [
    [["server"], 'unknown command "server"; did you mean serve?'],
    [["tap"], 'unknown command "tap"; plumb help names all'],
    [["help", "tap"], 'unknown command "tap"; plumb help names all'],
    [["--potr", "1"], "unknown flag --potr; did you mean --port?"],
    [["--colour", "a"], "unknown flag --colour; plumb --help-all names all"],
    [["--config", "not-there.toml"], "not-there.toml: there is no such file"],
    [
      ["-l", "300.1.1.1"],
      '-l takes an address or a name of this machine, such as 127.0.0.1 or localhost, not "300.1.1.1"',
    ],
    [["-p", "70000"], '-p takes a whole number from 0 to 65535, not "70000"'],
  ];
  for (const [args, said] of unknown) {
    test(`refuses ${args.join(" ")} in one line`, patient, async () => {
      assertEquals(await run(...args), { status: 2, out: "", err: `plumb: ${said}\n` });
    });
  }

  test("refuses a listener it cannot serve in one line", patient, async () => {
    const { status, err } = await run("--listen", "coap://127.0.0.1");
    assertEquals([status, err], [
      2,
      'plumb: --listen: "coap://127.0.0.1": coap: is not supported: write mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH or unix:/PATH\n',
    ]);
  });

  describe("refuses in one line a call for TLS", () => {
    const [cert, key, other] = [file("cert.pem", CERT), file("key.pem", KEY), file("other.pem", OTHER_KEY)];
    const url = "mqtts://127.0.0.1:0";
    const cases: readonly (readonly [why: string, args: readonly string[], said: string])[] = [
      [
        "without a certificate",
        ["--listen", url, "--tls-key", key],
        `--listen ${url} needs --tls-cert FILE, in PEM`,
      ],
      [
        "without a key",
        ["--listen", url, "--tls-cert", cert],
        `--listen ${url} needs --tls-key FILE, in PEM`,
      ],
      [
        "without a listener",
        ["-p", "0", "--tls-cert", cert, "--tls-key", key],
        "--tls-cert goes with a listener with TLS: --listen mqtts://HOST:PORT",
      ],
      [
        "with Clients' certificates without a listener",
        ["-p", "0", "--tls-ca", cert],
        "--tls-ca goes with a listener with TLS: --listen mqtts://HOST:PORT",
      ],
      [
        "with Clients' certificates that nobody asks for",
        ["--listen", url, "--tls-cert", cert, "--tls-key", key, "--tls-ca", cert],
        `--tls-ca ${cert} is for Clients' certificates, which this listener does not ask for`,
      ],
      [
        "with a proxy that is no address",
        ["--listen", url, "--proxy-protocol", "proxy.example"],
        '--proxy-protocol: "proxy.example" is neither an address nor a network: write 192.0.2.1, 10.0.0.0/8 or ' +
        "2001:db8::/32",
      ],
      [
        "with a file that is not there",
        ["--listen", url, "--tls-cert", `${cert}.not`, "--tls-key", key],
        `--tls-cert ${cert}.not: there is no such file`,
      ],
      [
        "with a key of another certificate",
        ["--listen", url, "--tls-cert", cert, "--tls-key", other],
        `--tls-key ${other} does not belong to the certificate (CN=localhost)`,
      ],
    ];
    for (const [why, args, said] of cases) {
      test(why, patient, async () => {
        assertEquals(await run(...args), { status: 2, out: "", err: `plumb: ${said}\n` });
      });
    }
  });

  test("names the port that is in use, and the flag that was written", patient, async () => {
    const { port, close } = await listenTcp({ host: "127.0.0.1", port: 0 }, () => {});
    for (const [flag, value] of [["-p", `${port}`], ["--listen", `mqtt://127.0.0.1:${port}`]] as const) {
      assertEquals(await run(flag, value, "--log-level", "error"), {
        status: 2,
        out: "",
        err: `plumb: Cannot listen on 127.0.0.1:${port}: the port is in use; choose another with ${flag}\n`,
      });
    }
    await close();
  });

  test("advises who may not have a port below 1024", () => {
    const { listen } = settingsOf(["-p", "83"], () => undefined);
    assertEquals(
      listenAdvice({ code: "EACCES", host: "127.0.0.1", port: 83 }, listen),
      "; ports below 1024 need root: choose another with -p, or lower net.ipv4.ip_unprivileged_port_start",
    );
  });
});

describe("plumb serve", () => {
  test("serves Clients and logs who comes and goes", patient, () =>
    broker(async ({ said }, url) => {
      const client = await connectAsync(url, {
        clientId: "one",
        username: "me",
        password: "secret",
        reconnectPeriod: 0,
      });
      await client.endAsync();
      await until(() => said.err.includes("msg=disconnected"), () => "both are logged");
      assertMatch(
        said.err,
        /level=info msg=connected client=one mqtt=3\.1\.1 peer=tcp:127\.0\.0\.1:\d+/,
      );
      assertMatch(said.err, /level=info msg=disconnected client=one how="said good-bye"/);
      assertEquals([said.out, said.err.includes("secret")], ["", false]);
    }));

  test(
    "serves Clients with TLS, and logs handshakes that fail and a certificate that has expired",
    patient,
    () =>
      broker(
        async ({ said }) => {
          await until(
            () => /url=mqtts:\S+\n/.test(said.err),
            () => `it listens; it said ${JSON.stringify(said)}`,
          );
          const url = /url=(mqtts:\S+)\n/.exec(said.err)![1]!;
          const client = await connectAsync(url, { reconnectPeriod: 0, rejectUnauthorized: false });
          await client.endAsync();
          const port = Number(new URL(url).port);
          const wrong = connect(port, "127.0.0.1", () => wrong.write("garbage garbage"));
          wrong.on("error", () => {}).resume();
          await until(
            () => said.err.includes("msg=disconnected") && said.err.includes("handshake"),
            () => "both are logged",
          );
          assertMatch(said.err, /level=warn msg="certificate expired" file=\S+expired\.pem on=2021-01-01\n/);
          assertMatch(said.err, /level=info msg=connected client=\S+ mqtt=3\.1\.1 peer=tls:127\.0\.0\.1:\d+/);
          assertMatch(said.err, /level=warn msg="TLS handshake failed" peer=tls:127\.0\.0\.1:\d+ why=.+\n/);
          assertEquals(said.err.split("handshake").length, 2);
          assertEquals(said.err.includes("PRIVATE KEY"), false);
        },
        [
          ...["--listen", "mqtts://127.0.0.1:0", "--tls-key", file("key.pem", KEY)],
          ...["--tls-cert", file("expired.pem", EXPIRED_CERT + CA)],
        ],
      ),
  );

  test("says how each connection ended, and who was refused", patient, () =>
    broker(async (called, url) => {
      const { said } = called;
      const enter = (clientId: string) =>
        connectAsync(url, { clientId, protocolVersion: 5, reconnectPeriod: 0 });
      const first = await enter("one");
      first.on("error", () => {});
      const second = await enter("one");
      const refusedOne = await enter("two").then(() => "accepted", () => "refused");
      assertEquals(refusedOne, "refused");
      await second.endAsync();
      const third = await enter("three");
      (third.stream as Socket).destroy();
      await until(() => said.err.includes("client=three how="), () => "the third has left");
      const fourth = await enter("four");
      signal(called, "SIGTERM");
      assertEquals(await ended(called), 0);
      for (const client of [first, third, fourth]) client.end(true);
      const lines = said.err.split("\n").filter((line) => /msg=(disconnected|refused)/.test(line));
      assertEquals(lines.map((line) => line.slice(line.indexOf("msg=")).replace(/tcp:\S+/, "PEER")), [
        'msg=disconnected client=one how="taken over" code=0x8e rule=MQTT-3.1.4-3 ' +
        'detail="The Client has connected again"',
        "msg=refused client=two peer=PEER code=0x97 rule=limit/connections " +
        'detail="As many connections as may be open (connectionsMax)"',
        'msg=disconnected client=one how="said good-bye"',
        "msg=disconnected client=three how=lost",
        'msg=disconnected client=four how="ended by the Server" code=0x8b rule=limit/unavailable ' +
        'detail="The Server is shutting down"',
      ]);
    }, ["--connections-max", "1"]));

  for (const [address, open] of [["127.0.0.1", false], ["0.0.0.0", true]] as const) {
    test(
      `${open ? "warns" : "does not warn"} of everybody when it listens on ${address}`,
      patient,
      () =>
        broker(
          async (called) => {
            signal(called, "SIGTERM");
            assertEquals(await ended(called), 0);
            const warnings = called.said.err.split("\n").filter((line) => line.includes("level=warn"));
            assertEquals(
              warnings.map((line) => line.slice(line.indexOf("msg=")).replace(/:\d+ /, ":PORT ")),
              open
                ? [
                  'msg="clients of other machines are refused" url=mqtt://0.0.0.0:PORT ' +
                  'advice="plumb passwd FILE USER and --password-file FILE let users in, --anonymous always everybody"',
                ]
                : [],
            );
          },
          ["-l", address, "-p", "0"],
        ),
    );
  }

  test("neither stands still nor grows when stderr is not read", patient, async () => {
    const stderr = join(folder, "fifo");
    assertEquals(spawnSync("mkfifo", [stderr]).status, 0);
    const reader = openSync(stderr, constants.O_RDWR | constants.O_NONBLOCK);
    const bytes = new Uint8Array(65_536);
    let text = "";
    const reads = (what: string) => {
      try {
        text += new TextDecoder("latin1").decode(bytes.subarray(0, readSync(reader, bytes)));
      } catch { /* nothing there yet */ }
      return text.includes(what);
    };
    const limits = ["--log-waiting-characters-max", "8192", "--log-lines-per-second-max", "1000000"];
    const args = ["-l", "127.0.0.1", "-p", "0", "--memory", "--log-level", "debug", ...limits];
    const called = call(args, { stderr });
    try {
      await until(() => reads("msg=listening"), () => `it listens; it said ${text}`);
      const url = /url=(mqtt:\S+)/.exec(text)![1]!;
      const filters = Array.from({ length: 1000 }, (_, i) => `${"x".repeat(150)}/${i}`);
      const flood = async () => {
        const client = await connectAsync(url, { reconnectPeriod: 0 });
        await client.subscribeAsync(filters); // a line for each
        await client.endAsync();
      };
      await flood();
      await flood(); // the broker answers
      await until(() => reads('msg="log lines dropped" count='), () => "it says so");
      await flood();
      signal(called, "SIGTERM");
      assertEquals(await ended(called), 0);
    } finally {
      called.process.kill("SIGKILL");
      await ended(called);
      closeSync(reader);
    }
  });

  test("the public door, run directly, is the same", patient, () =>
    broker(
      async (_called, url) => {
        await (await connectAsync(url, { reconnectPeriod: 0 })).endAsync();
      },
      [],
      { file: door },
    ));

  test("takes limits, and names those that are reached", patient, () =>
    broker(
      async ({ said }, url) => {
        const options = { protocolVersion: 5, reconnectPeriod: 0 } as const;
        const client = await connectAsync(url, options);
        const code = await connectAsync(url, options).then(() => 0, (error) =>
          (error as { code: number }).code);
        assertEquals(code, 0x97);
        await until(() =>
          said.err.includes("limit reached"), () => "the limit is named");
        assertMatch(said.err, /level=warn msg="limit reached" limit=sessionsMax/);
        await client.endAsync();
      },
      ["--log-level", "info"],
      { env: { PLUMB_LOG_LEVEL: "off", PLUMB_SESSIONS_MAX: "1" } },
    ));

  test("takes and answers Clients though silent connections want all descriptors", {
    ...patient,
    skip: !existsSync("/proc/self/limits"),
  }, () =>
    broker(
      async ({ said }, url) => {
        const port = Number(new URL(url).port);
        const sockets: Socket[] = [];
        for (let i = 0; i < 100; i++) {
          const socket = connect({ port, host: "127.0.0.1" });
          socket.on("error", () => {});
          sockets.push(socket);
          await new Promise((resolve) => socket.once("connect", resolve));
        }
        const clients: MqttClient[] = [];
        const enter = () => connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
        let code = 0;
        while (code === 0 && clients.length < 100) {
          code = await enter().then((client) => void clients.push(client), (error: { code: number }) =>
            error.code) ?? 0;
        }
        assertEquals([code, clients.length], [0x97, 27]);
        await until(() => said.err.includes("limit=connectingMax"), () => "the limits are named");
        await until(() => said.err.includes("limit=connectionsMax"), () => "the limits are named");
        for (const client of clients) client.end(true);
        for (const socket of sockets) socket.destroy();
      },
      [],
      { files: 100 },
    ));

  test(
    "tells of a dropped Will, and once of messages that go nowhere though they are acknowledged",
    patient,
    () =>
      broker(async ({ said }, url) => {
        const topic = "$SYS/broker/connection/edge/state";
        const will = { topic, payload: Buffer.from("0"), qos: 1, retain: true } as const;
        const options = { protocolVersion: 4, reconnectPeriod: 0, clientId: "edge", will } as const;
        const client = await connectAsync(url, options);
        for (let i = 0; i < 3; i++) await client.publishAsync(topic, "1", { qos: 1, retain: true });
        client.end(true);
        await until(() => said.err.includes("msg=disconnected client=edge"), () => "it is gone");
        const lines = said.err.split("\n").filter((line) => line.includes("msg=discarded"));
        assertEquals(lines.map((line) => line.slice(line.indexOf("level="))), [
          "level=info msg=discarded client=edge code=0x90 rule=policy/dollar-topic " +
          `detail="The Will is dropped: topics that begin with $ are the Server's"`,
          "level=info msg=discarded client=edge code=0x87 rule=policy/dollar-topic " +
          `detail="Topics that begin with $ are the Server's"`,
        ]);
      }),
  );

  test("SIGHUP, SIGUSR1 and SIGUSR2 do not end it", patient, () =>
    broker(async (called, url) => {
      for (const name of ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const) signal(called, name);
      await until(
        () => called.said.err.includes('msg="nothing to read again: no settings name a file" signal=SIGHUP'),
        () => `it says what SIGHUP does; it said ${called.said.err}`,
      );
      for (const name of ["SIGUSR1", "SIGUSR2"]) {
        await until(() => called.said.err.includes(`msg=ignored signal=${name}`), () => `it ignores ${name}`);
      }
      await (await connectAsync(url, { reconnectPeriod: 0 })).endAsync();
    }, ["--log-level", "debug"]));

  test("SIGHUP has new connections see the certificate that the files have now", patient, async () => {
    const [cert, key] = [file("renewed.pem", CERT), file("renewed.key", KEY)];
    await broker(async (called) => {
      const secure = /url=(mqtts:\S+)\n/;
      await until(() => secure.test(called.said.err), () => "it listens");
      const url = secure.exec(called.said.err)![1]!;
      const dial = (ca: string) => connectAsync(url, { ca, reconnectPeriod: 0 });
      const first = await dial(CA);
      let isLost = false;
      first.on("close", () => isLost = true);
      const said = (text: string) => until(() => called.said.err.includes(text), () => called.said.err);
      file("renewed.pem", OTHER_CERT);
      signal(called, "SIGHUP");
      await said('level=error msg="certificate not read again, the old one stays" why="--tls-key');
      await (await dial(CA)).endAsync();
      file("renewed.key", OTHER_KEY);
      signal(called, "SIGHUP");
      await said('level=info msg="certificate read again"');
      await (await dial(OTHER_CERT)).endAsync();
      assertEquals(isLost, false);
      await first.endAsync();
    }, ["--listen", "mqtts://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]);
  });

  test(
    "SIGTERM: a Client that does not close its half is waited for a second at most",
    patient,
    () =>
      broker(async (called, url) => {
        const socket = await halfOpen(url);
        signal(called, "SIGTERM");
        assertEquals(await ended(called), 0);
        socket.destroy();
      }, ["--close-timeout-ms", "3600000"]),
  );

  for (const name of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    test(
      `${name}: says good-bye to its Clients and ends with 0`,
      patient,
      () =>
        broker(async (called, url) => {
          const client = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
          let reason: number | undefined;
          client.on("disconnect", (packet) => reason = packet.reasonCode);
          // As `timeout` and npm do: to the process, and once more to its group.
          signal(called, name);
          signal(called, name);
          assertEquals(await ended(called), 0);
          assertEquals(reason, 0x8b);
          assertMatch(
            called.said.err,
            new RegExp(`msg=stopping signal=${name}\\n(.*\\n)*.* msg=stopped\\n$`),
          );
          client.end(true);
        }),
    );
  }

  test(
    "a second signal does not wait for Clients that do not close",
    patient,
    () =>
      broker(async (called, url) => {
        const socket = await halfOpen(url);
        signal(called, "SIGTERM");
        await until(() => called.said.err.includes("msg=stopping"), () => "it is stopping");
        await until(() => called.status() !== undefined || !signal(called, "SIGTERM"), () => "it ends");
        assertEquals(await ended(called), 143);
        socket.destroy();
      }, ["--close-timeout-ms", "3600000"]),
  );
});
