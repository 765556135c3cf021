/**
 * A broker that is closed to strangers, as the command line starts it, in a process of its own; two healthy Clients, in another; and
 * the services that the broker asks, which say what an attack wants.
 * Knows files and processes; refuses to know attacks.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { service } from "../../../src/testing/login.ts";
import { until } from "../../../src/testing/patience.ts";
import { CA, CERT, KEY } from "../../../src/testing/tls.ts";
import { programOf } from "../../bench/peers/brokers.ts";
import { runFlags, type Runtime } from "../../lib/broker_process.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { HealthyClients } from "../attacks/healthy.ts";

/** The password of all users. */
export const PASSWORD = "secret";
/** Whose Clients are healthy. */
export const OWNER = "ann";
/** Who may come in, and do nothing but below `mallory/`. */
export const INSIDER = "mallory";
/** Who may come in, and whose password strangers guess at. */
export const VICTIM = "trudy";
const HASH =
  "$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA";

/** What the healthy Clients send to themselves: nobody else may see a topic that begins so. */
export const HEALTHY_TOPIC = "healthy/";

/** The healthy Clients. */
export const HEALTHY: readonly string[] = ["healthy-clean", "healthy-durable"];

/** As docs/secure.md advises for Deno: the memory of a hash goes back to the system, which glibc would else keep in each thread's arena. */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: "1048576" };

/** How long a stranger may take at the doors of the street, ms. */
export const STREET_MS = 3_000;

const PERMISSIONS = `[user.${OWNER}]
allow = [{ publish = "${HEALTHY_TOPIC}#", subscribe = "${HEALTHY_TOPIC}#" }]
[user.${INSIDER}]
allow = [{ publish = "mallory/#", subscribe = "mallory/#" }]
`;

/** A listener of the broker. */
export type Door = "home" | "street" | "street with TLS" | "behind a proxy" | "by token" | "by service";

const PASSWORDS = `[[listener.login]]
kind = "password-file"
file = "passwords"`;
const PATIENT = "limits.connect-timeout-ms = 3600000";

/** The listeners, in their order, as they stand in plumb.toml. */
function doorsOf(keysUrl: string, serviceUrl: string): Readonly<Record<Door, string>> {
  const tls = `url = "mqtts://127.0.0.1:0"\ntls = { certificate = "cert.pem", key = "key.pem" }`;
  const plain = `url = "mqtt://127.0.0.1:0"`;
  const proxied = `${plain}\nproxy-protocol = ["127.0.0.1"]`;
  return {
    "home": `${tls}\n${PATIENT}\n${PASSWORDS}`,
    "street": `${plain}\nlimits.connect-timeout-ms = ${STREET_MS}\n${PASSWORDS}`,
    "street with TLS": `${tls}\nlimits.connect-timeout-ms = ${STREET_MS}\n${PASSWORDS}`,
    "behind a proxy":
      `${proxied}\n${PATIENT}\n${PASSWORDS}\n[[listener.login]]\nkind = "anonymous"\nfrom = "loopback"`,
    "by token": `${proxied}
${PATIENT}
[[listener.login]]
kind = "token"
keys-url = "${keysUrl}"
keys-fresh-ms = 1000
keys-cooldown-ms = 100
keys-timeout-ms = 500
issuer = ["https://id.example"]
audience = ["plumb"]`,
    "by service": `${proxied}
${PATIENT}
[[listener.login]]
kind = "http"
url = "${serviceUrl}"
timeout-ms = 300
retries = 0
requests-max = 8
requests-waiting-max = 16`,
  };
}

const settings = (doors: readonly string[], strangersMax: number) =>
  `data = "data"
permissions = "permissions.toml"
[log]
level = "info"
lines-per-second-max = 100000
[limits]
connecting-max = ${strangersMax}
hash-wait-ms = 3600000
login-timeout-ms = 3600000
${doors.map((door) => `[[listener]]\n${door}\n`).join("")}`;

/** What a service answers: a status and a body, or nothing, ever. */
export type Answer = readonly [status: number, body: string] | undefined;

/** All that stands there. */
export class Scene {
  readonly healthy: HealthyClients;
  readonly pid: number;
  /** What the service for keys and the login service answer. */
  readonly answers: { keys: () => Answer; login: () => Answer };
  /** Connections without an accepted CONNECT that the broker bears. */
  readonly strangersMax: number;
  /** Client Identifiers that have been let in. */
  readonly expected: Set<string> = new Set(HEALTHY);
  readonly #ports: ReadonlyMap<Door, number>;
  readonly #log: () => string;
  readonly #close: () => Promise<void>;

  private constructor(
    given: Pick<Scene, "healthy" | "pid" | "answers" | "strangersMax"> & {
      readonly ports: ReadonlyMap<Door, number>;
      readonly log: () => string;
      readonly close: () => Promise<void>;
    },
  ) {
    this.healthy = given.healthy;
    this.pid = given.pid;
    this.answers = given.answers;
    this.strangersMax = given.strangersMax;
    this.#ports = given.ports;
    this.#log = given.log;
    this.#close = given.close;
  }

  /** Starts it; a healthy Client has had its first message. */
  static async start(runtime: Runtime, strangersMax: number): Promise<Scene> {
    const answers: Scene["answers"] = { keys: () => undefined, login: () => undefined };
    const [keys, logins] = await Promise.all([
      service(() => answers.keys()),
      service(() => answers.login()),
    ]);
    const folder = mkdtempSync(join(tmpdir(), "plumb-strangers-"));
    const doors = doorsOf(keys.url, logins.url);
    const files = {
      "plumb.toml": settings(Object.values(doors), strangersMax),
      "permissions.toml": PERMISSIONS,
      "passwords": [OWNER, INSIDER, VICTIM].map((user) => `${user}:${HASH}\n`).join(""),
      "cert.pem": CERT,
      "key.pem": KEY,
    };
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
    }
    const command = [
      programOf(runtime),
      ...runFlags(runtime),
      "mod.ts",
      "--config",
      join(folder, "plumb.toml"),
    ];
    const child = spawnKept(command, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...MALLOC },
    });
    const close = async (): Promise<void> => {
      await killed(child);
      await Promise.all([keys.close(), logins.close()]);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    try {
      const log = logOf(child);
      const ports = (): number[] =>
        [...log().matchAll(/msg=listening url=\S+:(\d+)/g)].map(([, port]) => Number(port));
      const names = Object.keys(doors) as Door[];
      await until(
        () => ports().length === names.length || child.exitCode !== null,
        () => `it listens; ${log()}`,
      );
      if (child.exitCode !== null) throw new Error(`The broker does not start: ${log()}`);
      const [port] = ports();
      const login = { ca: CA, username: OWNER, password: PASSWORD };
      const healthy = await HealthyClients.start({ host: "127.0.0.1", port: port! }, [], login);
      return new Scene({
        healthy,
        pid: child.pid!,
        answers,
        strangersMax,
        ports: new Map(ports().map((port, at) => [names[at]!, port])),
        log,
        close: () => Promise.all([close(), healthy.close()]).then(() => {}),
      });
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** The port of a listener. */
  port(door: Door): number {
    return this.#ports.get(door)!;
  }

  /** What the broker has logged. */
  get log(): string {
    return this.#log();
  }

  /** Ends all of it. */
  close(): Promise<void> {
    return this.#close();
  }
}

function logOf(child: ChildProcess): () => string {
  const chunks: string[] = [];
  child.stderr!.setEncoding("utf8").on("data", (text: string) => chunks.push(text));
  return () => {
    if (chunks.length > 1) chunks.splice(0, chunks.length, chunks.join(""));
    return chunks[0] ?? "";
  };
}
