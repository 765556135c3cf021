/**
 * The executable with TLS: how it starts, whom Clients of other makers trust, Clients' certificates, permissions.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync } from "mqtt";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  CLIENT_CA,
  CLIENT_CERT,
  CLIENT_KEY,
  CRL,
  EMPTY_CRL,
  REVOKED_CERT,
  REVOKED_KEY,
} from "../testing/client_certificates.ts";
import { patient, until } from "../testing/patience.ts";
import { plumb } from "../testing/plumb_process.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "plumb-serve-tls-"));
let broker = 0;
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

interface Started {
  readonly process: ChildProcess;
  /** All that it has logged so far. */
  log(): string;
  /** The port of its listener with TLS. */
  readonly port: number;
  readonly data: string;
}

/** How it is started: words before the executable, flags of Deno, a data directory. */
interface How {
  readonly shell?: string;
  readonly permissions?: readonly string[];
  readonly data?: string;
  /** What is in its log when it has started. */
  readonly ready?: RegExp;
}

async function started(
  args: readonly string[],
  body: (started: Started) => Promise<void>,
  {
    shell = 'exec "$0" "$@"',
    permissions = ["-A"],
    data = join(folder, `${++broker}`),
    ready = /url=mqtts:\S+/,
  }: How = {},
): Promise<void> {
  const before = "Deno" in globalThis ? ["run", ...permissions, "--no-check", MAIN] : [MAIN];
  const child = spawn("sh", ["-c", shell, process.execPath, ...before, ...args], {
    env: { ...process.env, PLUMB_DATA: data, NO_COLOR: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  let isOver = false;
  child.stderr!.setEncoding("utf8").on("data", (more: string) => text += more);
  child.on("close", () => isOver = true);
  const end = performance.now() + patient.timeout / 2;
  while (!ready.test(text)) {
    if (isOver || performance.now() > end) throw new Error(`It does not start: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  try {
    const port = Number(/url=mqtts:\S+:(\d+)/.exec(text)?.[1] ?? 0);
    await body({ process: child, log: () => text, port, data });
  } finally {
    process.kill(child.pid!, "SIGTERM");
    await until(() => isOver, "it ends");
  }
}

const ANYWHERE = ["--listen", "mqtts://127.0.0.1:0"];
const noMosquitto = spawnSync("mosquitto_pub", ["--help"]).error === undefined
  ? false
  : "mosquitto_pub is not installed";

/** The exit status of a program that runs beside us; none of its output. */
function status(program: string, args: readonly string[]): Promise<number | null> {
  const child = spawn(program, args, { stdio: "ignore" });
  return new Promise((resolve) => child.on("close", resolve));
}

const publish = (port: number, ...args: string[]) =>
  status("mosquitto_pub", ["-h", "localhost", "-p", `${port}`, "-t", "a", "-m", "b", "-q", "1", ...args]);

describe("plumb serve with TLS and no certificate", () => {
  test("makes one, keeps it, and says how it comes to be trusted", patient, async () => {
    let first = "";
    const lines = (log: string) => log.split("\n").map((line) => line.slice(line.indexOf("msg=")));
    const data = join(folder, "kept");
    for (const what of ["made", "of our own"]) {
      await started(ANYWHERE, async ({ log, port }) => {
        await until(() => log().includes("trust it: Plumb"), "it says how");
        const ca = join(data, "tls", "ca.pem");
        const found = new RegExp(
          `msg="certificate ${what}" until=\\S+ sha256=([0-9A-F:]{95}) authority=\\S+ file=${ca}`,
        )
          .exec(log());
        assert(found !== null, log());
        if (first === "") first = found[1]!;
        assertEquals(found[1], first);
        const at = `mqtts://localhost:${port}`;
        for (
          const line of [
            `msg="trust it: mosquitto" run="mosquitto_sub -h localhost -p ${port} --cafile ${ca} -t '#'"`,
            `msg="trust it: MQTT.js" run="mqtt.connect('${at}', { ca: fs.readFileSync('${ca}') })"`,
            `msg="trust it: Plumb" run="plumb audit ${at} --ca ${ca}"`,
          ]
        ) assert(lines(log()).includes(line), `${line} is not in ${log()}`);
        await (await connectAsync(at, { ca: readFileSync(ca), reconnectPeriod: 0 })).endAsync();
        const audit = await plumb(["audit", at, "--ca", ca, "--only", "MQTT-3.1.0-1"]);
        assertEquals(audit.status, 0, audit.err);
        const stranger = await plumb(["audit", at, "--only", "MQTT-3.1.0-1"]);
        assertEquals(stranger.status, 2, "nobody trusts it who was not told to");
      }, { data });
    }
  });

  test(
    "is trusted by mosquitto_pub and mosquitto_sub with its file",
    { ...patient, skip: noMosquitto },
    () =>
      started(ANYWHERE, async ({ port, data }) => {
        const trust = ["--cafile", join(data, "tls", "ca.pem")];
        const sub = spawn("mosquitto_sub", [
          "-h",
          "localhost",
          "-p",
          `${port}`,
          ...trust,
          "-t",
          "a",
          "-C",
          "1",
        ]);
        let got = "";
        sub.stdout.setEncoding("utf8").on("data", (text: string) => got += text);
        assertEquals(await publish(port, ...trust, "-r"), 0);
        await until(() => got === "b\n", "the message comes");
        assert(
          await publish(port, "--cafile", file("other.pem", CA)) !== 0,
          "another authority is not its own",
        );
      }),
  );

  test(
    "writes nothing with --memory, and says so",
    patient,
    () =>
      started([...ANYWHERE, "--memory"], async ({ log, port, data }) => {
        await until(() => log().includes("--insecure"), "it says so");
        assertMatch(log(), /msg="certificate made" until=\S+ sha256=\S+ authority=\S+\n/);
        const at = `mqtts://localhost:${port}`;
        await (await connectAsync(at, { rejectUnauthorized: false, reconnectPeriod: 0 })).endAsync();
        assertEquals(readdirSync(folder).includes(data), false);
      }, { data: "" }),
  );

  test(
    "makes another one at SIGHUP if its files are gone, and keeps its Clients",
    patient,
    () =>
      started(ANYWHERE, async ({ log, port, data, process: child }) => {
        const ca = join(data, "tls", "ca.pem");
        const at = `mqtts://localhost:${port}`;
        const client = await connectAsync(at, { ca: readFileSync(ca), reconnectPeriod: 0 });
        let isLost = false;
        client.on("close", () => isLost = true);
        rmSync(join(data, "tls"), { recursive: true });
        process.kill(child.pid!, "SIGHUP");
        await until(() => log().includes("its authority is new"), "it says so");
        await (await connectAsync(at, { ca: readFileSync(ca), reconnectPeriod: 0 })).endAsync();
        await client.publishAsync("a", "b", { qos: 1 });
        assertEquals(isLost, false);
        await client.endAsync();
      }),
  );

  test("names the file that cannot be used", patient, async () => {
    const data = join(folder, "broken");
    mkdirSync(join(data, "tls"), { recursive: true });
    for (const name of ["ca.pem", "ca.key"]) writeFileSync(join(data, "tls", name), "broken");
    const { status, err } = await plumb([...ANYWHERE, "--log-level", "error"], { PLUMB_DATA: data });
    assertEquals([status, err], [
      2,
      `plumb: ${
        join(data, "tls", "ca.pem")
      } holds no certificate: PEM text begins -----BEGIN CERTIFICATE-----; ` +
      "without both files another one is made\n",
    ]);
  });
});

describe("plumb serve without options", () => {
  const apart = 'exec unshare -rn sh -c \'ip link set lo up && exec "$0" "$@"\' "$0" "$@"';
  const noNamespace = spawnSync("unshare", ["-rn", "ip", "link", "set", "lo", "up"]).status === 0
    ? false
    : "no network namespace can be made";

  test(
    "listens on loopback without TLS, and everywhere with it",
    { ...patient, skip: noNamespace },
    () =>
      started([], async ({ log }) => {
        await until(() => log().includes("trust it: Plumb"), "it has started");
        assertEquals([...log().matchAll(/msg=listening url=(\S+)/g)].map(([, url]) => url), [
          "mqtt://127.0.0.1:1883",
          "mqtt://[::1]:1883",
          "mqtts://[::]:8883",
          "ws://127.0.0.1:8080",
          "ws://[::1]:8080",
        ]);
      }, { shell: apart }),
  );

  test("starts without TLS where port 8883 is taken, and says so", { ...patient, skip: noNamespace }, () => {
    const run = "Deno" in globalThis ? `run -A --no-check ${MAIN}` : MAIN;
    const other = `"$0" ${run} --listen mqtts://[::]:8883 --memory 2>"$PLUMB_DATA.other"`;
    const shell = `exec unshare -rn sh -c 'ip link set lo up
      ${other} & other=$!
      until grep -q listening "$PLUMB_DATA.other"; do sleep 0.05; done
      "$0" "$@" & own=$!
      trap "kill $own" TERM
      wait $own; wait $own
      kill $other' "$0" "$@"`;
    return started([], async ({ log }) => {
      await until(() => log().includes("msg=listening"), "it has started");
      assertMatch(
        log(),
        /level=warn msg="no TLS: its listener cannot be opened" why="Cannot listen on \[::\]:8883: the port is in use"/,
      );
    }, { shell, ready: /url=mqtt:\S+/ });
  });
});

describe("plumb serve with Clients' certificates", () => {
  const flags = [
    ...ANYWHERE,
    ...["--tls-cert", file("cert.pem", CERT), "--tls-key", file("key.pem", KEY)],
    ...["--tls-ca", file("ca.pem", CLIENT_CA), "--tls-crl", file("crl.pem", EMPTY_CRL)],
    ...["--tls-client-certificate", "required"],
  ];
  const trust = ["--cafile", file("server_ca.pem", CA)];
  const pump = ["--cert", file("pump.pem", CLIENT_CERT), "--key", file("pump.key", CLIENT_KEY)];
  const lost = ["--cert", file("lost.pem", REVOKED_CERT), "--key", file("lost.key", REVOKED_KEY)];

  test("has mosquitto_pub show one, which the list of the moment may have revoked", {
    ...patient,
    skip: noMosquitto,
  }, () =>
    started(flags, async ({ port, log, process: child }) => {
      assertEquals(await publish(port, ...trust, ...pump), 0);
      assertEquals(await publish(port, ...trust, ...lost), 0);
      assert(await publish(port, ...trust) !== 0, "one is required");
      file("crl.pem", CRL);
      process.kill(child.pid!, "SIGHUP");
      await until(() => log().includes('msg="certificate read again"'), "it reads the list");
      assertEquals(await publish(port, ...trust, ...pump), 0);
      assert(await publish(port, ...trust, ...lost) !== 0, "it is revoked");
      await until(() => log().includes("(CN=lost) is revoked"), "it says so");
    }));

  test(
    "reads files that change without a signal, and keeps the old ones where the new are wrong",
    patient,
    () =>
      started(flags, async ({ log, port }) => {
        file("crl.pem", "nonsense");
        await until(() => log().includes("certificate not read again, the old one stays"), "it says so");
        assertMatch(log(), /why="--tls-crl \S+crl\.pem holds no revocation list/);
        file("crl.pem", CRL);
        await until(() => log().includes('msg="certificate read again"'), "it reads the list");
        const options = { ca: CA, cert: CLIENT_CERT, key: CLIENT_KEY, reconnectPeriod: 0 };
        await (await connectAsync(`mqtts://localhost:${port}`, options)).endAsync();
      }),
  );
});

describe("plumb serve with TLS on Deno", { skip: !("Deno" in globalThis) }, () => {
  const source = `--allow-read=${fileURLToPath(new URL("../..", import.meta.url))}`;

  test("needs no more than docs/run.md says, with a certificate that it makes", patient, () => {
    const data = join(folder, "permitted");
    const permissions = [
      "--no-prompt",
      "--allow-net=127.0.0.1:0",
      `${source},${data}`,
      `--allow-write=${data}`,
      "--allow-env=PLUMB_*",
      "--allow-sys=hostname,networkInterfaces",
    ];
    return started(ANYWHERE, async ({ port }) => {
      const ca = readFileSync(join(data, "tls", "ca.pem"));
      await (await connectAsync(`mqtts://localhost:${port}`, { ca, reconnectPeriod: 0 })).endAsync();
    }, { data, permissions });
  });

  test("makes a certificate for localhost alone if it may not ask for the machine's names", patient, () => {
    const data = join(folder, "nameless");
    const permissions = [
      "--no-prompt",
      "--allow-net=127.0.0.1:0",
      `${source},${data}`,
      `--allow-write=${data}`,
      "--allow-env=PLUMB_*",
    ];
    return started(ANYWHERE, async ({ port }) => {
      const ca = readFileSync(join(data, "tls", "ca.pem"));
      await (await connectAsync(`mqtts://localhost:${port}`, { ca, reconnectPeriod: 0 })).endAsync();
    }, { data, permissions });
  });

  test("starts without TLS if it may not listen everywhere, and asks nothing", patient, () => {
    const data = join(folder, "loopback");
    const permissions = [
      "--no-prompt",
      "--allow-net=127.0.0.1:1,[::1]:1",
      `${source},${data}`,
      `--allow-write=${data}`,
    ];
    return started([], ({ log }) => {
      assertMatch(
        log(),
        /level=warn msg="no TLS: its listener may not be opened" .*advice="?--allow-net=\[::\]:8883/,
      );
      return Promise.resolve();
    }, { data, permissions: [...permissions, "--allow-env=PLUMB_*"], ready: /no TLS/ });
  });
});
