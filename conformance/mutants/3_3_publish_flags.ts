/**
 * Breaks of §3.3.1.1 and §3.3.1.2.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const VIEW = "src/codec/publish_view.ts";
const TEMPLATE = "src/codec/publish_template.ts";

/** For the cases of `cases/3_3_publish_flags.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.3.1/qos-3",
    file: VIEW,
    find: "const qos = (first >> 1) & 3;",
    replace: "const qos = Math.min(2, (first >> 1) & 3);",
  },
  {
    kills: "3.3.1/dup-at-qos-0",
    file: VIEW,
    find: 'if (qos === 0 && this.dup) throw malformed("MQTT-3.3.1-2", "PUBLISH with DUP 1 and QoS 0");',
    replace: "",
  },
  {
    kills: "3.3.1/dup-is-not-passed-on",
    file: TEMPLATE,
    find: "out[at] = stamp.first;",
    replace: "out[at] = stamp.first | (stamp.packetId === 0 ? 0 : view.bytes[view.at]! & 8);",
  },
  {
    kills: "3.3.1/dup-is-not-passed-on-at-qos-0",
    file: TEMPLATE,
    find: "out[at++] = stamp.first;",
    replace: "out[at++] = stamp.first | (view.bytes[view.at]! & 8);",
  },
  {
    kills: "3.3.1/sent-again-with-dup",
    file: "src/broker/deliver.ts",
    find: "stamp.first = publishFirst(qos, retain, true);",
    replace: "stamp.first = publishFirst(qos, retain, false);",
  },
];
