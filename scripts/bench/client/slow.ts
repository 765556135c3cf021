/**
 * `deno task bench:client slow`: readers that take 10 ms for each message, under a flood at QoS 1 and 2, of Plumb and of mosquitto:
 * nothing is lost or comes twice, none is cut off, and what waits in the Client is bounded.
 * Knows the flood and what has to hold; refuses to know how the reader reads.
 * @module
 */
import { connect } from "../../../src/client_api/mod.ts";
import { serve } from "../../../src/server/serve.ts";
import { run } from "../../lib/run.ts";
import { pathOf } from "../../lib/tree.ts";
import { mosquittoVersion, startMosquitto } from "../../trials/peers/start.ts";
import { tableOf } from "../table.ts";

/** What a reader writes. */
export interface Read {
  /** Different messages. */
  readonly got: number;
  readonly again: number;
  readonly isOrdered: boolean;
  /** Connections lost. */
  readonly losses: number;
  /** The most messages that waited in the subscription. */
  readonly waitingMost: number;
  readonly grownMib: number;
  readonly rate: number;
}

/** Receive Maximum is 1,000, and a Server that sends more is held to twice as many: mosquitto 2.0.11. */
const WAITING_MOST = 2_000;
const PAYLOAD_BYTES = 4_096;

/** Runs them all at once, since they do nothing most of the time; false if something does not hold. */
export async function slow(
  runtimes: readonly (readonly [name: string, command: readonly string[]])[],
  messages: number,
): Promise<boolean> {
  const plumb = await serve({ listen: ["mqtt://127.0.0.1:0"] });
  const mosquitto = mosquittoVersion() === undefined
    ? undefined
    : await startMosquitto([], "max_queued_messages 0\n");
  if (mosquitto === undefined) console.log("missing mosquitto");
  const brokers = [
    ["Plumb", plumb.addresses[0]!],
    ...mosquitto === undefined ? [] : [["mosquitto", `mqtt://127.0.0.1:${mosquitto.port}`] as const],
  ] as const;
  const rows: string[][] = [];
  let isRight = true;
  await Promise.all(
    brokers.flatMap(([broker, url]) =>
      runtimes.flatMap(([runtime, command]) =>
        [1, 2].map(async (qos) => {
          const topic = `slow/${runtime}/${qos}`;
          const flooded = flood(url, topic, qos as 1 | 2, messages);
          const child = pathOf("scripts/bench/client/slow_child.ts");
          const { code, text } = await run([...command, child, url, topic, `${qos}`, `${messages}`], {
            quiet: true,
          });
          await flooded;
          if (code !== 0) throw new Error(`${broker} ${runtime} QoS ${qos}: ${text}`);
          const [line] = /^\{.*\}$/m.exec(text) ?? [];
          if (line === undefined) throw new Error(`${broker} ${runtime} QoS ${qos}: ${text}`);
          const read: Read = JSON.parse(line);
          const isGood = read.got === messages && read.again === 0 && read.isOrdered && read.losses === 0 &&
            read.waitingMost <= WAITING_MOST;
          isRight &&= isGood;
          rows.push([
            `${broker}, QoS ${qos}, ${runtime}`,
            `${messages - read.got}`,
            `${read.again}`,
            `${read.losses}`,
            `${read.waitingMost}`,
            read.grownMib.toFixed(1),
            read.rate.toFixed(0),
            isGood ? "ok" : "FAILED",
          ]);
        })
      )
    ),
  );
  await plumb.close();
  await mosquitto?.stop();
  const head = ["reader", "lost", "twice", "cut off", "waited", "grown MiB", "read/s", ""];
  console.log(`${messages} messages of ${PAYLOAD_BYTES} bytes, 10 ms for each`);
  console.log(tableOf(head, rows.sort()));
  return isRight;
}

/** Publishes as fast as the Server takes it, once there is a reader. */
async function flood(url: string, topic: string, qos: 1 | 2, messages: number): Promise<void> {
  await using client = await connect(url, { level: 5 });
  await using ready = await client.subscribe(`${topic}/ready`, { qos: 1 });
  for await (const _ of ready) break;
  const payload = new Uint8Array(PAYLOAD_BYTES);
  const view = new DataView(payload.buffer);
  const all: Promise<unknown>[] = [];
  for (let i = 0; i < messages; i++) {
    view.setUint32(0, i);
    all.push(client.publish(topic, payload.slice(), { qos }));
    if (i % 100 === 99) await Promise.all(all.splice(0));
  }
  await Promise.all(all);
}
