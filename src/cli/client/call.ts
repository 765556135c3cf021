/**
 * Where a call wants to connect, and how, for `plumb pub`, `plumb sub` and `plumb request`.
 * Knows flags, URLs and files; refuses to know messages and sockets.
 * @module
 */
import process from "node:process";
import { randomBytes } from "node:crypto";
import type { CloseOptions, ConnectOptions, WillOptions } from "../../client_api/options.ts";
import type { QoS } from "../../codec/packet.ts";
import { CallError } from "../error.ts";
import { readText, trustOf } from "../trust.ts";
import { withScheme } from "../url.ts";
import type { Arguments } from "./arguments.ts";
import { VERSIONS } from "./flags.ts";
import type { PacketProperties } from "./properties.ts";

/** How often the Client connects. */
export type Reconnect = "never" | "lost" | "always";

/** A connection that is wanted. */
export interface ClientCall {
  /** Without user, password and topic. */
  readonly url: URL;
  /** What stands in an `mqtt:` URL behind the host. */
  readonly topic: string | undefined;
  readonly options: ConnectOptions;
  /** What DISCONNECT says. */
  readonly closing: CloseOptions;
  readonly isQuiet: boolean;
  /** There is a will, which the Server is to publish when a signal or the time of -W ends the command. */
  readonly hasWill: boolean;
}

const NEVER_EXPIRES = 0xffffffff;
const PORTS: Readonly<Record<string, string>> = { mqtt: "1883", mqtts: "8883", ws: "80", wss: "443" };

/**
 * Reads the flags of the connection. `reconnect` is what holds if no flag says it.
 * @throws {CallError}
 */
export async function callOf(
  args: Arguments,
  properties: PacketProperties,
  reconnect: Reconnect,
): Promise<ClientCall> {
  const target = targetOf(args);
  const { own, ...trust } = await trustOf(args, [target.url.href]);
  const level = levelOf(args, properties);
  const isKept = args.is("disable-clean-session");
  const clientId = clientIdOf(args, level);
  if (isKept && clientId === undefined) {
    throw new CallError("-c needs -i ID: a session is kept for a Client Identifier");
  }
  const username = args.one("username") ?? target.username;
  const password = passwordOf(args) ?? target.password;
  const { authenticationMethod, authenticationData, sessionExpiry = expiryOf(args), ...connect } =
    properties.connect ?? {};
  if (authenticationData !== undefined && authenticationMethod === undefined) {
    throw new CallError("-D connect authentication-data needs -D connect authentication-method");
  }
  const chosen = (args.one("reconnect") ?? reconnect) as Reconnect;
  const will = willOf(args, properties);
  const keepAlive = args.number("keepalive");
  const inFlightMax = args.number("max-inflight");
  const expiry = (sessionExpiry as number | undefined) ?? (isKept ? NEVER_EXPIRES : 0);
  const closing: CloseOptions = properties.disconnect ?? {};
  if (closing.sessionExpiry! > 0 && expiry === 0) {
    throw new CallError(
      "-D disconnect session-expiry-interval needs a session that is kept: -c, or -x SECONDS",
    );
  }
  return {
    ...target,
    isQuiet: args.is("quiet"),
    hasWill: will !== undefined,
    closing,
    options: {
      ...connect,
      tls: { ...trust, ...own },
      level,
      cleanStart: !isKept,
      sessionExpiry: expiry,
      ...clientId !== undefined && { clientId },
      ...username !== undefined && { username },
      ...password !== undefined && { password },
      ...keepAlive !== undefined && { keepAlive },
      ...will !== undefined && { will },
      ...authenticationMethod !== undefined && {
        authentication: {
          method: authenticationMethod as string,
          initial: () => authenticationData as Uint8Array | undefined,
          next: () => {
            throw new Error("the method goes on, and this command knows its first data only");
          },
        },
      },
      ...chosen === "never" && { reconnect: false },
      ...chosen === "always" && { connectTimeoutMs: Infinity },
      offlineQueue: { bytes: Infinity, messages: Infinity },
      ...inFlightMax !== undefined && { limits: { inFlightMax, inFlightBelow5Max: inFlightMax } },
    },
  };
}

interface Target {
  readonly url: URL;
  readonly topic: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

function targetOf(args: Arguments): Target {
  const text = args.one("url");
  const [host, port] = [args.one("host"), args.one("port")];
  if (text === undefined || (args.source("url") === "variable" && (host ?? port) !== undefined)) {
    const isTls = ["ca", "cert", "key", "insecure"].some((name) => args.given.has(name)) || port === "8883";
    const scheme = isTls ? "mqtts" : "mqtt";
    const bracketed = host?.includes(":") && !host.startsWith("[") ? `[${host}]` : host ?? "localhost";
    return urlOf(`${scheme}://${bracketed}:${port ?? PORTS[scheme]}`, args.written("host"), host ?? "");
  }
  if ((host ?? port) !== undefined) {
    throw new CallError(
      `${args.written("url")} and ${args.written(host === undefined ? "port" : "host")} exclude each other`,
    );
  }
  return urlOf(withScheme(text), args.written("url"), text);
}

/** A topic may have `#` and `?`, which would be something else to `URL`. */
function urlOf(text: string, flag: string, said: string): Target {
  if (/^(?:mqtt\+)?unix:/i.test(text)) return socketOf(text, flag, said);
  const [, scheme = "", authority = "", rest] = /^([a-z][a-z\d+.-]*):\/\/([^/]*)(?:\/(.*))?$/is.exec(text) ??
    [];
  const name = scheme.toLowerCase();
  const isWebSocket = name === "ws" || name === "wss";
  if (!Object.hasOwn(PORTS, name) || authority === "") {
    throw new CallError(
      `${flag} ${
        JSON.stringify(said)
      }: a URL begins with mqtt://HOST, mqtts://HOST, ws://HOST or wss://HOST, or is unix:/PATH`,
    );
  }
  try {
    // Of a scheme that it does not know, `URL` takes any text for a host.
    const { host } = new URL(`http://${authority.slice(authority.lastIndexOf("@") + 1)}`);
    const { port } = new URL(`x://${authority}`);
    const { username, password } = new URL(`http://${authority}`);
    const plain = host.replace(/:\d+$/, "");
    const path = isWebSocket && rest !== undefined && rest !== "" ? rest : "";
    return {
      url: new URL(`${name}://${plain}:${port === "" ? PORTS[name] : port}/${path}`),
      topic: isWebSocket || rest === "" ? undefined : rest,
      username: username === "" ? undefined : decodeURIComponent(username),
      password: password === "" ? undefined : decodeURIComponent(password),
    };
  } catch {
    throw new CallError(`${flag} ${JSON.stringify(said)} is no host with a port from 1 to 65535`);
  }
}

/** A Unix socket. */
function socketOf(text: string, flag: string, said: string): Target {
  if (!/:(?:\/\/)?\/[^/?#\0](?:[^?#\0]*[^/?#\0])?$/.test(text)) {
    throw new CallError(`${flag} ${JSON.stringify(said)} is no socket: write unix:/PATH`);
  }
  return { url: new URL(text), topic: undefined, username: undefined, password: undefined };
}

/** Flags for what MQTT 3.1.1 does not have. */
const OF_LEVEL_5 = ["session-expiry-interval", "no-local", "retain-as-published", "retain-handling"];

function levelOf(args: Arguments, properties: PacketProperties): 3 | 4 | 5 | "auto" {
  const version = args.one("protocol-version");
  const needing = OF_LEVEL_5.find((name) => args.given.has(name));
  const flag = Object.keys(properties).length > 0
    ? "-D"
    : needing === undefined
    ? undefined
    : args.written(needing);
  if (version === undefined) return flag === undefined ? "auto" : 5;
  const level = VERSIONS[version]!;
  if (flag !== undefined && level < 5) throw new CallError(`${flag} goes with -V 5`);
  return level;
}

function clientIdOf(args: Arguments, level: number | "auto"): string | undefined {
  const [id, prefix] = [args.one("id"), args.one("id-prefix")];
  if (id !== undefined && prefix !== undefined) throw new CallError("-i and -I exclude each other");
  if (prefix !== undefined) return `${prefix}${process.pid}`;
  if (id !== undefined && id !== "") return id;
  // At level 3 a Client has to choose one.
  return level === 3 ? `plumb-${randomBytes(8).toString("hex")}` : undefined;
}

function passwordOf(args: Arguments): string | undefined {
  const file = args.one("password-file");
  if (file === undefined) return args.one("pw");
  if (args.source("pw") === "flag") {
    throw new CallError(`${args.written("pw")} and --password-file exclude each other`);
  }
  return readText("--password-file", file).split(/\r?\n/)[0]!;
}

function expiryOf(args: Arguments): number | undefined {
  const text = args.one("session-expiry-interval");
  if (text === undefined) return undefined;
  if (text === "-1" || text === "∞") return NEVER_EXPIRES;
  if (/^\d+$/.test(text) && Number(text) <= NEVER_EXPIRES) return Number(text);
  const flag = args.written("session-expiry-interval");
  throw new CallError(`${flag} takes seconds from 0 to ${NEVER_EXPIRES}, or -1, not ${JSON.stringify(text)}`);
}

function willOf(args: Arguments, properties: PacketProperties): WillOptions | undefined {
  const topic = args.one("will-topic");
  if (topic === undefined) {
    const flag = ["will-payload", "will-qos", "will-retain"].find((name) => args.given.has(name));
    if (flag !== undefined) throw new CallError(`--${flag} needs --will-topic TOPIC`);
    if (properties.will !== undefined) throw new CallError("-D will needs --will-topic TOPIC");
    return undefined;
  }
  return {
    topic,
    payload: args.one("will-payload") ?? "",
    qos: (args.number("will-qos") ?? 0) as QoS,
    retain: args.is("will-retain"),
    ...properties.will !== undefined && { properties: properties.will },
  };
}
