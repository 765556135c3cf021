/**
 * §3.1.2.5, §3.1.3.2.2 Will Messages: made at CONNECT; sessions.ts publishes, delays and cancels them.
 * Knows the will and its delay; refuses to know why the Client is gone.
 * @module
 */
import type { ProtocolLevel, Will, WillProperties } from "../codec/packet.ts";
import { frameOf, type Message } from "../delivery/message.ts";
import type { Deadline } from "../engine/timers.ts";
import { OBJECT_BYTES } from "./ledger.ts";

/** A will as the Server keeps it [MQTT-3.1.2-7]. Its expiry begins when it is published (§3.1.3.2.4). */
export interface ServerWill {
  readonly message: Message;
  /** §3.1.3.2.2 seconds. */
  readonly delaySeconds: number;
}

/** The memory that a will takes: bytes. */
export function willBytes(will: ServerWill | undefined): number {
  if (will === undefined) return 0;
  const { view, topic } = will.message;
  return OBJECT_BYTES.will + view.end - view.at + topic.length;
}

/** The will of a CONNECT. */
export function serverWill(will: Will, level: ProtocolLevel, clientId: string): ServerWill {
  const { willDelayInterval, ...properties }: WillProperties = will.properties ?? {};
  const view = frameOf(will, properties, level);
  return {
    message: { topic: will.topic, view, expiresAt: Infinity, publisher: clientId, holders: 0 },
    delaySeconds: willDelayInterval ?? 0,
  };
}

/** A will that waits for its delay after the connection was lost; `due()` publishes it. */
export class PendingWill implements Deadline {
  heapIndex = -1;
  heapTime = 0;
  /** The will. */
  readonly will: ServerWill;
  /** The Will Delay Interval has run out [MQTT-3.1.2-8]. */
  readonly due: () => void;

  constructor(will: ServerWill, due: () => void) {
    this.will = will;
    this.due = due;
  }
}
