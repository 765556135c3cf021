/**
 * §3.1.2.5 Will Messages: made at CONNECT, published when the Client is gone.
 * Knows the will and its delay; refuses to know why the Client is gone.
 * @module
 */
import { encodePublish } from "../codec/publish.ts";
import type { ProtocolLevel, PublishProperties, Will, WillProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { type PublishView, viewOf } from "../codec/publish_view.ts";
import { Writer } from "../codec/writer.ts";
import type { Message } from "../delivery/message.ts";
import type { Deadline } from "../engine/timers.ts";
import type { Broker } from "./engine.ts";
import type { Session } from "./session.ts";

/** A will as the Server keeps it [MQTT-3.1.2-7]. Its expiry begins when it is published (§3.1.3.2.4). */
export interface ServerWill {
  readonly message: Message;
  /** §3.1.3.2.2 seconds. */
  readonly delaySeconds: number;
}

/** The will of a CONNECT. */
export function serverWill(will: Will, level: ProtocolLevel, clientId: string): ServerWill {
  const { willDelayInterval, ...properties }: WillProperties = will.properties ?? {};
  const view = frameOf(will, properties, level);
  return {
    message: { topic: will.topic, view, expiresAt: Infinity, publisher: clientId },
    delaySeconds: willDelayInterval ?? 0,
  };
}

/** A message as one PUBLISH frame. */
export function frameOf(
  message: { topic: string; payload: Uint8Array; qos: 0 | 1 | 2; retain: boolean },
  properties: PublishProperties,
  level: ProtocolLevel,
): PublishView {
  const writer = new Writer(message.payload.length + 256);
  const packet = { type: PacketType.PUBLISH, dup: false, ...pick(message), properties };
  encodePublish(writer, message.qos === 0 ? packet : { ...packet, packetId: 1 }, level);
  return viewOf(writer.bytes().slice(), level === 5);
}

function pick(message: { topic: string; payload: Uint8Array; qos: 0 | 1 | 2; retain: boolean }) {
  return { topic: message.topic, payload: message.payload, qos: message.qos, retain: message.retain };
}

/** A will that waits for its delay after the connection was lost; `due()` publishes it. */
export class PendingWill implements Deadline {
  heapIndex = -1;
  heapTime = 0;
  readonly will: ServerWill;
  readonly #session: Session;
  readonly #broker: Broker;

  constructor(broker: Broker, session: Session, will: ServerWill) {
    this.#broker = broker;
    this.#session = session;
    this.will = will;
  }

  /** The Will Delay Interval has run out [MQTT-3.1.2-8]. */
  due(now: number): void {
    this.#session.pendingWill = undefined; // [MQTT-3.1.2-10]
    this.#broker.publishWill(this.will, now);
    this.#broker.saved(this.#session);
  }
}
