import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, test } from "node:test";
import { OWN_RUNTIME, runFlags, runtimeCommand } from "../../lib/broker_process.ts";
import { run } from "../../lib/run.ts";
import { scenariosOf } from "./scenarios.ts";
import { patient } from "../../../src/testing/patience.ts";

function benchPeers(...args: string[]) {
  const command = [...runtimeCommand(OWN_RUNTIME), ...runFlags(OWN_RUNTIME)];
  return run([...command, "scripts/bench/peers/main.ts", ...args], { quiet: true });
}

describe("bench:peers refuses with one line and status 2", () => {
  for (
    const [args, line] of [
      [["--only", "pears"], /no scenario "pears"; there are pair, pairs, /],
      [["--rounds", "0"], /--rounds takes a whole number from 1/],
      [["--seconds", "0.01"], /--seconds takes a number from 0\.1/],
      [["--write", "--only", "pair"], /leave out --only/],
      [["--json", "no/such/folder/a.json"], /no folder no\/such\/folder/],
      [["--rouns", "3"], /did you mean --rounds\?/],
      [["pairs"], /unexpected argument "pairs"/],
    ] as const
  ) {
    test(args.join(" "), patient, async () => {
      const { code, text } = await benchPeers(...args);
      assertEquals(code, 2);
      assertMatch(text, /^bench:peers: [^\n]+\n$/);
      assertMatch(text, line);
    });
  }
});

test("the help of bench:peers names every scenario", patient, async () => {
  const { code, text } = await benchPeers("--help");
  assertEquals(code, 0);
  for (const { name } of scenariosOf()) assertStringIncludes(text, name);
});
