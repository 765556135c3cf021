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
    find: "if (present) sendOpenAgain(connection, session, now);",
    replace: "",
  },
  {
    kills: "4.4/everything-open-comes-again",
    toAuditor: remade(TYPE.PUBLISH, ({ raw }) => bytes(raw[0]! & ~8, raw.subarray(1))),
  },
  {
    kills: "4.4/acknowledged-comes-no-more",
    file: ACKNOWLEDGE,
    find: "if (step === Step.PUBACK || step === Step.RESEND_1) ended(",
    replace: "if (step === Step.RESEND_1) ended(",
  },
  {
    kills: "4.4/refused-qos-1-comes-no-more",
    file: ACKNOWLEDGE,
    find: "if (step === Step.PUBACK || step === Step.RESEND_1) ended(",
    replace: "if (code < 0x80 && (step === Step.PUBACK || step === Step.RESEND_1)) ended(",
  },
  {
    kills: "4.4/refused-qos-2-comes-no-more",
    file: ACKNOWLEDGE,
    find: "if (code >= 0x80) return ended(connection, id, step, code, now);",
    replace: "if (code >= 0x80) return;",
  },
  {
    kills: "4.4/refused-qos-2-comes-no-more",
    file: ACKNOWLEDGE,
    find: "if (code >= 0x80) return ended(connection, id, step, code, now);",
    replace: "",
  },
  {
    kills: "4.4/no-repeat-while-connected",
    file: "src/broker/run.ts",
    find: "else openAll(receiver, session.exchanges(), at, run, frames);",
    replace: `else openAll(receiver, session.exchanges(), at, run, frames);
      const copy = receiver.outbox.buffer.slice(at, at + frames.to - frames.from);
      copy[0]! |= 8;
      setTimeout(() => {
        if (session.sender!.open > 0) receiver.outbox.append(copy, 0, copy.length);
        receiver.flush();
      }, 1500);`,
  },
];
