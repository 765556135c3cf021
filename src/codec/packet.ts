/**
 * §3 MQTT Control Packets as plain values, one interface per packet, one shape for all protocol levels.
 * Knows what a packet holds; refuses to know how it is written, its sender and its effects.
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
  /** §3.1.2.11.2 seconds; 0xFFFFFFFF means the session never expires. */
  sessionExpiryInterval?: number;
  /** §3.1.2.11.3 1 to 65535 QoS 1 and 2 messages in flight towards the Client. */
  receiveMaximum?: number;
  /** §3.1.2.11.4 bytes, 1 or more. */
  maximumPacketSize?: number;
  /** §3.1.2.11.5 the highest Topic Alias the Client takes, 0 for none. */
  topicAliasMaximum?: number;
  /** §3.1.2.11.6 asks for Response Information in CONNACK. */
  requestResponseInformation?: boolean;
  /** §3.1.2.11.7 false keeps Reason String and User Properties out of most packets. */
  requestProblemInformation?: boolean;
  /** §3.1.2.11.8. */
  userProperties?: UserProperties;
  /** §3.1.2.11.9 the name of the method; with it, authentication is the enhanced one of §4.12. */
  authenticationMethod?: string;
  /** §3.1.2.11.10 only beside a method. */
  authenticationData?: Uint8Array;
}

/** §3.3.2.3 and §3.1.3.2: the properties a PUBLISH and a Will Message share. */
export interface MessageProperties {
  /** §3.3.2.3.2 0 unspecified bytes, 1 UTF-8 text. */
  payloadFormatIndicator?: 0 | 1;
  /** §3.3.2.3.3 seconds. */
  messageExpiryInterval?: number;
  /** §3.3.2.3.9 the kind of the payload; often a MIME type. */
  contentType?: string;
  /** §3.3.2.3.5 a Topic Name, for the answer. */
  responseTopic?: string;
  /** §3.3.2.3.6 tells the sender which request an answer belongs to. */
  correlationData?: Uint8Array;
  /** §3.3.2.3.7. */
  userProperties?: UserProperties;
}

/** §3.1.3.2 Will Properties. */
export interface WillProperties extends MessageProperties {
  /** §3.1.3.2.2 seconds. */
  willDelayInterval?: number;
}

/** §3.1.2.5 the message that the Server publishes when the Client is gone without a DISCONNECT. */
export interface Will {
  /** §3.1.3.3 a Topic Name. */
  topic: string;
  /** §3.1.3.4 at most 65535 bytes. */
  payload: Uint8Array;
  /** §3.1.2.6. */
  qos: QoS;
  /** §3.1.2.7. */
  retain: boolean;
  /** §3.1.3.2 level 5 only. */
  properties?: WillProperties;
}

/** §3.1 CONNECT. */
export interface Connect {
  /** §2.1.2. */
  readonly type: typeof PacketType.CONNECT;
  /** §3.1.2.2. */
  level: ProtocolLevel;
  /** True when bit 7 of the protocol level was set, as some brokers' bridges do. */
  bridge?: boolean;
  /** §3.1.2.4; called Clean Session below level 5, where it says more. */
  cleanStart: boolean;
  /** §3.1.2.10 seconds, 0 is off. */
  keepAlive: number;
  /** §3.1.3.1 may be empty. */
  clientId: string;
  /** §3.1.2.5. */
  will?: Will;
  /** §3.1.3.5. */
  username?: string;
  /** §3.1.3.6; below level 5 only beside a user name. */
  password?: Uint8Array;
  /** §3.1.2.11 level 5 only. */
  properties?: ConnectProperties;
}

/** §3.2.2.3 properties of CONNACK. */
export interface ConnackProperties {
  /** §3.2.2.3.2 seconds; the value in force, where it is not that of CONNECT. */
  sessionExpiryInterval?: number;
  /** §3.2.2.3.3 1 to 65535 QoS 1 and 2 messages in flight towards the Server. */
  receiveMaximum?: number;
  /** §3.2.2.3.4 absent means 2. */
  maximumQos?: 0 | 1;
  /** §3.2.2.3.5 absent means true. */
  retainAvailable?: boolean;
  /** §3.2.2.3.6 bytes, 1 or more. */
  maximumPacketSize?: number;
  /** §3.2.2.3.7 the Client Identifier where CONNECT had none. */
  assignedClientIdentifier?: string;
  /** §3.2.2.3.8 the highest Topic Alias the Server takes, 0 for none. */
  topicAliasMaximum?: number;
  /** §3.2.2.3.9 for people, not for programs. */
  reasonString?: string;
  /** §3.2.2.3.10. */
  userProperties?: UserProperties;
  /** §3.2.2.3.11 absent means true. */
  wildcardSubscriptionAvailable?: boolean;
  /** §3.2.2.3.12 absent means true. */
  subscriptionIdentifiersAvailable?: boolean;
  /** §3.2.2.3.13 absent means true. */
  sharedSubscriptionAvailable?: boolean;
  /** §3.2.2.3.14 seconds, in place of the Keep Alive of CONNECT. */
  serverKeepAlive?: number;
  /** §3.2.2.3.15 from which a Client makes Response Topics. */
  responseInformation?: string;
  /** §3.2.2.3.16 another Server to use. */
  serverReference?: string;
  /** §3.2.2.3.17. */
  authenticationMethod?: string;
  /** §3.2.2.3.18. */
  authenticationData?: Uint8Array;
}

/** §3.2 CONNACK. `reasonCode` is the byte on the wire: a return code of 0 to 5 at levels 3 and 4. */
export interface Connack {
  /** §2.1.2. */
  readonly type: typeof PacketType.CONNACK;
  /** §3.2.2.1.1 always false at level 3, which has no place for it. */
  sessionPresent: boolean;
  /** §3.2.2.2. */
  reasonCode: number;
  /** §3.2.2.3 level 5 only. */
  properties?: ConnackProperties;
}

/** §3.3.2.3 properties of PUBLISH. */
export interface PublishProperties extends MessageProperties {
  /** §3.3.2.3.4 1 to 65535. */
  topicAlias?: number;
  /** §3.3.2.3.8 Server to Client only; one for each matching subscription that has one. */
  subscriptionIdentifiers?: readonly number[];
}

/** §3.3 PUBLISH. `packetId` is there when `qos` is 1 or 2. */
export interface Publish {
  /** §2.1.2. */
  readonly type: typeof PacketType.PUBLISH;
  /** §3.3.1.1 sent before. */
  dup: boolean;
  /** §3.3.1.2. */
  qos: QoS;
  /** §3.3.1.3. */
  retain: boolean;
  /** §3.3.2.1 empty only where a Topic Alias stands for it. */
  topic: string;
  /** §3.3.2.2 1 to 65535. */
  packetId?: number;
  /** §3.3.3 may be empty. */
  payload: Uint8Array;
  /** §3.3.2.3 level 5 only. */
  properties?: PublishProperties;
}

/** Reason String and User Properties, all that most answers can carry. */
export interface ReasonProperties {
  /** For people, not for programs. */
  reasonString?: string;
  /** §2.2.2.2. */
  userProperties?: UserProperties;
}

/** What PUBACK, PUBREC, PUBREL and PUBCOMP have in common. */
export interface AcknowledgementFields {
  /** §2.2.1 that of the PUBLISH. */
  packetId: number;
  /** 0 where the packet leaves it out, and at levels 3 and 4. */
  reasonCode: number;
  /** Level 5 only. */
  properties?: ReasonProperties;
}
/** §3.4 PUBACK. */
export interface Puback extends AcknowledgementFields {
  /** §2.1.2. */
  readonly type: typeof PacketType.PUBACK;
}
/** §3.5 PUBREC. */
export interface Pubrec extends AcknowledgementFields {
  /** §2.1.2. */
  readonly type: typeof PacketType.PUBREC;
}
/** §3.6 PUBREL. */
export interface Pubrel extends AcknowledgementFields {
  /** §2.1.2. */
  readonly type: typeof PacketType.PUBREL;
}
/** §3.7 PUBCOMP. */
export interface Pubcomp extends AcknowledgementFields {
  /** §2.1.2. */
  readonly type: typeof PacketType.PUBCOMP;
}

/** §3.8.3.1 Subscription Options; below level 5 only `qos` is on the wire, the rest decodes to false and 0. */
export interface SubscriptionOptions {
  /** The highest QoS the subscriber takes. */
  qos: QoS;
  /** True keeps the Client's own messages from it. */
  noLocal: boolean;
  /** True keeps the RETAIN flag of forwarded messages. */
  retainAsPublished: boolean;
  /** 0 send retained messages, 1 only if the subscription is new, 2 do not send. */
  retainHandling: 0 | 1 | 2;
}
/** §3.8.3 one Topic Filter with its options. */
export interface SubscriptionRequest extends SubscriptionOptions {
  /** §4.7 a Topic Filter, perhaps of a shared subscription. */
  filter: string;
}
/** §3.8.2.1 properties of SUBSCRIBE. */
export interface SubscribeProperties {
  /** §3.8.2.1.2 1 to 268435455. */
  subscriptionIdentifier?: number;
  /** §3.8.2.1.3. */
  userProperties?: UserProperties;
}
/** §3.8 SUBSCRIBE. */
export interface Subscribe {
  /** §2.1.2. */
  readonly type: typeof PacketType.SUBSCRIBE;
  /** §2.2.1 1 to 65535. */
  packetId: number;
  /** §3.8.3 one or more. */
  subscriptions: SubscriptionRequest[];
  /** §3.8.2.1 level 5 only. */
  properties?: SubscribeProperties;
}
/** §3.9 SUBACK. */
export interface Suback {
  /** §2.1.2. */
  readonly type: typeof PacketType.SUBACK;
  /** §2.2.1 that of the SUBSCRIBE. */
  packetId: number;
  /** §3.9.3 one for each filter, in their order. */
  reasonCodes: readonly number[];
  /** §3.9.2.1 level 5 only. */
  properties?: ReasonProperties;
}
/** §3.10 UNSUBSCRIBE. */
export interface Unsubscribe {
  /** §2.1.2. */
  readonly type: typeof PacketType.UNSUBSCRIBE;
  /** §2.2.1 1 to 65535. */
  packetId: number;
  /** §3.10.3 one or more. */
  filters: string[];
  /** §3.10.2.1 level 5 only. */
  properties?: { userProperties?: UserProperties };
}
/** §3.11 UNSUBACK. `reasonCodes` is empty at levels 3 and 4. */
export interface Unsuback {
  /** §2.1.2. */
  readonly type: typeof PacketType.UNSUBACK;
  /** §2.2.1 that of the UNSUBSCRIBE. */
  packetId: number;
  /** §3.11.3 one for each filter, in their order. */
  reasonCodes: readonly number[];
  /** §3.11.2.1 level 5 only. */
  properties?: ReasonProperties;
}
/** §3.12 PINGREQ. */
export interface Pingreq {
  /** §2.1.2. */
  readonly type: typeof PacketType.PINGREQ;
}
/** §3.13 PINGRESP. */
export interface Pingresp {
  /** §2.1.2. */
  readonly type: typeof PacketType.PINGRESP;
}
/** §3.14.2.2 properties of DISCONNECT. */
export interface DisconnectProperties extends ReasonProperties {
  /** §3.14.2.2.2 seconds; Client to Server only. */
  sessionExpiryInterval?: number;
  /** §3.14.2.2.5 another Server to use; Server to Client only. */
  serverReference?: string;
}
/** §3.14 DISCONNECT. */
export interface Disconnect {
  /** §2.1.2. */
  readonly type: typeof PacketType.DISCONNECT;
  /** 0 where the packet leaves it out, and at levels 3 and 4. */
  reasonCode: number;
  /** §3.14.2.2 level 5 only. */
  properties?: DisconnectProperties;
}
/** §3.15.2.2 properties of AUTH. */
export interface AuthProperties extends ReasonProperties {
  /** §3.15.2.2.2 that of CONNECT. */
  authenticationMethod?: string;
  /** §3.15.2.2.3. */
  authenticationData?: Uint8Array;
}
/** §3.15 AUTH, level 5 only. */
export interface Auth {
  /** §2.1.2. */
  readonly type: typeof PacketType.AUTH;
  /** §3.15.2.1 0x00, 0x18 or 0x19. */
  reasonCode: number;
  /** §3.15.2.2. */
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
