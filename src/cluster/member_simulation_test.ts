/**
 * Members of a cluster at random: whatever happens to them, nobody takes what is well, and behind it each shard has one owner.
 * @module
 */
import { assert } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { simulateMembers } from "../testing/member_simulation.ts";
import { patient } from "../testing/patience.ts";

/** Seeds of one run of the tests; `PLUMB_MEMBERS_SEEDS` of the environment for more. */
const SEEDS = Number(process.env["PLUMB_MEMBERS_SEEDS"] ?? 30);
const FROM = Number(process.env["PLUMB_MEMBERS_SEED"] ?? 1);
/** Of one test: whoever plants faults takes a test that has no end for one that fails. */
const PORTION = 10;

describe("members crash, begin again, stop, are cut off and deaf: in the end each shard has one owner, and nothing moves", () => {
  for (let first = FROM; first < FROM + SEEDS; first += PORTION) {
    const end = Math.min(first + PORTION, FROM + SEEDS);
    test(`seeds ${first} to ${end - 1}`, patient, () => {
      let claims = 0;
      for (let seed = first; seed < end; seed++) {
        try {
          claims += simulateMembers(seed).claims;
        } catch (error) {
          throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
        }
      }
      assert(claims > end - first, `only ${claims} claims`);
    });
  }
});
