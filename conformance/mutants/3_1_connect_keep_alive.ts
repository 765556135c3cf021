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
    file: "src/broker/connect.ts",
    find: "connection.silenceMs = keepAlive * 1500;",
    replace: "connection.silenceMs = keepAlive * 60_000;",
  },
  {
    kills: "3.1.2/silence-after-packets-ends-the-connection",
    file: CONNECTION,
    find: "if (silentSince > now) this.broker.timers.schedule(this, silentSince);",
    replace: "if (silentSince > now) return;",
  },
  {
    kills: "3.1.2/silence-while-receiving-ends-the-connection",
    file: CONNECTION,
    find: "  touch(): void {\n",
    replace: "  touch(): void {\n    this.lastReceivedAt = this.broker.now;\n",
  },
  {
    kills: "3.1.2/silence-brings-the-will",
    file: "src/broker/engine.ts",
    find: "if (will !== undefined) this.#loseWill(session, will, now);",
    replace: "if (will !== undefined && refusal?.code !== 0x8d) this.#loseWill(session, will, now);",
  },
];
