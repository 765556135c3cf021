/**
 * Faults of nodes that their simulation has to find, each planted by one change of the source.
 * Knows source texts; refuses to know how a fault shows.
 * @module
 */
import type { Fault } from "../client_simulation/faults.ts";

const NODES = "src/nodes/nodes.ts";
const ROUNDS = "src/nodes/rounds.ts";
const CLAIMS = "src/nodes/claims.ts";

export const FAULTS: readonly Fault[] = [
  {
    about: "rounds are done at once: a publisher's answer waits for no node",
    file: ROUNDS,
    from: "if (!round.targets.every((target, i) => this.#others[i]!.acknowledged >= target)) return;",
    to: "",
  },
  {
    about: "SUBACK waits for no node",
    file: NODES,
    from: "if (isNews || (now >= 0 && this.#isUnconfirmed)) this.#parts.journal.sentToNode();",
    to: "",
  },
  {
    about: "claims are granted at once",
    file: CLAIMS,
    from: "if (home === this.#place && !this.#holders.has(clientId) && !this.#pending.has(clientId)) {",
    to: "if (clientId !== undefined) {",
  },
  {
    about: "nothing is sent again after a cut",
    file: NODES,
    from: "    sendOpenAgain(this.#parts, open);\n",
    to: "",
  },
  {
    about: "routes are not told again when a link begins",
    file: NODES,
    from: "    this.#tellRoutes(this.#routes.all(), other);\n",
    to: "",
  },
  {
    about: "a home gives an identifier to a second node that the first one still has",
    file: CLAIMS,
    from: "if (holder !== undefined && holder.place !== by) return this.#host.take(holder.place, clientId);",
    to: "",
  },
  {
    about: "homes are not told what their Clients' nodes hold when a link begins",
    file: "src/nodes/claims_told.ts",
    from: "    if (held.length > 0) this.#telling.tell(other, Told.HOLDS, writeJson(held));\n",
    to: "",
  },
  {
    about: "an older retained message replaces a newer one",
    file: "src/nodes/retained_told.ts",
    from: "    if (stamp <= known && !isOfStore) return;\n",
    to: "",
  },
  {
    about: "a message from a node goes to groups of this one as well",
    file: "src/broker/router.ts",
    from: "    if (!isFromNode) { // else",
    to: "    if (publisher !== undefined || !isFromNode) { // else",
  },
];
