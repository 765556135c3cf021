/**
 * Breaks of §4.6.
 * @module
 */
import { acknowledgement, publish, TYPE } from "../wire/bytes.ts";
import { payloadText } from "../wire/parse.ts";
import type { Mutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";

/** For the cases of `cases/4_6_order.ts`. */
export const MUTANTS: readonly Mutant[] = [
  ...[0, 1, 2].map((qos): Mutant => ({
    kills: "4.6/live",
    toAuditor: remade(TYPE.PUBLISH, (seen, level) => {
      const at = [`${qos}:3`, `${qos}:4`].indexOf(payloadText(seen));
      if (at < 0) return undefined;
      const { topic, id } = seen;
      const payload = `${qos}:${4 - at}`;
      return publish({ level, topic: topic!, payload, qos, ...(id === undefined ? {} : { id }) });
    }),
  })),
  {
    kills: "4.6/queued",
    file: "src/delivery/queue.ts",
    find: "const item = this.#items[this.#head];\n    this.#items[this.#head++] = undefined;",
    replace: "const item = this.#items.pop();",
  },
  {
    kills: "4.6/sent-again",
    file: "src/broker/connect.ts",
    find: "unfinished.sort((a, b) => a.order - b.order);",
    replace: "unfinished.sort((a, b) => b.order - a.order);",
  },
  {
    kills: "4.6/pubrel",
    toAuditor: remade(TYPE.PUBREL, ({ id }) => acknowledgement(TYPE.PUBREL, [0, 2, 1][id!] ?? id!)),
  },
];
