/**
 * Breaks of §3.1.2.10.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const CONNECTION = "src/broker/connection.ts";

/** For the cases of `cases/3_1_connect_keep_alive.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.1.2/silence-ends-the-connection",
    file: "src/broker/open.ts",
    find: "this.silenceMs = client.keepAlive * 1500;",
    replace: "this.silenceMs = client.keepAlive * 60_000;",
  },
  {
    kills: "3.1.2/silence-after-packets-ends-the-connection",
    file: CONNECTION,
    find: "if (silentAt <= now) return true;\n    this.#host.parts.turn.timers.schedule(this, silentAt);",
    replace: "if (silentAt <= now) return true;",
  },
  { // what is sent counts too
    kills: "3.1.2/silence-while-receiving-ends-the-connection",
    file: CONNECTION,
    find: "  flushed(): void {\n",
    replace: "  flushed(): void {\n    this.#lastReceivedAt = this.#host.parts.turn.now;\n",
  },
  {
    kills: "3.1.2/silence-brings-the-will",
    file: "src/broker/sessions.ts",
    find: "if (will !== undefined) this.#loseWill(session, will);",
    replace: "if (will !== undefined && refusal?.code !== 0x8d) this.#loseWill(session, will);",
  },
];
