/**
 * Breaks of §4.1.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const CONNECT = "src/broker/connect.ts";
const EXPIRY = "session.expirySeconds = expirySeconds;";

/** For the cases of `cases/4_1_session.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.1/lasts-as-long-as-the-connection",
    file: CONNECT,
    find: EXPIRY,
    replace: `${EXPIRY}
  setTimeout(() => {
    for (const subscription of session.subscriptions.values()) parts.router.unsubscribe(session, subscription);
  }, 1500);`,
  },
  {
    kills: "4.1/ends-when-it-expires",
    file: "src/broker/sessions.ts",
    find: "turn.timers.schedule(session, turn.now + intervalMs(session.expirySeconds)); // [MQTT-3.1.2-23]",
    replace: "",
  },
  {
    kills: "4.1/expires-anew-after-each-connection",
    file: CONNECT,
    find: EXPIRY,
    replace: "session.expirySeconds ||= expirySeconds;",
  },
];
