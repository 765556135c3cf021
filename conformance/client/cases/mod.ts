/**
 * Every case for Clients, in the order of the sections.
 * @module
 */
import type { ClientCase } from "../../case.ts";
import { CASES as MALFORMED } from "./2_malformed.ts";
import { CASES as PACKET_ID } from "./2_2_packet_id.ts";
import { CASES as CONNECT } from "./3_1_connect.ts";
import { CASES as CONNACK } from "./3_2_connack.ts";
import { CASES as SUBSCRIBE } from "./3_8_subscribe.ts";
import { CASES as REDELIVERY } from "./4_4_redelivery.ts";
import { CASES as PUBLISH_RECEIVED } from "./3_3_publish_received.ts";
import { CASES as PUBLISH_SENT } from "./3_3_publish_sent.ts";
import { CASES as QOS_RECEIVER } from "./4_3_qos_receiver.ts";
import { CASES as QOS_SENDER } from "./4_3_qos_sender.ts";
import { CASES as WEBSOCKET } from "./6_websocket.ts";

/** The cases for Clients. */
export const CLIENT_CASES: readonly ClientCase[] = [
  ...MALFORMED,
  ...PACKET_ID,
  ...CONNECT,
  ...CONNACK,
  ...PUBLISH_SENT,
  ...PUBLISH_RECEIVED,
  ...SUBSCRIBE,
  ...QOS_SENDER,
  ...QOS_RECEIVER,
  ...REDELIVERY,
  ...WEBSOCKET,
];
