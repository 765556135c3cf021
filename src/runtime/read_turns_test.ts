/** What goes on in a later turn, and does not keep Deno from a look at its sockets. @module */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { inLaterTurn, inNextTurn } from "./read_turns.ts";
import { until } from "../testing/patience.ts";

test("after a long turn all that goes on does so together, behind one look", async () => {
  const end = performance.now() + 20;
  while (performance.now() < end);
  const log: string[] = [];
  inNextTurn(() => {
    log.push("first");
    setImmediate(() => log.push("behind them"));
  });
  inLaterTurn(() => log.push("second"));
  inNextTurn(() => log.push("third"));
  setImmediate(() => log.push("before"));
  await until(() => log.length === 5, "all have gone on");
  assertEquals(log, ["before", "first", "second", "third", "behind them"]);
});
