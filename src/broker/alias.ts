/**
 * §3.3.2.3.4 Topic Aliases of a Client: which topic a PUBLISH with an alias is for. Aliases towards a Client: src/engine/outflow.ts.
 * Knows when an alias is set and when it is wrong; refuses to know subscribers.
 * @module
 */
import { protocolError } from "../codec/error.ts";
import type { PublishView } from "../codec/publish_view.ts";
import type { TopicAliases } from "../engine/topic_aliases.ts";
import { type Ledger, OBJECT_BYTES } from "./ledger.ts";
import type { Router } from "./router.ts";

/** The memory that a Client's aliases take: bytes. */
export function aliasBytes({ bytes, size }: TopicAliases): number {
  return bytes + size * OBJECT_BYTES.alias;
}

/**
 * The bytes of the Topic Name that the alias of this frame stands for; a topic beside the alias sets it.
 * @throws {PeerError} for an alias that is too high, or that stands for nothing.
 */
export function topicOfAlias(
  aliases: TopicAliases,
  frame: PublishView,
  router: Router,
  ledger: Ledger,
): Uint8Array {
  const { topicAlias, topicAt, topicEnd } = frame;
  if (topicAlias > aliases.maximum) { // [MQTT-3.3.2-9] [MQTT-3.2.2-17]
    const message = `Topic Alias ${topicAlias} is above Topic Alias Maximum`;
    throw protocolError("3.3.4/alias-above-maximum", message, 0x94);
  }
  if (topicEnd > topicAt) { // [MQTT-3.3.2-12]
    router.find(frame.bytes, topicAt, topicEnd); // throws if this is no Topic Name: then no alias is set
    const before = aliasBytes(aliases);
    aliases.set(topicAlias, frame.bytes, topicAt, topicEnd);
    ledger.aliases += aliasBytes(aliases) - before;
  }
  const topic = aliases.get(topicAlias);
  if (topic === undefined) throw protocolError("3.3.4/alias-unknown", `Topic Alias ${topicAlias} is not set`); // [MQTT-3.3.2-7]
  return topic;
}
