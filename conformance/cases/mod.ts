/**
 * Every case there is, in the order of the sections.
 * @module
 */
import type { ServerCase } from "../case.ts";
import { CASES as PUBLISH_FLAGS } from "./3_3_publish_flags.ts";
import { CASES as PUBLISH_RETAIN } from "./3_3_publish_retain.ts";
import { CASES as PUBLISH_TOPIC } from "./3_3_publish_topic.ts";
import { CASES as PUBLISH_PROPERTIES } from "./3_3_publish_properties.ts";
import { CASES as PUBLISH_PROPERTY_ERRORS } from "./3_3_publish_property_errors.ts";
import { CASES as PUBLISH_ALIAS } from "./3_3_publish_alias.ts";
import { CASES as PUBLISH_EXPIRY } from "./3_3_publish_expiry.ts";
import { CASES as PUBLISH_IDENTIFIERS } from "./3_3_publish_identifiers.ts";
import { CASES as PUBLISH_ACTIONS } from "./3_3_publish_actions.ts";
import { CASES as ACKNOWLEDGEMENT } from "./3_4_acknowledgement.ts";
import { CASES as SUBSCRIBE } from "./3_8_subscribe.ts";
import { CASES as SUBACK } from "./3_9_suback.ts";
import { CASES as UNSUBSCRIBE } from "./3_10_unsubscribe.ts";
import { CASES as PING } from "./3_12_ping.ts";
import { CASES as DISCONNECT } from "./3_14_disconnect.ts";
import { CASES as QOS_SENDER } from "./4_3_qos_sender.ts";
import { CASES as QOS_RECEIVER } from "./4_3_qos_receiver.ts";
import { CASES as TOPICS } from "./4_7_topics.ts";

/** The cases for Servers. */
export const SERVER_CASES: readonly ServerCase[] = [
  ...PUBLISH_FLAGS,
  ...PUBLISH_RETAIN,
  ...PUBLISH_TOPIC,
  ...PUBLISH_PROPERTIES,
  ...PUBLISH_PROPERTY_ERRORS,
  ...PUBLISH_ALIAS,
  ...PUBLISH_EXPIRY,
  ...PUBLISH_IDENTIFIERS,
  ...PUBLISH_ACTIONS,
  ...ACKNOWLEDGEMENT,
  ...SUBSCRIBE,
  ...SUBACK,
  ...UNSUBSCRIBE,
  ...PING,
  ...DISCONNECT,
  ...QOS_SENDER,
  ...QOS_RECEIVER,
  ...TOPICS,
];
