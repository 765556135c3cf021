/** §4.1 Which file may go on where a log ends. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "../engine/random.ts";
import { MemoryNetwork } from "./memory/network.ts";
import { Schedule } from "./memory/schedule.ts";
import { type Claimed, claimShard, type NotClaimed, type ReplayFile } from "./shard_claim.ts";
import { claimEntry, factsEntry, type ShardPlace } from "./shard_entry.ts";
import { StreamLog } from "./stream_log.ts";

/** A claim, by the place of the file that it was made with, or a batch. */
type Written = { readonly claim: number; readonly after: ShardPlace } | { readonly facts: ShardPlace };

/** Claims a shard with a log and a file; tells what came of it, and how the file came to where it is. */
function claim(written: readonly Written[], begun: ShardPlace | undefined): unknown {
  const net = new MemoryNetwork(new Schedule(), seededRandom(1));
  const node = net.node("a");
  const log = new StreamLog(node.stream("log"), new Uint8Array(8), node.clock);
  const checkpoints = new StreamLog(node.stream("checkpoints"), new Uint8Array(8), node.clock);
  written.forEach((entry, index) => {
    const bytes = "facts" in entry
      ? factsEntry(entry.facts, new Uint8Array(1))
      : claimEntry({ epoch: entry.claim, after: entry.after, member: "m", incarnation: "i" });
    log.append(bytes, index, () => {});
    net.schedule.pass(100);
  });
  let place = begun;
  const told: string[] = [];
  const file: ReplayFile = {
    get place() {
      return place;
    },
    clear(): void {
      place = undefined;
      told.push("cleared");
    },
    restore() {},
    apply(batches, last, applied): void {
      place = last;
      told.push(`${batches.length} to ${last.epoch}:${last.number}`);
      applied();
    },
  };
  let outcome: Claimed | NotClaimed | undefined;
  claimShard({ log, checkpoints, file, member: "b", incarnation: "j" }, (answer) => outcome = answer);
  net.schedule.pass(1_000);
  return [...told, outcome !== undefined && "epoch" in outcome ? `epoch ${outcome.epoch}` : outcome, {
    isAhead: (outcome as Claimed).isAhead,
  }];
}

const at = (epoch: number, number: number): ShardPlace => ({ epoch, number });
const FIRST: readonly Written[] = [{ claim: 1, after: at(0, 0) }, { facts: at(1, 1) }];

describe("a shard is claimed", () => {
  test("with the file that is where the log was, and what is behind that", () => {
    assertEquals(claim(FIRST, at(1, 1)), ["epoch 2", { isAhead: false }]);
    assertEquals(claim([...FIRST, { facts: at(1, 2) }], at(1, 1)), ["1 to 1:2", "epoch 2", {
      isAhead: false,
    }]);
  });

  test("with a file that has what the log has lost, or not got yet, and that is known", () => {
    assertEquals(claim(FIRST, at(1, 2)), ["epoch 2", { isAhead: true }]);
    assertEquals(claim(FIRST, at(3, 0)), ["epoch 4", { isAhead: true }]);
  });

  test("with such a file once more, when that has claimed it before and made no checkpoint", () => {
    const again = [...FIRST, { claim: 2, after: at(1, 2) }];
    assertEquals(claim(again, at(1, 2)), ["epoch 3", { isAhead: true }]);
  });

  test("without such a file when somebody else has owned it meanwhile, whatever its own claim has said", () => {
    const others = [...FIRST, { claim: 2, after: at(1, 2) }, { claim: 3, after: at(1, 1) }];
    assertEquals(claim(others, at(1, 2)), ["cleared", "1 to 1:1", "epoch 4", { isAhead: false }]);
    const more = [...others, { facts: at(3, 1) }];
    assertEquals(claim(more, at(1, 2)), ["cleared", "2 to 3:1", "epoch 4", { isAhead: false }]);
  });
});
