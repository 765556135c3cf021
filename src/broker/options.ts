/**
 * The decisions of an owner about a broker: limits, features, authentication, authorization, hooks.
 * Knows the questions; refuses to know the answers.
 * @module
 */
import type { ToleranceName } from "../codec/mend.ts";
import type { ProtocolLevel, QoS, SubscriptionOptions, UserProperties, Will } from "../codec/packet.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import type { Random } from "../engine/random.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { LimitName, Limits } from "./limits.ts";
import type { Refusal } from "./refusal.ts";
import type { Later, SessionStore } from "./store.ts";

export type { PeerInfo, Refusal };

/** A connected Client, as hooks and authorizers see it. */
export interface ClientInfo {
  /** §3.1.3.1 as sent, or as assigned. */
  readonly clientId: string;
  /** §3.1.3.5 of the CONNECT, or of the verdict. */
  readonly username: string | undefined;
  /** The groups of the verdict, for permissions. */
  readonly groups: readonly string[];
  /** The claims of the verdict, for permissions; without a prototype. */
  readonly claims: Readonly<Record<string, string>>;
  /** §3.1.2.2 */
  readonly level: ProtocolLevel;
  /** Where it connects from. */
  readonly peer: PeerInfo;
  /** §3.1.2.10 seconds that hold for this connection, 0 is off. */
  readonly keepAlive: number;
  /** §3.1.2.4 */
  readonly cleanStart: boolean;
}

/** A Client whose CONNECT was not accepted: nothing of this has been proved. `clientId` is empty if the Server was to assign one. */
export type RefusedClient = Pick<ClientInfo, "clientId" | "username" | "level">;

/** §3.1, §4.12 a Client is to be authenticated, or authenticated anew. */
export interface AuthenticationRequest {
  /** `connect` for a CONNECT, `continue` for an AUTH 0x18, `reauthenticate` for an AUTH 0x19. */
  readonly kind: "connect" | "continue" | "reauthenticate";
  /** Where it comes from. */
  readonly peer: PeerInfo;
  /** §3.1.2.2 */
  readonly level: ProtocolLevel;
  /** Empty if the Server is to assign one. */
  readonly clientId: string;
  /** §3.1.3.5 */
  readonly username: string | undefined;
  /** §3.1.3.6 never to be logged. */
  readonly password: Uint8Array | undefined;
  /** §4.12 one of `BrokerOptions.authenticationMethods`, or undefined for user name and password. */
  readonly method: string | undefined;
  /** §3.1.2.11.10 Authentication Data, never to be logged. */
  readonly data: Uint8Array | undefined;
  /** §3.1.2.5 of the CONNECT. */
  readonly will: Will | undefined;
  /** §3.1.2.11.8 of the CONNECT. */
  readonly userProperties: UserProperties;
  /** §4.12 the `state` of the verdict 0x18 that this AUTH answers; else undefined. */
  readonly state: unknown;
}

/** The answer to an `AuthenticationRequest`. */
export interface Verdict {
  /** 0x00 accepts the Client, 0x18 goes on with `authenticationData` (§4.12), 0x80 and above is a refusal that CONNACK may carry. */
  readonly code: ReasonCode;
  /** §3.1.2.11.10 for the Client, with 0x00 or 0x18. */
  readonly authenticationData?: Uint8Array;
  /** The name the Client is known by from now on, in place of its User Name; null for none, since its own one is not proved. */
  readonly username?: string | null;
  /** For `ClientInfo`, with 0x00; none if left out. */
  readonly groups?: readonly string[];
  /** For `ClientInfo`, with 0x00; none if left out. */
  readonly claims?: Readonly<Record<string, string>>;
  /**
   * With 0x00 to a CONNECT, limits of this connection and its session in place of the limits of the listener: none whose scope is the
   * broker or the listener, nor `publishRateMax`, `bytesRateMax` and `overRateTimeoutMs`, which hold from the first byte on.
   */
  readonly limits?: Partial<Limits>;
  /**
   * With 0x00, ms since the epoch: then the connection ends (0x87), unless the Client is authenticated anew (§4.12.1) before, with a
   * verdict of its own. Without it the login holds as long as the connection.
   */
  readonly expiresAt?: number;
  /** §4.12 with 0x18, for the authenticator alone: the next request of this exchange brings it back. */
  readonly state?: unknown;
  /** §3.2.2.3.9 for a person at the Client. */
  readonly reasonString?: string;
  /** With a refusal, for `Refusal.why`: no Client gets to see it. */
  readonly why?: string;
  /** §4.11 where to go instead, with 0x9C or 0x9D. */
  readonly serverReference?: string;
}

/** §4.11 where Clients are sent. */
export interface Redirection {
  /** 0x9C use another server for now, 0x9D server moved for good. */
  readonly code: 0x9c | 0x9d;
  /** §3.2.2.3.16 a host, `host:port`, or several with blanks between. */
  readonly serverReference: string;
}

/** §5.4.2 an action of a Client that needs a permission. */
export interface AuthorizationRequest {
  /** A Will Message counts as `publish`, at the CONNECT. */
  readonly action: "publish" | "subscribe";
  /** The Client that asks. */
  readonly client: ClientInfo;
  /** The Topic Name, or the Topic Filter with its `$share/…/`. */
  readonly topic: string;
  /** Of the message, or the most that is asked for. */
  readonly qos: QoS;
  /** Of the message; false for `subscribe`. */
  readonly retain: boolean;
}

/**
 * §5.4.2 The permissions of one Client, answered at once and without an exception. The answers may change while it is connected, and `version`
 * with them.
 */
export interface ClientPermissions {
  /** Grows when answers may have changed. */
  readonly version: number;
  /** A subscription was granted that reaches further than the Client may see: `receive` is asked for each message. */
  readonly isNarrowed: boolean;
  /** 0x00 or the code of the refusal: for a message, or a Will. It is asked for topics that begin with `$` too, but for `$SYS` and `$share`. */
  publish(topic: string, qos: QoS, retain: boolean): ReasonCode;
  /** The QoS that a subscription is granted, at most `qos`, or the code of the refusal. `filter` is with its `$share/…/`. */
  subscribe(filter: string, qos: QoS): ReasonCode;
  /** Whether a message on this topic may be sent to the Client. */
  receive(topic: string): boolean;
  /** Why `publish` or `receive` says what it says: one text for each rule that decides, with its place. */
  explain?(action: "publish" | "receive", topic: string, qos: QoS, retain: boolean): readonly string[];
  /** The Client has gone, its session stays: answers that are remembered would take memory for as long. */
  forget?(): void;
}

/** Permissions by rules that may change. `authorize` is asked besides, and both must allow. */
export interface PermissionSource {
  /** The permissions of a Client, whose CONNECT is about to be accepted. */
  of(client: ClientInfo): ClientPermissions;
  /** Has `changed` called when answers may have changed: `serve()` then calls `Broker.permissionsChanged()`. */
  watch?(changed: () => void): void;
}

/** A message as hooks see it. `payload` is the callee's only during the call. */
export interface MessageInfo {
  /** §3.3.2.1 Topic Name. */
  readonly topic: string;
  /** §3.3.3 */
  readonly payload: Uint8Array;
  /** §3.3.1.2 as it is sent to this Client, or as it was published. */
  readonly qos: QoS;
  /** §3.3.1.3 the same way. */
  readonly retain: boolean;
}

/** Why a Client did not get a message. */
export type DropReason =
  | "expired"
  | "packet too large"
  | "outboundBytesMax"
  | "memoryBytesMax"
  | "queuedMessagesMax"
  | "queuedBytesMax"
  | "userQueuedBytesMax"
  | "refused by the client"
  | "not permitted"
  | "no member";

/**
 * Called at once, inside the engine's turn: a hook must be quick. An exception, or the rejection of an `async` hook, is reported, and
 * ignored.
 *
 * A hook may call every method of the broker or server, as may an authenticator, an authorizer, a tap and a store. Looks (`stats`,
 * `session()`, ...) show how it is in the middle of the step. Whatever changes something is checked at once, throws `UsageError` if it
 * is wrong, and is done when the input that the hook tells of is dealt with (all that one read of a socket brought, say), in the order
 * of the calls and before anything else: as if it were called right after. So a message published by `connected` comes behind all
 * that the session still had to send.
 */
export interface BrokerHooks {
  /** A CONNECT was accepted. */
  connected?(client: ClientInfo, sessionPresent: boolean): void;
  /** That connection is over: by DISCONNECT (`refusal` undefined, `clean` true), by us, or lost (both undefined, false). */
  disconnected?(client: ClientInfo, clean: boolean, refusal: Refusal | undefined): void;
  /** A connection ended before a CONNECT was accepted. `client`: what its CONNECT said, if one came that is well formed. */
  refused?(peer: PeerInfo, refusal: Refusal, client: RefusedClient | undefined): void;
  /** §3.8 a subscription was made or replaced, with the options that were granted. */
  subscribed?(client: ClientInfo, filter: string, options: SubscriptionOptions): void;
  /** §3.10 a subscription is gone. */
  unsubscribed?(client: ClientInfo, filter: string): void;
  /** §5.4.2 a subscription has ended, since its Client may not have it any more. */
  revoked?(clientId: string, filter: string): void;
  /** A message was accepted; `client` is undefined for the Server's own. `receivers` counts sessions it goes to. */
  published?(message: MessageInfo, client: ClientInfo | undefined, receivers: number): void;
  /** A message was handed to this Client's connection. */
  delivered?(message: MessageInfo, client: ClientInfo): void;
  /**
   * A message does not reach this session; with `no member` the id is a `$share` filter of which no member can take it.
   * Not called for messages that expire in the store alone: `BrokerStats.dropped` counts them.
   */
  dropped?(message: MessageInfo, clientId: string, reason: DropReason): void;
  /** A packet of a Client, or a filter in it, is refused; the connection stays. */
  denied?(client: ClientInfo, refusal: Refusal): void;
  /**
   * A message is discarded without a refusal to its Client: QoS 0 has no answer, below level 5 PUBACK has no code, and a Will on
   * a `$` topic is dropped so that the Client can be accepted. For PUBLISH at most once for each connection and rule.
   */
  discarded?(client: ClientInfo, refusal: Refusal): void;
  /**
   * A limit is reached: its name, and the Client, user, peer or address. At most once per limit and session until the next connection, or per
   * limit and address until most of it is free again.
   */
  limited?(limit: LimitName, who: string): void;
  /** A packet was taken though it breaks the standard in a way that its listener tolerates. At most once for each connection and name. */
  tolerated?(name: ToleranceName, peer: PeerInfo, client: ClientInfo | undefined): void;
  /** A session is over. */
  sessionEnded?(clientId: string): void;
  /** The store could not make facts safe. The broker tries again; until that succeeds it refuses packets that need the store (0x97). */
  storeFailed?(error: unknown): void;
  /** It can again. */
  storeRecovered?(): void;
  /** An error that is ours or a hook's. */
  failed?(error: unknown): void;
}

/** The policy for the connections of one listener, or, given to a broker, of all listeners without another one. Everything is optional. */
export interface PolicyOptions {
  /** In place of the defaults of `LIMITS`. A listener may set limits whose scope is not the broker. */
  readonly limits?: Partial<Limits>;
  /**
   * §3.1.4 decides whether this Client is accepted. Its packets are not read until the answer is there; what it sent before it closed
   * the connection counts even then. An exception, a promise that is rejected, or an answer that is no verdict refuses it
   * (0x88), and is reported.
   */
  readonly authenticate?: ((request: AuthenticationRequest) => Later<Verdict>) | undefined;
  /** §4.12 the Authentication Methods that `authenticate` knows. */
  readonly authenticationMethods?: readonly string[];
  /**
   * §5.4.2 0x00, or the code of the refusal: 0x87, or 0x80, 0x83, 0x90 (publish), 0x8F (subscribe), 0x97. Nothing of the Client is
   * read until the answer is there. It is asked once for PUBLISH packets that arrive together and are alike in topic,
   * QoS and RETAIN. An exception, a promise that is rejected, or an answer that is none of these refuses the action (0x87), and is
   * reported.
   */
  readonly authorize?: ((request: AuthorizationRequest) => Later<ReasonCode>) | undefined;
  /** §5.4.2 permissions by rules: as `Permissions` of `@plumb/mqtt/permissions`. */
  readonly permissions?: PermissionSource | undefined;
  /** Deviations from the standard, by the names of `TOLERANCES`, for Clients that cannot be mended; default none. */
  readonly tolerate?: readonly ToleranceName[];
  /** §3.2.2.3.4; default 2. */
  readonly maximumQos?: QoS;
  /** §3.2.2.3.5; default true. */
  readonly retainAvailable?: boolean;
  /** §3.2.2.3.11; default true. */
  readonly wildcardSubscriptionAvailable?: boolean;
  /** §3.2.2.3.12; default true. */
  readonly subscriptionIdentifiersAvailable?: boolean;
  /** §3.2.2.3.13; default true. */
  readonly sharedSubscriptionAvailable?: boolean;
  /**
   * §3.1.3.1 whether a Client may take over the session of another user, who has proved a user name, by its Client Identifier; default false:
   * it is refused (0x85).
   */
  readonly takeoverByOthers?: boolean;
  /** §3.2.2.3.15 the Response Information of a Client that asks for it. */
  readonly responseInformation?: (client: ClientInfo) => string | undefined;
  /** §4.11 refuses every new connection with this. */
  readonly redirect?: Redirection;
}

/** What shows figures of a Server as topics: made by `systemTopics()`, so that a program that shows none has none of it. */
export interface SystemTopicsPart {
  /** @internal Called by the broker with its own parts. */
  readonly make: (...parts: never) => unknown;
}

/** Joins a Server with others that serve as one: made by `nodesPart()`, so that a Server alone has none of it. */
export interface NodesPart {
  /** @internal Called by the broker with its own parts. */
  readonly make: (...parts: never) => unknown;
}

/** A broker without options serves MQTT 3.1, 3.1.1 and 5.0 to every Client. */
export interface BrokerOptions extends PolicyOptions {
  /** Without one, everything is forgotten at the end of the process. */
  readonly store?: SessionStore;
  /** For assigned Client Identifiers; without one they can be guessed. */
  readonly random?: Random;
  /** Functions to be called on events. */
  readonly hooks?: BrokerHooks;
  /** Shows figures of the Server as `$SYS/broker/…` to who subscribes to them; without it there are none. */
  readonly systemTopics?: SystemTopicsPart;
  /** Other nodes that are one Server with this one; without it there are none. */
  readonly nodes?: NodesPart;
}
