/**
 * Breaks of §4.8.2.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const FILTER = "src/topic/filter.ts";

/** For the cases of `cases/4_8_shared.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.8.2/no-share-name",
    file: FILTER,
    find: 'if (share === "") return "MQTT-4.8.2-1";',
    replace: "",
  },
  {
    kills: "4.8.2/wildcard-in-share-name",
    file: FILTER,
    find: 'if (end < 0 || end + 1 === text.length || hasWildcard(share)) return "MQTT-4.8.2-2";',
    replace: 'if (end < 0 || end + 1 === text.length) return "MQTT-4.8.2-2";',
  },
  {
    kills: "4.8.2/no-filter-behind-share-name",
    file: FILTER,
    find: 'if (end < 0 || end + 1 === text.length || hasWildcard(share)) return "MQTT-4.8.2-2";',
    replace: "if (end + 1 === text.length) return { text, share, match: text, wildcard: false };\n" +
      '    if (end < 0 || hasWildcard(share)) return "MQTT-4.8.2-2";',
  },
  {
    kills: "4.8.2/one-member",
    file: "src/broker/batch.ts",
    find: "const members = group.inTurn(count, this.#qos);",
    replace:
      `for (const other of [...group.members].slice(1)) this.#toMember(topic, group, other, 0, count, 1);
    const members = group.inTurn(count, this.#qos);`,
  },
  {
    kills: "4.8.2/granted-qos",
    file: "src/broker/batch.ts",
    find: "const qos = copies.qos = Math.min(this.#qos, member.qos) as QoS;",
    replace: "const qos = copies.qos = this.#qos;",
  },
  ...["4.8.2/finished-with-the-same-member", "4.8.2/released-with-the-same-member"].map((kills): Mutant => ({
    kills,
    file: "src/broker/sessions.ts",
    find: "this.#inPortions(session, disconnecting(session, this.#parts));",
    replace: `session.sender?.each((id, _step, delivery) => {
      if (delivery?.share === undefined) return;
      session.sender!.end(id);
      router.toOtherMember(delivery, turn.now, new Map());
    });`,
  })),
  {
    kills: "4.8.2/begun-goes-to-no-other",
    file: "src/broker/ending.ts",
    find: "(step === Step.PUBACK || step === Step.RESEND_1)",
    replace: "step !== Step.PUBCOMP",
  },
  ...["puback(sender, id)", "pubrec(sender, id, code)"].map((outcome, i): Mutant => ({
    kills: `4.8.2/refused-qos-${i + 1}`,
    file: "src/broker/acknowledge.ts",
    find: outcome,
    replace: `(code >= 0x80 && delivery?.share !== undefined &&
      parts.router.toOtherMember(delivery, parts.turn.now, new Map()), ${outcome})`,
  })),
  {
    kills: "4.8.2/no-retained-messages",
    file: "src/broker/subscribe.ts",
    find: "if (isWanted && !subscription.isShared)",
    replace: "if (isWanted)",
  },
];
