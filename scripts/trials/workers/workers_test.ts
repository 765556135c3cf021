/**
 * A broker of two processes on the runtime that runs this: a few kills, and the audit cases that cross connections.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { patient, until } from "../../../src/testing/patience.ts";
import { inDirectory } from "../../../src/testing/store_files.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { auditWorkers } from "../../lib/own_audit.ts";
import { WorkersProcess } from "../../lib/workers_process.ts";
import { workersTrial } from "./trial.ts";

/** Sessions, messages, subscriptions, order, Shared Subscriptions. */
const SAMPLE = ["3.1.2.11", "3.3", "3.8", "4.3", "4.8.2"];

/** The system spreads connections over processes, and tells which one has them. */
const skip = process.platform !== "linux" && "only Linux is known to spread connections and tells of them";

describe("a broker of several processes", () => {
  const once = skip || (OWN_RUNTIME !== "deno" && "once, on Deno");
  test("loses nothing when they are killed", { ...patient, skip }, async () => {
    const { problems, kills, tally, retained } = await workersTrial({
      runtime: OWN_RUNTIME,
      workers: 2,
      kills: 3,
      limitMs: Infinity,
      seed: 5,
      width: 2,
      stopMs: 0,
    });
    assertEquals(problems, []);
    assert(kills >= 3 && tally.acknowledged > 0 && tally.deliveredQos2 > 0 && retained > 0);
  });

  test("takes no Clients at a worker that starts again while another one is away that has stored sessions", {
    ...patient,
    skip: once,
  }, async () => {
    await inDirectory(async (data) => {
      const flags = ["--data", data, "--listen", "mqtt://127.0.0.1:0"];
      const broker = await WorkersProcess.start(OWN_RUNTIME, 2, flags);
      try {
        broker.signal(2, "SIGSTOP");
        broker.signal(1, "SIGKILL");
        await until(() => broker.log.includes('msg="other workers are waited for" worker=1'), "it waits");
        assertEquals(broker.startsAgain(1), 0);
        broker.signal(2, "SIGCONT");
        await until(() => broker.startsAgain(1) === 1, "it takes Clients");
      } finally {
        await broker.killAll();
      }
    });
  });

  test("keeps the standard", { ...patient, skip: once }, async () => {
    const { cases } = await auditWorkers(OWN_RUNTIME, 2, 5, { only: SAMPLE });
    const bad = cases.filter(({ verdict }) => verdict !== "pass" && verdict !== "unsupported");
    assertEquals(bad.map(({ id, verdict, reason }) => `${verdict} ${id}: ${reason}`), []);
    assert(cases.filter(({ verdict }) => verdict === "pass").length > 20);
  });
});
