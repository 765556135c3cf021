/**
 * Breaks of §4.7.
 * @module
 */
import { subscribe, TYPE } from "../wire/bytes.ts";
import { parse } from "../wire/parse.ts";
import type { Mutant } from "./mutant.ts";

const FILTER = "src/topic/filter.ts";
const KNOWN = "src/broker/known_topics.ts";
const TREE = "src/topic/tree.ts";
const CURSOR = "src/topic/name_cursor.ts";

/** For the cases of `cases/4_7_topics.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.7/multi-level-wildcard-misplaced",
    file: FILTER,
    find: 'return "MQTT-4.7.1-1";',
    replace: "return undefined;",
  },
  {
    kills: "4.7/single-level-wildcard-misplaced",
    file: FILTER,
    find: 'if (!left || !right) return "MQTT-4.7.1-2";',
    replace: 'if (!left && !right) return "MQTT-4.7.1-2";',
  },
  { // it is taken for another one
    kills: "4.7/empty-filter",
    toBroker: (raw, level) => {
      const { type, id, filters } = parse(raw, level);
      return [
        type === TYPE.SUBSCRIBE && filters?.[0]?.filter === "" ? subscribe(level, id!, [["x", 0]]) : raw,
      ];
    },
  },
  { // it is passed over
    kills: "4.7/filter-with-null",
    toBroker: (raw, level) => {
      const bad = raw[0]! >> 4 === TYPE.SUBSCRIBE &&
        parse(raw, level).faults.some((one) => one.includes("U+0000"));
      return bad ? [] : [raw];
    },
  },
  { // `#` without its parent level
    kills: "4.7/wildcards-match",
    file: TREE,
    find: "append(at.hash, out); // `#` matches its parent level too",
    replace: "if (from <= topic.length) append(at.hash, out);",
  },
  {
    kills: "4.7/wildcards-match-retained",
    file: CURSOR,
    find: "if (depth < this.#levels.length || this.#tree.value(node) === NONE) return false;",
    replace: "if (depth < this.#levels.length || this.#tree.value(node) === NONE) return false;\n" +
      "    if (this.#hash && depth === this.#levels.length) return false;",
  },
  {
    kills: "4.7/no-normalisation",
    file: KNOWN,
    find: "const name = decodeUtf8(bytes, at, end);",
    replace: "const name = decodeUtf8(bytes, at, end)?.normalize();",
  },
  {
    kills: "4.7/dollar-topics-of-server",
    file: "src/broker/subscribe.ts",
    find: "  const suback = {",
    replace: '  if (packet.subscriptions[0]!.filter === "#") {\n    const topic = "$SYS/uptime";\n    ' +
      "link.send({ type: PacketType.PUBLISH, dup: false, qos: 0, retain: true, topic, " +
      "payload: new Uint8Array(1) });\n  }\n  const suback = {",
  },
  { // a Client may publish to $ topics, and + matches them
    kills: "4.7/dollar-topic-of-client",
    file: KNOWN,
    find: "    name,\n    bytes: own,\n    levels: levelCount(name),\n    dollar: own[0] === 0x24,",
    replace:
      '    name: name.replace("$", "x"),\n    bytes: own,\n    levels: levelCount(name),\n    dollar: false,',
  },
];
