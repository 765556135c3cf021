/** Calls inside an input: their order, their number, their errors; and transports that call back at once. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "../codec/decode.ts";
import { Deframer } from "../codec/deframer.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Packet } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { Transport } from "../transport/transport.ts";
import { CALLS_MAX, Inputs } from "./inputs.ts";
import { Broker, type BrokerOptions, type Connection } from "./mod.ts";
import { Observer } from "./observer.ts";
import { Turn } from "./turn.ts";

const PEER = { address: "192.0.2.1", port: 40_000, transport: "memory" } as const;

/** Inputs, and what they have done. */
function setup(): { inputs: Inputs; turn: Turn; done: string[]; failures: unknown[] } {
  const failures: unknown[] = [];
  const turn = new Turn();
  const inputs = new Inputs(turn, new Observer({ failed: (error) => failures.push(error) }));
  return { inputs, turn, done: [], failures };
}

describe("inputs", () => {
  test("are done at once, and a call inside one behind it, in order and at its time", () => {
    const { inputs, turn, done } = setup();
    inputs.run(10, () => {
      inputs.run(10, () => {
        done.push(`second ${turn.now}`);
        inputs.run(12, () => done.push(`fourth ${turn.now}`));
      });
      inputs.run(11, () => done.push(`third ${turn.now}`));
      done.push(`first ${turn.now}`);
      assertEquals([inputs.isInside, inputs.isFree, inputs.isBehind], [true, false, false]);
    });
    assertEquals(done, ["first 10", "second 10", "third 11", "fourth 12"]);
    assertEquals([inputs.isInside, inputs.isFree, inputs.isBehind], [false, true, false]);
  });

  test("never go back in time", () => {
    const { inputs, turn, done } = setup();
    inputs.run(10, () => inputs.run(9, () => done.push(`${turn.now}`)));
    assertEquals(done, ["10"]);
  });

  test("that throw are over all the same, and so are the calls in them", () => {
    const { inputs, done } = setup();
    try {
      inputs.run(1, () => {
        inputs.run(1, () => done.push("behind"));
        throw new Error("ours");
      });
    } catch (error) {
      done.push(`${error}`);
    }
    inputs.run(1, () => done.push("next"));
    assertEquals(done, ["behind", "Error: ours", "next"]);
  });

  test("report the error of a call inside, and go on with the next", () => {
    const { inputs, done, failures } = setup();
    const error = new Error("ours");
    inputs.run(1, () => {
      inputs.run(1, () => {
        throw error;
      });
      inputs.run(1, () => done.push("next"));
    });
    assertEquals([done, failures], [["next"], [error]]);
  });

  test("do so many calls at their end; those left over come before the next call from outside", () => {
    const { inputs, done } = setup();
    let calls = 0;
    const again = () => {
      calls++;
      inputs.run(1, again);
    };
    inputs.run(1, again);
    assertEquals([calls, inputs.isBehind, inputs.isFree], [CALLS_MAX + 1, true, false]);
    inputs.run(1, () => done.push(`after ${calls}`));
    assertEquals([calls, done], [2 * CALLS_MAX, [`after ${CALLS_MAX + 2}`]]);
    assertEquals(inputs.isBehind, true);
  });
});

/** Calls its handler at once, inside `write()`, `close()` and `abort()`: what no transport should do. */
class Hasty implements Transport {
  readonly label = "hasty";
  connection!: Connection;
  readonly got: Packet[] = [];
  /** What the peer sends as soon as it has read a packet. */
  answer: (packet: Packet) => Packet | undefined = () => undefined;
  readonly #now: () => number;
  readonly #deframer: Deframer = new Deframer(Infinity);

  constructor(now: () => number) {
    this.#now = now;
  }

  start(): void {}
  pause(): void {}
  resume(): void {}

  write(chunk: Uint8Array): number {
    this.#deframer.receive(chunk.slice(), {
      frame: (bytes, at, _body, end) => {
        const packet = decodePacket(bytes.slice(at, end), 5);
        this.got.push(packet);
        const answer = this.answer(packet);
        if (answer === undefined) return true;
        const sent = encodePacket(answer, 5);
        this.connection.received(sent, this.#now());
        sent.fill(0xdd); // its bytes are the transport's again
        return true;
      },
    });
    this.connection.drained(this.#now());
    return chunk.length;
  }

  close(): void {
    this.connection.closed(this.#now());
  }

  abort(): void {
    this.connection.closed(this.#now());
  }
}

/** A broker on hasty transports. */
class HastyWorld {
  now = 1_000;
  readonly failures: unknown[] = [];
  readonly broker: Broker;

  constructor(options: BrokerOptions = {}) {
    const hooks = { ...options.hooks, failed: (error: unknown) => void this.failures.push(error) };
    this.broker = new Broker({ ...options, hooks });
  }

  connect(clientId: string, receiveMaximum = 100): Hasty {
    const transport = new Hasty(() => ++this.now);
    transport.connection = this.broker.opened(transport, PEER, ++this.now);
    const properties = { receiveMaximum, sessionExpiryInterval: 60 };
    this.send(transport, {
      type: PacketType.CONNECT,
      level: 5,
      cleanStart: true,
      keepAlive: 0,
      clientId,
      properties,
    });
    return transport;
  }

  send(transport: Hasty, packet: Packet): void {
    transport.connection.received(encodePacket(packet, 5), ++this.now);
    this.flush();
  }

  flush(): void {
    while (this.broker.work !== "none") this.broker.flush(++this.now);
    this.broker.assertInvariants();
    assertEquals(this.failures, []);
  }
}

function subscribe(filter: string): Packet {
  const options = { qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return { type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [{ filter, ...options }] };
}

describe("a transport that calls back inside a call of the engine", () => {
  test("may bring what the peer answers: everything comes once and in order", () => {
    const world = new HastyWorld();
    const client = world.connect("c", 1);
    const texts: string[] = [];
    client.answer = (packet) => {
      if (packet.type === PacketType.PUBREL) {
        return { type: PacketType.PUBCOMP, packetId: packet.packetId, reasonCode: 0 };
      }
      if (packet.type !== PacketType.PUBLISH) return undefined;
      texts.push(new TextDecoder().decode(packet.payload));
      const type = packet.qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
      return { type, packetId: packet.packetId!, reasonCode: 0 };
    };
    world.send(client, subscribe("t"));
    const sent = Array.from({ length: 40 }, (_, i) => `${i}`.padStart(i % 7 === 0 ? 20_000 : 3));
    for (const [i, payload] of sent.entries()) {
      world.broker.publish({ topic: "t", payload, qos: i % 2 === 0 ? 1 : 2 }, ++world.now);
      if (i % 3 === 0) world.flush();
    }
    world.flush();
    assertEquals(texts, sent);
    const { inFlight, queued, exchanges } = world.broker.session("c")!;
    assertEquals([inFlight, queued, exchanges], [0, 0, 0]);
  });

  test("may end at once, however the connection ends", () => {
    const ends: [string, boolean][] = [];
    const world = new HastyWorld({
      limits: { connectingMax: 1 },
      hooks: { disconnected: ({ clientId }, clean) => void ends.push([clientId, clean]) },
    });
    world.send(world.connect("clean"), { type: PacketType.DISCONNECT, reasonCode: 0 });
    world.send(world.connect("second"), subscribe("t"));
    world.connect("again");
    world.connect("again");
    const clean = world.connect("owner");
    assert(
      world.broker.disconnect(
        "owner",
        { code: 0x98, rule: "policy/administrative", message: "" },
        ++world.now,
      ),
    );
    world.flush();
    assertEquals(clean.got.at(-1)!.type, PacketType.DISCONNECT);
    const waiting = [0, 1].map(() => {
      const transport = new Hasty(() => ++world.now);
      return transport.connection = world.broker.opened(transport, PEER, ++world.now);
    });
    world.flush();
    assertEquals([waiting.length, world.broker.stats.connections], [2, 3]);
    world.broker.shutdown(++world.now);
    world.flush();
    assertEquals(world.broker.stats.connections, 0);
    assertEquals(ends, [["clean", true], ["again", false], ["owner", false], ["second", false], [
      "again",
      false,
    ]]);
  });
});
