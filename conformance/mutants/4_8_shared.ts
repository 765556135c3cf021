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
    replace:
      "if (end + 1 === text.length) return { text, share: undefined, match: text, wildcard: false };\n" +
      '    if (end < 0 || hasWildcard(share)) return "MQTT-4.8.2-2";',
  },
  {
    kills: "4.8.2/one-member",
    file: "src/broker/publish.ts",
    find: "const member = group.choose(outgoing, broker);",
    replace: `for (const { session, qos: granted, identifiers } of group.members.slice(1)) {
    deliver(broker, outgoing, session, Math.min(qos, granted) as QoS, false, identifiers, group, now);
  }
  const member = group.choose(outgoing, broker);`,
  },
  {
    kills: "4.8.2/granted-qos",
    file: "src/broker/publish.ts",
    find: "const least = Math.min(qos, member.qos) as QoS;",
    replace: "const least = qos;",
  },
  ...["4.8.2/finished-with-the-same-member", "4.8.2/released-with-the-same-member"].map((kills): Mutant => ({
    kills,
    file: "src/broker/engine.ts",
    find: "this.#passOnQueued(session, now);",
    replace: `session.sender?.each((id, _step, delivery) => {
      if (delivery?.group === undefined) return;
      session.sender!.end(id);
      deliverToOther(this, delivery, now);
    });`,
  })),
  {
    kills: "4.8.2/begun-goes-to-no-other",
    file: "src/broker/engine.ts",
    find: "(step === Step.PUBACK || step === Step.RESEND_1)",
    replace: "step !== Step.PUBCOMP",
  },
  ...[1, 2].map((qos): Mutant => ({
    kills: `4.8.2/refused-qos-${qos}`,
    file: "src/broker/acknowledge.ts",
    find: "if (code >= 0x80) {\n      const { message } = delivery;",
    replace: `if (code >= 0x80) {
      const { message } = delivery;
      if (delivery.group !== undefined && delivery.qos === ${qos}) {
        import("./publish.ts").then(({ deliverToOther }) => {
          deliverToOther(connection.broker, delivery, now);
          connection.broker.flush(now);
        });
      }`,
  })),
  {
    kills: "4.8.2/no-retained-messages",
    file: "src/broker/subscribe.ts",
    find: "if (wanted && !subscription.isShared) {",
    replace: "if (wanted) {",
  },
];
