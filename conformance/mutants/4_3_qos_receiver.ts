/**
 * Breaks of §4.3, the Server as receiver.
 * @module
 */
import { acknowledgement, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";

const ACKNOWLEDGE = "src/broker/acknowledge.ts";
const BATCH = "src/broker/batch.ts";
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
    file: BATCH,
    find: "if (isInUse(parts, open, view)) {",
    replace: `const last = open.session as { lastId?: number };
    if (view.qos === 1 && last.lastId === view.packetId && (view.bytes[view.at]! & 8) !== 0) {
      open.link.answer(PacketType.PUBACK << 4, view.packetId, 0);
      return true;
    }
    if (view.qos === 1) last.lastId = view.packetId;
    if (isInUse(parts, open, view)) {`,
  },
  {
    kills: "4.3.2/under-a-forgotten-qos-2",
    file: PUBLISH,
    find:
      "forget(parts, open, view.packetId); // PUBACK could not refuse it, and to drop it would lose it\n      return false;",
    replace: "open.link.answer(PacketType.PUBACK << 4, view.packetId, 0);\n      return true;",
  },
  {
    kills: "4.3.3/many-open",
    file: "src/broker/open.ts",
    find: ": 65_535;",
    replace: ": limits.receiveMaximum;",
  },
  {
    kills: "4.3.3/pubrel-again-on-a-new-connection",
    file: "src/broker/open.ts",
    find: "this.isRecovering = options.isResumed;",
    replace: "this.isRecovering = false;",
  },
  { kills: "4.3.3/acknowledged", toAuditor: swapped(TYPE.PUBREC) },
  { kills: "4.3.3/pubcomp", toAuditor: swapped(TYPE.PUBCOMP) },
  {
    kills: "4.3.3/pubcomp-for-unknown",
    file: ACKNOWLEDGE,
    find: "link.answer(PUBCOMP, id, link.level === 5 && !isRecovering ? 0x92 : 0);",
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
    file: "src/broker/sessions.ts",
    find: "return { session: known, isPresent: true };",
    replace: "for (let id = 1; id < 65_536; id++) known.received?.delete(id);\n" +
      "      return { session: known, isPresent: true };",
  },
  {
    kills: "4.3.3/new-after-pubcomp",
    file: ACKNOWLEDGE,
    find: "session.received?.delete(id) === true",
    replace: "session.received?.has(id) === true",
  },
  {
    kills: "4.3.3/new-after-refusal",
    file: BATCH,
    find: "open.permissions.forget();",
    replace: "open.permissions.forget();\n" +
      "    if (refusal !== undefined && view.qos === 2) remember(parts, open, view.packetId);",
  },
  {
    kills: "4.3.3/exchange-outlives-expiry",
    file: BATCH,
    find: "remember(this.#parts, publisher, this.#idOf(i), mark);",
    replace: `{
      remember(this.#parts, publisher, this.#idOf(i), mark);
      const { expiryAt, expirySeconds, packetId } = this.#frameAt(i);
      if (expiryAt < 0) continue;
      setTimeout(() => publisher.session.received?.delete(packetId), expirySeconds * 1000);
    }`,
  },
];
