/**
 * A process that is there to be killed: a Client with its store, which publishes numbers.
 *
 * Arguments: URL, path of the store, QoS. It writes `ready` when all that its store had is delivered, reads the number to go on with,
 * and writes each number that is acknowledged.
 * Knows numbers; refuses to know who gets them.
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { connect } from "../../../src/client_api/mod.ts";
import { openClientStore } from "../../../src/client_store/sqlite.ts";

/** Publications that are not acknowledged yet. */
const WINDOW = 50;

const [url = "", path = "", qos = "1"] = process.argv.slice(2);
const store = openClientStore(path);
const waiting = new Set(store.load().map(([key]) => key).filter((key) => key > 0));
const client = await connect(url, {
  clientId: "mortal",
  level: 5,
  connectTimeoutMs: Infinity,
  reconnect: { minMs: 1, maxMs: 20 },
  store: {
    load: () => store.load(),
    put: (key, record) => store.put(key, record),
    delete(key) {
      store.delete(key);
      waiting.delete(key);
      if (waiting.size === 0) ready();
    },
    commit: () => store.commit(),
  },
});

let isReady = false;
function ready(): void {
  if (isReady) return;
  isReady = true;
  console.log("ready");
}
if (waiting.size === 0) ready();

for await (const line of createInterface({ input: process.stdin })) {
  let next = Number(line);
  const publish = async (): Promise<void> => {
    for (;;) {
      const number = next++;
      await client.publish("mortal", `${number}`, { qos: Number(qos) as 1 | 2 });
      console.log(number);
    }
  };
  for (let i = 0; i < WINDOW; i++) void publish();
}
