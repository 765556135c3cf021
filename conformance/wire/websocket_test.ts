/**
 * The auditor's own WebSocket: against our transport, which shares no code with it, and with bytes that are not right.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { upgradeClient } from "../../src/runtime/websocket/dial.ts";
import { patient, until, WAIT_MS } from "../../src/testing/patience.ts";
import { Recorder } from "../../src/testing/transport_contract.ts";
import { type MemoryOptions, memoryPair } from "../../src/transport/memory.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { Finding } from "../verdict.ts";
import { bytes } from "./bytes.ts";
import { cut, fragments, type Framing, mixed, OPCODE, Socket, whole } from "./websocket.ts";

const CALL = { host: "a", target: "/mqtt", protocols: ["mqtt"] };
const NOTHING = new Uint8Array();

/** Both ends of a stream in memory, whose bytes move until `body` is over. */
async function joined(
  options: MemoryOptions,
  body: (left: Transport, right: Transport) => Promise<void>,
): Promise<void> {
  const { left, right, deliver } = memoryPair(options);
  let isOver = false;
  const moved = until(() => {
    deliver();
    return isOver;
  }, "the end of the test");
  try {
    await body(left, right);
  } finally {
    isOver = true;
    await moved;
  }
}

const HELLO = new TextEncoder().encode("hello, this is more than one frame");
const FRAMINGS: Readonly<Record<string, Framing>> = {
  "one frame": whole,
  "single bytes": cut(1),
  "fragments": fragments(5),
  "fragments with control frames and frames without payload": mixed(
    fragments(5),
    { opcode: OPCODE.PING, payload: HELLO },
    { opcode: OPCODE.PONG, payload: NOTHING },
  ),
  "messages and such without payload": mixed(cut(7), { opcode: OPCODE.BINARY, payload: NOTHING }),
};

describe("the auditor's WebSocket, as a Server", () => {
  for (const [name, framing] of Object.entries(FRAMINGS)) {
    for (const [cutting, chunkBytes] of [["whole", Infinity], ["byte by byte", 1]] as const) {
      test(
        `is understood by our transport: ${name}, ${cutting}`,
        patient,
        () =>
          joined({ chunkBytes: (waiting) => Math.min(waiting, chunkBytes) }, async (left, right) => {
            const socket = new Socket(right, "server");
            const [client, head] = await Promise.all([upgradeClient(left, CALL), socket.grant(WAIT_MS)]);
            assertEquals([head.line, head.fields.get("host")], ["GET /mqtt HTTP/1.1", "a"]);
            const [there, here] = [new Recorder(client), new Recorder(socket)];
            socket.framing = framing;
            assertEquals(socket.write(HELLO), HELLO.length);
            await until(() => there.length >= HELLO.length, "all bytes");
            assertEquals(bytes(...there.chunks), HELLO);
            client.write(HELLO);
            await until(() => here.length >= HELLO.length, "all bytes back");
            assertEquals(bytes(...here.chunks), HELLO);
            assertEquals(await socket.pinged(WAIT_MS), true);
            socket.close();
            await until(() => there.closes.length + here.closes.length === 2, "both ends");
          }),
      );
    }
  }

  test(
    "grants a subprotocol that is wrong, for the audit to go on",
    patient,
    () =>
      joined({}, async (left, right) => {
        const socket = new Socket(right, "server");
        const [, head] = await Promise.all([
          upgradeClient(left, { ...CALL, protocols: ["mqttv3.1"] }),
          socket.grant(WAIT_MS),
        ]);
        assertEquals(head.fields.get("sec-websocket-protocol"), "mqttv3.1");
      }),
  );
});

describe("the auditor's WebSocket, as a Client", () => {
  for (const length of [1, 125, 126, 65_535, 65_536]) {
    test(
      `sends and takes frames of ${length} bytes`,
      patient,
      () =>
        joined({ capacityBytes: 1000 }, async (left, right) => {
          const [client, server] = [new Socket(left, "client"), new Socket(right, "server")];
          await Promise.all([client.ask(CALL, WAIT_MS), server.grant(WAIT_MS)]);
          const payload = new Uint8Array(length).map((_, at) => at);
          for (
            const [from, to] of [[client, new Recorder(server)], [server, new Recorder(client)]] as const
          ) {
            from.write(payload);
            await until(() => to.length === length, "all bytes");
            assertEquals(bytes(...to.chunks), payload);
          }
          assertEquals(client.seen, [{ opcode: OPCODE.BINARY, length }]);
        }),
    );
  }

  const wrong: Readonly<Record<string, readonly number[]>> = {
    "reserved bits": [0xc2, 1, 0],
    "a reserved opcode": [0x83, 1, 0],
    "a mask": [0x82, 0x81, 0, 0, 0, 0, 0],
    "a Ping in fragments": [0x09, 0],
    "a long Ping": [0x89, 126, 0, 126, ...Array(126).fill(0)],
    "a fragment of nothing": [0x80, 1, 0],
    "a message in another one": [0x02, 1, 0, 0x82, 1, 0],
    "a length in more bytes than it needs": [0x82, 126, 0, 1, 0],
    "a length beyond all reason": [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0],
  };
  for (const [name, sent] of Object.entries(wrong)) {
    test(`takes ${name} for the end`, patient, () =>
      joined({}, async (left, right) => {
        const [client, server] = [new Socket(left, "client"), new Socket(right, "server")];
        await Promise.all([client.ask(CALL, WAIT_MS), server.grant(WAIT_MS)]);
        const words: string[] = [];
        client.note = (text) => words.push(text);
        const recorder = new Recorder(client);
        right.write(Uint8Array.from(sent));
        await until(() => recorder.closes.length === 1, "the end");
        assert(recorder.closes[0] !== undefined);
        assertEquals(words.filter((text) => text.startsWith("it breaks the form")).length, 1);
      }));
  }

  const answers: Readonly<Record<string, readonly [string, RegExp]>> = {
    "one that is not over": ["HTTP/1.1 101 ", /nothing more came for 50 ms/],
    "one without the right accept": [
      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
      /wrong Sec-WebSocket-Accept/,
    ],
  };
  for (const [name, [answer, reason]] of Object.entries(answers)) {
    test(`cannot use an answer: ${name}`, patient, () =>
      joined({}, async (left, right) => {
        right.start({ received() {}, drained() {}, closed() {} });
        right.write(new TextEncoder().encode(answer));
        const { message } = await assertRejects(() => new Socket(left, "client").ask(CALL, 50), Finding);
        assert(reason.test(message), message);
      }));
  }

  test("says that the connection ended before the answer", patient, () =>
    joined({}, async (left, right) => {
      right.start({ received() {}, drained() {}, closed() {} });
      right.close();
      const { message } = await assertRejects(() => new Socket(left, "client").ask(CALL, WAIT_MS), Finding);
      assertEquals(message, "An answer to the upgrade was expected; the connection ended");
    }));

  test("gives any other answer back", patient, () =>
    joined({}, async (left, right) => {
      right.start({ received() {}, drained() {}, closed() {} });
      right.write(new TextEncoder().encode("HTTP/1.1 404 Not Found\r\nA: b\r\na: c\r\n\r\n"));
      const { line, fields } = await new Socket(left, "client").ask(CALL, WAIT_MS);
      assertEquals([line, fields.get("a")], ["HTTP/1.1 404 Not Found", "b, c"]);
    }));
});
