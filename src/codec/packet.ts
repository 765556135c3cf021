/**
 * §3 MQTT Control Packets as plain values, one interface per packet, one shape for all protocol levels.
 * Knows what a packet holds; refuses to know how it is written, who may send it and what it causes.
 * @module
 */
import type { PacketType } from "./packet_type.ts";

/** §3.1.2.2 Protocol Version: 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5.0. */
export type ProtocolLevel = 3 | 4 | 5;

/** §4.3 Quality of Service: 0 at most once, 1 at least once, 2 exactly once. */
export type QoS = 0 | 1 | 2;

/** §2.2.2.2 User Properties: ordered pairs of name and value, a name may stand more than once. */
export type UserProperties = readonly (readonly [name: string, value: string])[];

/** §3.1.2.11 properties of CONNECT. An absent key is an absent property, not its default. */
export interface ConnectProperties {
  /** Seconds; 0xFFFFFFFF means the session never expires. */
  sessionExpiryInterval?: number;
  /** 1 to 65535 QoS 1 and 2 messages in flight towards the Client. */
  receiveMaximum?: number;
  /** Bytes, 1 or more. */
  maximumPacketSize?: number;
  topicAliasMaximum?: number;
  requestResponseInformation?: boolean;
  requestProblemInformation?: boolean;
  userProperties?: UserProperties;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
}

/** §3.3.2.3 and §3.1.3.2: the properties a PUBLISH and a Will Message share. */
export interface MessageProperties {
  /** 0 unspecified bytes, 1 UTF-8 text. */
  payloadFormatIndicator?: 0 | 1;
  /** Seconds. */
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  userProperties?: UserProperties;
}

/** §3.1.3.2 Will Properties. */
export interface WillProperties extends MessageProperties {
  /** Seconds. */
  willDelayInterval?: number;
}

/** §3.1.2.5 the message that the Server publishes when the Client is gone without a DISCONNECT. */
export interface Will {
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  properties?: WillProperties;
}

/** §3.1 CONNECT. */
export interface Connect {
  readonly type: typeof PacketType.CONNECT;
  level: ProtocolLevel;
  /** True when bit 7 of the protocol level was set, as some brokers' bridges do. */
  bridge?: boolean;
  cleanStart: boolean;
  /** Seconds, 0 is off. */
  keepAlive: number;
  clientId: string;
  will?: Will;
  username?: string;
  password?: Uint8Array;
  properties?: ConnectProperties;
}

/** §3.2.2.3 properties of CONNACK. */
export interface ConnackProperties {
  sessionExpiryInterval?: number;
  receiveMaximum?: number;
  maximumQos?: 0 | 1;
  retainAvailable?: boolean;
  maximumPacketSize?: number;
  assignedClientIdentifier?: string;
  topicAliasMaximum?: number;
  reasonString?: string;
  userProperties?: UserProperties;
  wildcardSubscriptionAvailable?: boolean;
  subscriptionIdentifiersAvailable?: boolean;
  sharedSubscriptionAvailable?: boolean;
  serverKeepAlive?: number;
  responseInformation?: string;
  serverReference?: string;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
}

/** §3.2 CONNACK. `reasonCode` is the byte on the wire: a return code of 0 to 5 at levels 3 and 4. */
export interface Connack {
  readonly type: typeof PacketType.CONNACK;
  sessionPresent: boolean;
  reasonCode: number;
  properties?: ConnackProperties;
}

/** §3.3.2.3 properties of PUBLISH. */
export interface PublishProperties extends MessageProperties {
  /** 1 to 65535. */
  topicAlias?: number;
  /** Server to Client only; one for each matching subscription that has one. */
  subscriptionIdentifiers?: readonly number[];
}

/** §3.3 PUBLISH. `packetId` is there when `qos` is 1 or 2. */
export interface Publish {
  readonly type: typeof PacketType.PUBLISH;
  dup: boolean;
  qos: QoS;
  retain: boolean;
  topic: string;
  packetId?: number;
  payload: Uint8Array;
  properties?: PublishProperties;
}

/** Reason String and User Properties, all that most answers can carry. */
export interface ReasonProperties {
  reasonString?: string;
  userProperties?: UserProperties;
}

interface Acknowledgement {
  packetId: number;
  /** 0 where the packet leaves it out, and at levels 3 and 4. */
  reasonCode: number;
  properties?: ReasonProperties;
}
/** §3.4 PUBACK. */
export interface Puback extends Acknowledgement {
  readonly type: typeof PacketType.PUBACK;
}
/** §3.5 PUBREC. */
export interface Pubrec extends Acknowledgement {
  readonly type: typeof PacketType.PUBREC;
}
/** §3.6 PUBREL. */
export interface Pubrel extends Acknowledgement {
  readonly type: typeof PacketType.PUBREL;
}
/** §3.7 PUBCOMP. */
export interface Pubcomp extends Acknowledgement {
  readonly type: typeof PacketType.PUBCOMP;
}

/** §3.8.3.1 Subscription Options; below level 5 only `qos` is on the wire, the rest decodes to false and 0. */
export interface SubscriptionOptions {
  qos: QoS;
  noLocal: boolean;
  retainAsPublished: boolean;
  /** 0 send retained messages, 1 only if the subscription is new, 2 do not send. */
  retainHandling: 0 | 1 | 2;
}
/** §3.8.3 one Topic Filter with its options. */
export interface SubscriptionRequest extends SubscriptionOptions {
  filter: string;
}
/** §3.8.2.1 properties of SUBSCRIBE. */
export interface SubscribeProperties {
  /** 1 to 268435455. */
  subscriptionIdentifier?: number;
  userProperties?: UserProperties;
}
/** §3.8 SUBSCRIBE. */
export interface Subscribe {
  readonly type: typeof PacketType.SUBSCRIBE;
  packetId: number;
  subscriptions: SubscriptionRequest[];
  properties?: SubscribeProperties;
}
/** §3.9 SUBACK. */
export interface Suback {
  readonly type: typeof PacketType.SUBACK;
  packetId: number;
  reasonCodes: readonly number[];
  properties?: ReasonProperties;
}
/** §3.10 UNSUBSCRIBE. */
export interface Unsubscribe {
  readonly type: typeof PacketType.UNSUBSCRIBE;
  packetId: number;
  filters: string[];
  properties?: { userProperties?: UserProperties };
}
/** §3.11 UNSUBACK. `reasonCodes` is empty at levels 3 and 4. */
export interface Unsuback {
  readonly type: typeof PacketType.UNSUBACK;
  packetId: number;
  reasonCodes: readonly number[];
  properties?: ReasonProperties;
}
/** §3.12 PINGREQ. */
export interface Pingreq {
  readonly type: typeof PacketType.PINGREQ;
}
/** §3.13 PINGRESP. */
export interface Pingresp {
  readonly type: typeof PacketType.PINGRESP;
}
/** §3.14.2.2 properties of DISCONNECT. */
export interface DisconnectProperties extends ReasonProperties {
  sessionExpiryInterval?: number;
  serverReference?: string;
}
/** §3.14 DISCONNECT. */
export interface Disconnect {
  readonly type: typeof PacketType.DISCONNECT;
  /** 0 where the packet leaves it out, and at levels 3 and 4. */
  reasonCode: number;
  properties?: DisconnectProperties;
}
/** §3.15.2.2 properties of AUTH. */
export interface AuthProperties extends ReasonProperties {
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
}
/** §3.15 AUTH, level 5 only. */
export interface Auth {
  readonly type: typeof PacketType.AUTH;
  reasonCode: number;
  properties?: AuthProperties;
}

/** §2.1.2 any MQTT Control Packet, told apart by `type`. */
export type Packet =
  | Connect
  | Connack
  | Publish
  | Puback
  | Pubrec
  | Pubrel
  | Pubcomp
  | Subscribe
  | Suback
  | Unsubscribe
  | Unsuback
  | Pingreq
  | Pingresp
  | Disconnect
  | Auth;
