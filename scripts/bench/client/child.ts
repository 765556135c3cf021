/**
 * One Client of a benchmark: `child.ts ours|mqttjs|mqttjs-nodelay URL WORK COUNT WARM-UP`; writes its CPU time and rate as JSON. Work `feed`
 * publishes for `receive`, at a rate that any of them can take, until it is ended.
 *
 * All use promises, and ours loops, as programs do. Runs on Node too, for MQTT.js.
 * Knows two Clients and the work; refuses to know what is compared.
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";

const [name = "", url = "", work = "", count = "", warmUp = ""] = process.argv.slice(2);
const payload = new Uint8Array(64).fill(120);
const [kind, qosText] = work.split("-");
const qos = Number(qosText) as 0 | 1 | 2;
const topic = `bench/client/${kind === "feed" || kind === "receive" ? "feed" : process.pid}`;
/** Messages of `feed` in a ms: MQTT.js needs up to 5 us for one. */
const FED_EACH_MS = 100;

/** What the work needs of a Client. */
interface Subject {
  publish(topic: string, qos: 0 | 1 | 2): Promise<unknown>;
  /** Has `came` called for each message. */
  subscribe(topic: string, qos: 0 | 1 | 2, came: () => void): Promise<unknown>;
  close(): Promise<unknown>;
}

async function ours(): Promise<Subject> {
  // Not by a name that is known before: Node, which has only MQTT.js here, must not read it.
  const door = "../../../src/client_api/mod.ts";
  const { connect } = await import(door) as typeof import("../../../src/client_api/mod.ts");
  const client = await connect(url, { level: 5 });
  return {
    publish: (topic, qos) => client.publish(topic, payload, { qos }),
    async subscribe(topic, qos, came) {
      const messages = await client.subscribe(topic, { qos });
      (async () => {
        for await (const { bytes } of messages) if (bytes.length === 64) came();
      })();
    },
    close: () => client.close({ timeoutMs: 0 }),
  };
}

async function mqttjs(noDelay: boolean): Promise<Subject> {
  const { default: mqtt } = await import("mqtt");
  const client = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    properties: { receiveMaximum: 1_000 },
    reconnectPeriod: 0,
  });
  if (noDelay) (client.stream as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
  const buffer = Buffer.from(payload);
  return {
    publish: (topic, qos) => client.publishAsync(topic, buffer, { qos }),
    subscribe(topic, qos, came) {
      client.on("message", (_topic, { length }) => {
        if (length === 64) came();
      });
      return client.subscribeAsync(topic, { qos });
    },
    close: () => client.endAsync(true),
  };
}

const subject = name === "ours" ? await ours() : await mqttjs(name === "mqttjs-nodelay");

/** Publishes `total` messages, `window` at a time. */
function publishAll(total: number, window: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let [begun, ended] = [0, 0];
    const next = (): void => {
      if (begun === total) return;
      begun++;
      subject.publish(topic, qos).then(() => {
        if (++ended === total) resolve();
        else next();
      }, reject);
    };
    for (let i = 0; i < Math.min(window, total); i++) next();
  });
}

/** Publishes `total` messages to itself, `window` on their way. */
let came: () => void = () => {};
function echoAll(total: number, window: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let [begun, ended] = [0, 0];
    const next = (): void => {
      if (begun === total) return;
      begun++;
      subject.publish(topic, qos).catch(reject);
    };
    came = () => {
      if (++ended === total) resolve();
      else next();
    };
    for (let i = 0; i < Math.min(window, total); i++) next();
  });
}

/** Resolves when `total` messages have come. */
function receiveAll(total: number): Promise<void> {
  return new Promise((resolve) => {
    let ended = 0;
    came = () => {
      if (++ended === total) resolve();
    };
  });
}

/** Publishes for ever. */
function feed(): Promise<void> {
  const begin = performance.now();
  let fed = 0;
  return new Promise((_resolve, reject) => {
    setInterval(() => {
      const due = Math.min(fed + 10 * FED_EACH_MS, (performance.now() - begin) * FED_EACH_MS);
      for (; fed < due; fed++) subject.publish(topic, qos).catch(reject);
      fed = Math.max(fed, (performance.now() - begin) * FED_EACH_MS - 10 * FED_EACH_MS); // what is late is not made good
    }, 1);
  });
}

/** A question and its answer, one after the other: ms of each. */
async function ask(total: number): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < total; i++) {
    const at = performance.now();
    await echoAll(1, 1);
    took.push(performance.now() - at);
  }
  return took.sort((a, b) => a - b);
}

let latencies: number[] = [];
async function run(total: number): Promise<void> {
  if (kind === "publish") await publishAll(total, 1_000);
  else if (kind === "echo") await echoAll(total, 500);
  else if (kind === "receive") await receiveAll(total);
  else latencies = await ask(total);
}

if (kind === "feed") await feed();
if (kind !== "publish") await subject.subscribe(topic, qos, () => came());
await run(Number(warmUp));
const cpu = process.cpuUsage();
const begin = performance.now();
await run(Number(count));
const seconds = (performance.now() - begin) / 1_000;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({
  cpuUs: (user + system) / Number(count),
  rate: Number(count) / seconds,
  p50Us: (latencies[latencies.length >> 1] ?? 0) * 1_000,
  p99Us: (latencies[Math.floor(latencies.length * 0.99)] ?? 0) * 1_000,
}));
await subject.close();
process.exit(0);
