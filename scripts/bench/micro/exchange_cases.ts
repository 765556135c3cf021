/**
 * §4.3 Whole exchanges of QoS 1 and 2: published, delivered, acknowledged by everybody; an operation is a message.
 * Knows the steps on both sides; refuses to know sockets and disks.
 * @module
 */
import { MemoryStore } from "../../../src/broker/mod.ts";
import { type Bench, type MicroCase, must } from "./bench.ts";
import {
  acknowledgementChunk,
  idAt,
  PUBACK,
  PUBCOMP,
  publishBytes,
  PUBREC,
  PUBREL,
  putId,
  Stage,
} from "./offline_broker.ts";

/** How long the subscriber's session lives: as its connection, longer, or longer with a store that is told everything. */
type Life = "clean" | "kept" | "durable";

const PAYLOAD_BYTES = 64;

function exchange(qos: 1 | 2, life: Life, frames: number): Bench {
  const stage = new Stage(life === "durable" ? { store: new MemoryStore() } : {});
  const publisher = stage.connect(5, "publisher").connection;
  const client = stage.connect(5, "subscriber", {
    properties: { receiveMaximum: 65_535, ...(life !== "clean" && { sessionExpiryInterval: 3_600 }) },
  });
  stage.subscribe(client, "site/+/temperature", qos);
  const subscriber = client.connection;
  const frame = publishBytes(5, "site/12/temperature", qos, PAYLOAD_BYTES);
  const chunk = new Uint8Array(frame.length * frames);
  for (let i = 0; i < frames; i++) {
    chunk.set(frame, i * frame.length);
    putId(chunk, i * frame.length + idAt(frame), i + 1);
  }
  const acks = acknowledgementChunk(qos === 1 ? PUBACK : PUBREC, frames);
  const ends = acknowledgementChunk(PUBCOMP, frames);
  const releases = acknowledgementChunk(PUBREL, frames);
  for (let i = 0; i < frames; i++) putId(releases, i * 4 + 2, i + 1);
  let before = client.transport.bytes;
  let done = 0;
  return {
    together: frames,
    run(times) {
      for (let i = 0; i < times; i += frames) {
        for (let at = 2; at < acks.length; at += 4) {
          const id = client.ids.next();
          putId(acks, at, id);
          if (qos === 2) putId(ends, at, id);
        }
        publisher.received(chunk, stage.now);
        stage.turn();
        subscriber.received(acks, stage.now);
        if (qos === 2) {
          publisher.received(releases, stage.now);
          stage.turn();
          subscriber.received(ends, stage.now);
        }
        stage.turn();
        done += frames;
      }
      return client.transport.sum + client.transport.bytes;
    },
    reset() {
      const bytes = client.transport.bytes - before;
      must(bytes >= done * PAYLOAD_BYTES, "every message is delivered");
      must(stage.sessionOf(subscriber).inFlight === 0, "every message is acknowledged");
      must(stage.sessionOf(publisher).received === 0, "every exchange of the publisher is over");
      before = client.transport.bytes;
      done = 0;
    },
  };
}

const LIVES: readonly Life[] = ["clean", "kept", "durable"];

/** All of them. */
export const EXCHANGE_CASES: readonly MicroCase[] = ([1, 2] as const).flatMap((qos) =>
  LIVES.flatMap((life) =>
    [1, 64].map((frames) => ({
      name: `exchange/QoS ${qos}, ${life} session, ${frames} in a chunk`,
      make: () => exchange(qos, life, frames),
    }))
  )
);
