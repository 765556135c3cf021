/**
 * Breaks of §4.9.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const ACKNOWLEDGE = "src/broker/acknowledge.ts";
const IN_FLIGHT = "return step === Step.FREE || step >= Step.RESEND_1 ? 0 : 1;";

/** For the cases of `cases/4_9_flow_control.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.9/qos-1-within-receive-maximum",
    file: "src/broker/session.ts",
    find: "this.connection.sendLimit - inFlight;",
    replace: "this.connection.sendLimit + 1 - inFlight;",
  },
  { // PUBREC makes room
    kills: "4.9/qos-2-within-receive-maximum",
    file: "src/delivery/sender.ts",
    find: IN_FLIGHT,
    replace: "return step === Step.PUBACK || step === Step.PUBREC ? 1 : 0;",
  },
  {
    kills: "4.9/both-qos-within-receive-maximum",
    file: "src/delivery/sender.ts",
    find: IN_FLIGHT,
    replace: "return step === Step.PUBACK ? 1 : 0;",
  },
  {
    kills: "4.9/refusals-make-room",
    file: ACKNOWLEDGE,
    find: "if (session.hasMore) deliverer.pump(session);",
    replace: "if (code >= 0x80) (session.connection as { sendLimit: number }).sendLimit--;\n" +
      "  if (session.hasMore) deliverer.pump(session);",
  },
  {
    kills: "4.9/within-receive-maximum-again",
    file: "src/broker/deliver.ts",
    find: "while (session.resend !== undefined && session.quota > 0 && !connection.isFull) {",
    replace: "while (session.resend !== undefined) {",
  },
  {
    kills: "4.9/other-packets-go-on",
    file: "src/broker/subscribe.ts",
    find: "const identifier = packet.properties?.subscriptionIdentifier ?? 0;",
    replace: "const identifier = packet.properties?.subscriptionIdentifier ?? 0;\n" +
      "  if (session.quota <= 0) return true;",
  },
  {
    kills: "4.9/receive-maximum-of-the-target",
    file: "src/broker/publish.ts",
    find: "if (view.qos === 2 && received.size >= open.receiveLimit) {",
    replace: "if (view.qos === 2 && received.size > open.receiveLimit) {",
  },
];
