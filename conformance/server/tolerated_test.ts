/**
 * Our broker with each tolerance switched on: the auditor finds it, and says that it is lenient by option if it was told so.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { type ToleranceName, TOLERANCES } from "../../src/codec/mend.ts";
import { serve } from "../../src/server/serve.ts";
import { patient } from "../../src/testing/patience.ts";
import { audit, AuditCallError, type Level, type ReportCase, type Verdict } from "../mod.ts";
import type { CaseResult } from "../result.ts";
import { SERVER_CASES } from "./cases/mod.ts";
import { lenientByOption, TOLERATED } from "./tolerated.ts";

const LEVELS: readonly Level[] = [5, 4];
const NAMES = Object.keys(TOLERANCES) as ToleranceName[];
const ALL: readonly string[] = Object.values(TOLERATED).flatMap((cases) => Object.keys(cases));
/** Of cases whose packet is taken, which is what they wait for in vain. */
const IN_VAIN_MS = 20_000;
/** Slow machines are no fault of the broker's. */
const PATIENCE_MS = 60_000;

/** What is not a pass of the cases that should find something, or of all others. */
async function findings(level: Level, isListed: boolean): Promise<readonly ReportCase[]> {
  const ids = SERVER_CASES.filter(({ levels }) => levels.includes(level)).map(({ id }) => id);
  const server = await serve({ listen: ["mqtt://127.0.0.1:0"], tolerate: NAMES });
  try {
    const { levels, settings } = await audit(server.addresses[0]!, {
      levels: [level],
      only: ids.filter((id) => ALL.includes(id) === isListed),
      declared: { tolerates: NAMES },
      patienceMs: isListed ? IN_VAIN_MS : PATIENCE_MS,
      atOnce: isListed ? ALL.length : 16,
    });
    assertEquals(settings.tolerates, NAMES);
    return levels[0]!.cases.filter(({ verdict }) => verdict !== "pass" && verdict !== "unsupported");
  } finally {
    await server.close();
  }
}

describe("an audit of our broker with all tolerances", () => {
  test("finds each of them at each level, and says which option it is", patient, async () => {
    // Both at a time, since they wait.
    await Promise.all(LEVELS.map(async (level) => {
      const found = await findings(level, true);
      const said = found.map((
        { id, verdict, reason },
      ) => [verdict, id, /^By option (\S+): /.exec(reason)?.[1]]);
      const expected = SERVER_CASES.filter(({ levels }) => levels.includes(level)).flatMap(({ id }) =>
        NAMES.filter((name) => id in TOLERATED[name]!).map((name) => ["lenient", id, name])
      );
      assertEquals(said, expected, `level ${level}`);
    }));
  });

  for (const level of LEVELS) {
    test(`finds nothing else at level ${level}`, patient, async () => {
      const found = await findings(level, false);
      assertEquals(found.map(({ id, verdict, reason }) => `${verdict} ${id}: ${reason}`), []);
    });
  }
});

describe("lenientByOption()", () => {
  const of = (id: string, verdict: Verdict, reason: string): CaseResult => ({
    case: SERVER_CASES.find((one) => one.id === id)!,
    level: 4,
    verdict,
    reason,
    endings: [],
    transcript: [],
    ms: 0,
  });
  const stays = of("3.3.1/dup-at-qos-0", "fail", "The connection was to be closed; it stayed open for 9 ms");

  test("leaves what no name is for: another case, another name, another verdict, another finding", () => {
    const others = NAMES.filter((name) => name !== "dup-at-qos-0");
    assertEquals(lenientByOption(stays, others), stays);
    assertEquals(lenientByOption(stays, []), stays);
    const left = [
      of("3.3.1/qos-3", "fail", stays.reason),
      of("3.3.1/dup-at-qos-0", "inconclusive", stays.reason),
      of("3.3.1/dup-at-qos-0", "pass", ""),
      of("3.3.1/dup-at-qos-0", "fail", "It came with DUP 1"),
    ];
    for (const one of left) assertEquals(lenientByOption(one, NAMES), one);
    const { verdict, reason } = lenientByOption(stays, NAMES);
    assertEquals([verdict, reason], ["lenient", `By option dup-at-qos-0: ${stays.reason}`]);
  });

  test("takes a case with many packets only if all that were taken are tolerated", () => {
    const after = (...packets: string[]) =>
      of("4.13/malformed-packets", "fail", `The connection stayed open after: ${packets.join("; ")}`);
    const verdictOf = (...packets: string[]) => lenientByOption(after(...packets), NAMES).verdict;
    assertEquals(verdictOf("PUBREL with flags 0000"), "lenient");
    assertEquals(verdictOf("PUBREL with flags 0000", "SUBSCRIBE with flags 0000"), "lenient");
    assertEquals(verdictOf("PUBREL with flags 0000", "PUBLISH with QoS 3"), "fail");
    assertEquals(verdictOf("packet type 0", "SUBSCRIBE with flags 0000"), "fail");
  });

  test("names that the auditor does not know are a wrong call", async () => {
    const declared = { tolerates: ["dup"] };
    const { message } = await assertRejects(() => audit("mqtt://127.0.0.1:1", { declared }), AuditCallError);
    assert(message.startsWith('tolerates: "dup" is not one of bytes-behind-connect, '), message);
    assertEquals(Object.keys(TOLERATED), NAMES);
  });
});
