/**
 * One of the audited brokers as a process of its own: writes its port and the one for WebSocket, and ends with its standard input.
 * Knows which broker is asked for; refuses to know who connects. Run: `broker.ts NAME`.
 * @module
 */
import process from "node:process";
import { serve } from "../../src/server/serve.ts";
import { AUDITED_BROKERS } from "../lib/audited_brokers.ts";

const { options } = AUDITED_BROKERS.find(({ name }) => name === process.argv[2])!;
const server = await serve({
  ...options,
  listen: ["mqtt://127.0.0.1:0", "ws://127.0.0.1:0/mqtt"],
  hooks: { failed: (error) => console.error(error) },
});
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write(`${server.addresses.map((address) => new URL(address).port).join(" ")}\n`);
