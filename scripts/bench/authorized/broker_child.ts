/**
 * A broker as a process of its own: writes its port, and ends with its standard input. Run: `broker_child.ts [authorized|rules|checked]`;
 * with that it asks an authorizer, which allows everything, and has hooks that nothing calls while messages flow; or it has 1,000 rules, and
 * with `checked` each delivery is checked.
 * Knows how it is started; refuses to know the load.
 * @module
 */
import process from "node:process";
import { serve, type ServeOptions } from "../../../src/server/serve.ts";
import { CHECKED, RULES } from "../rules.ts";

let calls = 0;
const AUTHORIZED: ServeOptions = {
  authorize: () => {
    calls++;
    return 0;
  },
  hooks: { connected: () => void calls++, dropped: () => void calls++ },
};

const KINDS: Readonly<Record<string, ServeOptions>> = {
  authorized: AUTHORIZED,
  rules: { permissions: RULES },
  checked: { permissions: CHECKED },
};

const server = await serve({ listen: ["mqtt://127.0.0.1:0"], ...KINDS[process.argv[2] ?? ""] });
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write(`${new URL(server.addresses[0]!).port}\n`);
