/**
 * A broker as people run it who let strangers in: a password file, nobody without a name, and a file of 1,000 permissions; and one without.
 * Knows its files and flags; refuses to know the load.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PacketType } from "../../../src/codec/mod.ts";
import { writePermissions } from "../../../src/permissions/write_toml.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { passwordLine } from "../../lib/password_line.ts";
import { PlumbChild } from "../../lib/plumb_child.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { within } from "../../lib/within.ts";
import type { RunningPeer } from "../../trials/peers/start.ts";
import { RULES_DATA } from "../rules.ts";

const USER = "bench";
const PASSWORD = "correct-horse";
/** What the URL of such a broker has before the host. */
export const CREDENTIALS: string = `${USER}:${PASSWORD}@`;

const ANYBODY = ["-l", "127.0.0.1", "-p", "0", "--memory"];

/** The executable without login and permissions. */
export async function startOpen(runtime: Runtime, before: readonly string[]): Promise<RunningPeer> {
  const broker = await PlumbChild.start(runtime, ANYBODY, ["mqtt"], before);
  return { port: broker.port(), pid: broker.pid, stop: () => broker.stop() };
}

/** The executable with both. One login has been there, so that the password of the load is hashed once. */
export async function startPermitted(runtime: Runtime, before: readonly string[]): Promise<RunningPeer> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-permitted-"));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  let broker: PlumbChild | undefined;
  const stop = async () => {
    await broker?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const login = ["--password-file", file("passwords", await passwordLine(USER, PASSWORD))];
    const rules = ["--permissions", file("permissions.toml", writePermissions(RULES_DATA))];
    const args = [...ANYBODY, "--anonymous", "never", ...login, ...rules];
    broker = await PlumbChild.start(runtime, args, ["mqtt"], before);
    await logIn(broker.port());
    return { port: broker.port(), pid: broker.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function logIn(port: number): Promise<void> {
  const code = new Promise<number | undefined>((resolve) => {
    const client = new RawClient(port, 5, {
      packet: (packet) => {
        resolve(packet.type === PacketType.CONNACK ? packet.reasonCode : undefined);
        client.reset();
      },
      closed: () => resolve(undefined),
    });
    client.send(connectOf(5, "first", { username: USER, password: new TextEncoder().encode(PASSWORD) }));
  });
  if (await within(code, "a login") !== 0) throw new Error("The right password is refused");
}
