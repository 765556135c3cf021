/**
 * Breaks of §4.13.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const CONNECTION = "src/broker/connection.ts";

/** For the cases of `cases/4_13_errors.ts`. */
export const MUTANTS: readonly Mutant[] = [
  ...(["malformed", "protocol"] as const).map((kind): Mutant => ({
    kills: kind === "malformed" ? "4.13/malformed-packets" : "4.13/protocol-errors",
    file: CONNECTION,
    find: "const { code, rule, message } = error as PeerError;",
    replace: `const { code, rule, message } = error as PeerError;
    if (this.state === State.OPEN && (error as PeerError).kind === "${kind}") return;`,
  })),
  {
    kills: "4.13/others-stay",
    file: CONNECTION,
    find: "const { code, rule, message } = error as PeerError;",
    replace: `const { code, rule, message } = error as PeerError;
    for (const { connection } of [...this.broker.sessions.values()]) {
      if (connection !== this) connection?.end({ code, rule, message }, now);
    }`,
  },
  {
    kills: "4.13/connack-failure-goes-with-the-end",
    file: "src/broker/connect.ts",
    find: "broker.hooks.refused?.(connection.peer, refusal);\n  connection.shut(now);",
    replace: "broker.hooks.refused?.(connection.peer, refusal);\n  connection.flush();",
  },
  {
    kills: "4.13/disconnect-failure-goes-with-the-end",
    file: CONNECTION,
    find: "else if (this.state === State.CLOSING && this.outbox.size === 0) this.transport.close();",
    replace: "",
  },
];
