/**
 * §3.2 What CONNACK says about the Server, with the values of what it leaves out.
 * Knows the properties and their defaults; refuses to know the packets that they bound.
 * @module
 */
import type { Connack, ProtocolLevel, QoS } from "../codec/packet.ts";
import type { ClientLimits } from "./limits.ts";

/** What may be sent on one connection. */
export interface ServerLimits {
  /** Of the connection. */
  readonly level: ProtocolLevel;
  /** §3.2.2.3.4 */
  readonly maximumQos: QoS;
  /** §3.2.2.3.5 */
  readonly retainAvailable: boolean;
  /** §4.9 QoS 1 and 2 messages that may be in flight [MQTT-4.9.0-1]. */
  readonly sendLimit: number;
  /** §3.2.2.3.8 */
  readonly aliasesMax: number;
  /** §3.2.2.3.11 */
  readonly wildcards: boolean;
  /** §3.2.2.3.12 */
  readonly identifiers: boolean;
  /** §3.2.2.3.13 */
  readonly shared: boolean;
}

/** §3.2.2.3 what an accepting CONNACK means, within limits of our own. */
export function serverLimits(
  { properties = {} }: Connack,
  level: ProtocolLevel,
  limits: ClientLimits,
): ServerLimits {
  const is5 = level === 5;
  return {
    level,
    maximumQos: properties.maximumQos ?? 2,
    retainAvailable: properties.retainAvailable ?? true,
    sendLimit: is5
      ? Math.min(properties.receiveMaximum ?? 65_535, limits.inFlightMax)
      : limits.inFlightBelow5Max,
    aliasesMax: Math.min(properties.topicAliasMaximum ?? 0, limits.aliasesMax), // [MQTT-3.2.2-17] [MQTT-3.2.2-18]
    wildcards: properties.wildcardSubscriptionAvailable ?? true,
    identifiers: is5 && (properties.subscriptionIdentifiersAvailable ?? true),
    shared: properties.sharedSubscriptionAvailable ?? true,
  };
}
