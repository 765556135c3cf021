/**
 * MQTT.js in the same process, as a Client under audit.
 * Knows that library's ways; refuses to know what is audited.
 * @module
 */
import { Buffer } from "node:buffer";
import { AuditCallError } from "../../call_error.ts";
import type {
  ClientOrder,
  Driver,
  Heard,
  OrderedMessage,
  OrderedSubscription,
  RunningClient,
  Where,
} from "./driver.ts";
import { SKILLS } from "./driver.ts";

/** Long enough for the auditor, which ends it before. */
const CONNECT_TIMEOUT_MS = 60_000;
const RECONNECT_MS = 20;

/** What of MQTT.js is used, in our words: its own types would make every user of ours load them. */
interface Library {
  connect(options: Record<string, unknown>): Client;
}

interface Emitter {
  on(event: "error", listener: (error: unknown) => void): void;
}

interface Socket {
  emit(event: string, ...args: unknown[]): boolean;
  pipe(to: Emitter, ...rest: unknown[]): unknown;
  destroy(): void;
}

interface Client {
  on(event: string, listener: (...args: never[]) => void): void;
  once(event: string, listener: () => void): void;
  subscribeAsync(filter: string, options: Record<string, unknown>): Promise<unknown>;
  unsubscribeAsync(filter: string): Promise<unknown>;
  publishAsync(topic: string, payload: string, options: Record<string, unknown>): Promise<unknown>;
  end(force: boolean, done?: () => void): void;
  connect(): void;
  streamBuilder: (client: Client) => Socket;
  handleAuth: (packet: unknown, done: (error: unknown, packet?: unknown) => void) => void;
}

/** Loads MQTT.js; throws an `AuditCallError` if it is not there. */
export async function mqttjsDriver(): Promise<Driver> {
  let library: Library;
  try {
    const loaded = await import("mqtt") as unknown as { readonly default?: Library } & Library;
    library = loaded.default ?? loaded;
  } catch (error) {
    throw new AuditCallError(
      `--driver mqttjs: the package mqtt cannot be loaded (${(error as Error).message})`,
    );
  }
  return {
    name: "mqttjs",
    skills: new Set(SKILLS.filter((skill) => skill !== "re-authentication")),
    port: 0,
    connectMs: 5_000,
    flags: "--client --driver mqttjs",
    start: (order, where) => Promise.resolve(start(library, order, where)),
  };
}

function start(library: Library, order: ClientOrder, where: Where): RunningClient {
  const heard: Heard[] = [];
  const words: string[] = [];
  const complain = (error: unknown) => words.push(error instanceof Error ? error.message : String(error));
  let broken: string | undefined;
  let client: Client;
  try {
    client = library.connect(optionsOf(order, where));
  } catch (error) {
    complain(error);
    return {
      heard,
      gone: Promise.resolve(),
      words: words.join("; "),
      leave: () => {},
      stop: () => Promise.resolve(),
    };
  }
  // What the library throws while it reads ends a program; here it ends the connection.
  const build = client.streamBuilder;
  client.streamBuilder = (self) => {
    const socket = build(self);
    const { emit, pipe } = socket;
    const breakDown = (error: unknown) => {
      broken ??= error instanceof Error ? error.message : String(error);
      complain(error);
      socket.destroy();
    };
    socket.emit = (...args) => {
      try {
        return emit.apply(socket, args);
      } catch (error) {
        breakDown(error);
        return true;
      }
    };
    // Some runtimes hand the exception to the stream that was written to, where no handler listens.
    socket.pipe = (to, ...rest) => {
      to.on("error", breakDown);
      return pipe.call(socket, to, ...rest);
    };
    return socket;
  };
  const gone = new Promise<void>((resolve) => {
    client.on("close", () => order.reconnect || resolve());
    client.on("end", () => resolve());
  });
  client.on("error", (error: Error) => void complain(error));
  client.on("message", (topic: string, payload: Buffer) => {
    heard.push({ topic, payload: payload.toString() });
  });
  const { authenticationMethod, authenticationData } = order;
  if (authenticationMethod !== undefined) {
    client.handleAuth = (_packet, done) =>
      done(null, {
        cmd: "auth",
        reasonCode: 0x18,
        properties: {
          authenticationMethod,
          ...authenticationData !== undefined && { authenticationData: Buffer.from(authenticationData) },
        },
      });
  }
  client.once("connect", () => void carryOut(client, order).catch(complain));
  client.connect();
  return {
    heard,
    gone,
    get broken() {
      return broken;
    },
    get words() {
      return words.join("; ");
    },
    leave: () => client.end(false),
    stop: () => new Promise((resolve) => client.end(true, resolve)),
  };
}

async function carryOut(client: Client, order: ClientOrder): Promise<void> {
  const { subscribe = [], publish = [], unsubscribe = [] } = order;
  await settled(
    subscribe.map(({ filter, ...options }) => client.subscribeAsync(filter, subscribeOptions(options))),
  );
  await settled(publish.map(({ topic, payload, ...options }) => {
    return client.publishAsync(topic, payload, publishOptions(options));
  }));
  await settled(unsubscribe.map((filter) => client.unsubscribeAsync(filter)));
}

/** All of them are tried; the first error is told when all are over. */
async function settled(all: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(all)) if (result.status === "rejected") throw result.reason;
}

function subscribeOptions({ qos, noLocal }: Omit<OrderedSubscription, "filter">): Record<string, unknown> {
  return { qos, ...noLocal === true && { nl: true } };
}

function publishOptions(message: Omit<OrderedMessage, "topic" | "payload">): Record<string, unknown> {
  const { qos, retain = false, properties } = message;
  if (properties === undefined) return { qos, retain };
  const { userProperty, messageExpiry, ...others } = properties;
  return {
    qos,
    retain,
    properties: {
      ...others,
      ...messageExpiry !== undefined && { messageExpiryInterval: messageExpiry },
      ...userProperty !== undefined && { userProperties: { [userProperty[0]]: userProperty[1] } },
    },
  };
}

function optionsOf(order: ClientOrder, { host, port, url }: Where): Record<string, unknown> {
  const { level, clientId, cleanStart, keepAlive, reconnect, will, username, password } = order;
  const { authenticationMethod, authenticationData } = order;
  const properties = {
    ...order.sessionExpiry !== undefined && { sessionExpiryInterval: order.sessionExpiry },
    ...order.receiveMaximum !== undefined && { receiveMaximum: order.receiveMaximum },
    ...order.topicAliasMaximum !== undefined && { topicAliasMaximum: order.topicAliasMaximum },
    ...order.maximumPacketSize !== undefined && { maximumPacketSize: order.maximumPacketSize },
    ...authenticationMethod !== undefined && { authenticationMethod },
    ...authenticationData !== undefined && { authenticationData: Buffer.from(authenticationData) },
  };
  return {
    protocol: new URL(url).protocol.slice(0, -1),
    host,
    port,
    path: new URL(url).pathname,
    rejectUnauthorized: false, // whom it trusts is not under audit
    protocolVersion: level,
    protocolId: "MQTT",
    clientId,
    clean: cleanStart,
    keepalive: keepAlive,
    connectTimeout: CONNECT_TIMEOUT_MS,
    manualConnect: true,
    reconnectPeriod: reconnect ? RECONNECT_MS : 0,
    ...will !== undefined && { will: { ...will, payload: Buffer.from(will.payload) } },
    ...username !== undefined && { username },
    ...password !== undefined && { password },
    ...level === 5 && Object.keys(properties).length > 0 && { properties },
  };
}
