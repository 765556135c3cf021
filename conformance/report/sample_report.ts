/**
 * A small audit with every verdict in it and with texts that markup takes amiss, for tests of the reports.
 * Knows one made-up audit; refuses to be used elsewhere.
 * @module
 */
import { type CaseResult, type LevelReport, statementResults } from "../result.ts";
import { connect, hex, type Level, pingreq } from "../wire/bytes.ts";
import { serverCases } from "../case.ts";
import { describe } from "../wire/describe.ts";
import type { TranscriptLine } from "../wire/peer.ts";
import type { Ending, Verdict } from "../verdict.ts";
import { type About, type AuditReport, reportOf } from "./json.ts";

/** A text that must be escaped everywhere. */
export const NASTY = `<b>&"'\`|*\u0000 ]]> </script>`;

const run = () => Promise.resolve();
const both = { levels: [4, 5] as const, run, requires: "It is as it should be." };

const CASES = serverCases("3.3.1", {
  "qos-3": { ...both, statements: ["MQTT-3.3.1-4", "MQTT311-3.3.1-4"], does: `Sends ${NASTY}.` },
  "dup-at-qos-0": { ...both, statements: ["MQTT-3.3.1-2", "MQTT311-3.3.1-2"], does: "Sends DUP." },
  "twice": { ...both, statements: ["MQTT-3.3.1-4", "2.2.1/zero"], does: "Sends it twice." },
  "retained": { ...both, statements: ["MQTT-3.3.1-5"], does: "Publishes.", levels: [5] },
  "silent": { ...both, statements: ["MQTT-3.3.1-6"], does: "Waits.", levels: [5], timing: true },
});

const FOUND: readonly (readonly [verdict: Verdict, reason: string, endings: readonly Ending[]])[] = [
  ["fail", `It went wrong: ${NASTY}`, ["hang"]],
  ["lenient", "Reason 0x81 came; 0x82 is named", ["code"]],
  ["pass", "", ["silent close", "silent close"]],
  ["unsupported", "The target does not offer: retain", []],
  ["inconclusive", "The case was given up after 1000 ms", []],
];

/** The password in the bytes of the transcript. */
export const SECRET = "s3cret pass";

function transcript(level: Level): TranscriptLine[] {
  const line = (at: number, direction: TranscriptLine["direction"], bytes: Uint8Array, text?: string) => ({
    at,
    peer: `client ${NASTY}`,
    direction,
    hex: hex(bytes),
    text: text ?? describe(bytes, level),
  });
  const first = connect({ level, clientId: "a", username: "u", password: SECRET });
  return [
    line(0, "sent", first),
    line(2, "sent", pingreq()),
    line(3, "received", Uint8Array.of(0xd0, 0)),
    line(2003, "event", new Uint8Array(0), "the connection ended (close)"),
  ];
}

function levelReport(level: Level, verdicts: readonly (typeof FOUND)[number][]): LevelReport {
  const results = CASES.filter((one) => one.levels.includes(level)).map((one): CaseResult => {
    const [verdict, reason, endings] = verdicts[CASES.indexOf(one)]!;
    const lines = verdict === "unsupported" ? [] : transcript(level);
    return { case: one, level, verdict, reason, endings, transcript: lines, ms: 7 };
  });
  return {
    level,
    unreachable: undefined,
    unreachableKind: undefined,
    stopped: undefined,
    profile: {
      level,
      missing: new Set(["retain"]),
      receiveMaximum: 65_535,
      maximumPacketSize: undefined,
      topicAliasMaximum: 10,
      maximumQos: 2,
      serverKeepAlive: undefined,
    },
    results,
    statements: statementResults(results, level),
  };
}

const ABOUT: About = {
  target: `mqtt://user:${SECRET}@127.0.0.1:1883`,
  date: "2026-01-02T03:04:05Z",
  product: `broker ${NASTY}`,
  version: "0.1.0",
  runtime: "Deno 2.9.6",
  timing: true,
  only: [],
  patienceMs: 2000,
  secrets: [SECRET],
  allCases: CASES,
};

/** The report; with `verdict` every case has found that. */
export function sampleReport(verdict?: Verdict, about: Partial<About> = {}): AuditReport {
  const verdicts = verdict === undefined ? FOUND : FOUND.map(() => [verdict, "", []] as const);
  return reportOf([levelReport(5, verdicts), levelReport(4, verdicts)], { ...ABOUT, ...about });
}

/** A report of a target that could not be reached at level 5. */
export function unreachableReport(): AuditReport {
  const level = {
    ...levelReport(5, FOUND.map(() => ["inconclusive", "It cannot be reached", []] as const)),
    unreachable: `It cannot be reached: ${NASTY}`,
    unreachableKind: "host" as const,
    profile: undefined,
  };
  return reportOf([level], ABOUT);
}
