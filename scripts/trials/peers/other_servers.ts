/**
 * Servers whose MQTT is one protocol among others: nats-server, RabbitMQ and ejabberd, as Debian has them.
 * Knows their configuration and processes; refuses to know what an audit finds.
 * @module
 */
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { spawnKept } from "../../lib/kept_child.ts";
import { freePort, listening, type RunningPeer } from "./start.ts";

/** What is started: files of its own in a folder that is made for it, a command and its surroundings. */
interface Program {
  readonly files: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What is left to end when the program has been killed. */
  readonly behind?: () => void;
}

/** Starts a program and all that it starts in a group of processes of its own, which ends with this process. */
async function startGroup(
  of: (folder: string, port: number) => Program | Promise<Program>,
): Promise<RunningPeer> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-peer-"));
  const port = await freePort();
  const { files, command, env, behind } = await of(folder, port);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const child = spawnKept(command, {
    stdio: "ignore",
    detached: true,
    cwd: folder,
    env: { ...process.env, HOME: folder, ...env },
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const kill = () => {
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // the group is gone
    }
    behind?.();
  };
  process.once("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    kill();
    await closed;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(child, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: child.pid!, stop };
}

/** nats-server with JetStream, which its MQTT needs; everybody may come in. */
export function startNats(): Promise<RunningPeer> {
  return startGroup(async (folder, port) => ({
    files: {
      "nats.conf": [
        `listen: "127.0.0.1:${await freePort()}"`,
        "server_name: audit",
        `jetstream { store_dir: "${folder}" }`,
        `mqtt { host: "127.0.0.1", port: ${port} }`,
        "",
      ].join("\n"),
    },
    command: ["nats-server", "-c", join(folder, "nats.conf")],
  }));
}

/** Where Debian has the newest RabbitMQ. */
const rabbitHome = globSync("/usr/lib/rabbitmq/lib/rabbitmq_server-*").sort().at(-1);

/** Undefined if it is not installed. */
export const rabbitVersion: string | undefined = rabbitHome?.split("-").at(-1);

/** RabbitMQ with its MQTT plug-in; its default user `guest` stands for everybody. */
export function startRabbit(): Promise<RunningPeer> {
  return startGroup(async (folder, port) => {
    const names = await freePort();
    const epmd = spawnKept(["epmd", "-port", String(names), "-address", "127.0.0.1"], { stdio: "ignore" });
    await listening(epmd, names); // else RabbitMQ starts one that outlives it
    return {
      files: {
        plugins: "[rabbitmq_mqtt].\n",
        "rabbitmq.conf": [
          `listeners.tcp.1 = 127.0.0.1:${await freePort()}`,
          `mqtt.listeners.tcp.1 = 127.0.0.1:${port}`,
          "mqtt.allow_anonymous = true",
          "",
        ].join("\n"),
      },
      command: [`${rabbitHome}/sbin/rabbitmq-server`],
      env: {
        ERL_EPMD_PORT: String(names),
        ERL_EPMD_ADDRESS: "127.0.0.1",
        RABBITMQ_NODENAME: "audit@localhost",
        RABBITMQ_DIST_PORT: String(await freePort()),
        RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
        RABBITMQ_LOG_BASE: folder,
        RABBITMQ_PID_FILE: join(folder, "pid"),
        RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
        RABBITMQ_GENERATED_CONFIG_DIR: join(folder, "generated"),
        RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
      },
      behind: () => void epmd.kill("SIGKILL"),
    };
  });
}

/** Where Debian has the newest ejabberd. */
const ejabberdHome = globSync("/usr/lib/*/ejabberd-*").sort().at(-1);

/** Undefined if it is not installed. */
export const ejabberdVersion: string | undefined = ejabberdHome?.replace(/^.*\/ejabberd-/, "");

/** ejabberd with `mod_mqtt` as it comes, and the one user that it cannot do without. */
export async function startEjabberd(): Promise<RunningPeer> {
  const peer = await startGroup((folder, port) => {
    mkdirSync(join(folder, "mnesia"));
    const register = `ejabberd_auth:try_register(<<"audit">>, <<"localhost">>, <<"secret">>).`;
    return {
      files: {
        "ejabberd.yml": [
          "hosts: [localhost]",
          "listen:",
          `  - { port: ${port}, ip: "127.0.0.1", module: mod_mqtt, backlog: 1000 }`,
          "auth_method: internal",
          "modules: { mod_mqtt: {} }",
          "",
        ].join("\n"),
      },
      command: [
        "erl",
        "-noinput",
        "-mnesia",
        "dir",
        `"${join(folder, "mnesia")}"`,
        "-s",
        "ejabberd",
        "-eval",
        register,
      ],
      env: {
        EJABBERD_CONFIG_PATH: join(folder, "ejabberd.yml"),
        EJABBERD_LOG_PATH: join(folder, "ejabberd.log"),
        ERL_LIBS: ejabberdHome!.replace(/\/ejabberd-[^/]*$/, ""),
      },
    };
  });
  return { ...peer, user: "audit%40localhost:secret" };
}
