/**
 * A message as it is shown.
 * Knows which of its parts are the sender's; refuses to know forms of output.
 * @module
 */
import type { Publish, PublishProperties } from "../../codec/packet.ts";

/** What can be shown of a message. */
export interface Shown {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  /** §2.2.1 0 at QoS 0. */
  readonly packetId: number;
  /** Undefined below level 5. */
  readonly properties: Readonly<PublishProperties> | undefined;
}

/** When a message came: ns are those within the second. */
export interface Moment {
  readonly time: Date;
  readonly ns: number;
}

/**
 * What can be shown of a PUBLISH. The Client gives each Topic Filter a Subscription Identifier, which is nothing to show; `identifier` is
 * the one that the user gave to all of them, if any.
 */
export function shownOf(publish: Omit<Publish, "type">, identifier: number | undefined): Shown {
  const { topic, payload, qos, retain, dup, packetId = 0, properties } = publish;
  return {
    topic,
    payload,
    qos,
    retain,
    dup,
    packetId,
    properties: properties && own(properties, identifier),
  };
}

function own(properties: PublishProperties, identifier: number | undefined): PublishProperties {
  const { subscriptionIdentifiers, topicAlias: _, ...rest } = properties;
  const isShown = identifier !== undefined && subscriptionIdentifiers !== undefined;
  return isShown ? { ...rest, subscriptionIdentifiers: [identifier] } : rest;
}
