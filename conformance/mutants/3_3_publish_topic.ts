/**
 * Breaks of §3.3.2.1.
 * @module
 */
import { TYPE } from "../wire/bytes.ts";
import { parse } from "../wire/parse.ts";
import type { Mutant } from "./mutant.ts";

const KNOWN = "src/broker/known_topics.ts";
const CHECKED = "const topic = checkPublish(parts, open, view);";

/** For the cases of `cases/3_3_publish_topic.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.3.2/topic-not-utf-8",
    file: KNOWN,
    find: "const name = decodeUtf8(bytes, at, end);",
    replace: "const name = decodeUtf8(bytes, at, end) ?? new TextDecoder().decode(bytes.subarray(at, end));",
  },
  { // what ends inside its topic is passed over
    kills: "3.3.2/topic-cut-off",
    toBroker: (raw, level) => {
      const short = raw[0]! >> 4 === TYPE.PUBLISH &&
        parse(raw, level).faults.some((one) => one.startsWith("ends inside"));
      return short ? [] : [raw];
    },
  },
  {
    kills: "3.3.2/topic-with-wildcard",
    file: KNOWN,
    find: 'if (hasWildcard(name)) throw protocolError("MQTT-3.3.2-2", "Wildcard in the Topic Name", 0x90);',
    replace: "",
  },
  { // a filter matches what is below it
    kills: "3.3.2/topic-matches",
    file: "src/topic/tree.ts",
    find: "if (at > end) return from > topic.length;",
    replace: "if (at > end) return true;",
  },
  {
    kills: "3.3.2/no-topic-and-no-alias",
    file: "src/broker/batch.ts",
    find: CHECKED,
    replace: `if (view.topicEnd === view.topicAt && open.link.level === 5) return true;\n    ${CHECKED}`,
  },
  {
    kills: "3.3.2/empty-topic",
    file: "src/broker/batch.ts",
    find: CHECKED,
    replace: `if (view.topicEnd === view.topicAt && open.link.level !== 5) return true;\n    ${CHECKED}`,
  },
  {
    kills: "3.3.2/topic-with-null",
    file: KNOWN,
    find: 'if (name.includes("\\0")) throw malformed("MQTT-1.5.4-2", "Topic Name with U+0000");',
    replace: "",
  },
];
