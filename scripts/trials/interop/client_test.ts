/**
 * Our Client with Plumb, mosquitto and aedes, by TCP, TLS and WebSocket.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Aedes } from "aedes";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Duplex } from "node:stream";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { type Client, connect, type ConnectOptions } from "../../../src/client_api/mod.ts";
import { serve } from "../../../src/server/serve.ts";
import { patient } from "../../../src/testing/patience.ts";
import { CA, CERT, KEY } from "../../../src/testing/tls.ts";
import { freePort, mosquittoVersion, onFreePorts, startMosquittoAt } from "../peers/start.ts";
import { assertSameBytes, pattern, UNICODE_TOPICS } from "./test_broker.ts";

/** One broker that runs. */
interface Running {
  /** By the scheme of a URL. */
  readonly urls: Readonly<Record<string, string>>;
  stop(): Promise<unknown>;
}

interface Broker {
  readonly name: string;
  readonly schemes: readonly string[];
  readonly levels: readonly (3 | 4 | 5)[];
  start(): Promise<Running>;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function startPlumb(): Promise<Running> {
  const tls = { cert: CERT, key: KEY };
  const schemes = ["mqtt", "mqtts", "ws", "wss"];
  const server = await serve({ listen: schemes.map((scheme) => `${scheme}://localhost:0`), tls });
  const urls = Object.fromEntries(server.addresses.map((url) => [new URL(url).protocol.slice(0, -1), url]));
  return {
    urls: Object.fromEntries(
      Object.entries(urls).map(([scheme, url]) => [scheme, url.replace(/127\.0\.0\.1|\[::1\]/, "localhost")]),
    ),
    stop: () => server.close(),
  };
}

function startMosquittoWithAll(): Promise<Running> {
  return onFreePorts(startMosquittoOnce);
}

async function startMosquittoOnce(): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-mosquitto-tls-"));
  chmodSync(folder, 0o755); // it gives up being root
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(cert, CERT);
  writeFileSync(key, KEY);
  const ports: Record<string, number> = {};
  for (const scheme of ["mqtts", "ws", "wss"]) ports[scheme] = await freePort();
  const lines = Object.entries(ports).flatMap(([scheme, port]) => [
    `listener ${port} 127.0.0.1`,
    ...(scheme.startsWith("ws") ? ["protocol websockets"] : []),
    ...(scheme.endsWith("s") && scheme !== "ws" ? [`certfile ${cert}`, `keyfile ${key}`] : []),
  ]);
  ports["mqtt"] = await freePort();
  const mosquitto = await startMosquittoAt(ports["mqtt"], [], `${lines.join("\n")}\n`)
    .catch((error) => {
      rmSync(folder, { recursive: true });
      throw error;
    });
  const urls = Object.entries(ports).map(([scheme, port]) => [scheme, `${scheme}://localhost:${port}`]);
  return {
    urls: Object.fromEntries(urls),
    async stop() {
      await mosquitto.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

async function startAedes(): Promise<Running> {
  const aedes = await Aedes.createBroker();
  const handle = (stream: Duplex) => void aedes.handle(stream);
  const servers = {
    mqtt: createServer(handle),
    mqtts: createTlsServer({ cert: CERT, key: KEY }, handle),
    ws: createHttpServer(),
    wss: createHttpsServer({ cert: CERT, key: KEY }),
  };
  const webSockets = [servers.ws, servers.wss].map((server) => new WebSocketServer({ server }));
  for (const one of webSockets) one.on("connection", (socket) => handle(streamOf(socket)));
  const open = new Set<Socket>();
  const urls: Record<string, string> = {};
  for (const [scheme, server] of Object.entries(servers)) {
    server.on("connection", (socket: Socket) => open.add(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    urls[scheme] = `${scheme}://localhost:${(server.address() as AddressInfo).port}`;
  }
  return {
    urls,
    async stop() {
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      for (const one of webSockets) one.clients.forEach((socket) => socket.terminate());
      for (const socket of open) socket.destroy();
      for (const server of Object.values(servers)) server.close();
    },
  };
}

/** As `createWebSocketStream()` of `ws`, which Bun has not. */
function streamOf(socket: WebSocket): Duplex {
  const stream = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      socket.send(chunk);
      done();
    },
    final(done) {
      socket.close();
      done();
    },
    destroy(error, done) {
      socket.terminate();
      done(error);
    },
  });
  socket.on("message", (data) => stream.push(data));
  socket.on("close", () => stream.push(null));
  socket.on("error", (error) => stream.destroy(error));
  return stream;
}

const missing = mosquittoVersion() === undefined && process.env["PLUMB_REQUIRE_MOSQUITTO"] !== "1";
const BROKERS: readonly Broker[] = [
  { name: "Plumb", schemes: ["mqtt", "mqtts", "ws", "wss"], levels: [5, 4, 3], start: startPlumb },
  ...(missing ? [] : [{
    name: "mosquitto",
    schemes: ["mqtt", "mqtts", "ws", "wss"],
    levels: [5, 4, 3],
    start: startMosquittoWithAll,
  }] as const),
  { name: "aedes", schemes: ["mqtt", "mqtts", "ws", "wss"], levels: [4, 3], start: startAedes },
];

/** Runs `body` with a broker, and closes the Clients that it has made. */
async function on(
  broker: Broker,
  body: (client: (id: string, options?: ConnectOptions, scheme?: string) => Promise<Client>) => Promise<void>,
): Promise<void> {
  const running = await broker.start();
  const clients: Client[] = [];
  try {
    await body(async (clientId, options = {}, scheme = "mqtt") => {
      const own = { clientId, tls: { ca: CA }, reconnect: { maxMs: 50 }, ...options };
      const client = await connect(running.urls[scheme]!, own);
      clients.push(client);
      return client;
    });
  } finally {
    for (const client of clients) await client.close({ timeoutMs: 0 });
    await running.stop();
  }
}

/** The next `count` messages. */
async function take(subscription: AsyncIterable<{ bytes: Uint8Array; topic: string }>, count: number) {
  const got: { topic: string; bytes: Uint8Array }[] = [];
  for await (const { topic, bytes } of subscription) if (got.push({ topic, bytes }) === count) break;
  return got;
}

for (const broker of BROKERS) {
  describe(`Our Client and ${broker.name}`, () => {
    test(
      "every scheme, level and QoS, in order; topics of any letters",
      patient,
      () =>
        on(broker, async (client) => {
          for (const scheme of broker.schemes) {
            for (const level of broker.levels) {
              const id = `${scheme}-${level}`;
              const own = await client(id, { level }, scheme);
              assertEquals([own.level, own.status], [level, "connected"]);
              for (const qos of [0, 1, 2] as const) {
                const echoes = await own.subscribe(`${id}/#`, { qos });
                const names = [...Array.from({ length: 100 }, (_, i) => `${i}`), ...UNICODE_TOPICS];
                const sent = names.map((name, i) => own.publish(`${id}/${name}`, `${i}`, { qos }));
                const got = await take(echoes, names.length);
                assertEquals(got.map(({ topic }) => topic), names.map((name) => `${id}/${name}`));
                assertEquals(got.map(({ bytes }) => text(bytes)), names.map((_, i) => `${i}`));
                for (const { reasonCode } of await Promise.all(sent)) assertEquals(reasonCode, 0);
                await echoes.unsubscribe();
              }
            }
          }
        }),
    );

    test("a large message by every scheme", patient, () =>
      on(broker, async (client) => {
        for (const scheme of broker.schemes) {
          // To whatever Client mosquitto 2.0 sends 4 KiB each 100 ms by WebSocket, and aedes on Deno takes no 500 KB.
          const isSlow = broker.name === "mosquitto" && scheme.startsWith("ws");
          const isDeno = broker.name === "aedes" && "Deno" in globalThis;
          const large = pattern(isSlow || isDeno ? 50_000 : 2_000_000);
          const own = await client(scheme, { level: broker.levels[0]! }, scheme);
          const echoes = await own.subscribe(scheme, { qos: 1 });
          await own.publish(scheme, large, { qos: 1 });
          assertSameBytes((await take(echoes, 1))[0]!.bytes, large);
        }
      }));

    test(
      "a reader that takes 10 ms for each message of a flood gets all, in order, on one connection",
      patient,
      () =>
        on(broker, async (client) => {
          const level = broker.levels[0]!;
          const slow = await client("slow", { level, receiveMaximum: 50 });
          let losses = 0;
          slow.on("disconnected", () => losses++);
          const writer = await client("writer", { level });
          await Promise.all([1, 2].map(async (qos) => {
            const messages = await slow.subscribe(`slow/${qos}`, { qos: qos as 1 | 2 });
            const sent = Array.from(
              { length: 200 },
              (_, i) => writer.publish(`slow/${qos}`, `${i}`, { qos: qos as 1 | 2 }),
            );
            for (let i = 0; i < 200; i++) {
              const [message] = await take(messages, 1);
              assertEquals(text(message!.bytes), `${i}`);
              if (level === 5) assert(messages.waiting <= 100, `${messages.waiting} wait`);
              await new Promise((resolve) => setTimeout(resolve, 10));
            }
            await Promise.all(sent);
          }));
          assertEquals(losses, 0);
        }),
    );

    test("a retained message, and none any more", patient, () =>
      on(broker, async (client) => {
        const own = await client("own", { level: broker.levels[0]! });
        await own.publish("kept", "this", { qos: 1, retain: true });
        const first = await own.subscribe("kept", { qos: 1 });
        assertEquals((await take(first, 1)).map(({ bytes }) => text(bytes)), ["this"]);
        await first.unsubscribe();
        await own.publish("kept", "", { qos: 1, retain: true });
        const second = await own.subscribe("kept", { qos: 1 });
        await own.publish("kept", "new", { qos: 1 });
        assertEquals((await take(second, 1)).map(({ bytes }) => text(bytes)), ["new"]);
      }));

    test("a Will comes when the Client is taken over", patient, () =>
      on(broker, async (client) => {
        const level = broker.levels[0]!;
        const wills = await (await client("reader", { level })).subscribe("will", { qos: 1 });
        const will = { topic: "will", payload: "gone", qos: 1 } as const;
        await client("mortal", { level, will, cleanStart: true, sessionExpiry: 0, reconnect: false });
        await client("mortal", { level, cleanStart: true });
        assertEquals((await take(wills, 1)).map(({ bytes }) => text(bytes)), ["gone"]);
      }));

    test(
      "a session gets what was published while its Client was away",
      patient,
      () =>
        on(broker, async (client) => {
          for (const level of broker.levels.filter((level) => level > 3)) {
            const options = { level, cleanStart: false };
            const away = await client(`away-${level}`, options);
            await away.subscribe(`news/${level}`, { qos: 2 });
            await away.close();
            const writer = await client(`writer-${level}`, { level });
            await Promise.all(
              [0, 1, 2, 3].map((i) => writer.publish(`news/${level}`, `${i}`, { qos: i % 2 ? 1 : 2 })),
            );
            const back = await client(`away-${level}`, options);
            const got = await take(await back.subscribe(`news/${level}`, { qos: 2 }), 4);
            assertEquals(got.map(({ bytes }) => text(bytes)).sort(), ["0", "1", "2", "3"]);
          }
        }),
    );

    if (broker.levels.includes(5)) {
      test("a request and its answer, with properties", patient, () =>
        on(broker, async (client) => {
          const server = await client("server");
          const questions = await server.subscribe("twice", { qos: 1 });
          const answering = (async () => {
            for await (const question of questions) {
              await question.reply(`${text(question.bytes)}${text(question.bytes)}`, {
                contentType: "text/plain",
              });
            }
          })();
          const asker = await client("asker");
          const answers = await Promise.all(
            ["a", "b", "c"].map((one) => asker.request("twice", one, { qos: 1 })),
          );
          assertEquals(answers.map(({ bytes }) => text(bytes)), ["aa", "bb", "cc"]);
          assertEquals(answers[0]!.properties.contentType, "text/plain");
          await questions.unsubscribe();
          await answering;
        }));
    } else {
      test("level `auto` ends at level 4", patient, () =>
        on(broker, async (client) => {
          assertEquals((await client("auto", { level: "auto" })).level, 4);
        }));
    }

    test(
      "no certificate is trusted but those of the authority that is told",
      patient,
      () =>
        on(broker, async (client) => {
          await assertRejects(() => client("strange", { tls: {} }, "mqtts"));
          assert(
            !(await client("careless", { level: 4, tls: { insecure: true } }, "mqtts").then(() => false)),
          );
        }),
    );
  });
}
