/**
 * A broker under the guard's load, with TLS or without. Run: `broker_child.ts [SLOW_US [tls]]`; with SLOW_US it works so long for nothing
 * whenever bytes come and whenever a turn ends, which shows that the guard can turn red.
 * Knows how it is started; refuses to know the load.
 * @module
 */
import process from "node:process";
import { systemLoop } from "../../../src/runtime/loop.ts";
import { serve } from "../../../src/server/serve.ts";
import { CERT, KEY } from "../../../src/testing/tls.ts";
import { slowClock, tellOn } from "./child.ts";

const slowUs = Number(process.argv[2] ?? 0);
const server = await serve({
  ...(process.argv[3] === "tls"
    ? { listen: ["mqtts://127.0.0.1:0"], tls: { cert: CERT, key: KEY } }
    : { listen: ["mqtt://127.0.0.1:0"] }),
  limits: { inFlightMaxLevel4: 1_000 }, // the load acknowledges a batch when all of it has come
  ...(slowUs > 0 && { loop: { ...systemLoop, now: slowClock(slowUs, systemLoop.now) } }),
});
tellOn(Number(new URL(server.addresses[0]!).port));
