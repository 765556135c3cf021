/**
 * A broker with its page, and something to see on it: Clients, messages, a queue, a limit that was reached.
 * Knows how these come about; refuses to know browsers, and what is shown.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect } from "../../src/client_api/mod.ts";
import { startPlumb } from "../../src/testing/plumb_process.ts";
import { WAIT_MS } from "../../src/testing/patience.ts";
import { freePort } from "../../src/testing/free_port.ts";

/** An administrator of the scene. */
export const ADMIN = { user: "alice", password: "correct horse" } as const;
/** Of the scene, as it is in its file. */
export const PERMISSIONS = `# Who may do what: a rule that denies wins.
[everyone]
allow = [{ publish = "#", subscribe = ["#", "$SYS/#"], share = ["*"] }]

[user.guest]
deny = [{ publish = "home/+/set" }]
`;
/** A session whose Client is away, and for which messages wait. */
export const AWAY = "garden-display";
/** A Client that acknowledges nothing. */
export const SLOW = "lamp";
/** How many may wait: more than an audit sends, and fewer than `fill()` does. */
const QUEUED_MOST = 40;

/** One broker. */
export class Scene {
  /** `http:` */
  readonly origin: string;
  readonly token: () => string;
  readonly #folder: string;
  readonly #port: number;
  readonly #workers: number | undefined;
  #process: ChildProcess | undefined;
  readonly #clients: Client[] = [];
  readonly #sensors: Client[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  private constructor(folder: string, port: number, workers: number | undefined) {
    this.#folder = folder;
    this.#workers = workers;
    this.#port = port;
    this.origin = `http://127.0.0.1:${port}`;
    this.token = () => readFileSync(join(folder, "data", "api-token"), "utf8").trim();
  }

  /** Starts it, and waits until it is ready. */
  static async start(workers?: number): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), "plumb-page-"));
    writeFileSync(join(folder, "passwords"), "");
    writeFileSync(join(folder, "permissions.toml"), PERMISSIONS);
    const scene = new Scene(folder, await freePort(), workers);
    await scene.startBroker();
    await scene.call("PUT", `/users/${ADMIN.user}`, { password: ADMIN.password });
    return scene;
  }

  /** Starts the broker, or starts it again with what it has stored. */
  async startBroker(): Promise<void> {
    const folder = this.#folder;
    this.#process = startPlumb([
      ...["--listen", `ws://127.0.0.1:${this.#port}`, "--websocket-page"],
      ...["--data", join(folder, "data")],
      ...["--password-file", join(folder, "passwords"), "--admins", ADMIN.user],
      ...this.#workers === undefined ? [] : ["--workers", String(this.#workers)],
      ...["--permissions", join(folder, "permissions.toml")],
      ...["--queued-messages-max", String(QUEUED_MOST), "--sys-interval", "0"],
    ]);
    let said = "";
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
    this.#process.stdout!.setEncoding("utf8").on("data", (text: string) => said += text);
    for (const end = performance.now() + WAIT_MS;;) {
      const answer = await fetch(`${this.origin}/`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.ok) return;
      if (this.#process.exitCode !== null || performance.now() > end) throw new Error(`No broker:\n${said}`);
      await later(50);
    }
  }

  /** Ends the broker, as a signal does; its data stay. */
  async stopBroker(): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    if (child.exitCode !== null) return;
    const over = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await over;
  }

  /** Has Clients connect, subscribe and publish; what they publish at once is there when it resolves. */
  async fill(): Promise<void> {
    const away = await this.client(AWAY, { cleanStart: true, sessionExpiry: 86_400 });
    await away.subscribe("home/#", { qos: 1 });
    await away.close({ sessionExpiry: 86_400 });
    const hub = await this.client("hub", { will: { topic: "home/hub/state", payload: "gone" } });
    await hub.subscribe(["home/+/set", "home/+/temperature", "$share/hubs/jobs/#"], {
      qos: 1,
      ack: "receipt",
      overflow: "dropOldest",
    });
    const slow = await this.client(SLOW, { receiveMaximum: 2, sessionExpiry: 600 });
    await slow.subscribe("home/#", { qos: 1, ack: "manual", buffer: 1_000 });
    const rooms = ["kitchen", "bath", "attic", "garden"];
    const sensors = this.#sensors;
    for (const room of rooms) sensors.push(await this.client(`${room}-sensor`, {}));
    const tell = (i: number): Promise<unknown> => {
      const payload = JSON.stringify({ celsius: 18 + i, humidity: 0.4 + i / 100 });
      return sensors[i]!.publish(`home/${rooms[i]}/temperature`, payload, { qos: 1, retain: true });
    };
    for (let round = 0; round < 12; round++) for (const i of rooms.keys()) await tell(i);
    await hub.publish("home/hub/state", "here", { retain: true, qos: 1 });
    await hub.publish("pictures/door", new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70]), {
      retain: true,
      qos: 1,
    });
  }

  /** From now on Clients publish. */
  liven(): void {
    let i = 0;
    const sensors = this.#sensors;
    this.#timer = setInterval(() => {
      const sensor = sensors[i++ % sensors.length];
      for (let n = 0; n < 3; n++) {
        void sensor?.publish("home/kitchen/temperature", JSON.stringify({ celsius: 20 + Math.sin(i / 20) }))
          .catch(() => {});
      }
    }, 40);
  }

  /** Connects one more Client. */
  async client(clientId: string, options: Parameters<typeof connect>[1]): Promise<Client> {
    const client = await connect(this.origin.replace(/^http/, "ws"), {
      clientId,
      cleanStart: true,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** Asks the API with the owner's token. */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.origin}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token()}`, "content-type": "application/json" },
      ...body !== undefined && { body: JSON.stringify(body) },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Ends all of it. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const client of this.#clients) await client.close({ timeoutMs: 100 });
    await this.stopBroker();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
