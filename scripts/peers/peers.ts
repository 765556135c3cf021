/**
 * Brokers that are audited: how each is started on a free port of loopback, and its version.
 * Knows processes; refuses to know what an audit finds.
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bun, deno } from "../lib/run.ts";
import { pathOf, ROOT } from "../lib/tree.ts";

/** One broker that runs. */
export interface RunningPeer {
  readonly port: number;
  stop(): void;
}

/** One broker that can be run. */
export interface Peer {
  readonly name: string;
  /** Undefined if it is not installed. */
  version(): string | undefined;
  start(): Promise<RunningPeer>;
}

const LIMIT_MS = 20_000;

/** In the order of the table. */
export const PEERS: readonly Peer[] = [
  {
    name: "Plumb",
    version: () => versionIn("deno.json"),
    start: () =>
      startScript([...deno(), "run", "-A", "--no-check", "scripts/mutants/broker.ts", "as it comes"]),
  },
  {
    name: "mosquitto",
    version: () =>
      /version (\S+)/.exec(spawnSync("mosquitto", ["-h"], { encoding: "utf8" }).stdout ?? "")?.[1],
    start: startMosquitto,
  },
  {
    name: "aedes",
    version: () => versionIn("node_modules/aedes/package.json"),
    start: () => startScript([...bun(), "scripts/peers/aedes.ts"]),
  },
];

function versionIn(file: string): string | undefined {
  return existsSync(pathOf(file)) ? JSON.parse(readFileSync(pathOf(file), "utf8")).version : undefined;
}

/** A script of ours that writes its port. */
async function startScript([command = "", ...args]: readonly string[]): Promise<RunningPeer> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on("data", (chunk: Uint8Array) => resolve(Number(new TextDecoder().decode(chunk))));
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`${args.join(" ")} ended with ${code}`)));
  });
  return { port, stop: () => void child.kill("SIGKILL") };
}

/** Anonymous Clients from loopback, and nothing of its defaults changed that has to do with the protocol. */
async function startMosquitto(): Promise<RunningPeer> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-mosquitto-"));
  const port = await freePort();
  const file = join(folder, "mosquitto.conf");
  writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
  const child = spawn("mosquitto", ["-c", file], { stdio: "ignore" });
  await listening(child, port);
  return {
    port,
    stop() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  let failure: Error | undefined;
  child.on("error", (error) => failure = error);
  while (performance.now() < end && failure === undefined) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw failure ?? new Error(`Nothing listens on port ${port}`);
}
