/**
 * Starts brokers as processes on free ports of loopback, and finds out their versions.
 * Knows processes; refuses to know who connects, and why.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { pathOf } from "../../lib/tree.ts";

/** One broker that runs. */
export interface RunningPeer {
  readonly port: number;
  /** That of WebSocket, at `/mqtt`, if it has one. */
  readonly webSocketPort?: number;
  readonly pid: number;
  /** `name:password` as in a URL, if it lets in nobody else. */
  readonly user?: string;
  /** Resolves when it is gone. */
  stop(): Promise<void>;
}

const LIMIT_MS = 120_000;
/** Characters of what a program has said. */
const SAID_MAX = 2_000;

/** The version in a package's file, relative to the root; undefined if there is none. */
export function versionIn(file: string): string | undefined {
  return existsSync(pathOf(file)) ? JSON.parse(readFileSync(pathOf(file), "utf8")).version : undefined;
}

/** What a program says of its version, or undefined if it cannot be run. */
export function versionSaid(command: readonly string[], pattern: RegExp): string | undefined {
  const [file = "", ...args] = command;
  return pattern.exec(spawnSync(file, args, { encoding: "utf8" }).stdout ?? "")?.[1];
}

/** mosquitto's version; undefined if it is not installed. */
export function mosquittoVersion(): string | undefined {
  return versionSaid(["mosquitto", "-h"], /version (\S+)/);
}

/** Starts a script of ours that writes its port, and that of WebSocket behind it if it has one. */
export async function startScript(command: readonly string[]): Promise<RunningPeer> {
  const child = spawnKept(command, { stdio: ["pipe", "pipe", "inherit"] });
  const [port = 0, webSocketPort] = await new Promise<number[]>((resolve, reject) => {
    child.stdout!.on(
      "data",
      (chunk: Uint8Array) => resolve(new TextDecoder().decode(chunk).split(" ").map(Number)),
    );
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`${command.join(" ")} ended with ${code}`)));
  });
  return {
    port,
    ...webSocketPort !== undefined && { webSocketPort },
    pid: child.pid!,
    stop: () => killed(child),
  };
}

/** How often it is tried to start what finds that a port has been taken since it was free. */
const TRIES = 3;

/** Starts something on ports that are free; with others where one has been taken meanwhile. */
export async function onFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await start();
    } catch (error) {
      if (tries === TRIES || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

/** Starts a program that is told its port. What it says on stderr is told if it ends. */
export async function startOnPort(
  commandOf: (port: number) => readonly string[],
  asked?: number,
): Promise<RunningPeer> {
  const port = asked ?? await freePort();
  const child = spawnKept(commandOf(port), { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr!.on(
    "data",
    (chunk: Uint8Array) => said = (said + new TextDecoder().decode(chunk)).slice(-SAID_MAX),
  );
  try {
    await listening(child, port, () => said);
  } catch (error) {
    await killed(child);
    throw error;
  }
  return { port, pid: child.pid!, stop: () => killed(child) };
}

/**
 * Anonymous Clients from loopback, and nothing of its defaults changed that has to do with the protocol.
 * `before`: what its command begins with; `more`: lines of its configuration.
 */
export async function startMosquitto(before: readonly string[] = [], more = ""): Promise<RunningPeer> {
  return await onFreePorts(async () => await startMosquittoAt(await freePort(), before, more));
}

/** The same on this port. */
export async function startMosquittoAt(
  port: number,
  before: readonly string[] = [],
  more = "",
): Promise<RunningPeer> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-mosquitto-"));
  const file = join(folder, "mosquitto.conf");
  try {
    writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\n${more}`);
    return await startOnPort(() => [...before, "mosquitto", "-c", file], port);
  } finally { // it has been read
    rmSync(folder, { recursive: true });
  }
}

/** Ports below those that systems give to outgoing connections and to port 0, so that none takes one before it is bound. */
const PORTS = { from: 12_000, count: 20_000 };

/** A port of loopback that is free, and that only another call of this may choose, hardly ever the same. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Resolves when the process listens on the port; fails when it ends, or after some time. */
export async function listening(
  child: ChildProcess,
  port: number,
  said: () => string = () => "",
): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  let failure: Error | undefined;
  child.on("error", (error) => failure = error);
  child.on(
    "close",
    (code) => failure ??= new Error(`${child.spawnargs.join(" ")} ended with ${code} ${said()}`),
  );
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
