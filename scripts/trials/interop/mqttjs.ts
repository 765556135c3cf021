/**
 * MQTT.js for tests: connects, keeps what comes, and ends with the test.
 * Knows that client's ways; refuses to know what is tested.
 * @module
 */
import mqtt, { type IClientOptions, type IConnackPacket, type IPublishPacket, type MqttClient } from "mqtt";
import { Buffer } from "node:buffer";
import { Inbox, within } from "../../lib/within.ts";
import type { Stage } from "./test_broker.ts";
import { WAIT_MS } from "../../../src/testing/patience.ts";

/** Where a client connects to, and what it ends with. */
export type Place = Pick<Stage, "port" | "atEnd">;

/** A message as MQTT.js hands it over. */
export type Arrived = IPublishPacket & { readonly payload: Buffer };

/** One MQTT.js client. */
export class Mqttjs {
  readonly client: MqttClient;
  readonly id: string;
  /** The first CONNACK, once it has come. */
  connack: IConnackPacket | undefined;
  readonly connacks: Inbox<IConnackPacket> = new Inbox();
  readonly messages: Inbox<Arrived> = new Inbox();
  /** Errors it told; a connection that is cut is none. */
  readonly errors: unknown[] = [];
  /** `cut()` was called. */
  isCut = false;

  constructor(stage: Place, options: IClientOptions) {
    this.id = options.clientId!;
    this.client = mqtt.connect({
      protocol: "mqtt",
      host: "127.0.0.1",
      port: stage.port,
      reconnectPeriod: 0,
      connectTimeout: WAIT_MS,
      ...options,
    });
    this.client.on("connect", (connack) => this.connacks.put(connack));
    this.client.on("message", (_topic, _payload, packet) => this.messages.put(packet as Arrived));
    this.client.on("error", (error) => this.errors.push(error));
    stage.atEnd(() => this.end(true));
  }

  /** Publishes, and waits for what the QoS promises. */
  publish(
    topic: string,
    payload: string | Uint8Array,
    options: Parameters<MqttClient["publishAsync"]>[2] = {},
  ): Promise<unknown> {
    const bytes = typeof payload === "string" ? payload : Buffer.from(payload);
    return within(this.client.publishAsync(topic, bytes, options), `${this.id} has published to ${topic}`);
  }

  /** Subscribes, and waits for the SUBACK; returns the granted QoS. */
  async subscribe(
    filter: string | string[],
    options: NonNullable<Parameters<MqttClient["subscribeAsync"]>[1]> = { qos: 2 },
  ): Promise<number[]> {
    const granted = await within(this.client.subscribeAsync(filter, options), `${this.id} has subscribed`);
    return granted.map(({ qos }) => qos);
  }

  /** The next `count` messages. */
  take(count: number): Promise<Arrived[]> {
    return this.messages.takeMany(count, `a message to ${this.id}`);
  }

  /** The payloads of the next `count` messages as text. */
  async takeTexts(count: number): Promise<string[]> {
    return (await this.take(count)).map(({ payload }) => payload.toString());
  }

  /** Cuts the connection, so that it seems lost to both sides. */
  cut(): void {
    this.isCut = true;
    this.client.stream.destroy();
  }

  /** DISCONNECT and the end, or the end alone. */
  end(force = false): Promise<void> {
    if (this.client.disconnected) return Promise.resolve();
    return within(this.client.endAsync(force), `${this.id} ends`);
  }
}

/** A client that is connected. */
export async function joined(stage: Place, options: IClientOptions): Promise<Mqttjs> {
  const client = new Mqttjs(stage, options);
  client.connack = await client.connacks.take(`CONNACK for ${client.id}`);
  return client;
}
