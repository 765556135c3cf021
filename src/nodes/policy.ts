/**
 * The policy for links to other nodes.
 * Knows limits; refuses to know what they bound.
 * @module
 */
import { type LimitName, LIMITS } from "../broker/limits.ts";
import { type Policy, policyOf } from "../broker/policy.ts";

/** For links to other nodes: what they pass on was looked at where it came in; only memory is bounded. */
export function nodePolicy(base: Policy): Policy {
  const most = (name: LimitName): number => LIMITS[name].most;
  const { limits } = base;
  return {
    ...policyOf({}),
    limits: {
      ...limits,
      packetBytesMax: most("packetBytesMax"),
      controlBytesMax: most("controlBytesMax"),
      nameBytesMax: most("nameBytesMax"),
      topicLevelsMax: most("topicLevelsMax"),
      filtersPerPacketMax: most("filtersPerPacketMax"),
      subscriptionsPerSessionMax: most("subscriptionsPerSessionMax"),
      subscriptionBytesMax: most("subscriptionBytesMax"),
      receiveMaximum: most("receiveMaximum"),
      inFlightMax: NODE_IN_FLIGHT,
      topicAliasMaximum: 0,
      topicAliasesOutMax: 0,
      publishRateMax: 0,
      bytesRateMax: 0,
      outboundBytesMax: Math.max(limits.outboundBytesMax, NODE_OUTBOUND_BYTES),
      queuedBytesMax: Math.max(limits.queuedBytesMax, NODE_QUEUED_BYTES),
      queuedMessagesMax: Math.max(limits.queuedMessagesMax, NODE_QUEUED_MESSAGES),
      userQueuedBytesMax: 0,
    },
  };
}

/** §2.2.1 Packet Identifiers of messages; the others are for SUBSCRIBE and UNSUBSCRIBE. */
const NODE_IN_FLIGHT = 32_768;
/** For a node, which stands for all Clients behind it: bytes that wait to be written, and messages that wait for its link. */
const NODE_OUTBOUND_BYTES = 64 * 1024 * 1024;
const NODE_QUEUED_BYTES = 256 * 1024 * 1024;
const NODE_QUEUED_MESSAGES = 1_000_000;
