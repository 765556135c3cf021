/**
 * §3.3.2.3.4 Topic Aliases of a Client: frames get their Topic Name back, so that all behind it know no aliases.
 * Knows what each alias of a connection stands for; refuses to know who gets the message.
 * @module
 */
import { protocolError } from "../codec/error.ts";
import { withoutAlias } from "../codec/publish_template.ts";
import { PublishView } from "../codec/publish_view.ts";
import type { Connection } from "./connection.ts";
import { endRun } from "./run.ts";

/** A frame that is longer has a buffer of its own. */
const KEPT_BYTES = 64 * 1024;

/** Where such frames are written, one behind the other as long as they run (run.ts). */
export class Unaliased {
  readonly bytes: Uint8Array = new Uint8Array(KEPT_BYTES);
  readonly view: PublishView = new PublishView();
}

/**
 * The frame with its topic instead of an alias; a topic beside the alias sets it. Good until the next call.
 * @throws {PeerError} for an alias that is too high, or that stands for nothing.
 */
export function unaliased(connection: Connection, frame: PublishView): PublishView {
  const { broker } = connection;
  const { topicAlias, topicAt, topicEnd } = frame;
  if (topicAlias > broker.limits.topicAliasMaximum) { // [MQTT-3.3.2-9] [MQTT-3.2.2-17]
    throw protocolError(
      "3.3.4/alias-above-maximum",
      `Topic Alias ${topicAlias} is above Topic Alias Maximum`,
      0x94,
    );
  }
  const aliases = (connection.aliasesIn ??= []);
  if (topicEnd > topicAt) { // [MQTT-3.3.2-12]
    broker.topics.find(frame.bytes, topicAt, topicEnd); // a name that is none sets nothing
    while (aliases.length < topicAlias) aliases.push(undefined);
    aliases[topicAlias] = frame.bytes.slice(topicAt, topicEnd);
  }
  const topic = aliases[topicAlias];
  if (topic === undefined) throw protocolError("3.3.4/alias-unknown", `Topic Alias ${topicAlias} is not set`); // [MQTT-3.3.2-7]
  const { run, unaliased: { bytes, view } } = broker;
  const most = frame.end - frame.at + topic.length;
  let at = run.topic !== undefined && run.bytes === bytes ? run.to : 0;
  if (at + most > bytes.length) {
    endRun(broker);
    at = 0;
  }
  const out = most > bytes.length ? new Uint8Array(most) : bytes;
  const end = withoutAlias(frame, topic, out, at);
  let body = at + 1;
  while (out[body++]! > 127);
  view.aim(out, at, body, end, true);
  return view;
}
