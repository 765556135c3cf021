/**
 * How fast messages go to the broker and back: one packet in each WebSocket message, a turn's worth in one, and MQTT.js beside it.
 * Knows how rates and round trips are taken; refuses to know how they are drawn.
 * @module
 */
import { connectBy, type Dialer, type Transport } from "../../../src/client_api/browser.ts";
import { browserLoop } from "../../../src/client_api/browser_loop.ts";
import { speedPlot } from "../page/plot.ts";
import { needsWebSocket, type Run, type Section } from "../section.ts";

/** How a Client is measured: it sends, and tells of each message that comes back. */
interface Subject {
  send(): void;
  close(): Promise<void>;
}

/** What was measured. */
export interface Speed {
  readonly name: string;
  /** Messages a second, there and back. */
  readonly rate: number;
  /** Of single messages: ms, sorted. */
  readonly roundTrips: readonly number[];
}

const PAYLOAD = new Uint8Array(64).fill(120);
/** ms of each measurement, behind the time in which programs become fast. */
const MEASURE_MS = 1_500;
const WARM_MS = 500;
const ROUND_TRIPS = 200;

/** Sends each MQTT packet as a WebSocket message of its own. */
export function onePacketEach(dial: Dialer): Dialer {
  return async (url, options) => {
    const transport = await dial(url, options);
    const write = transport.write.bind(transport);
    const split: Transport = {
      label: transport.label,
      isUnpausable: true,
      start: transport.start.bind(transport),
      pause: transport.pause.bind(transport),
      resume: transport.resume.bind(transport),
      close: transport.close.bind(transport),
      abort: transport.abort.bind(transport),
      write(chunk) {
        let at = 0;
        while (at < chunk.length) {
          const size = packetLength(chunk, at);
          const taken = write(chunk.subarray(at, at + size));
          at += taken;
          if (taken < size) break;
        }
        return at;
      },
    };
    return split;
  };
}

/** §2.1.4 Bytes of the packet that begins there, or of what there is of it. */
function packetLength(bytes: Uint8Array, at: number): number {
  let [length, shift, index] = [0, 0, at + 1];
  for (; index < bytes.length; index++, shift += 7) {
    length |= (bytes[index]! & 0x7f) << shift;
    if (bytes[index]! < 0x80) return Math.min(index + 1 - at + length, bytes.length - at);
  }
  return bytes.length - at;
}

async function plumb(run: Run, dial: Dialer, came: () => void): Promise<Subject> {
  const client = await connectBy(dial, run.reach.url, { loop: browserLoop(), signal: run.signal });
  const topic = `plumb-browser-tests/speed/${Math.random().toString(36).slice(2)}`;
  const messages = await client.subscribe(topic);
  void (async () => {
    for await (const _ of messages) came();
  })().catch(() => {});
  return {
    send: () => void client.publish(topic, PAYLOAD).catch(() => {}),
    close: () => client.close({ timeoutMs: 500 }),
  };
}

/** As much of MQTT.js as is used. */
interface MqttJs {
  connect(url: string, options: object): {
    on(event: string, run: () => void): void;
    subscribe(topic: string, done: () => void): void;
    publish(topic: string, payload: Uint8Array): void;
    end(force: boolean, options: object, done: () => void): void;
  };
}

const { mqtt } = globalThis as unknown as { readonly mqtt?: MqttJs };

function mqttJs(run: Run, came: () => void): Promise<Subject> {
  const client = mqtt!.connect(run.reach.url, { protocolVersion: 5 });
  const topic = `plumb-browser-tests/speed/${Math.random().toString(36).slice(2)}`;
  client.on("message", came);
  return new Promise((resolve) => {
    client.on("connect", () =>
      client.subscribe(topic, () =>
        resolve({
          send: () => client.publish(topic, PAYLOAD),
          close: () => new Promise((closed) => client.end(true, {}, closed)),
        })));
  });
}

/** Keeps `window` messages under way; gives how many came back in a second. */
async function rateOf(
  make: (came: () => void) => Promise<Subject>,
  window: number,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  let isOver = false;
  const subject = await make(() => {
    count++;
    if (!isOver) subject.send();
  });
  try {
    for (let i = 0; i < window; i++) subject.send();
    await wait(WARM_MS, signal);
    const [before, begun] = [count, performance.now()];
    await wait(MEASURE_MS, signal);
    return Math.round((count - before) / (performance.now() - begun) * 1_000);
  } finally {
    isOver = true;
    await subject.close();
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => signal.aborted ? reject(signal.reason) : resolve(), ms);
  });
}

/** Single messages, one behind the other: ms each, the shortest first. */
async function roundTripsOf(make: (came: () => void) => Promise<Subject>): Promise<number[]> {
  const times: number[] = [];
  let came = (): void => {};
  const subject = await make(() => came());
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const begun = performance.now();
    await new Promise<void>((resolve) => {
      came = resolve;
      subject.send();
    });
    times.push(performance.now() - begun);
  }
  await subject.close();
  return times.sort((a, b) => a - b);
}

/** The value that so many of 100 do not exceed. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * percent / 100))] ?? NaN;
}

async function run(run: Run): Promise<void> {
  needsWebSocket(run);
  const { dial } = run.reach;
  const each = onePacketEach(dial);
  const ways: readonly (readonly [string, string, number, (came: () => void) => Promise<Subject>])[] = [
    ["oneEach", "Plumb, one packet a message", 100, (came) => plumb(run, each, came)],
    ["gathered", "Plumb, a turn's packets in one", 1_000, (came) => plumb(run, dial, came)],
    ...mqtt === undefined
      ? []
      : [["mqttjs", "MQTT.js 5", 1_000, (came: () => void) => mqttJs(run, came)] as const],
  ];
  run.planned(ways.length);
  const speeds: Speed[] = [];
  for (const [key, name, window, make] of ways) {
    run.says(name);
    const rate = await rateOf(make, window, run.signal);
    const roundTrips = await roundTripsOf(make);
    speeds.push({ name, rate, roundTrips });
    const [p50, p99] = [percentile(roundTrips, 50), percentile(roundTrips, 99)];
    run.figures({ [`${key}PerSecond`]: rate, [`${key}P50Ms`]: p50, [`${key}P99Ms`]: p99 });
    run.told(
      rate > 0 && roundTrips.length === ROUND_TRIPS
        ? { name: `${name}: ${rate.toLocaleString("en")} a second`, verdict: "passed" }
        : { name, verdict: "failed", message: "No message came back" },
    );
  }
  run.says(
    mqtt === undefined
      ? "“deno task browser --mqttjs” puts MQTT.js beside it."
      : "Both clients use the same broker, one after the other.",
  );
  run.shows(speedPlot(speeds));
}

/** The measurements. */
export const SPEED: Section = {
  id: "speed",
  title: "Speed",
  about:
    "Sends messages of 64 bytes to the broker and gets them back. Shows how many go round in a second, and how long a single one takes: with one MQTT packet in each WebSocket message, and with all packets of one turn of the browser's loop in one, which is how the client works.",
  limits:
    "It measures the browser, the network and the broker together; the broker may gather its answers. Browsers round times, some to 1 ms.",
  run,
};
