/** §4.2 What a turn with very many chunks means for those who came first. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { Link } from "../engine/link.ts";
import { Hand } from "../testing/by_hand.ts";
import type { Transport } from "../transport/transport.ts";
import { Broker } from "./mod.ts";
import type { Question } from "./question.ts";
import type { Session } from "./session.ts";
import { Turn } from "./turn.ts";

const NOW = 1_000;

/** Takes everything, and counts it. */
class Sink implements Transport {
  readonly label = "test";
  bytes = 0;
  writes = 0;
  start(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
  abort(): void {}
  write(chunk: Uint8Array): number {
    this.writes++;
    this.bytes += chunk.length;
    return chunk.length;
  }
}

describe("a turn", () => {
  test("of thousands of Clients that connect at once the first is answered before the last is read", () => {
    const broker = new Broker({});
    const sinks = Array.from({ length: 1_000 }, () => new Sink());
    sinks.forEach((sink, i) => {
      const connection = broker.opened(sink, { address: "127.0.0.1", port: i + 1, transport: "tcp" }, NOW);
      const connect = {
        type: PacketType.CONNECT,
        level: 5,
        clientId: `${i}`,
        cleanStart: true,
        keepAlive: 0,
      } as const;
      connection.received(encodePacket(connect, 5), NOW);
    });
    const early = sinks.filter(({ bytes }) => bytes > 0).length;
    assert(early > 0 && sinks[0]!.bytes > 0, "none is answered before the end of the turn");
    broker.flush(NOW);
    assertEquals(sinks.map(({ writes }) => writes), sinks.map(() => 1));
    assert(broker.work === "none");
  });
});

describe("the end of a turn", () => {
  const refusal = { code: 0x97, rule: "limit/queue", message: "" } as const;

  test("ends what has failed in its order, also what fails by that", () => {
    const turn = new Turn();
    const ended: string[] = [];
    const target = (name: string, end = () => {}) => ({
      end: () => {
        ended.push(name);
        end();
      },
    });
    turn.fail(target("first", () => turn.fail(target("third"), refusal)), refusal);
    turn.fail(target("second"), refusal);
    assertEquals([ended, turn.isUrgent], [[], true]);
    turn.endFailed();
    assertEquals([ended, turn.isUrgent], [["first", "second", "third"], false]);
    turn.endFailed();
    assertEquals(ended.length, 3);
  });

  test("writes every link once, and what one of them causes in the next", () => {
    const turn = new Turn();
    const ended: string[] = [];
    const link = (name: string, more?: Link) =>
      ({
        endTurn: () => {
          ended.push(name);
          if (more !== undefined) turn.touched(more);
        },
      }) as Link;
    turn.touched(link("first", link("third")));
    turn.touched(link("second"));
    assertEquals(turn.isUrgent, true);
    turn.write();
    assertEquals([ended.splice(0), turn.isUrgent], [["first", "second"], true]);
    turn.write();
    assertEquals([ended.splice(0), turn.isUrgent], [["third"], false]);
    turn.write();
    assertEquals(ended, []);
  });

  test("hands out each question once, and listens to a promise that nobody has listened to", () => {
    const turn = new Turn();
    let caught = 0;
    const later = { then: () => {}, catch: () => void caught++ } as unknown as Question["later"];
    const question: Question = { kind: "commit", later, answered: () => {}, rejected: () => {} };
    assertEquals([turn.takeQuestions(), turn.isUrgent], [[], false]);
    turn.ask(question);
    assertEquals([caught, turn.isUrgent], [1, true]);
    turn.ask({ ...question, kind: "page in", later: new Hand().later });
    assertEquals(turn.takeQuestions().map(({ kind }) => kind), ["commit", "page in"]);
    assertEquals([turn.takeQuestions(), turn.isUrgent], [[], false]);
  });

  test("has sessions go on in the order in which they were scheduled, each once", () => {
    const turn = new Turn();
    const [first, second] = [{ scheduled: false }, { scheduled: false }] as [Session, Session];
    for (const session of [first, second, first]) turn.schedule(session);
    assertEquals([turn.scheduledCount, turn.isUrgent], [2, false]);
    assertEquals([turn.nextScheduled() === first, first.scheduled, second.scheduled], [true, false, true]);
    turn.schedule(first);
    assertEquals([turn.nextScheduled() === second, turn.nextScheduled() === first], [true, true]);
    assertEquals([turn.nextScheduled(), turn.scheduledCount], [undefined, 0]);
  });

  test("knows the time of the last input, and has what is due done", () => {
    const turn = new Turn();
    let due = 0;
    turn.begin(5);
    turn.timers.schedule({ heapIndex: -1, heapTime: 0, due: () => void due++ }, 10);
    assertEquals(turn.now, 5);
    turn.tick(9);
    assertEquals([turn.now, due], [9, 0]);
    turn.tick(10);
    assertEquals([turn.now, due], [10, 1]);
  });
});
