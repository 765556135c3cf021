/**
 * Breaks of §3.1.2.5 and §3.1.3.2.
 * @module
 */
import type { Mutant, SourceMutant } from "./mutant.ts";

const CONNECTION = "src/broker/connection.ts";
const SESSIONS = "src/broker/sessions.ts";
const LOST = "if (will !== undefined) this.#loseWill(session, will);";
const AT_ONCE = "if (will.delaySeconds === 0 || !session.persists) return this.publishWill(will);";
const REMOVED = "const discards = reasonCode === 0 && open.forgetWill();";
const RETAINED = "if (outgoing.view.retain) {";

/** A way to be lost after which no will is published. */
function forgotten(name: string, unless: string): SourceMutant {
  return {
    kills: `3.1.2/will-comes-after-${name}`,
    file: SESSIONS,
    find: LOST,
    replace: LOST.replace("!== undefined", `!== undefined && ${unless}`),
  };
}

function sessions(kills: string, find: string, replace: string): SourceMutant {
  return { kills, file: SESSIONS, find, replace };
}

/** For the cases of `cases/3_1_connect_will.ts`. */
export const MUTANTS: readonly Mutant[] = [
  forgotten("reset", "refusal !== undefined"),
  forgotten("close", "refusal !== undefined"),
  forgotten("protocol-error", 'refusal?.rule !== "2.1.2/reserved-type"'),
  forgotten("takeover", "refusal?.code !== 0x8e"),
  {
    kills: "3.1.2/will-comes-after-disconnect-with-will",
    file: CONNECTION,
    find: REMOVED,
    replace: "const discards = open.forgetWill();",
  },
  {
    kills: "3.1.2/no-will-after-disconnect",
    file: CONNECTION,
    find: REMOVED,
    replace: "const discards = false;",
  },
  sessions(
    "3.1.2/will-comes-once",
    AT_ONCE,
    "if (will.delaySeconds === 0) this.publishWill(will);\n    else if (!session.persists) return this.publishWill(will);",
  ),
  sessions("3.1.2/will-of-retain-0", RETAINED, "if (outgoing.topic.length > 0) {"),
  sessions("3.1.2/will-of-retain-1", RETAINED, "if (outgoing.topic.length === 0) {"),
  sessions(
    "3.1.2/will-comes-when-the-session-ends",
    AT_ONCE,
    `if (!session.persists && will.delaySeconds > 0) return;\n    ${AT_ONCE}`,
  ),
  sessions(
    "3.1.2/will-comes-when-the-session-is-replaced",
    "this.publishWill(will.will); // [MQTT-3.1.2-8]",
    "",
  ),
  sessions("3.1.2/will-waits-for-its-delay", AT_ONCE, AT_ONCE.replace("=== 0", ">= 0")),
  sessions(
    "3.1.2/will-comes-when-the-session-expires",
    AT_ONCE,
    `${AT_ONCE}
    const { timers, now } = this.#parts.turn;
    return timers.schedule(new PendingWill(will, () => this.publishWill(will)), now + will.delaySeconds * 1000);`,
  ),
  {
    kills: "3.1.3/no-will-if-the-client-is-back-in-time",
    file: SESSIONS,
    find: "if (known.pendingWill !== undefined) timers.cancel(known.pendingWill);",
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
