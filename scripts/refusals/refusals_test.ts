/**
 * `spec/refusals.md` against what the broker does, and against the rules in the sources.
 * @module
 */
import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { describe, test } from "node:test";
import type { Refusal } from "../../src/broker/mod.ts";
import { serve } from "../../src/server/serve.ts";
import { patient } from "../../src/testing/patience.ts";
import { pathOf } from "../lib/tree.ts";
import { SCENES } from "./scenes.ts";
import { acceptRules, refusingCodes, refusingRules, UNSEEN } from "./sources.ts";
import { play } from "./stage.ts";
import { refusalsPage } from "./table.ts";
import { WEBSOCKET_SCENES } from "./websocket_scenes.ts";

describe("spec/refusals.md", () => {
  const played = SCENES.map(play);

  test("has what a Client of each level sees (else run `deno task refusals`, and see whether it is meant)", () => {
    const [page, shown] = [readFileSync(pathOf("spec/refusals.md"), "utf8"), refusalsPage(played)];
    const without = (text: string, other: string) =>
      text.split("\n").filter((line) => !other.split("\n").includes(line));
    assertEquals(without(page, shown), without(shown, page)); // says which lines
    assertEquals(page, shown);
  });

  test("each refusal is by its rule, and by no other", () => {
    for (const { scene: { on, when, rule, untold }, seen } of played) {
      for (const [level, { rules }] of seen) {
        const expected = untold?.includes(level) === true ? [] : [rule];
        assertEquals([...new Set(rules)], expected, `${on}: ${when}, level ${level}`);
      }
    }
  });

  test("every rule in the sources, with every code beside it, is among them", () => {
    const known = new Set<string>(WEBSOCKET_SCENES.map(({ rule }) => rule));
    const inFive = new Set<string>();
    for (const { scene: { rule }, seen } of played) {
      known.add(rule);
      const five = seen.get(5);
      if (five === undefined) continue;
      inFive.add(rule);
      for (const [code] of five.answer.matchAll(/0x../g)) known.add(`${rule} ${code}`);
    }
    const codes = [...refusingCodes()].filter((one) => inFive.has(one.split(" ")[0]!));
    const missing = [...refusingRules(), ...codes].filter((one) => !known.has(one) && !(one in UNSEEN));
    assertEquals(missing, [], "Give each a scene in scripts/refusals, or a reason in UNSEEN");
    assertEquals(Object.keys(UNSEEN).filter((one) => known.has(one)), []);
  });
});

/** A connection to a server with these options: the bytes that come, and the rules that its owner is told of. */
async function atAccept(options: Parameters<typeof serve>[0], first: string): Promise<[number, string[]]> {
  const rules: string[] = [];
  const server = await serve({ ...options, hooks: { refused: (_peer, { rule }) => void rules.push(rule) } });
  try {
    const socket = connect(Number(new URL(server.addresses[0]!).port), "127.0.0.1");
    socket.on("error", () => {}).resume();
    socket.write(first);
    await new Promise((resolve) => socket.on("close", resolve));
    return [socket.bytesRead, rules];
  } finally {
    await server.close();
  }
}

describe("a connection that is not admitted", () => {
  const url = "mqtt://127.0.0.1:0";
  for (const rule of acceptRules()) {
    test(`is closed without a word: ${rule}`, patient, async () => {
      const refusal: Refusal = { code: 0x9f, rule, message: "No" };
      const options = rule.endsWith("/proxy-header")
        ? { listen: [{ url, proxyProtocol: ["127.0.0.1"] }] }
        : { listen: [url], admit: () => refusal };
      assertEquals(await atAccept(options, "no PROXY header"), [0, [rule]]);
    });
  }
});
