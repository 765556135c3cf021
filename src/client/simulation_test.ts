/**
 * A Client against our broker, and against a Server that does whatever it may, under virtual time: cuts, loss and delay at any byte, lost
 * sessions, stores that are slow or fail, and processes that die with their store. Whatever happens, each call is settled once, and
 * §4.3, §4.4 and §4.6 hold.
 * @module
 */
import { assert } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import type { Random } from "../engine/random.ts";
import { ClientRun, OtherServer, OurServer, type Peer } from "../testing/client_simulation.ts";
import { patient } from "../testing/patience.ts";

/** Seeds of one run of the tests; `PLUMB_CLIENT_SEEDS` of the environment for more. */
const SEEDS = Number(process.env["PLUMB_CLIENT_SEEDS"] ?? 60);
const FROM = Number(process.env["PLUMB_CLIENT_SEED"] ?? 1);

const PEERS: readonly (readonly [string, (random: Random) => Peer])[] = [
  ["our broker", () => new OurServer()],
  ["a Server that does whatever it may", (random) => new OtherServer(random)],
];

describe("a Client whose connections and processes end at any moment", () => {
  for (const [name, make] of PEERS) {
    test(`settles each call once, and keeps what QoS 1 and 2 promise, in order: ${name}`, patient, () => {
      let tally: readonly number[] = [0, 0, 0, 0, 0];
      for (let seed = FROM; seed < FROM + SEEDS; seed++) {
        try {
          const run = new ClientRun(seed, make);
          run.run();
          tally = tally.map((count, i) => count + run.tally[i]!);
        } catch (error) {
          throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
        }
      }
      assert(
        SEEDS < 50 || tally.every((count) => count > SEEDS / 10),
        `hardly anything has happened: ${tally}`,
      );
    });
  }

  test("sends no QoS 0 message again that a connection which ends may still send (§4.3.1)", () => {
    new ClientRun(837, () => new OurServer()).run();
  });
});
