/**
 * The rules by which the sources refuse, and the Reason Codes beside them.
 * Knows how a refusal is written in the sources; refuses to know when one comes about.
 * @module
 */
import { readFileSync } from "node:fs";
import type { Rule } from "../../src/broker/mod.ts";
import { STATEMENTS } from "../../spec/statements.ts";
import { UNNUMBERED } from "../../spec/unnumbered.ts";
import { filesUnder, pathOf } from "../lib/tree.ts";
import { hex } from "./stage.ts";

/** Where refusals of Clients that are connected, or want to be, are made. */
const FOLDERS = ["src/codec", "src/topic", "src/broker", "src/login", "src/permissions", "src/transport"];

/** It names the rules that a listener may leave aside, and refuses nobody. */
const TOLERATED = "src/codec/mend.ts";
/** Words of the rules of both roles, not where they refuse. */
const WORDS = "src/codec/words.ts";

/** It names the rules by which a message goes its way, and refuses nobody. */
const EXPLAINED = "src/broker/explain.ts";

/** A rule between quotation marks. */
const RULE = /"((?:MQTT(?:311)?-|[0-9]+\.|limit\/|policy\/)[\w./-]+)"/g;

/** How a rule stands beside its code, which comes first; or alone, with a code that goes without saying. */
const CODE_FIRST =
  /(?:\brefused?\(|new PeerError\("\w+",|\bcode:)\s*(0x[0-9a-f]{2}),\s*(?:rule: )?"([^"]+)"/g;
const MALFORMED = /\bmalformed\(\s*"([^"]+)"/g;
const PROTOCOL_ERROR = /\bprotocolError\(\s*"([^"]+)"((?:[^()]|\([^()]*\))*)\)/g;

function texts(folders: readonly string[]): string[] {
  return folders.flatMap((folder) => filesUnder(folder, ".ts"))
    .filter((path) => !path.endsWith("_test.ts") && ![TOLERATED, WORDS, EXPLAINED].includes(path))
    .map((path) => readFileSync(pathOf(path), "utf8"));
}

function rulesIn(folders: readonly string[]): Set<Rule> {
  const found = texts(folders).flatMap((text) => [...text.matchAll(RULE)].map(([, rule]) => rule as Rule));
  return new Set(found.filter((rule) => rule in STATEMENTS || rule in UNNUMBERED));
}

/** The rules by which Clients are refused. */
export function refusingRules(): Set<Rule> {
  return rulesIn(FOLDERS);
}

/** The rules by which a connection is refused, without a word, before anything of MQTT is read. */
export function acceptRules(): Set<Rule> {
  const rules = rulesIn(["src/server"]);
  rules.delete("policy/websocket-upgrade"); // with an HTTP status
  return rules;
}

/** Each rule with each Reason Code that stands beside it in the sources: `limit/sessions 0x97`. */
export function refusingCodes(): Set<string> {
  const found = new Set<string>();
  for (const text of texts(FOLDERS)) {
    for (const [, code, rule] of text.matchAll(CODE_FIRST)) found.add(`${rule} ${hex(Number(code))}`);
    for (const [, rule] of text.matchAll(MALFORMED)) found.add(`${rule} 0x81`);
    for (const [, rule, rest = ""] of text.matchAll(PROTOCOL_ERROR)) {
      found.add(`${rule} ${hex(Number(/,\s*(0x[0-9a-f]{2})\s*,?\s*$/.exec(rest)?.[1] ?? 0x82))}`);
    }
  }
  return found;
}

/** Rules, and rules with codes of level 5, that stand in the sources and that no Client sees, each with the reason. */
export const UNSEEN: Readonly<Record<string, string>> = {
  "MQTT-4.7.3-2": "U+0000 in a text is refused before, by MQTT-1.5.4-2",
  "MQTT-4.7.3-1 0x90": "below level 5, which has Topic Aliases",
  "MQTT-3.1.0-1 0x82": "a first packet that is no CONNECT is not answered",
  "policy/dollar-topic 0x90": "of a Will, which is dropped so that the Client can come in",
  "MQTT-6.0.0-4": "of a Server's answer, which our Client refuses",
  "limit/connecting 0x97": "a connection without a CONNECT is not answered",
};
