/**
 * §6 Clients over WebSocket under audit: one that does everything right, and the same with one fault each.
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import { dialTcp } from "../../src/runtime/dial.ts";
import { upgradeClient } from "../../src/runtime/websocket/dial.ts";
import { patient } from "../../src/testing/patience.ts";
import { CERT, KEY } from "../../src/testing/tls.ts";
import type { Transport, TransportHandler } from "../../src/transport/transport.ts";
import { auditClient, mqttjsDriver, type Verdict } from "../mod.ts";
import {
  acknowledgement,
  auth,
  bytes,
  connect,
  type Level,
  property,
  publish,
  subscribe,
  TYPE,
} from "../wire/bytes.ts";
import { packetSize, parse } from "../wire/parse.ts";
import type { ClientOrder, Driver, RunningClient, Where } from "./drivers/driver.ts";

const TEXT = 1;
const BINARY = 2;
const PING = 9;
/** No peer may send it. */
const RESERVED = 11;

/** A frame on its way to the Client; all are short. */
interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly payload: Uint8Array;
}

/** What is wrong with a Client. */
interface Fault {
  /** What it takes a frame for; undefined if it takes no notice of it. */
  readonly takes?: (frame: Frame) => Frame | undefined;
  readonly protocols?: readonly string[];
  readonly sends?: number;
}

/** The stream below a WebSocket of a Client with that fault. */
class Faulty implements Transport {
  readonly label: string;
  readonly #below: Transport;
  readonly #fault: Fault;
  #isUpgraded = false;
  #partial: Uint8Array = new Uint8Array();

  constructor(below: Transport, fault: Fault) {
    this.label = below.label;
    this.#below = below;
    this.#fault = fault;
  }

  start(handler: TransportHandler): void {
    this.#below.start({
      received: (chunk) => {
        if (!this.#isUpgraded) {
          this.#isUpgraded = true; // the answer comes alone, since no frame is sent before the Client's first one
          return handler.received(chunk);
        }
        this.#partial = bytes(this.#partial, chunk);
        for (let size = frameSize(this.#partial); size > 0; size = frameSize(this.#partial)) {
          const frame = this.#taken(this.#partial.slice(0, size));
          this.#partial = this.#partial.slice(size);
          if (frame.length > 0) handler.received(frame);
        }
      },
      drained: () => handler.drained(),
      closed: (error) => handler.closed(error),
    });
  }

  #taken(raw: Uint8Array): Uint8Array {
    const { takes } = this.#fault;
    if (takes === undefined) return raw;
    const payload = raw.subarray(raw[1]! < 126 ? 2 : 4);
    const taken = takes({ opcode: raw[0]! & 15, isFinal: raw[0]! > 127, payload });
    if (taken === undefined) return new Uint8Array();
    const { length } = taken.payload;
    const size = length < 126 ? [length] : [126, length >> 8, length & 255];
    return bytes((taken.isFinal ? 128 : 0) | taken.opcode, size, taken.payload);
  }

  write(chunk: Uint8Array): number {
    const { sends } = this.#fault;
    if (sends === undefined || chunk[0] !== (128 | BINARY)) return this.#below.write(chunk);
    return this.#below.write(bytes(128 | sends, chunk.subarray(1)));
  }

  pause = (): void => this.#below.pause();
  resume = (): void => this.#below.resume();
  close = (): void => this.#below.close();
  abort = (): void => this.#below.abort();
}

/** Bytes of the frame at the front; 0 if it is not whole. */
function frameSize(data: Uint8Array): number {
  if (data.length < 4) return data.length >= 2 && data[1] === data.length - 2 ? data.length : 0;
  const size = data[1]! < 126 ? 2 + data[1]! : 4 + data[2]! * 256 + data[3]!;
  return size <= data.length ? size : 0;
}

/** Subscribes, publishes and acknowledges. */
async function startClient(order: ClientOrder, { url }: Where, fault: Fault): Promise<RunningClient> {
  const { hostname: host, port, pathname } = new URL(url.replace("ws:", "http:"));
  const { level, clientId, subscribe: subscriptions = [], publish: messages = [] } = order;
  const method = property.authenticationMethod(order.authenticationMethod ?? "");
  let isGone = () => {};
  const gone = new Promise<void>((resolve) => isGone = resolve);
  const running = { heard: undefined, gone, leave: () => {} };
  let transport: Transport;
  try {
    const below = new Faulty(await dialTcp({ host, port: Number(port) }), fault);
    const { protocols = ["mqtt"] } = fault;
    transport = await upgradeClient(below, { host: `${host}:${port}`, target: pathname, protocols });
  } catch (error) {
    isGone();
    return { ...running, words: String(error), stop: () => Promise.resolve() };
  }
  let partial: Uint8Array = new Uint8Array();
  let unsent: Uint8Array = new Uint8Array();
  const flush = () => unsent = unsent.slice(transport.write(unsent));
  const send = (packet: Uint8Array) => {
    unsent = bytes(unsent, packet);
    flush();
  };
  const take = (raw: Uint8Array) => {
    const { type, qos, id = 0 } = parse(raw, level);
    if (type === TYPE.CONNACK) {
      if (order.reauthenticate) send(auth(0x19, method));
      for (const { filter, qos } of subscriptions) send(subscribe(level, 1, [[filter, qos]]));
      for (const [at, { topic, payload, qos }] of messages.entries()) {
        send(publish({ level, topic, payload, qos, id: 10 + at }));
      }
    } else if (type === TYPE.PUBLISH && qos === 1) send(acknowledgement(TYPE.PUBACK, id));
  };
  transport.start({
    received(chunk) {
      partial = bytes(partial, chunk);
      for (let size = packetSize(partial); size > 0; size = packetSize(partial)) {
        take(partial.slice(0, size));
        partial = partial.slice(size);
      }
    },
    drained: flush,
    closed: isGone,
  });
  const properties = order.authenticationMethod === undefined ? [] : [method];
  send(connect({ level, clientId, properties }));
  return {
    ...running,
    words: "",
    stop() {
      transport.abort();
      return gone;
    },
  };
}

function driver(fault: Fault = {}): Driver {
  return {
    name: "small",
    skills: new Set(
      ["level 4", "level 5", "subscribe", "publish", "authentication method", "re-authentication"] as const,
    ),
    port: 0,
    connectMs: 2_000,
    flags: "--client",
    start: (order, where) => startClient(order, where, fault),
  };
}

async function verdicts(
  of: Driver,
  level: Level,
  only: readonly string[],
  patienceMs?: number,
): Promise<Record<string, Verdict>> {
  const options = { levels: [level], only, webSocket: true, ...patienceMs !== undefined && { patienceMs } };
  const [found] = (await auditClient(of, options)).levels;
  assertEquals([found?.unreachable, found?.stopped], [undefined, undefined]);
  return Object.fromEntries(found!.cases.map(({ id, verdict }) => [id, verdict]));
}

/** Takes frames that `are` so for binary ones. */
function forBinary(are: (frame: Frame) => boolean): Fault {
  return { takes: (frame) => frame.opcode === TEXT && are(frame) ? { ...frame, opcode: BINARY } : frame };
}

/** Keeps only some of what a binary frame holds. */
function keeping(some: (payload: Uint8Array) => number): Fault {
  return {
    takes: (frame) =>
      frame.opcode === BINARY ? { ...frame, payload: frame.payload.slice(0, some(frame.payload)) } : frame,
  };
}

/** Bytes of the whole packets at the front. */
function wholePackets(payload: Uint8Array): number {
  let at = 0;
  for (let size = packetSize(payload); size > 0; size = packetSize(payload.subarray(at))) at += size;
  return at;
}

const isConnack = ({ payload }: Frame) => payload[0] === TYPE.CONNACK << 4;

const FAULTS: Readonly<Record<string, readonly [Fault, Verdict]>> = {
  "offers-mqtt": [{ protocols: ["mqttv3.1"] }, "fail"],
  "sends-binary-frames": [{ sends: TEXT }, "fail"],
  "text-frame": [
    forBinary((frame) => frame.isFinal && frame.payload.length > 0 && !isConnack(frame)),
    "fail",
  ],
  "text-frame-without-payload": [{
    takes: (frame) => frame.opcode === TEXT && frame.payload.length === 0 ? undefined : frame,
  }, "fail"],
  "text-in-fragments": [forBinary(({ isFinal }) => !isFinal), "fail"],
  "connack-in-text-frame": [forBinary(isConnack), "fail"],
  "control-frames-are-no-data": [{
    takes: (frame) => frame.opcode === PING ? { ...frame, opcode: RESERVED } : frame,
  }, "fail"],
  "ping-is-answered": [{ takes: (frame) => frame.opcode === PING ? undefined : frame }, "lenient"],
  "several-packets-in-one-frame": [keeping((payload) => Math.max(0, packetSize(payload))), "fail"],
  "packets-in-single-bytes": [keeping(({ length }) => length === 1 ? 0 : length), "fail"],
  "packets-in-fragments": [{ takes: (frame) => frame.opcode === 0 ? undefined : frame }, "fail"],
  "frames-without-payload": [{
    takes: (frame) =>
      frame.opcode === BINARY && frame.payload.length === 0 ? { ...frame, opcode: RESERVED } : frame,
  }, "fail"],
  "packet-over-two-frames": [keeping(wholePackets), "fail"],
};

for (const level of [5, 4] as const) {
  describe(`over WebSocket at level ${level}`, () => {
    test("a Client that does everything right passes every case of the chapter", patient, async () => {
      const found = await verdicts(driver(), level, ["6"], 60_000);
      const all = Object.keys(FAULTS).map((name) => `client/6.0.0/${name}`);
      assertEquals(found, Object.fromEntries(all.map((id) => [id, "pass"])));
    });

    test("each fault is found by its case", patient, async () => {
      const found = await Promise.all(
        Object.entries(FAULTS).map(async ([name, [fault]]) => {
          const id = `client/6.0.0/${name}`;
          return [name, (await verdicts(driver(fault), level, [id], 1_200))[id]] as const;
        }),
      );
      assertEquals(found, Object.entries(FAULTS).map(([name, [, verdict]]) => [name, verdict] as const));
    });

    test("MQTT.js takes text frames for packets, and does the rest right", patient, async () => {
      const found = await verdicts(
        await mqttjsDriver(),
        level,
        ["6", "client/3.1/connect-comes-first"],
        5_000,
      );
      const failed = Object.keys(found).filter((id) => found[id] !== "pass");
      const takesText = [
        "connack-in-text-frame",
        "text-frame",
        "text-frame-without-payload",
        "text-in-fragments",
      ];
      assertEquals(failed.sort(), takesText.map((name) => `client/6.0.0/${name}`));
    });
  });
}

describe("a Client that authenticates again", () => {
  test("with the method of its CONNECT passes", patient, async () => {
    const id = "client/4.12.1/same-method";
    assertEquals(await verdicts(driver(), 5, [id], 60_000), { [id]: "pass" });
  });
});

describe("over TLS", () => {
  for (const webSocket of [false, true]) {
    test(`MQTT.js comes to ${webSocket ? "wss" : "mqtts"}:// and is audited there`, patient, async () => {
      const only = ["client/3.1/connect-comes-first", "client/4.3.2/puback"];
      const tls = { cert: CERT, key: KEY };
      const options = { levels: [5], only, patienceMs: 60_000, webSocket, tls } as const;
      const { levels: [found] } = await auditClient(await mqttjsDriver(), options);
      assertEquals(found!.cases.map(({ id, verdict }) => [id, verdict]), only.map((id) => [id, "pass"]));
      const { command } = found!.cases[0]!.reproducer;
      assertEquals(command.includes("--cert FILE --key FILE"), true);
    });
  }

  test("a Client that does not speak TLS is told to have failed in the handshake", patient, async () => {
    const plain: Driver = {
      ...driver(),
      start: (order, where) => startClient(order, { ...where, url: where.url.replace("wss:", "ws:") }, {}),
    };
    const tls = { cert: CERT, key: KEY };
    const { levels: [found] } = await auditClient(plain, { levels: [5], webSocket: true, tls, only: ["6"] });
    assertMatch(found!.unreachable!.reason, /^The Client does not connect: ./);
  });
});

describe("over TCP", () => {
  test("the cases of WebSocket are unsupported, and say how they are run", patient, async () => {
    const { levels } = await auditClient(await mqttjsDriver(), {
      levels: [5],
      only: ["client/6.0.0/text-frame"],
    });
    const [{ verdict, reason }] = levels[0]!.cases as [typeof levels[0]["cases"][number]];
    assertEquals([verdict, reason], [
      "unsupported",
      "The audit does not go over WebSocket; with --websocket it does",
    ]);
  });
});
