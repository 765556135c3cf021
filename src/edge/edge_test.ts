/**
 * §6 Broker and Client of a runtime that has requests and pairs of WebSockets, with stubs of both, and an alarm for time.
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { Deframer } from "../codec/deframer.ts";
import { decodePacket } from "../codec/decode.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Packet, Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { MemoryStore } from "../broker/mod.ts";
import { bytesOf } from "../testing/frame.ts";
import { patient, until } from "../testing/patience.ts";
import { StubPair, type StubSocket, upgraded } from "../testing/web_socket_pair.ts";
import { connect, type EdgeBroker, edgeBroker, type EdgeOptions } from "./mod.ts";

const { CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP } = PacketType;
const URL_OF_IT = "https://broker.example/mqtt";

/** A broker whose pairs are stubs, and the Server's ends of them. */
class Edge {
  readonly broker: EdgeBroker;
  readonly ours: StubSocket[] = [];
  now = 1_700_000_000_000;
  /** What the alarm is set for. */
  alarmAt: number | undefined;
  alarmsSet = 0;

  constructor(options: EdgeOptions = {}) {
    this.broker = edgeBroker({
      alarms: {
        setAlarm: (ms) => {
          this.alarmsSet++;
          this.alarmAt = ms;
        },
        deleteAlarm: () => {
          this.alarmAt = undefined;
        },
      },
      clock: () => this.now,
      upgrade: (_request, protocol) => {
        const { 0: theirs, 1: socket } = new StubPair();
        this.ours.push(socket);
        return { socket, response: upgraded(theirs, protocol) };
      },
      ...options,
    });
  }

  /** Time goes on to the alarm. */
  ring(): void {
    assert(this.alarmAt !== undefined, "no alarm is set");
    this.now = Math.max(this.now, this.alarmAt);
    this.alarmAt = undefined;
    this.broker.alarm();
  }

  /** A Client that says what the test wants. */
  open(protocol = "mqtt"): Raw {
    const { webSocket } = this.broker.fetch(asked({ "sec-websocket-protocol": protocol })) as unknown as {
      readonly webSocket: StubSocket;
    };
    return new Raw(webSocket);
  }
}

function asked(headers: Readonly<Record<string, string>> = {}, method = "GET"): Request {
  const all = { upgrade: "websocket", "sec-websocket-protocol": "mqtt", ...headers };
  return { method, url: URL_OF_IT, headers: new Headers(all) } as Request; // a Request made by hand has no such fields
}

/** The Client's end of a WebSocket. */
class Raw {
  readonly socket: StubSocket;
  readonly packets: Packet[] = [];
  bytes = 0;
  isOver = false;
  readonly #deframer: Deframer = new Deframer(Infinity);

  constructor(socket: StubSocket) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }: { readonly data: ArrayBuffer }) => {
      this.bytes += data.byteLength;
      this.#deframer.receive(new Uint8Array(data), {
        frame: (bytes, at, _body, end) => {
          this.packets.push(decodePacket(bytes.slice(at, end), 5));
          return true;
        },
      });
    });
    socket.addEventListener("close", () => {
      this.isOver = true;
      socket.close();
    });
    socket.accept();
  }

  send(...packets: readonly Packet[]): void {
    this.socket.send(bytesOf(...packets.map((packet) => encodePacket(packet, 5))));
  }

  async take(type: PacketType): Promise<Packet> {
    await until(() => this.packets.some((one) => one.type === type), `a packet of type ${type}`);
    return this.packets.splice(this.packets.findIndex((one) => one.type === type), 1)[0]!;
  }
}

const hello = (init: { readonly keepAlive?: number; readonly clientId?: string } = {}): Packet => ({
  type: CONNECT,
  level: 5,
  cleanStart: true,
  keepAlive: 0,
  clientId: "raw",
  ...init,
});

const subscribe = (filter: string, qos: 0 | 1 | 2 = 0): Packet => ({
  type: SUBSCRIBE,
  packetId: 1,
  subscriptions: [{ filter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
});

describe("[MQTT-6.0.0-3] [MQTT-6.0.0-4] a request for a WebSocket", () => {
  const refusals: readonly (readonly [string, Request, number, string])[] = [
    ["that asks for a page", asked({ upgrade: "" }), 426, "MQTT over WebSocket"],
    ["that is no GET", asked({}, "POST"), 405, "GET"],
    ["of a page of another host", asked({ origin: "https://evil.example" }), 403, "Origin"],
    ["without a subprotocol", asked({ "sec-websocket-protocol": "" }), 400, "mqttv3.1"],
    ["with another subprotocol", asked({ "sec-websocket-protocol": "chat, MQTT" }), 400, "mqttv3.1"],
  ];
  for (const [what, request, status, words] of refusals) {
    test(`${what} is refused in words`, async () => {
      const edge = new Edge();
      const response = edge.broker.fetch(request);
      assertEquals(response.status, status);
      assert((await response.text()).includes(words));
      assertEquals(edge.ours.length, 0);
    });
  }

  test("gets 101, and the better subprotocol of those it offers", () => {
    const { broker } = new Edge({ origins: ["https://app.example"] });
    const offers = [["mqtt", "mqtt"], ["mqttv3.1", "mqttv3.1"], ["chat, mqttv3.1,mqtt", "mqtt"]] as const;
    for (const [offered, chosen] of offers) {
      for (const origin of ["https://broker.example", "https://app.example"]) {
        const response = broker.fetch(asked({ "sec-websocket-protocol": offered, origin }));
        assertEquals([response.status, response.headers.get("sec-websocket-protocol")], [101, chosen]);
      }
    }
  });

  test("is taken over by WebSocketPair where nothing else is said", () => {
    const globals = globalThis as unknown as Record<string, unknown>;
    const { Response } = globalThis;
    const { broker } = new Edge({ upgrade: undefined } as unknown as EdgeOptions);
    assertThrows(() => broker.fetch(asked()), TypeError, "option upgrade");
    let given: { status: number; webSocket: unknown } | undefined;
    let pair: StubPair | undefined;
    globals["WebSocketPair"] = class extends StubPair {
      constructor() {
        super();
        pair = this as StubPair;
      }
    };
    globals["Response"] = class {
      constructor(_body: null, init: { status: number; webSocket: unknown }) {
        given = init;
      }
    };
    try {
      broker.fetch(asked());
    } finally {
      globals["Response"] = Response;
      delete globals["WebSocketPair"];
    }
    assertEquals(given!.status, 101);
    assert(given!.webSocket === pair![0], "the other end goes with the answer");
  });
});

describe("A broker of requests", () => {
  test("takes packets however they are cut into messages", patient, async () => {
    const edge = new Edge({ address: (request) => request.headers.get("x-address") ?? "198.51.100.7" });
    const client = edge.open();
    for (const byte of encodePacket(hello(), 5)) client.socket.send(Uint8Array.of(byte));
    await client.take(CONNACK);
    client.send(subscribe("t"), { type: PINGREQ }, { type: PINGREQ });
    await client.take(SUBACK);
    await client.take(PINGRESP);
    await client.take(PINGRESP);
    const payload = new Uint8Array(700_000).fill(7);
    edge.broker.run((broker, now) => broker.publish({ topic: "t", payload }, now));
    const publish = await client.take(PUBLISH) as Publish;
    assertEquals(publish.payload, payload);
    assert(edge.ours[0]!.sizes.every((size) => size <= 256 * 1024), `${edge.ours[0]!.sizes}`);
    edge.broker.run((broker) => assertEquals(broker.stats.connected, 1));
  });

  test("[MQTT-6.0.0-1] ends a connection whose message is not binary", patient, async () => {
    const edge = new Edge();
    const client = edge.open();
    (client.socket as { send(text: string): void }).send("MQTT");
    await until(() => client.isOver, "the end");
    assertEquals(client.socket.closedWith, 1003);
    await until(() => edge.broker.run((broker) => broker.connections) === 0, "no connection is left");
  });

  test("is told of Keep Alive by the alarm, be it early or late", patient, async () => {
    const edge = new Edge();
    const client = edge.open();
    client.send(hello({ keepAlive: 10 }));
    await client.take(CONNACK);
    await until(() => edge.alarmAt !== undefined, "an alarm");
    edge.broker.alarm(); // at once: not yet
    await until(() => edge.alarmsSet > 1, "it is set again");
    assert(!client.isOver);
    for (let rings = 0; !client.isOver && rings < 10; rings++) {
      edge.ring();
      await until(() => client.isOver || edge.alarmAt !== undefined, "the next alarm");
    }
    assert(client.isOver, "a silent Client is thrown out");
    assert(edge.now - 1_700_000_000_000 >= 15_000 && edge.now - 1_700_000_000_000 < 30_000);
  });

  test("says what goes wrong with an alarm", patient, async () => {
    const errors: unknown[] = [];
    const edge = new Edge({
      alarms: { setAlarm: () => Promise.reject(new Error("no alarms today")), deleteAlarm() {} },
      hooks: { failed: (error) => errors.push(error) },
    });
    edge.open().send(hello({ keepAlive: 10 }));
    await until(() => errors.length > 0, "an error");
    assertEquals((errors[0] as Error).message, "no alarms today");
  });

  test(
    "hands over so many bytes while a Client is silent, and goes on when it is heard",
    patient,
    async () => {
      const edge = new Edge({ unheardBytesMax: 100_000, limits: { outboundBytesMax: 1_000_000 } });
      const client = edge.open();
      client.send(hello(), subscribe("t"));
      await client.take(SUBACK);
      const payload = new Uint8Array(40_000);
      const sent = 12;
      for (let i = 0; i < sent; i++) {
        edge.broker.run((broker, now) => broker.publish({ topic: "t", payload }, now));
      }
      await until(() => client.bytes > 90_000, "as much as may be");
      assert(client.bytes < 101_000, `${client.bytes}`);
      const publishes = (): number => client.packets.filter(({ type }) => type === PUBLISH).length;
      while (publishes() < sent) {
        const before = client.bytes;
        client.send({ type: PINGREQ });
        await until(() => client.bytes > before + 2 || publishes() === sent, "more");
      }
    },
  );

  test("ends a Client that sends more than can be held while an answer is awaited", patient, async () => {
    const edge = new Edge({
      heldBytesMax: 50_000,
      limits: { pendingBytesMax: 10_000 },
      authenticate: () => new Promise(() => {}),
    });
    const client = edge.open();
    client.send(hello());
    for (let i = 0; i < 20; i++) client.socket.send(new Uint8Array(10_000));
    await until(() => client.isOver, "the end");
    edge.ring(); // the answer does not come in time
    await until(() => edge.broker.run((broker) => broker.connections) === 0, "no connection is left");
  });

  test("ends what is open when it closes, and what fails", patient, async () => {
    const edge = new Edge();
    const [one, other] = [edge.open(), edge.open()];
    one.send(hello({ clientId: "one" }));
    other.send(hello({ clientId: "other" }));
    await one.take(CONNACK);
    await other.take(CONNACK);
    other.socket.fail();
    await until(() => edge.broker.run((broker) => broker.stats.connected) === 1, "one is left");
    await edge.broker.close();
    assert(one.isOver);
    const last = one.packets.at(-1)!;
    assert(last.type === PacketType.DISCONNECT && last.reasonCode === 0x8b, "DISCONNECT says why");
  });
});

describe("A Client by fetch()", () => {
  test(
    "talks to such a broker, at each QoS, in packets larger and smaller than a message",
    patient,
    async () => {
      const store = new MemoryStore();
      const edge = new Edge({ store });
      const asked: (readonly [string, string | undefined])[] = [];
      const client = await connect("wss://name:secret@broker.example", {
        fetch: (url, { headers }) => {
          asked.push([url, headers["Sec-WebSocket-Protocol"]]);
          return edge.broker.fetch({ url, method: "GET", headers: new Headers(headers) } as Request);
        },
      });
      assertEquals(asked, [[URL_OF_IT, "mqtt"]]);
      const news = await client.subscribe("news/#", { qos: 2 });
      const payloads = [0, 1, 70_000, 600_000].map((size) => new Uint8Array(size).fill(size));
      const sent = [0, 1, 2].flatMap((qos) =>
        payloads.map((payload) => client.publish(`news/${qos}`, payload, { qos: qos as 0 | 1 | 2 }))
      );
      const got: string[] = [];
      for await (const { topic, bytes } of news) {
        got.push(`${topic} ${bytes.length}`);
        if (got.length === 12) break;
      }
      await Promise.all(sent);
      assertEquals(got, [0, 1, 2].flatMap((qos) => payloads.map(({ length }) => `news/${qos} ${length}`)));
      await client.close();
      await until(() => edge.broker.run((broker) => broker.connections) === 0, "no connection is left");
      await edge.broker.close();
    },
  );

  test("says why there is no WebSocket", patient, async () => {
    const refuse = { fetch: () => new Response("no", { status: 403 }) };
    await assertRejects(() => connect("ws://broker.example/x", refuse), Error, "no WebSocket (status 403)");
    const other = { fetch: () => upgraded(new StubPair()[0], "chat") };
    await assertRejects(
      () => connect("ws://broker.example/x", other),
      Error,
      "does not choose the subprotocol mqtt",
    );
  });
});
