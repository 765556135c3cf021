/**
 * Breaks of §4.3, the Server as receiver.
 * @module
 */
import { acknowledgement, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";

const ACKNOWLEDGE = "src/broker/acknowledge.ts";
const PUBLISH = "src/broker/publish.ts";

/** The two bytes of the identifier in the wrong order. */
function swapped(type: 4 | 5 | 7) {
  return remade(type, ({ id }) => acknowledgement(type, (id! & 255) << 8 | id! >> 8));
}

/** For the cases of `cases/4_3_qos_receiver.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { kills: "4.3.2/acknowledged", toAuditor: swapped(TYPE.PUBACK) },
  {
    kills: "4.3.2/new-after-puback",
    file: PUBLISH,
    find: "if (view.qos > 0 && inUse(connection, session, view)) return;",
    replace: `const last = session as { lastId?: number };
  if (view.qos === 1 && last.lastId === view.packetId && (view.bytes[view.at]! & 8) !== 0) {
    return connection.answer(PacketType.PUBACK << 4, view.packetId, 0);
  }
  if (view.qos === 1) last.lastId = view.packetId;
  if (view.qos > 0 && inUse(connection, session, view)) return;`,
  },
  { kills: "4.3.3/acknowledged", toAuditor: swapped(TYPE.PUBREC) },
  { kills: "4.3.3/pubcomp", toAuditor: swapped(TYPE.PUBCOMP) },
  {
    kills: "4.3.3/pubcomp-for-unknown",
    file: ACKNOWLEDGE,
    find: "connection.answer(PUBCOMP, id, connection.level === 5 ? 0x92 : 0);",
    replace: "",
  },
  {
    kills: "4.3.3/repeat-before-pubrel",
    file: PUBLISH,
    find: "if (received.has(view.packetId)) {",
    replace: "if (received.has(-view.packetId)) {",
  },
  {
    kills: "4.3.3/repeat-on-a-new-connection",
    file: "src/broker/connect.ts",
    find: "return { session: stored, present: true };",
    replace: "stored.received = undefined;\n    return { session: stored, present: true };",
  },
  {
    kills: "4.3.3/new-after-pubcomp",
    file: ACKNOWLEDGE,
    find: "session!.received?.delete(id) === true",
    replace: "session!.received?.has(id) === true",
  },
  {
    kills: "4.3.3/new-after-refusal",
    file: PUBLISH,
    find: "if (refusal !== undefined) return refuse(",
    replace: "if (refusal !== undefined && view.qos === 2) remember(broker, session, view.packetId);\n" +
      "  if (refusal !== undefined) return refuse(",
  },
  {
    kills: "4.3.3/exchange-outlives-expiry",
    file: "src/broker/run.ts",
    find: "if (view.qos === 2) remember(broker, connection.session!, view.packetId);",
    replace: `if (view.qos === 2) remember(broker, connection.session!, view.packetId);
  if (view.expiryAt >= 0) {
    const { packetId } = view;
    setTimeout(() => connection.session!.received?.delete(packetId), view.expirySeconds * 1000);
  }`,
  },
];
