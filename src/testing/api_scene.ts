/**
 * An HTTP API before a broker that listens, and a program around it that is made up.
 * Knows how it is asked; refuses to know what it should answer.
 * @module
 */
import http from "node:http";
import { Logins } from "../api/access.ts";
import { ApiError } from "../api/error.ts";
import type { ApiHost, ApiServer, UserView } from "../api/host.ts";
import type { ApiWorkers } from "../api/operation.ts";
import { API_NUMBERS } from "../api/numbers.ts";
import { apiPart } from "../api/part.ts";
import { explain, Inspector, trace } from "../broker/mod.ts";
import { encodePacket, PacketType } from "../codec/mod.ts";
import type { Packet } from "../codec/packet.ts";
import { inProcess } from "../runtime/in_process.ts";
import { serve, type ServeOptions, type Server } from "../server/serve.ts";
import { until } from "./patience.ts";
import { Recorder } from "./transport_contract.ts";

const WEBHOOK = {
  waiting: 0,
  delivered: 1,
  dropped: 0,
  deadLetters: 0,
  requests: 1,
  failedRequests: 0,
  isFailing: false,
};

/** The owner's token. */
export const TOKEN = "a-token-of-a-test-0123456789";

/** What may be changed of the program. */
export type HostOf = { -readonly [Name in keyof ApiHost]: ApiHost[Name] };

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** Undefined for what is no JSON. */
  // deno-lint-ignore no-explicit-any
  readonly json: any;
}

/** A request. */
export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Without the token. */
  readonly isStranger?: boolean;
}

let begun = 0;

/** One API. */
export class ApiScene implements AsyncDisposable {
  readonly host: HostOf;
  readonly server: Server;
  readonly port: number;
  readonly errors: unknown[];
  readonly logins: Logins;
  readonly #others: { workers?: ApiWorkers };
  /** When its process was started, if it were one of its own: another time for each. */
  readonly since: number;

  private constructor(
    host: HostOf,
    server: Server,
    errors: unknown[],
    logins: Logins,
    since: number,
    others: { workers?: ApiWorkers },
  ) {
    this.host = host;
    this.#others = others;
    this.server = server;
    this.errors = errors;
    this.logins = logins;
    this.since = since;
    this.port = Number(new URL(server.addresses[0]!).port);
  }

  /** With this in place of what it has. */
  static async begin(more: Partial<HostOf> = {}, options: ServeOptions = {}): Promise<ApiScene> {
    const errors: unknown[] = [];
    const host = hostOf(errors);
    Object.assign(host, more);
    const logins = new Logins();
    const others: { workers?: ApiWorkers } = {};
    const part = apiPart(host, { logins, workers: () => others.workers })(false);
    const server = await serve({
      ...options,
      listen: [{
        url: "ws://127.0.0.1:0",
        webSocket: {
          http: (request: http.IncomingMessage, response: http.ServerResponse) => {
            if (!part(request, response)) response.writeHead(404).end("none of its paths");
          },
        },
      }],
    });
    const running: ApiServer = {
      ...server,
      broker: server.broker,
      inspector: new Inspector(server.broker),
      explain: (question, now) => explain(server.broker, question, now),
      trace: (options, events, now) => trace(server.broker, options, events, now),
    };
    host.server = more.server ?? (() => running);
    const since = ++begun;
    const process = { version: "1.2.3", since, residentBytes: 2, heapBytes: 1, cpuSeconds: 0.5 };
    const store = { batches: 1, bytes: 2, fileBytes: 3 };
    host.figures = more.figures ?? (() => ({
      stats: server.broker.stats,
      process,
      listeners: server.listeners,
      latencies: server.latencies(),
      store,
      bridges: [{
        name: "up",
        isConnected: true,
        reconnects: 0,
        sent: 1,
        received: 2,
        queuedOut: 0,
        queuedIn: 0,
        dropped: 0,
      }],
      rules: { hooks: undefined, webhook: { ...WEBHOOK } },
      busiest: server.busiest(),
    }));
    return new ApiScene(host, server, errors, logins, since, others);
  }

  /** It is one of several from now on. */
  set workers(workers: ApiWorkers) {
    this.#others.workers = workers;
  }

  /** Its Clients. */
  get connected(): number {
    return this.server.broker.stats.connected;
  }

  /** Asks for a path below /api/v1, or any other one that begins with `//`. */
  ask(path: string, { method = "GET", headers = {}, body, isStranger = false }: Asked = {}): Promise<Answer> {
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const sent = {
      ...!isStranger && { authorization: `Bearer ${TOKEN}` },
      ...text !== undefined && { "content-type": "application/json" },
      ...text !== undefined && !("transfer-encoding" in headers) &&
        { "content-length": `${new TextEncoder().encode(text).length}` },
      ...headers,
    };
    const whole = path.startsWith("//") ? path.slice(1) : `/api/v1${path}`;
    return new Promise((resolve, reject) => {
      const request = http.request(
        { host: "127.0.0.1", port: this.port, method, path: whole, headers: sent },
        (response) => {
          let said = "";
          response.setEncoding("latin1").on("data", (chunk) => said += chunk).on("end", () => {
            const { statusCode: status = 0, headers } = response;
            const isJson = headers["content-type"] === "application/json" && said !== "";
            const bytes = Uint8Array.from(said, (one) => one.charCodeAt(0));
            const text = new TextDecoder().decode(bytes);
            resolve({ status, headers, bytes, text, json: isJson ? JSON.parse(text) : undefined });
          });
          response.on("error", reject);
        },
      );
      request.on("error", reject);
      request.end(text);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

/** A Client over memory, connected. */
export async function client(
  { server }: { readonly server: Server },
  clientId: string,
  ...packets: Packet[]
): Promise<Recorder> {
  const [left, right] = inProcess();
  server.accept(left);
  const recorder = new Recorder(right);
  const properties = { sessionExpiryInterval: 100, receiveMaximum: 1 };
  const connect = {
    type: PacketType.CONNECT,
    level: 5,
    cleanStart: true,
    keepAlive: 0,
    clientId,
    properties,
  } as const;
  for (const packet of [connect, ...packets]) recorder.transport.write(encodePacket(packet as Packet, 5));
  const answers = 2 * packets.length;
  await until(() => recorder.length > 4 + answers, "CONNACK and the other answers");
  return recorder;
}

/** A SUBSCRIBE. */
export const subscribe = (filter: string): Packet => ({
  type: PacketType.SUBSCRIBE,
  packetId: 1,
  subscriptions: [{ filter, qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 0 }],
} as Packet);

function hostOf(errors: unknown[]): HostOf {
  const numbers = Object.fromEntries(Object.entries(API_NUMBERS).map(([name, row]) => [name, row.default]));
  const users = new Map<string, UserView>([["ann", { name: "ann", password: true, scram: false }]]);
  let text = "# nothing\n";
  return {
    numbers: numbers as ApiHost["numbers"],
    hosts: [],
    admins: ["ann"],
    token: TOKEN,
    now: () => Date.now(),
    server: () => undefined,
    version: "1.2.3",
    figures: () => undefined,
    login: (user, password) =>
      Promise.resolve(
        password === `password of ${user}` ? "let in" : password === "busy" ? "not now" : "refused",
      ),
    settings: () => [{
      key: "data",
      values: ["./d"],
      isDefault: false,
      unit: null,
      about: "where",
      reload: "restart",
    }],
    listeners: () => [{
      url: "ws://localhost:8080",
      addresses: [],
      tls: false,
      page: true,
      api: true,
      metrics: false,
      login: ["anonymous"],
    }],
    users: () => ({
      file: "passwords",
      all: () => [...users.values()],
      set: (name) => {
        const isNew = !users.has(name);
        users.set(name, { name, password: true, scram: false });
        return Promise.resolve(isNew);
      },
      delete: (name) => Promise.resolve(users.delete(name)),
    }),
    permissions: () => ({
      file: "permissions.toml",
      kind: "toml",
      read: () => ({ text, version: `${text.length}` }),
      replace: (next, version) => {
        if (version !== undefined && version !== `${text.length}`) {
          throw new ApiError("conflict", "It is another one");
        }
        if (next.includes("?")) throw new ApiError("not-usable", "Not TOML", { line: 3, key: "user" });
        text = next;
        return Promise.resolve({ version: `${text.length}` });
      },
    }),
    snapshot: async function* () {
      yield await Promise.resolve(new Uint8Array([1, 2, 3]));
    },
    untilSafe: () => Promise.resolve(),
    readAgain: () => Promise.resolve(),
    failed: (error) => void errors.push(error),
  };
}
