/**
 * §6 Listeners for WebSocket: a browser's client and others come in, over TLS too; what is no upgrade is answered.
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectAsync } from "mqtt";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { encodePacket, PacketType } from "../codec/mod.ts";
import { dial } from "../runtime/dial.ts";
import { pump, Recorder } from "../testing/transport_contract.ts";
import { patient, until } from "../testing/patience.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import type { PeerInfo } from "../transport/peer.ts";
import { AddressError } from "./address.ts";
import { planListeners } from "./listeners.ts";
import { type Refusal, serve, type ServeOptions, type Server } from "./serve.ts";

const CONNECT = encodePacket({
  type: PacketType.CONNECT,
  level: 5,
  cleanStart: true,
  keepAlive: 0,
  clientId: "raw",
}, 5);

async function served(
  options: ServeOptions,
  body: (server: Server, port: number) => Promise<void>,
): Promise<void> {
  const server = await serve(options);
  try {
    await body(server, Number(new URL(server.addresses[0]!).port));
  } finally {
    await server.close();
  }
}

/** Sends this, and gives the whole answer when the Server has closed. */
async function asked(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let answer = "";
  let isOver = false;
  socket.on("error", () => {}).on("data", (chunk) => answer += chunk.toString("latin1"));
  socket.on("close", () => isOver = true).on("end", () => socket.end());
  socket.write(text, "latin1");
  await until(() => isOver, () => `the connection ends: ${answer}`);
  return answer;
}

const UPGRADE = [
  "GET /mqtt HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: mqtt",
].join("\r\n");

const LISTEN: ServeOptions = { listen: ["ws://127.0.0.1:0/mqtt"] };

describe("a listener for WebSocket", () => {
  for (const scheme of ["ws", "wss"] as const) {
    test(
      `MQTT.js over ${scheme}:// gets what it publishes, at each level and QoS, short and long`,
      patient,
      () =>
        served({
          listen: [`${scheme}://127.0.0.1:0/mqtt`],
          ...scheme === "wss" && { tls: { cert: CERT, key: KEY } },
        }, async (_, port) => {
          for (const protocolVersion of [5, 4, 3] as const) {
            const client = await connectAsync(`${scheme}://127.0.0.1:${port}/mqtt`, {
              protocolVersion,
              ...protocolVersion === 3 && { protocolId: "MQIsdp", clientId: "three" },
              ca: [CA],
              reconnectPeriod: 0,
            });
            const got: number[] = [];
            client.on("message", (_topic, payload) => got.push(payload.length));
            await client.subscribeAsync("t/#", { qos: 2 });
            for (const [qos, length] of [[0, 1], [1, 126], [2, 70_000], [1, 1_000_000]] as const) {
              await client.publishAsync(`t/${qos}`, "x".repeat(length), { qos });
            }
            await until(() => got.length === 4, () => `all messages: ${got}`);
            assertEquals(got.toSorted((a, b) => a - b), [1, 126, 70_000, 1_000_000]);
            await client.endAsync();
          }
        }),
    );
  }

  test(
    "our own end: several packets in one frame, and one packet over many",
    patient,
    () =>
      served(LISTEN, async (_, port) => {
        const peer = new Recorder(await dial({ host: "127.0.0.1", port }, undefined, {}));
        pump(peer, CONNECT, () => 1);
        await until(() => peer.length > 0, () => "CONNACK");
        assertEquals(peer.bytes[0], 0x20);
        peer.transport.write(Uint8Array.of(0xc0, 0, 0xc0, 0, 0xc0, 0));
        await until(() => peer.bytes.filter((byte) => byte === 0xd0).length === 3, () => "three PINGRESP");
        peer.transport.close();
        await until(() => peer.closes.length > 0, () => "the end");
        assertEquals(peer.closes, [undefined]);
      }),
  );

  test("what is no upgrade, or a wrong one, is answered by HTTP and told to refused()", patient, async () => {
    const refused: string[] = [];
    await served({
      ...LISTEN,
      hooks: { refused: (_, { rule, message }) => refused.push(`${rule}: ${message}`) },
    }, async (_, port) => {
      const status = async (text: string) => (await asked(port, text)).split("\r\n")[0];
      assertEquals(await status("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 426 Upgrade Required");
      assertEquals(await status(`${UPGRADE.replace("/mqtt", "/other")}\r\n\r\n`), "HTTP/1.1 404 Not Found");
      assertEquals(
        await status(`${UPGRADE}\r\nOrigin: https://evil.example\r\n\r\n`),
        "HTTP/1.1 403 Forbidden",
      );
      const broken = await asked(port, `${UPGRADE}\r\n\r\n\x81\x80\0\0\0\0`);
      assertEquals(broken.endsWith("\x88\x02\x03\xeb"), true);
      assertEquals(refused.pop(), "MQTT-6.0.0-1: a text frame: MQTT travels in binary frames");
      assertEquals(await status("\x10\x0c\x00\x04MQTT"), "HTTP/1.1 400 Bad Request");
      assertEquals(refused, [
        "policy/websocket-upgrade: here is MQTT over WebSocket, and nothing else",
        "policy/websocket-upgrade: there is no WebSocket at this path",
        "policy/websocket-upgrade: pages of this Origin may not connect (websocket.origins)",
        "policy/websocket-upgrade: the connection does not begin with an HTTP request",
      ]);
    });
  });

  test("who sends no request in time is ended", patient, async () => {
    const refused: string[] = [];
    const hooks = { refused: (_: PeerInfo, { message }: Refusal) => refused.push(message) };
    await served({ ...LISTEN, limits: { connectTimeoutMs: 200 }, hooks }, async (_, port) => {
      assertEquals(await asked(port, "GET / HTTP/1.1\r\n"), "");
      assertEquals(refused, ["No HTTP request within 200 ms"]);
    });
  });

  test("the owner's HTTP server answers on the same port, with large bodies too", patient, () =>
    served({
      ...LISTEN,
      webSocket: {
        http: (request: IncomingMessage, response) => {
          let body = "";
          request.on("data", (chunk) => body += chunk).on("end", () => {
            response.end(`${request.method} ${request.url} ${body.length} ${"y".repeat(1_000_000)}`);
          });
        },
      },
    }, async (_, port) => {
      const at = `http://127.0.0.1:${port}`;
      const text = await (await fetch(`${at}/page`)).text();
      assertEquals(text.slice(0, 14), "GET /page 0 yy");
      assertEquals(text.length, 1_000_012);
      const post = await fetch(`${at}/p`, { method: "POST", body: "x".repeat(300_000) });
      assertEquals((await post.text()).slice(0, 14), "POST /p 300000");
      const client = await connectAsync(`ws://127.0.0.1:${port}/mqtt`, { reconnectPeriod: 0 });
      await client.endAsync();
    }));

  test("a Client behind a trusted HTTP proxy has the address that the proxy names", patient, async () => {
    const peers: PeerInfo[] = [];
    const hooks = { connected: ({ peer }: { peer: PeerInfo }) => void peers.push(peer) };
    const fields = { "X-Forwarded-For": "192.0.2.9" };
    for (const proxies of [["127.0.0.0/8"], []]) {
      await served({ ...LISTEN, webSocket: { proxies }, hooks }, async (_, port) => {
        const peer = new Recorder(await dial({ host: "127.0.0.1", port }, undefined, { fields }));
        peer.transport.write(CONNECT);
        await until(() => peer.length > 0, () => "CONNACK");
        peer.transport.abort();
      });
    }
    assertEquals(peers.map(({ address, transport }) => [address, transport]), [["192.0.2.9", "ws"], [
      "127.0.0.1",
      "ws",
    ]]);
    assertEquals(peers[0]?.proxy?.address, "127.0.0.1");
  });

  test(
    "a page may connect through a proxy that passes on the name of the host; without one the name is not believed",
    patient,
    async () => {
      const text = `${
        UPGRADE.replace("Host: 127.0.0.1", "Host: b.example")
      }\r\nOrigin: https://b.example\r\n\r\n`;
      const answers: string[] = [];
      for (const proxies of [["127.0.0.1"], []]) {
        await served(
          { ...LISTEN, limits: { connectTimeoutMs: 200 }, webSocket: { proxies } },
          async (_, port) => {
            answers.push((await asked(port, text)).slice(0, 12));
          },
        );
      }
      assertEquals(answers, ["HTTP/1.1 101", "HTTP/1.1 403"]);
    },
  );

  test("a dialler says what the Server answered", patient, () =>
    served(LISTEN, async (_, port) => {
      const to = { host: "127.0.0.1", port };
      const error = await assertRejects(() => dial(to, undefined, { target: "/other" }), Error);
      assertEquals(error.message, "the Server answers 404 Not Found");
    }));

  test("an origin that is none, and a path where there can be none, are refused before anything is opened", () => {
    const plan = (url: string, origins: string[] = []) =>
      planListeners([{ url, webSocket: { origins } }], undefined, () => assert(false) as never);
    assertThrows(() => plan("mqtt://localhost/mqtt"), AddressError, "more than a host and a port");
    assertThrows(() => plan("ws://localhost:1/mqtt", ["example.org"]), AddressError, "is no origin");
  });
});
