/**
 * §6 The Client over WebSocket, against our broker: by the object that browsers have, and by our own framing, over TLS too.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { describe, test } from "node:test";
import { serve, type ServeOptions } from "../server/serve.ts";
import { patient, until } from "../testing/patience.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import { pump, Recorder } from "../testing/transport_contract.ts";
import { connect as connectInBrowser } from "./browser.ts";
import { type Client, connect, type ConnectOptions } from "./mod.ts";
import { dialWebSocket } from "./web_socket.ts";

/** RFC 6455 §1.3 */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

type Connect = (url: string, options?: ConnectOptions) => Promise<Client>;

async function served(options: ServeOptions, body: (url: string) => Promise<void>): Promise<void> {
  const server = await serve(options);
  try {
    await body(server.addresses[0]!);
  } finally {
    await server.close();
  }
}

/** Publishes messages to itself, and fails unless all come back in order. */
async function echo(client: Client, qos: 0 | 1 | 2, payloads: readonly Uint8Array[]): Promise<void> {
  const echoes = await client.subscribe("echo", { qos });
  const sent = payloads.map((payload) => client.publish("echo", payload, { qos }));
  let at = 0;
  for await (const { bytes } of echoes) {
    assertEquals(bytes.length, payloads[at]!.length);
    assertEquals(bytes.at(-1), payloads[at]!.at(-1));
    if (++at === payloads.length) break;
  }
  await Promise.all(sent);
  await echoes.unsubscribe();
}

const PAYLOADS = Array.from({ length: 300 }, (_, i) => new Uint8Array(i * 37).fill(i));

const WAYS: readonly { readonly name: string; readonly connect: Connect }[] = [
  { name: "the WebSocket object", connect: connectInBrowser },
  { name: "own framing", connect },
];
for (const { name, connect } of WAYS) {
  describe(`The Client by ${name}`, () => {
    for (const level of [5, 4] as const) {
      test(
        `echoes at all QoS, level ${level}`,
        patient,
        () =>
          served({ listen: ["ws://127.0.0.1:0"] }, async (url) => {
            const client = await connect(url, { level });
            assertEquals(client.level, level);
            for (const qos of [0, 1, 2] as const) await echo(client, qos, PAYLOADS);
            await client.close();
          }),
      );
    }

    test("carries a message of 5 MB", patient, () =>
      served({ listen: ["ws://127.0.0.1:0"] }, async (url) => {
        const client = await connect(url);
        await echo(client, 1, [new Uint8Array(5_000_000).fill(9)]);
        await client.close();
      }));

    test("connects again when the connection is lost, and nothing at QoS 1 is", patient, async () => {
      const server = await serve({ listen: ["ws://127.0.0.1:0"] });
      try {
        const client = await connect(server.addresses[0]!, { clientId: "again", reconnect: { maxMs: 50 } });
        const news = await client.subscribe("news", { qos: 1 });
        let connects = 0;
        client.on("connected", () => connects++);
        server.disconnect("again", { code: 0x98, rule: "MQTT-3.14.4-3", message: "a test" });
        await until(() => connects === 1, "it is back");
        await client.publish("news", "after", { qos: 1 });
        for await (const { bytes } of news) {
          assertEquals(new TextDecoder().decode(bytes), "after");
          break;
        }
        await client.close();
      } finally {
        await server.close();
      }
    });

    test("rejects with the reason where there is no WebSocket", patient, async () => {
      const http = createServer((_, response) => response.writeHead(404).end()).listen(0, "127.0.0.1");
      await until(() => http.listening, "a server without WebSocket listens");
      const { port } = http.address() as AddressInfo;
      await assertRejects(() => connect(`ws://127.0.0.1:${port}`), Error, "127.0.0.1");
      http.closeAllConnections();
      http.close();
      await assertRejects(() => connect("ws://127.0.0.1:1/mqtt"), Error, "127.0.0.1");
    });
  });
}

describe("The Client by own framing over TLS", () => {
  test(
    "trusts the authority that it is told, and nobody else",
    patient,
    () =>
      served({ listen: ["wss://127.0.0.1:0"], tls: { cert: CERT, key: KEY } }, async (url) => {
        const client = await connect(url.replace("127.0.0.1", "localhost"), { tls: { ca: CA } });
        await echo(client, 2, PAYLOADS.slice(0, 20));
        await client.close();
        await assertRejects(() => connect(url));
      }),
  );
});

describe("The transport by the WebSocket object", () => {
  test("keeps little of what the peer does not read, and goes on when it does", patient, async () => {
    const SIZE = 40_000_000;
    let peer: Duplex | undefined;
    let got = 0;
    const http = createServer().on("upgrade", ({ headers }, socket) => {
      const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}${GUID}`).digest("base64");
      const fields = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: mqtt"];
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\n${
          fields.join("\r\n")
        }\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      peer = socket.on("error", () => {});
    }).listen(0, "127.0.0.1");
    await until(() => http.listening, "a server listens");
    const { port } = http.address() as AddressInfo;
    const options = { tls: {}, signal: new AbortController().signal };
    const transport = await dialWebSocket(new URL(`ws://127.0.0.1:${port}`), options);
    const recorder = new Recorder(transport);
    let isThrough = false;
    pump(recorder, new Uint8Array(SIZE), () => 16_384, () => isThrough = true);
    assert(!isThrough, "it takes no 40 MB at once");
    peer!.on("data", (chunk: Uint8Array) => got += chunk.length);
    await until(() => isThrough && got > SIZE, () => `all has come: ${got}`);
    assert(recorder.drains > 0);
    transport.abort();
    await until(() => recorder.closes.length === 1, "it is closed, once");
    assertEquals(recorder.intrusions, []);
    assertEquals(transport.write(new Uint8Array(1)), 0);
    peer!.destroy();
    http.close();
  });

  test("ends what is dialled when nobody waits for it any more", patient, async () => {
    const server = await serve({ listen: ["ws://127.0.0.1:0"] });
    try {
      const abort = new AbortController();
      const dialled = dialWebSocket(new URL(server.addresses[0]!), { tls: {}, signal: abort.signal });
      abort.abort(new Error("enough"));
      await assertRejects(() => dialled, Error, "enough");
      await until(() => server.broker.stats.connections === 0, "the Server has no connection");
    } finally {
      await server.close();
    }
  });
});
