/**
 * Breaks of §3.3.2.3.3.
 * @module
 */
import type { Mutant } from "./mutant.ts";
import { changedProperty } from "./changed_publish.ts";

const DELIVER = "src/broker/deliver.ts";

/** For the cases of `cases/3_3_publish_expiry.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { // an interval that nothing was taken from does not come
    kills: "3.3.2/message-expiry-is-passed-on",
    toAuditor: changedProperty(0x02, (seconds) => Number(seconds) >= 99 ? undefined : seconds),
  },
  {
    kills: "3.3.2/expires-while-away",
    file: DELIVER,
    find: "if (message.expiresAt <= this.#turn.now && !session.isNode) {",
    replace: "if (message.expiresAt <= this.#turn.now && !session.isNode && connection.sendLimit === 1) {",
  },
  {
    kills: "3.3.2/time-away-is-counted",
    file: DELIVER,
    find: "message.expiresAt);\n    const item",
    replace: "message.expiresAt);\n    stamp.expirySeconds = message.view.expirySeconds;\n    const item",
  },
  {
    kills: "3.3.2/time-unread-is-counted",
    file: "src/engine/link.ts",
    find: "if (this.level === 5 && this.outbox.size > 0) this.#noteAge();",
    replace: "if (this.level === 3 && this.outbox.size > 0) this.#noteAge();",
  },
  { // it is kept for a minute more
    kills: "3.3.2/retained-expires",
    file: "src/broker/router.ts",
    find: "this.#retained.set(outgoing);",
    replace: "this.#retained.set({ ...outgoing, expiresAt: outgoing.expiresAt + 60_000 });",
  },
  {
    kills: "3.3.2/time-retained-is-counted",
    toAuditor: changedProperty(0x02, (seconds, { retain }) => retain === true ? 100 : seconds),
  },
  {
    kills: "3.3.2/expires-behind-receive-maximum",
    file: DELIVER,
    find: "if (message.expiresAt <= this.#turn.now && !session.isNode) {",
    replace: "if (message.expiresAt <= this.#turn.now && !session.isNode && connection.sendLimit !== 1) {",
  },
];
