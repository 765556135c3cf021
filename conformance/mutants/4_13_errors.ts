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
    if (this.#phase.kind === "open" && (error as PeerError).kind === "${kind}") return;`,
  })),
  {
    kills: "4.13/others-stay",
    file: CONNECTION,
    find: "const { code, rule, message } = error as PeerError;",
    replace: `const { code, rule, message } = error as PeerError;
    for (const { connection } of [...this.#host.sessions.all()]) {
      if (connection !== this.#phase) connection?.end({ code, rule, message });
    }`,
  },
  {
    kills: "4.13/connack-failure-goes-with-the-end",
    file: CONNECTION,
    find: "observer.refused(this.peer, refusal, client);\n    this.#close();",
    replace: "observer.refused(this.peer, refusal, client);\n    this.#link.flush();",
  },
  {
    kills: "4.13/disconnect-failure-goes-with-the-end",
    file: "src/engine/link.ts",
    find: "this.transport.close();",
    replace: "",
  },
];
