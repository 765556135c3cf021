/**
 * The broker that the guard watches, over TCP, bundled: as it is, and as it was (`before.js`). Run with SLOW_US it works so long for nothing
 * whenever bytes come and whenever a turn ends, which shows that the guard can turn red.
 * Knows how it is started; refuses to know the load, and to use what the broker of before did not have.
 * @module
 */
import process from "node:process";
import { Broker } from "../../../src/broker/mod.ts";
import { listenTcp } from "../../../src/runtime/listen.ts";
import { type Loop, systemLoop } from "../../../src/runtime/loop.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { Driver } from "../../../src/server/driver.ts";
import { slowClock, tellOn } from "./child.ts";

const slowUs = Number(process.argv[2] ?? 0);
const loop: Loop = slowUs > 0 ? { ...systemLoop, now: slowClock(slowUs, systemLoop.now) } : systemLoop;
const limits = { inFlightMaxLevel4: 1_000 }; // the load acknowledges a batch when all of it has come
const driver = new Driver(new Broker({ random: systemRandom(), limits }), loop);
const peer = { address: "127.0.0.1", port: 1, transport: "tcp" } as const;
const listener = await listenTcp(
  { host: "127.0.0.1", port: 0 },
  (transport) => void driver.accept(transport, peer),
);
tellOn(listener.port);
