/**
 * Breaks of §3.1.2.5 and §3.1.3.2.
 * @module
 */
import type { Mutant, SourceMutant } from "./mutant.ts";

const ENGINE = "src/broker/engine.ts";
const LOST = "if (will !== undefined) this.#loseWill(session, will, now);";
const AT_ONCE = "if (will.delaySeconds === 0 || !session.kept) return this.publishWill(will, now);";
const REMOVED = "if (discards) this.will = undefined;";
const RETAINED = "if (message.view.retain) {";

/** A way to be lost after which no will is published. */
function forgotten(name: string, unless: string): SourceMutant {
  return {
    kills: `3.1.2/will-comes-after-${name}`,
    file: ENGINE,
    find: LOST,
    replace: LOST.replace("!== undefined", `!== undefined && ${unless}`),
  };
}

function engine(kills: string, find: string, replace: string): SourceMutant {
  return { kills, file: ENGINE, find, replace };
}

/** For the cases of `cases/3_1_connect_will.ts`. */
export const MUTANTS: readonly Mutant[] = [
  forgotten("reset", "refusal !== undefined"),
  forgotten("close", "refusal !== undefined"),
  forgotten("protocol-error", 'refusal?.rule !== "2.1.2/reserved-type"'),
  forgotten("takeover", "refusal?.code !== 0x8e"),
  {
    kills: "3.1.2/will-comes-after-disconnect-with-will",
    file: "src/broker/connection.ts",
    find: REMOVED,
    replace: "this.will = undefined;",
  },
  {
    kills: "3.1.2/no-will-after-disconnect",
    file: "src/broker/connection.ts",
    find: REMOVED,
    replace: "",
  },
  engine(
    "3.1.2/will-comes-once",
    AT_ONCE,
    "if (will.delaySeconds === 0) this.publishWill(will, now);\n    else if (!session.kept) return this.publishWill(will, now);",
  ),
  engine("3.1.2/will-of-retain-0", RETAINED, "if (message.topic.length > 0) {"),
  engine("3.1.2/will-of-retain-1", RETAINED, "if (message.topic.length === 0) {"),
  engine(
    "3.1.2/will-comes-when-the-session-ends",
    AT_ONCE,
    `if (!session.kept && will.delaySeconds > 0) return;\n    ${AT_ONCE}`,
  ),
  engine(
    "3.1.2/will-comes-when-the-session-is-replaced",
    "this.publishWill(will.will, now); // [MQTT-3.1.2-8]",
    "",
  ),
  engine("3.1.2/will-waits-for-its-delay", AT_ONCE, AT_ONCE.replace("=== 0", ">= 0")),
  engine(
    "3.1.2/will-comes-when-the-session-expires",
    AT_ONCE,
    `${AT_ONCE}
    return this.timers.schedule(new PendingWill(this, session, will), now + will.delaySeconds * 1000);`,
  ),
  {
    kills: "3.1.3/no-will-if-the-client-is-back-in-time",
    file: "src/broker/connect.ts",
    find: "if (stored.pendingWill !== undefined) broker.timers.cancel(stored.pendingWill);",
    replace: "",
  },
  {
    kills: "3.1.3/user-properties-in-order",
    file: "src/broker/will.ts",
    find: "const view = frameOf(will, properties, level);",
    replace:
      "const view = frameOf(will, { ...properties, userProperties: (properties.userProperties ?? []).toReversed() }, level);",
  },
];
