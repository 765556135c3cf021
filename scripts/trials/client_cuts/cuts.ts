/**
 * Messages of our Client to our Client through a proxy that cuts their connections.
 * Knows what must arrive; refuses to know which broker carries it.
 * @module
 */
import { type Client, connect, type ConnectOptions } from "../../../src/client_api/mod.ts";
import { seededRandom } from "../../../src/engine/random.ts";
import { cuttingProxy } from "../../lib/cutting_proxy.ts";
import { WireLog } from "./wire_log.ts";

/** What is tried. */
export interface CutTrial {
  /** The broker's, on loopback. */
  readonly port: number;
  readonly level: 4 | 5;
  readonly qos: 1 | 2;
  readonly messages: number;
  readonly cuts: number;
  readonly seed: number;
  /** Takes the packets that went through the proxy, a line for each. */
  readonly log?: (lines: readonly string[]) => void;
}

/** What has come. */
export interface CutOutcome {
  /** Connections that were cut while messages were under way. */
  readonly cuts: number;
  /** Messages that came again: 0 at QoS 2. */
  readonly again: number;
  /** Publications that were acknowledged. */
  readonly acknowledged: number;
  /** QoS 2 messages that came again since the Server sent them again behind their PUBREL. */
  readonly sentAgain: number;
}

/**
 * Throws when a message is lost, comes in another order, or (QoS 2) again; also when a promise fails. A QoS 2 message that the Server
 * was seen to send again behind its PUBREL is new to any Client that keeps to the standard: these are counted.
 */
export async function cutTrial(trial: CutTrial): Promise<CutOutcome> {
  const { port, level, qos, messages, cuts, seed, log } = trial;
  const random = seededRandom(seed);
  // Both Clients carry each message once or more: so many bytes for each cut are soon used up.
  const bytesMax = Math.max(200, Math.floor(messages * 60 / cuts));
  const wireLog = new WireLog(level, log !== undefined);
  const proxy = await cuttingProxy({ port, cuts, bytesMax, random, wire: wireLog.wire });
  const url = `mqtt://127.0.0.1:${proxy.port}`;
  const options = (clientId: string): ConnectOptions => ({
    clientId: `${clientId}-${level}-${qos}-${seed}`,
    cleanStart: false,
    level,
    reconnect: { minMs: 1, maxMs: 20 },
    connectTimeoutMs: Infinity,
    offlineQueue: { messages },
  });
  const clients: Client[] = [];
  const client = async (name: string): Promise<Client> => {
    const one = await connect(url, options(name));
    clients.push(one);
    return one;
  };
  try {
    const reader = await client("reader");
    const topic = `cuts/${level}/${qos}/${seed}`;
    const subscription = await reader.subscribe(topic, { qos });
    const writer = await client("writer");
    let acknowledged = 0;
    const sent = Promise.all(Array.from({ length: messages }, async (_, i) => {
      await writer.publish(topic, `${i}`, { qos });
      acknowledged++;
    }));
    sent.catch(() => {}); // where the reader fails first
    let next = 0;
    let again = 0;
    let sentAgain = 0;
    for await (const { bytes, dup } of subscription) {
      const number = Number(new TextDecoder().decode(bytes));
      if (number > next) throw new Error(`${next} is lost: ${number} comes`);
      if (number < next) {
        if (qos === 1) again++;
        else if (wireLog.sentAgain.has(`${number}`)) sentAgain++;
        else throw new Error(`${number} comes again instead of ${next}${dup ? ", with DUP" : ""}`);
      } else if (++next === messages) break;
    }
    await sent;
    const outcome = { cuts: proxy.cuts, again, acknowledged, sentAgain };
    await Promise.all(clients.map((one) => one.close()));
    return outcome;
  } finally {
    // Otherwise they would try for ever to come back to a proxy that has gone.
    await Promise.all(clients.map((one) => one.close({ timeoutMs: 0 })));
    await proxy.close();
    log?.(wireLog.lines);
  }
}
