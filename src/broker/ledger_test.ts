/** The counts of the ledger, and the choice of the greediest. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { viewOf } from "../codec/publish_view.ts";
import type { Message } from "../delivery/message.ts";
import { BufferPool } from "../engine/outbox.ts";
import { TopicAliases } from "../engine/topic_aliases.ts";
import { aliasBytes } from "./alias.ts";
import { Ledger, OBJECT_BYTES } from "./ledger.ts";
import { GRACE_MS, type HoldsMemory, MemoryLimit } from "./memory_limit.ts";
import { Turn } from "./turn.ts";

const MIB = 1024 * 1024;

function message(payload: number): Message {
  const packet = { type: PacketType.PUBLISH, dup: false, retain: false, qos: 0, topic: "t" } as const;
  const view = viewOf(encodePacket({ ...packet, payload: new Uint8Array(payload) }, 5), true);
  return { topic: "t", view, expiresAt: Infinity, publisher: undefined };
}

describe("the ledger", () => {
  for (const payload of [10, 20_000]) {
    test(`counts a message of ${payload} bytes once, and a constant for each holder`, () => {
      const ledger = new Ledger();
      const one = message(payload);
      ledger.hold(one);
      const first = ledger.total;
      assert(first >= OBJECT_BYTES.message + OBJECT_BYTES.delivery + payload);
      assert(first < OBJECT_BYTES.message + OBJECT_BYTES.delivery + payload + 20);
      for (let i = 0; i < 9; i++) ledger.hold(one);
      assertEquals(ledger.total, first + 9 * OBJECT_BYTES.delivery);
      assertEquals(ledger.stats.payloads > 0, payload > 16_384);
      for (let i = 0; i < 10; i++) ledger.release(one);
      assertEquals([ledger.total, ledger.messages, ledger.stats.payloads], [0, 0, 0]);
    });
  }

  test("counts the bytes of a large message that is retained, waits and is on its way once", () => {
    const pool = new BufferPool();
    const ledger = new Ledger(pool);
    const one = message(20_000);
    ledger.hold(one);
    ledger.retains(one, true);
    pool.hold(one.view.bytes.buffer);
    assertEquals(ledger.stats.payloads, one.view.bytes.buffer.byteLength);
    ledger.release(one);
    pool.release(one.view.bytes.buffer);
    assert(ledger.stats.payloads > 0);
    ledger.retains(one, false);
    assertEquals(ledger.total, 0);
  });

  test("counts an alias that is set again with its new topic", () => {
    const aliases = new TopicAliases(10);
    aliases.set(3, new Uint8Array(100), 0, 100);
    aliases.set(4, new Uint8Array(100), 10, 30);
    aliases.set(3, new Uint8Array(100), 0, 50);
    assertEquals(aliasBytes(aliases), 70 + 2 * OBJECT_BYTES.alias);
  });
});

/** A connection that holds so much. */
class Holder implements HoldsMemory {
  readonly name: string;
  readonly ledger: Ledger;
  heldBytes: number;
  calls: string[] = [];

  constructor(ledger: Ledger, name: string, bytes: number) {
    this.name = name;
    this.ledger = ledger;
    this.heldBytes = bytes;
    ledger.outgoing += bytes;
  }

  pauseForMemory(): void {
    this.calls.push("pause");
  }

  resumeFromMemory(): void {
    this.calls.push("resume");
  }

  endForMemory(): void {
    this.calls.push("end");
    this.ledger.outgoing -= this.heldBytes;
    this.heldBytes = 0;
  }
}

function scene(most: number, sizes: readonly number[]) {
  const turn = new Turn();
  turn.begin(1_000);
  const all = sizes.map((bytes, i) => new Holder(turn.ledger, `${i}`, bytes));
  let relieved = 0;
  const limit = new MemoryLimit(most, turn, () => all, () => void relieved++);
  const calls = () => all.map(({ calls }) => calls.splice(0).join());
  return { turn, all, limit, calls, relieved: () => relieved };
}

describe("above the limit", () => {
  test("as many of the greediest are paused as together hold the excess, and ended after the grace time", () => {
    const { turn, limit, calls } = scene(10 * MIB, [6 * MIB, 3 * MIB, 1 * MIB, 0.5 * MIB, 1000]);
    limit.endTurn();
    assertEquals([calls(), turn.ledger.isAbove], [["pause", "", "", "", ""], true]);
    turn.tick(1_000 + GRACE_MS - 1);
    assertEquals(calls(), ["", "", "", "", ""]);
    turn.tick(1_000 + GRACE_MS);
    assertEquals(calls(), ["end", "", "", "", ""]);
    limit.endTurn();
    assertEquals([turn.ledger.isAbove, turn.timers.size], [false, 0]);
  });

  test("one that holds less meanwhile is read on, and another one has its own grace time", () => {
    const { turn, all, limit, calls } = scene(10 * MIB, [6 * MIB, 5 * MIB, 1000]);
    limit.endTurn();
    assertEquals(calls(), ["pause", "", ""]);
    turn.ledger.outgoing += 3 * MIB - 5 * MIB;
    all[1]!.heldBytes += 3 * MIB;
    all[0]!.heldBytes -= 5 * MIB;
    turn.ledger.outgoing += 2 * MIB; // of nobody
    turn.tick(1_000 + GRACE_MS);
    assertEquals(calls(), ["resume", "pause", ""]);
    turn.tick(1_000 + 2 * GRACE_MS);
    assertEquals(calls(), ["", "end", ""]);
  });

  test("nobody is paused or ended for what no connection holds", () => {
    const { turn, limit, calls } = scene(10 * MIB, [300_000, 1000, 1000]);
    turn.ledger.retained = 12 * MIB;
    limit.endTurn();
    for (let i = 1; i < 5; i++) turn.tick(1_000 + i * GRACE_MS);
    assertEquals([calls(), turn.ledger.isAbove], [["", "", ""], true]);
    turn.ledger.retained = 9.5 * MIB;
    limit.endTurn();
    assertEquals(turn.ledger.isAbove, false);
  });

  test("caches go first", () => {
    const { turn, limit, calls, relieved } = scene(10 * MIB, [6 * MIB, 5 * MIB]);
    turn.ledger.topics = 1;
    limit.endTurn();
    assertEquals([relieved(), calls()], [1, ["pause", ""]]);
  });

  test("all connections are looked at once in a grace time, however often memory crosses the limit", () => {
    const { turn, limit } = scene(10 * MIB, [6 * MIB, 1 * MIB]);
    let looks = 0;
    const counted = new MemoryLimit(10 * MIB, turn, () => {
      looks++;
      return [];
    }, () => {});
    for (let i = 0; i < 100; i++) {
      turn.begin(1_000 + i);
      turn.ledger.retained = i % 2 === 0 ? 5 * MIB : 0;
      counted.endTurn();
    }
    assertEquals(looks, 1);
    assert(!limit.isDue);
  });

  test("one that goes on to send is paused without a search", () => {
    const { turn, all, limit, calls } = scene(10 * MIB, [11 * MIB, 300_000]);
    limit.endTurn();
    limit.grows(all[1]!);
    limit.grows(all[1]!);
    assertEquals(calls(), ["pause", "pause"]);
    limit.forget(all[1]!);
    turn.tick(1_000 + GRACE_MS);
    assertEquals(calls(), ["end", ""]);
  });

  test("a hundred thousand small ones are as greedy as their number makes them", () => {
    const { turn, limit, calls } = scene(1024 * MIB, Array(100_000).fill(12_000));
    limit.endTurn();
    const paused = calls().filter((call) => call === "pause").length;
    const excess = turn.ledger.total - 1024 * MIB * 15 / 16;
    assert(paused >= excess / 12_000 && paused < excess / 12_000 + 2, `${paused} are paused`);
    assert(turn.budget.isSpent === false);
  });
});
