/**
 * A broker inside your program, with sessions and retained messages in a file.
 * Run: `deno run -A examples/embed.ts [URL] [DIRECTORY]`, or `bun examples/embed.ts`; Ctrl-C ends it.
 *
 * It answers each message on `echo/ask/NAME` on `echo/answer/NAME`, and keeps how many Clients are connected as a retained message.
 * @module
 */
import process from "node:process";
import { serve } from "../mod.ts"; // from a package: "@plumb/mqtt"
import { openStore } from "../src/store/mod.ts"; // from a package: "@plumb/mqtt/store"

const [url = "mqtt://127.0.0.1:1883", directory = "./plumb-data"] = process.argv.slice(2);

const store = openStore(directory);
const server = await serve({
  listen: [url],
  store,
  limits: { connectionsMax: 1000 },
  hooks: {
    connected: count,
    disconnected: count,
    dropped: ({ topic }, clientId, reason) => console.log(`${topic} did not reach ${clientId}: ${reason}`),
    failed: (error) => console.error(error),
  },
});

function count(): void {
  const { connected } = server.broker.stats;
  server.publish({ topic: "stats/clients", payload: String(connected), retain: true });
}

/** A tap is a subscriber inside the process: it gets the bytes of each message, for the length of the call. */
server.tap("echo/ask/+", ({ topic, view }) => {
  const payload = view.bytes.slice(view.payloadAt, view.end);
  server.publish({ topic: topic.replace("ask", "answer"), payload, qos: view.qos });
});

console.log(`listening on ${server.addresses.join(", ")}`);
await new Promise((resolve) => process.once("SIGINT", resolve));
await server.close(); // says good-bye to every Client
await store.close();
console.log("closed");
