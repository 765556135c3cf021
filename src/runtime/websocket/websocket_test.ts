/**
 * §6 WebSocket over sockets: the contract of all transports, and ends of other people's. On Bun `ws` is Bun's own.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { type Joined, pattern, pump, Recorder, transportContract } from "../../testing/transport_contract.ts";
import { patient, until } from "../../testing/patience.ts";
import { CA, CERT, KEY } from "../../testing/tls.ts";
import type { Transport } from "../../transport/transport.ts";
import { dial } from "../dial.ts";
import type { Accept } from "../endpoint.ts";
import { listenTcp } from "../listen.ts";
import { HandshakeSlots } from "../tls/slots.ts";
import { listenTls } from "../tls/tls.ts";
import { upgraded } from "./acceptor.ts";

const host = "127.0.0.1";

/** Accepts WebSockets at any path, of Clients that are no browser. */
function webSockets(accept: Accept): Accept {
  return upgraded(() => ({
    paths: [],
    origins: [],
    isLocal: true,
    timeoutMs: 60_000,
    slots: new HandshakeSlots(),
    admit: () => () => {},
    isProxy: () => false,
    refused: (_, error) => {
      throw error;
    },
  }), accept);
}

function joined(isSecure: boolean): () => Promise<Joined> {
  return async () => {
    let right: Transport | undefined;
    const accept = webSockets((transport) => right = transport);
    const at = { host, port: 0 };
    const listener = isSecure
      ? await listenTls({ ...at, tls: { cert: CERT, key: KEY }, handshakeFailed() {} }, accept)
      : await listenTcp(at, accept);
    const left = await dial({ host, port: listener.port }, isSecure ? { ca: CA } : undefined, {});
    await until(() => right !== undefined, "the connection is accepted");
    return {
      left,
      right: right!,
      until,
      async done(): Promise<void> {
        left.abort();
        right!.abort();
        await listener.close();
      },
    };
  };
}

transportContract("WebSocket over TCP", joined(false));
transportContract("WebSocket over TLS", joined(true));

describe("§6 WebSocket and the ends of others", () => {
  test("a Client by ws gets back what it sends, in frames of any length", patient, async () => {
    const listener = await listenTcp({ host, port: 0 }, webSockets(echo));
    const client = new WebSocket(`ws://${host}:${listener.port}/mqtt`, ["mqtt"]);
    client.binaryType = "arraybuffer";
    const got: Uint8Array[] = [];
    let code = 0;
    client.addEventListener("message", ({ data }) => got.push(new Uint8Array(data as ArrayBuffer)));
    client.addEventListener("close", (event) => code = event.code);
    await until(() => client.readyState === 1, "it is open");
    const lengths = [1, 125, 126, 65_535, 65_536, 1_000_000];
    for (const length of lengths) client.send(pattern(length, length));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    await until(() => got.reduce((sum, { length }) => sum + length, 0) === total, "all comes back");
    assertEquals(joinedBytes(got), joinedBytes(lengths.map((length) => pattern(length, length))));
    client.close(1000);
    await until(() => code !== 0, "it is closed");
    assertEquals(code, 1000);
    await listener.close();
  });

  test(
    "a Server by ws gets what we send and we what it sends, its Pings are answered, and its Close is the end",
    patient,
    async () => {
      const http = createServer();
      const server = new WebSocketServer({ server: http, handleProtocols: () => "mqtt" });
      let pongs = 0;
      server.on("connection", (socket) => {
        socket.on("message", (data) => socket.send(data as Uint8Array));
        socket.on("pong", () => pongs++);
        socket.ping("are you there?");
      });
      await new Promise<void>((resolve) => http.listen(0, host, resolve));
      const { port } = http.address() as AddressInfo;
      const ours = new Recorder(await dial({ host, port }, undefined, { target: "/any" }));
      const bytes = pattern(300_000);
      pump(ours, bytes, (at) => 1 + at % 70_000);
      await until(() => ours.length === bytes.length, () => `all comes back: ${ours.length}`);
      assertEquals(ours.bytes, bytes);
      await until(() => pongs === 1, "our Pong");
      for (const socket of server.clients) socket.close(1001);
      await until(() => ours.closes.length === 1, "the end");
      assertEquals(ours.closes, [undefined]);
      server.close();
      http.close();
    },
  );
});

/** Gives back what comes. */
function echo(transport: Transport): void {
  const owed: Uint8Array[] = [];
  const send = () => {
    for (let first = owed[0]; first !== undefined; first = owed[0]) {
      const taken = transport.write(first);
      if (taken < first.length) return void (owed[0] = first.subarray(taken));
      owed.shift();
    }
  };
  transport.start({
    received(chunk) {
      owed.push(new Uint8Array(chunk));
      send();
    },
    drained: send,
    closed() {},
  });
}

function joinedBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  assert(at === all.length);
  return all;
}
