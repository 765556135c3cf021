/**
 * Breaks of §4.9.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const ACKNOWLEDGE = "src/broker/acknowledge.ts";

/** For the cases of `cases/4_9_flow_control.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.9/qos-1-within-receive-maximum",
    file: "src/broker/deliver.ts",
    find: "return connection.open < connection.sendLimit &&",
    replace: "return connection.open <= connection.sendLimit &&",
  },
  {
    kills: "4.9/qos-2-within-receive-maximum",
    file: ACKNOWLEDGE,
    find: "if (delivery !== undefined) released(connection, delivery);",
    replace: "connection.open--;\n    pump(connection, now);\n" +
      "    if (delivery !== undefined) released(connection, delivery);",
  },
  {
    kills: "4.9/both-qos-within-receive-maximum",
    file: "src/broker/deliver.ts",
    find: "connection.open++;\n    if (delivery !== undefined) delivery.packetId = id;",
    replace: "if (qos === 1) connection.open++;\n    if (delivery !== undefined) delivery.packetId = id;",
  },
  {
    kills: "4.9/refusals-make-room",
    file: ACKNOWLEDGE,
    find: "if (step < Step.RESEND_1) connection.open--;",
    replace: "if (step < Step.RESEND_1 && code < 0x80) connection.open--;",
  },
  {
    kills: "4.9/within-receive-maximum-again",
    file: "src/broker/deliver.ts",
    find: "while (session.resend !== undefined && canSend(connection)) {",
    replace: "while (session.resend !== undefined) {",
  },
  {
    kills: "4.9/other-packets-go-on",
    file: "src/broker/subscribe.ts",
    find: "const identifier = packet.properties?.subscriptionIdentifier ?? 0;",
    replace: "const identifier = packet.properties?.subscriptionIdentifier ?? 0;\n" +
      "  if (connection.open >= connection.sendLimit) return;",
  },
  {
    kills: "4.9/receive-maximum-of-the-target",
    file: "src/broker/publish.ts",
    find: "if (view.qos === 2 && received.size >= connection.receiveLimit) {",
    replace: "if (view.qos === 2 && received.size > connection.receiveLimit) {",
  },
];
