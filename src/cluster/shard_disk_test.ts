/** §4.1 Whoever owns a shard, and another one who has come to own it. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "../engine/random.ts";
import type { Disk } from "../store/disk.ts";
import { MemoryNetwork } from "./memory/network.ts";
import { Schedule } from "./memory/schedule.ts";
import { ShardDisk } from "./shard_disk.ts";
import { claimEntry } from "./shard_entry.ts";
import { StreamLog } from "./stream_log.ts";

const NO_DISK: Disk = { apply() {}, retry() {}, load() {}, close: () => Promise.resolve() };

/** An owner whose claim is the only entry of its log. */
function owner() {
  const net = new MemoryNetwork(new Schedule(), seededRandom(1));
  const node = net.node("a");
  const logOf = (writer: number) =>
    new StreamLog(node.stream("log"), new Uint8Array(8).fill(writer), node.clock);
  const [own, others] = [logOf(1), logOf(2)];
  const claim = (log: StreamLog, epoch: number): void => {
    const entry = claimEntry({ epoch, after: { epoch: 0, number: 0 }, member: "m", incarnation: "i" });
    log.append(entry, epoch - 1, () => {});
    net.schedule.pass(100);
  };
  claim(own, 1);
  const told: string[] = [];
  const disk = new ShardDisk({
    log: own,
    epoch: 1,
    last: 1,
    logBytes: 0,
    events: { applied() {}, failed: ({ message }) => told.push(message), damaged() {}, loaded() {} },
    inner: () => NO_DISK,
    now: () => node.clock.now(),
    fenced: () => told.push("fenced"),
  });
  const look = (): void => {
    disk.look();
    net.schedule.pass(100);
  };
  return { told, disk, look, claimed: () => claim(others, 2), pass: () => net.schedule.pass(100) };
}

describe("an owner that looks at its log", () => {
  test("goes on while nobody else has written there, itself included", () => {
    const { told, disk, look, pass } = owner();
    look();
    disk.apply(new Uint8Array(1));
    look(); // beside an append of its own
    pass();
    look();
    assertEquals([told, disk.figures.appends], [[], 1]);
  });

  test("finds that another one owns the shard, though it has nothing to write", () => {
    const { told, look, claimed } = owner();
    claimed();
    assertEquals(told, []);
    look();
    look();
    assertEquals(told, ["fenced", "the shard has another owner"]);
  });
});
