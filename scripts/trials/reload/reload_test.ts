/** Reloads under load, each kind once by SIGHUP and once by the change of its file. @module */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { patient, WAIT_MS } from "../../../src/testing/patience.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { reloadTrial, rssAfter } from "./reload.ts";

const noSignals = process.platform === "win32" ? "Windows has no SIGHUP that a broker outlives" : false;

test(
  "twenty Clients keep their connections and lose no message while everything is read again",
  { ...patient, skip: noSignals },
  async () => {
    const { problems, messages } = await reloadTrial({ runtime: OWN_RUNTIME, reloads: 8, limitMs: WAIT_MS });
    assertEquals(problems, []);
    assert(messages >= 8 * 10, `${messages} messages`); // each pair is heard of while each reload goes on
  },
);

test("the resident set behind a reload is the median of the five up to it, and not known beyond the last", () => {
  const bytes = [9, 1, 2, 100, 3, 4];
  assertEquals([rssAfter(bytes, 5), rssAfter(bytes, 6), rssAfter(bytes, 7), rssAfter([], 1)], [
    3,
    3,
    undefined,
    undefined,
  ]);
});
