/**
 * Breaks of §4.4.
 * @module
 */
import { bytes, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";

const ACKNOWLEDGE = "src/broker/acknowledge.ts";

/** For the cases of `cases/4_4_redelivery.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.4/everything-open-comes-again",
    file: "src/broker/connect.ts",
    find: "    sendOpenAgain(parts, open);\n",
    replace: "",
  },
  {
    kills: "4.4/everything-open-comes-again",
    toAuditor: remade(TYPE.PUBLISH, ({ raw }) => bytes(raw[0]! & ~8, raw.subarray(1))),
  },
  {
    kills: "4.4/acknowledged-comes-no-more",
    file: "src/delivery/exchange.ts",
    find: "if (step !== Step.PUBACK && step !== Step.RESEND_1)",
    replace: "if (step !== Step.RESEND_1)",
  },
  {
    kills: "4.4/refused-qos-1-comes-no-more",
    file: ACKNOWLEDGE,
    find: "if (puback(sender, id) !== Outcome.ENDED) return;",
    replace: "if (code >= 0x80 || puback(sender, id) !== Outcome.ENDED) return;",
  },
  {
    kills: "4.4/refused-qos-2-comes-no-more",
    file: ACKNOWLEDGE,
    find: "const outcome = pubrec(sender, id, code);",
    replace: "if (code >= 0x80) return;\n    const outcome = pubrec(sender, id, code);",
  },
  {
    kills: "4.4/refused-qos-2-comes-no-more",
    file: ACKNOWLEDGE,
    find: "const outcome = pubrec(sender, id, code);",
    replace: "const outcome = pubrec(sender, id, 0);",
  },
  {
    kills: "4.4/no-repeat-while-connected",
    file: "src/broker/batch.ts",
    find: "if (qos > 0) this.#open(topic, session, isKept, frames.idAt, outbox.buffer, place, from, until);",
    replace: `if (qos > 0) this.#open(topic, session, isKept, frames.idAt, outbox.buffer, place, from, until);
        const at = place + begin - frames.from;
        const copy = outbox.buffer.slice(at, at + frames.place(until) - begin);
        copy[0]! |= 8;
        setTimeout(() => {
          if (session.sender!.open > 0) outbox.append(copy, 0, copy.length);
          link.flush();
        }, 1500);`,
  },
];
