/**
 * Every case there is, in the order of the sections.
 * @module
 */
import type { ServerCase } from "../../case.ts";
import { CASES as DATA } from "./1_5_data.ts";
import { CASES as FIXED_HEADER } from "./2_fixed_header.ts";
import { CASES as PACKET_ID } from "./2_2_packet_id.ts";
import { CASES as PROPERTIES } from "./2_2_properties.ts";
import { CASES as CONNECT_FORMAT } from "./3_1_connect_format.ts";
import { CASES as CONNECT_SESSION } from "./3_1_connect_session.ts";
import { CASES as CONNECT_WILL } from "./3_1_connect_will.ts";
import { CASES as CONNECT_KEEP_ALIVE } from "./3_1_connect_keep_alive.ts";
import { CASES as CONNECT_PROPERTIES } from "./3_1_connect_properties.ts";
import { CASES as CONNECT_ACTIONS } from "./3_1_connect_actions.ts";
import { CASES as MAXIMUM_PACKET_SIZE } from "./3_1_maximum_packet_size.ts";
import { CASES as CONNACK } from "./3_2_connack.ts";
import { CASES as CONNACK_FEATURES } from "./3_2_connack_features.ts";
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
import { CASES as AUTH } from "./3_15_auth.ts";
import { CASES as SESSION } from "./4_1_session.ts";
import { CASES as QOS_SENDER } from "./4_3_qos_sender.ts";
import { CASES as QOS_RECEIVER } from "./4_3_qos_receiver.ts";
import { CASES as REDELIVERY } from "./4_4_redelivery.ts";
import { CASES as RECEIPT } from "./4_5_receipt.ts";
import { CASES as ORDER } from "./4_6_order.ts";
import { CASES as TOPICS } from "./4_7_topics.ts";
import { CASES as SHARED } from "./4_8_shared.ts";
import { CASES as FLOW_CONTROL } from "./4_9_flow_control.ts";
import { CASES as ERRORS } from "./4_13_errors.ts";
import { CASES as WEBSOCKET } from "./6_websocket.ts";

/** The cases for Servers. */
export const SERVER_CASES: readonly ServerCase[] = [
  ...DATA,
  ...FIXED_HEADER,
  ...PACKET_ID,
  ...PROPERTIES,
  ...CONNECT_FORMAT,
  ...CONNECT_SESSION,
  ...CONNECT_WILL,
  ...CONNECT_KEEP_ALIVE,
  ...CONNECT_PROPERTIES,
  ...CONNECT_ACTIONS,
  ...MAXIMUM_PACKET_SIZE,
  ...CONNACK,
  ...CONNACK_FEATURES,
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
  ...AUTH,
  ...SESSION,
  ...QOS_SENDER,
  ...QOS_RECEIVER,
  ...REDELIVERY,
  ...RECEIPT,
  ...ORDER,
  ...TOPICS,
  ...SHARED,
  ...FLOW_CONTROL,
  ...ERRORS,
  ...WEBSOCKET,
];
