/** A cluster of two members on the runtime that runs this: some of what `deno task trial:cluster` does for longer. @module */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { noNats } from "../../../src/testing/nats_server.ts";
import { patient } from "../../../src/testing/patience.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { clusterTrial } from "./trial.ts";

const skip = noNats || (process.platform !== "linux" && "only Linux spreads connections over processes");

describe("a cluster", () => {
  test(
    "loses nothing when a member and a shard are killed, and when all are",
    { ...patient, skip },
    async () => {
      const { problems, tally, retained } = await clusterTrial({
        runtime: OWN_RUNTIME,
        members: 2,
        shards: 3,
        servers: 1,
        faults: ["member killed", "shard killed"],
        count: 2,
        limitMs: Infinity,
        seed: 4,
        width: 2,
        awayMs: 500,
        durability: "log",
      });
      assertEquals(problems, []);
      assert(tally.acknowledged > 0 && tally.deliveredQos2 > 0 && retained > 0);
    },
  );
});
