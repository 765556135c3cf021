/**
 * Brokers that are audited: how each is started, and its version.
 * Knows commands; refuses to know what an audit finds.
 * @module
 */
import { bun, deno } from "../../lib/run.ts";
import { ejabberdVersion, rabbitVersion, startEjabberd, startNats, startRabbit } from "./other_servers.ts";
import {
  mosquittoVersion,
  type RunningPeer,
  startMosquitto,
  startScript,
  versionIn,
  versionSaid,
} from "./start.ts";

/** One broker that can be run. */
export interface Peer {
  readonly name: string;
  /** Undefined if it is not installed. */
  version(): string | undefined;
  /** Cases that it answers in longer than the auditor waits; they are run once more, with time. */
  readonly slow?: readonly string[];
  start(): Promise<RunningPeer>;
}

/** In the order of the table. */
export const PEERS: readonly Peer[] = [
  {
    name: "Plumb",
    version: () => versionIn("deno.json"),
    start: () =>
      startScript([...deno(), "run", "-A", "--no-check", "scripts/mutants/broker.ts", "as it comes"]),
  },
  {
    name: "mosquitto",
    version: mosquittoVersion,
    start: () => startMosquitto(),
  },
  {
    name: "aedes",
    version: () => versionIn("node_modules/aedes/package.json"),
    start: () => startScript([...bun(), "scripts/trials/peers/aedes.ts"]),
  },
  {
    name: "nats-server",
    version: () => versionSaid(["nats-server", "--version"], /: v(\S+)/),
    slow: ["3.3.1/sent-again-with-dup", "3.10/begun-qos-1-is-completed", "4.3.2/open-until-puback"], // 30 s, its ack_wait
    start: () => startNats(),
  },
  { name: "RabbitMQ", version: () => rabbitVersion, start: () => startRabbit() },
  { name: "ejabberd", version: () => ejabberdVersion, start: () => startEjabberd() },
];
