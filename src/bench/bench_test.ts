/**
 * Every scenario for a moment: against a broker of ours, and against Servers that lose, swap, double and refuse.
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { after, before, describe, test } from "node:test";
import { decodePacket, Deframer, encodePacket, PacketType } from "../codec/mod.ts";
import { BufferPool, Outbox } from "../engine/outbox.ts";
import { listenTcp } from "../runtime/listen.ts";
import { serve, type Server } from "../server/serve.ts";
import type { Transport } from "../transport/transport.ts";
import { Crew, type Result, RunError } from "./threads.ts";
import { planOf, plansOf, type Wishes } from "./plan.ts";
import { probe } from "./probe.ts";
import { SCENARIOS } from "./scenario.ts";
import { parseTarget } from "./target.ts";
import { patient } from "../testing/patience.ts";

/** So little that a scenario takes a moment. Messages are counted: on a busy machine a moment may pass without any. */
const TINY: Wishes = { publishers: 3, connections: 10, messages: 60, size: 32, window: 5 };

function tiny(name: string, wishes: Wishes = {}) {
  const scenario = SCENARIOS.find((each) => each.name === name)!;
  const isRated = scenario.ratePerPublisher !== undefined || name === "latency";
  const seconds = scenario.kind === "flow" ? 10 : 0.05;
  const subscribers = scenario.topology === "pairs" ? {} : { subscribers: name === "fanin" ? 1 : 2 };
  return planOf(scenario, { ...TINY, seconds, ...isRated && { rate: 1000 }, ...subscribers, ...wishes });
}

/** The same by time. */
const TIMED: Wishes = { messages: 0, seconds: 0.5, warmup: 0.1 };

let crews: Readonly<Record<1 | 2, Crew>>;
let server: Server;
before(async () => {
  crews = { 1: new Crew(1), 2: new Crew(2) };
  server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
});
after(async () => {
  await Promise.all(Object.values(crews).map((crew) => crew.close()));
  await server.close();
});

const side = () => ({ target: parseTarget(server.addresses[0]!) });

function assertWell(result: Result): void {
  const { disorder, gap, refused, unacknowledged } = result;
  assertEquals({ disorder, gap, refused, unacknowledged }, {
    disorder: 0,
    gap: 0,
    refused: 0,
    unacknowledged: 0,
  });
  assert(result.done > 0);
  assert(result.perSecond > 0);
  assert(result.latency.count > 0);
}

describe("a run against a broker that does what it should", () => {
  for (const { name } of SCENARIOS) {
    for (const threads of [1, 2] as const) {
      test(`${name} with ${threads === 1 ? "one thread" : "two threads"}`, patient, async () => {
        const result = await crews[threads].run(tiny(name), side());
        assertWell(result);
        assertEquals(result.busy.length, threads);
        assertEquals([server.broker.stats.sessions, server.broker.stats.retainedMessages], [0, 0]);
      });
    }
  }

  for (const level of [4, 5] as const) {
    for (const qos of [0, 1, 2] as const) {
      test(`level ${level} QoS ${qos}, durable sessions`, patient, async () => {
        assertWell(await crews[1].run(tiny("durable", { level, qos }), side()));
        assertEquals(server.broker.stats.sessions, 0);
      });
    }
  }

  test("as many messages as were asked for, shared among publishers", patient, async () => {
    const result = await crews[2].run(tiny("fanout", { messages: 100 }), side());
    assertEquals([result.sent, result.done, result.gap], [100, 200, 0]);
  });

  test("by time", patient, async () => {
    const result = await crews[2].run(tiny("fanin", TIMED), side());
    assertWell(result);
    assertEquals(Math.round(result.seconds * 1000), 500);
  });

  test("a rate is kept: all that was due counts, however late it came", patient, async () => {
    const { latency } = await crews[1].run(tiny("pairs", { ...TIMED, rate: 200 }), side());
    assert(latency.count >= 99 && latency.count <= 101, `${latency.count} were due in half a second`);
  });

  test("a rate that is too high is told", patient, async () => {
    const wishes = { ...TIMED, seconds: 0.2, publishers: 1, window: 1, qos: 2, rate: 10_000_000 } as const;
    const { overdue, gap } = await crews[1].run(tiny("pairs", wishes), side());
    assert(overdue > 0);
    assertEquals(gap, 0);
  });

  test("a burst's memory is told for each connection once it has settled", patient, async () => {
    const { done, server } = await crews[1].run(
      planOf(SCENARIOS.find(({ name }) => name === "connect")!, { connections: 20, seconds: 0.1 }),
      { ...side(), pid: process.pid },
    );
    assert(done >= 20);
    if (server !== undefined) assert(Number.isFinite(server.rssBytesPerConnection));
  });

  test("is watched by its process", patient, async () => {
    const result = await crews[1].run(tiny("pairs"), { ...side(), pid: process.pid });
    if (result.server !== undefined) assert(result.server.rssBytes > 2 ** 20);
  });
});

/** What a Server that is at fault does with the message of a number. */
type Fault = (number: number) => "pass" | "drop" | "late" | "twice";

/** One of its connections: what cannot be written at once waits. */
class Peer {
  readonly transport: Transport;
  readonly #outbox = new Outbox(new BufferPool());

  constructor(transport: Transport) {
    this.transport = transport;
  }

  send(bytes: Uint8Array): void {
    this.#outbox.append(bytes, 0, bytes.length);
    this.flush();
  }

  flush(): void {
    this.#outbox.flush(this.transport);
  }
}

/** A Server for QoS 0 at level 5 that passes every message on to all subscribers, or does what it should not. */
async function faulty(fault: Fault, body: (url: string) => Promise<void>): Promise<void> {
  const subscribers = new Set<Peer>();
  const all = new Set<Peer>();
  let number = 0;
  let late: Uint8Array | undefined;
  const send = (frame: Uint8Array) => subscribers.forEach((peer) => peer.send(frame));
  const published = (frame: Uint8Array) => {
    const what = fault(++number);
    if (what === "late") late = frame;
    if (what === "drop" || what === "late") return;
    send(frame);
    if (what === "twice") send(frame);
    if (late !== undefined) send(late);
    late = undefined;
  };
  const received = (peer: Peer, frame: Uint8Array) => {
    const packet = decodePacket(frame, 5);
    if (packet.type === PacketType.CONNECT) {
      peer.send(encodePacket({ type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 }, 5));
    } else if (packet.type === PacketType.SUBSCRIBE) {
      peer.send(encodePacket({ type: PacketType.SUBACK, packetId: packet.packetId, reasonCodes: [0] }, 5));
      subscribers.add(peer);
    } else if (packet.type === PacketType.PUBLISH) published(frame);
  };
  const listener = await listenTcp({ host: "127.0.0.1", port: 0 }, (transport) => {
    const peer = new Peer(transport);
    const deframer = new Deframer(Infinity);
    const frames = {
      frame(bytes: Uint8Array, at: number, _body: number, end: number): boolean {
        received(peer, bytes.slice(at, end));
        return true;
      },
    };
    all.add(peer);
    transport.start({
      received: (chunk) => deframer.receive(chunk, frames),
      drained: () => peer.flush(),
      closed: () => {
        subscribers.delete(peer);
        all.delete(peer);
      },
    });
  });
  try {
    await body(`mqtt://127.0.0.1:${listener.port}`);
  } finally {
    await listener.close();
    for (const { transport } of all) transport.abort();
  }
}

/** A run of 20 messages, one on its way at a time unless they are to overtake each other. */
async function against(fault: Fault, wishes: Wishes = {}): Promise<Result> {
  let result: Result | undefined;
  await faulty(fault, async (url) => {
    const plan = tiny("pairs", { publishers: 1, messages: 20, window: 2, grace: 3, ...wishes });
    result = await crews[1].run(plan, { target: parseTarget(url) });
  });
  return result!;
}

describe("a Server that is at fault is found out", () => {
  test("not one that is not", patient, async () => assertWell(await against(() => "pass")));

  test("one that loses a message", patient, async () => {
    const { gap, disorder, done } = await against((number) => number === 7 ? "drop" : "pass");
    assertEquals([gap, disorder, done], [1, 0, 19]);
  });

  test("one that loses the last message", patient, async () => {
    const { gap, disorder } = await against((number) => number === 20 ? "drop" : "pass");
    assertEquals([gap, disorder], [1, 0]);
  });

  test("one that loses everything", patient, async () => {
    const { gap, done } = await against(() => "drop", { seconds: 0.3 });
    assertEquals([gap, done], [2, 0]);
  });

  test("one that swaps two messages", patient, async () => {
    const { gap, disorder } = await against((number) => number === 5 ? "late" : "pass");
    assertEquals([gap, disorder], [1, 1]);
  });

  test("one that delivers a message twice", patient, async () => {
    const { gap, disorder } = await against((number) => number === 5 ? "twice" : "pass");
    assertEquals([gap, disorder], [0, 1]);
  });
});

describe("a run that cannot be brought to its end says why, and the next one goes on", () => {
  test("nobody listens", patient, async () => {
    const target = parseTarget("mqtt://127.0.0.1:1");
    const error = await assertRejects(() => crews[2].run(tiny("pairs"), { target }), RunError);
    assertMatch(error.message, /^mqtt:\/\/127\.0\.0\.1:1 cannot be reached/);
    await assertRejects(() => probe(target, 5), Error, "cannot be reached");
  });

  test("the Server refuses", patient, async () => {
    const strict = await serve({
      listen: ["mqtt://127.0.0.1:0"],
      authenticate: ({ username }) => ({ code: username === "u" ? 0 : 0x86 }),
      authorize: ({ action }) => action === "subscribe" ? 0x87 : 0,
    });
    try {
      const url = strict.addresses[0]!;
      const run = (to: string) => () => crews[1].run(tiny("pairs"), { target: parseTarget(to) });
      const unknown = await assertRejects(run(url), RunError);
      assertMatch(unknown.message, /was refused: CONNACK 0x86/);
      const known = await assertRejects(run(url.replace("//", "//u:p@")), RunError);
      assertMatch(known.message, /may not subscribe: SUBACK 0x87/);
    } finally {
      await strict.close();
    }
    assertWell(await crews[1].run(tiny("pairs"), side()));
  });

  test("the Server goes in the midst of it", patient, async () => {
    const mortal = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const [plan] = plansOf(["pairs"], { ...TINY, messages: 0, seconds: 20 });
    const run = crews[2].run(plan!, { target: parseTarget(mortal.addresses[0]!) }, (phase) => {
      if (phase === "running") void mortal.close();
    });
    const error = await assertRejects(() => run, RunError);
    assertMatch(error.message, /was sent away: DISCONNECT 0x8b|lost its connection/);
    assertWell(await crews[2].run(tiny("pairs"), side()));
  });
});
