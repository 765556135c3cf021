/**
 * One reader that takes 10 ms for each message: `slow_child.ts URL TOPIC QOS MESSAGES`; writes what came as JSON.
 * Knows one subscription; refuses to know who publishes.
 * @module
 */
import process from "node:process";
import { connect, type QoS } from "../../../src/client_api/mod.ts";
import type { Read } from "./slow.ts";

const READ_MS = 10;
/** A message that does not come within this time is lost; and a repeat may come behind the last message. */
const LOST_MS = 10_000;
const BEHIND_MS = 300;

const [url = "", topic = "", qos = "", messages = ""] = process.argv.slice(2);
const total = Number(messages);

const client = await connect(url, { level: 5, clientId: topic.replaceAll("/", "-") });
let losses = 0;
client.on("disconnected", () => losses++);
const subscription = await client.subscribe(topic, { qos: Number(qos) as QoS });
const before = process.memoryUsage().rss;
await client.publish(`${topic}/ready`, "yes", { qos: 1, retain: true });

const seen = new Set<number>();
let [again, waitingMost, grown, last] = [0, 0, 0, -1];
let isOrdered = true;
const begin = performance.now();
let rate = 0;
let left: Promise<void> | undefined;
const unsubscribe = () => void (left = subscription.unsubscribe());
let end = setTimeout(unsubscribe, LOST_MS);
for await (const { bytes } of subscription) {
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (seen.has(number)) again++;
  else if (number < last) isOrdered = false;
  seen.add(number);
  last = number;
  waitingMost = Math.max(waitingMost, subscription.waiting);
  grown = Math.max(grown, process.memoryUsage().rss - before);
  await new Promise((resolve) => setTimeout(resolve, READ_MS));
  rate = seen.size / (performance.now() - begin) * 1_000;
  clearTimeout(end);
  end = setTimeout(unsubscribe, seen.size < total ? LOST_MS : BEHIND_MS);
}
await left;
const read: Read = {
  got: seen.size,
  again,
  isOrdered,
  losses,
  waitingMost,
  grownMib: grown / 2 ** 20,
  rate,
};
console.log(JSON.stringify(read));
await client.close({ timeoutMs: 0 });
process.exit(0);
