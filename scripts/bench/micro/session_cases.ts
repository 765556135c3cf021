/**
 * §3.3.1.3, §4.1, §4.4 What waits for a Client: retained messages by filter, and a session's queue when it comes back.
 * Knows how to make them wait; refuses to know sockets and disks.
 * @module
 */
import { Broker, MemoryStore } from "../../../src/broker/mod.ts";
import { Retained } from "../../../src/broker/retained.ts";
import { frameOf } from "../../../src/delivery/message.ts";
import { Timers } from "../../../src/engine/timers.ts";
import { type Bench, type MicroCase, must, sink } from "./bench.ts";
import { connectBytes, publishBytes, Stage, type StageClient } from "./offline_broker.ts";

const RETAINED = 100_000;
const SITES = 1_000;

/** The broker with the retained messages, which several cases share. */
let archive: Stage | undefined;

function archiveOf(): Stage {
  if (archive !== undefined) return archive;
  const stage = new Stage();
  for (let i = 0; i < RETAINED; i++) {
    const topic = `site/${i % SITES}/device-${i}/state`;
    stage.broker.publish({ topic, payload: "on", retain: true }, stage.now);
  }
  must(stage.broker.stats.retainedMessages === RETAINED, "every message is retained");
  return archive = stage;
}

function retained(filter: string, found: number): Bench {
  const all = new Retained(new Timers(), new Broker().policy({}).limits, 0, () => {});
  for (let i = 0; i < RETAINED; i++) {
    const topic = `site/${i % SITES}/device-${i}/state`;
    const view = frameOf({ topic, payload: new Uint8Array(2), qos: 0, retain: true }, {}, 5);
    all.restore({ topic, view, expiresAt: Infinity, publisher: undefined });
  }
  return {
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        const walk = all.walk(filter);
        sink.value = walk;
        while (walk.advance(Infinity) >= 0) sum++;
      }
      must(sum === found * times, `${found} topics match`);
      return sum;
    },
  };
}

/** A retained message takes the place of another. */
function replacing(): Bench {
  const stage = archiveOf();
  const publisher = stage.connect(5, `publisher-${Math.random()}`);
  const frame = publishBytes(5, "site/7/device-7/state", 0, 64, { retain: true });
  return {
    run(times) {
      for (let i = 0; i < times; i++) publisher.connection.received(frame, stage.now);
      return stage.broker.stats.retainedMessages;
    },
  };
}

const QUEUED = 1_000;
const PAYLOAD_BYTES = 64;

interface Return {
  /** What was sent before is sent again, instead of what waits being sent for the first time. */
  readonly again?: true;
  readonly durable?: true;
  /** Messages that expire, some time later. */
  readonly aged?: true;
}

/** An operation is the whole return: CONNECT, CONNACK and a thousand messages. */
function resuming({ again, durable, aged }: Return): Bench {
  archive = undefined; // so much to look at would make every collection of garbage slow
  const stage = new Stage(durable ? { store: new MemoryStore() } : {});
  const publisher = stage.connect(5, "publisher").connection;
  const hello = connectBytes(5, "subscriber", {
    cleanStart: false,
    properties: { receiveMaximum: 65_535, sessionExpiryInterval: 0xffff_ffff },
  });
  const frame = publishBytes(5, "site/12/temperature", 1, PAYLOAD_BYTES, {
    ...(aged && { properties: { messageExpiryInterval: 1_000_000 } }),
  });
  let client: StageClient = stage.connectWith(hello, 5);
  const ids = client.ids;
  stage.subscribe(client, "site/+/temperature", 1);
  let delivered = false;
  const leave = (): void => {
    client.connection.closed(stage.now);
    stage.turn();
    must(stage.broker.stats.sessions === 2, "the session is kept");
  };
  const fill = (): void => {
    for (let i = 0; i < QUEUED; i++) publisher.received(frame, stage.now);
    stage.turn();
    if (aged) stage.now += 2_000;
  };
  return {
    most: 1,
    run() {
      client = stage.connectWith(hello, 5);
      delivered = true;
      return client.transport.bytes + client.transport.sum;
    },
    reset() {
      if (delivered) {
        must(client.transport.bytes >= QUEUED * PAYLOAD_BYTES, "every message is delivered");
        must(stage.sessionOf(client.connection).inFlight === QUEUED, "none is acknowledged");
      }
      if (delivered && !again) stage.finish(client, 1, ids.take(QUEUED));
      leave();
      if (!delivered || !again) fill();
    },
  };
}

/** A Client that has no session connects and goes. */
function connecting(): Bench {
  const stage = new Stage();
  const hello = connectBytes(5, "somebody");
  return {
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        const client = stage.connectWith(hello, 5);
        sum += client.transport.bytes;
        client.connection.closed(stage.now);
        stage.turn();
      }
      must(stage.broker.stats.sessions === 0 && stage.broker.connections === 0, "nothing is left");
      return sum;
    },
  };
}

/** All of them. */
export const SESSION_CASES: readonly MicroCase[] = [
  { name: "retained/100,000 topics, one", make: () => retained("site/7/device-7/state", 1) },
  { name: "retained/100,000 topics, a site of 100", make: () => retained("site/7/+/state", 100) },
  { name: "retained/100,000 topics, all", make: () => retained("#", RETAINED) },
  { name: "retained/replace one", make: replacing },
  { name: "resume/1,000 queued", make: () => resuming({}) },
  { name: "resume/1,000 queued, aged expiry", make: () => resuming({ aged: true }) },
  { name: "resume/1,000 queued, durable", make: () => resuming({ durable: true }) },
  { name: "resume/1,000 sent again", make: () => resuming({ again: true }) },
  { name: "connect/and close", make: connecting },
];
