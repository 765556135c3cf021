/**
 * What the user of a Client can ask for.
 * Knows names, defaults and units; refuses to know how it is done.
 * @module
 */
import type { MqttError } from "../client/error.ts";
import type { ClientLimits } from "../client/limits.ts";
import type { Offline } from "../client/publication.ts";
import type {
  MessageProperties,
  ProtocolLevel,
  QoS,
  UserProperties,
  WillProperties,
} from "../codec/packet.ts";
import type { Transport } from "../transport/transport.ts";
import type { ClientLoop } from "./loop.ts";

/** How one message is published. Its properties are those of level 5; Topic Aliases are chosen by the Client. */
export interface PublishOptions extends Readonly<MessageProperties> {
  /** Default 0. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
  /** Gives up waiting. A message that has not left is taken back; one under way at QoS 1 or 2 goes on: it cannot be unsent. */
  readonly signal?: AbortSignal;
  /** While there is no connection: `queue` (default for QoS 1 and 2), `fail` (default for QoS 0), or `drop` without an error. */
  readonly offline?: Offline;
}

/** How one subscription is made and read. */
export interface SubscribeOptions {
  /** The highest that is wanted. Default 2. */
  readonly qos?: QoS;
  /** Level 5: not one's own messages. */
  readonly noLocal?: boolean;
  /** Level 5: RETAIN as it was published. */
  readonly retainAsPublished?: boolean;
  /** Level 5: retained messages 0 always (default), 1 for a new subscription only, 2 never. */
  readonly retainHandling?: 0 | 1 | 2;
  /** §3.8.2.1.2 from 1 to 268,435,455; default: one that the Client chooses. */
  readonly subscriptionIdentifier?: number;
  /** §3.8.2.1.3 */
  readonly userProperties?: UserProperties;
  /** Messages kept for a reader that is behind; default 1,000. */
  readonly buffer?: number;
  /**
   * When it is full. `wait` (default): PUBACK and PUBREC wait, so that Receive Maximum holds the Server back, and for QoS 0 nothing is
   * read any more, unless the Client waits for an answer of the Server, or the transport cannot pause (the WebSocket object of browsers): then QoS 0 messages that find it full are dropped and counted. A Server
   * may end a Client that is behind for too long. `dropOldest`, `dropNewest`: what is dropped is acknowledged, and counted.
   */
  readonly overflow?: "wait" | "dropOldest" | "dropNewest";
  /** `auto` (default): when the loop takes the next message or ends; `receipt`: at once, while there is room; `manual`: `message.ack()`. */
  readonly ack?: "auto" | "receipt" | "manual";
  /** Ends the iteration and unsubscribes. */
  readonly signal?: AbortSignal;
}

/** How a subscription is given up. */
export interface UnsubscribeOptions {
  /** §3.10.2.1.2 */
  readonly userProperties?: UserProperties;
}

/** How a Client closes. What DISCONNECT says needs a connection, and all of it but the Will level 5. */
export interface CloseOptions {
  /** ms that what is under way is waited for, default 5,000. */
  readonly timeoutMs?: number;
  /** §3.14.2.1 the Server is to publish the Will (0x04); default false. */
  readonly withWill?: boolean;
  /** §3.14.2.2.2 seconds that the session lasts from now on; 0 ends it. Default: as `connect()` was told. */
  readonly sessionExpiry?: number;
  /** §3.14.2.2.3 for people. */
  readonly reasonString?: string;
  /** §3.14.2.2.4 */
  readonly userProperties?: UserProperties;
}

/** How an answer is waited for. */
export interface RequestOptions extends PublishOptions {
  /** ms, default 10,000. It ends the wait: a request of QoS 1 or 2 that waits for a connection is sent all the same. */
  readonly timeoutMs?: number;
}

/** §3.1.3.5, §3.1.3.6 who connects. */
export interface Login {
  /** §3.1.3.5 */
  readonly username?: string;
  /** §3.1.3.6 */
  readonly password?: string | Uint8Array;
}

/** §3.1.2.5 published by the Server when the Client is gone without a DISCONNECT. */
export interface WillOptions {
  /** A Topic Name. */
  readonly topic: string;
  /** §3.1.3.4 */
  readonly payload: string | Uint8Array;
  /** Default 0. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
  /** Level 5. */
  readonly properties?: Readonly<WillProperties>;
}

/** §4.12 a method of enhanced authentication, SCRAM say. */
export interface Authentication {
  /** Its name. */
  readonly method: string;
  /** The first data, for each connection anew. */
  initial?(): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** The answer to data of the Server; throws to give up. */
  next(data: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Checks the data of CONNACK; throws if the Server is not who it should be. */
  verify?(data: Uint8Array | undefined): void;
}

/** What TLS needs. PEM texts. */
export interface TlsOptions {
  /** Certificates to trust in place of the system's. */
  readonly ca?: string;
  /** What the Client shows to a Server that asks for a certificate, with `key`. */
  readonly cert?: string;
  /** Of `cert`, without a passphrase. */
  readonly key?: string;
  /** Trusts any certificate: for tests. */
  readonly insecure?: boolean;
}

/** Opens a Network Connection to a URL; rejects with the reason why not. A transport that has been handed over is not started yet. */
export type Dialer = (url: URL, options: DialOptions) => Promise<Transport>;

/** What a dialer is told. */
export interface DialOptions {
  /** Of the options of `connect()`. */
  readonly tls: TlsOptions;
  /** Nobody waits any more. */
  readonly signal: AbortSignal;
}

/** Messages of QoS 1 and 2 over the end of the process; one store for each Client Identifier. */
export interface ClientStore {
  /** What the last process left. */
  load():
    | Iterable<readonly [key: number, record: Uint8Array]>
    | Promise<Iterable<readonly [key: number, record: Uint8Array]>>;
  /** Takes effect with the next commit, as `delete()`. The record is the store's. */
  put(key: number, record: Uint8Array): void;
  /** Does nothing if there is no such key. */
  delete(key: number): void;
  /**
   * Makes safe what was put and deleted before. One at a time is under way. If it throws or rejects the connection ends, and it is called
   * again with the next attempt to connect; a Client that closes does not call it again.
   */
  commit(): void | Promise<void>;
}

/** How a Client connects. */
export interface ConnectOptions {
  /** §3.1.3.1 default: the Server chooses, and the session ends with the connection. */
  readonly clientId?: string;
  /** §3.1.3.5 default: that of the URL. */
  readonly username?: string;
  /** §3.1.3.6 default: that of the URL. */
  readonly password?: string | Uint8Array;
  /** Asked anew before each connection: for tokens that expire. */
  readonly credentials?: (attempt: number) => Login | Promise<Login>;
  /** `auto` (default): 5, then 4 where the Server says that it does not know 5, or closes without CONNACK; or just one. */
  readonly level?: ProtocolLevel | "auto";
  /** §3.1.2.4 default: without `clientId`. */
  readonly cleanStart?: boolean;
  /** §3.1.2.11.2 seconds; default 0 without `clientId`, else 3,600. */
  readonly sessionExpiry?: number;
  /** §3.1.2.10 seconds, default 60; 0 for none. */
  readonly keepAlive?: number;
  /** §3.1.2.11.3 QoS 1 and 2 messages that the Server may have under way; default 1,000. */
  readonly receiveMaximum?: number;
  /** §3.1.2.11.4 bytes; default: any. */
  readonly maximumPacketSize?: number;
  /** §3.1.2.11.5 default 32. */
  readonly topicAliasMaximum?: number;
  /** §3.1.2.11.6 asks for Response Information, below which `request()` then has its Response Topic; default false. */
  readonly requestResponseInformation?: boolean;
  /** §3.1.2.11.7 `false` keeps Reason Strings and User Properties out of most packets; default true. */
  readonly requestProblemInformation?: boolean;
  /** §3.1.2.11.8 */
  readonly userProperties?: UserProperties;
  /** §3.1.2.5 */
  readonly will?: WillOptions;
  /** ms that the first connection may take, attempts included; Infinity: until `signal`. Default: one attempt, and it rejects with why. */
  readonly connectTimeoutMs?: number;
  /** Of later connections. Default: after up to 250 ms, doubled with each attempt to up to 30 s. `false`: the Client closes. */
  readonly reconnect?: false | {
    readonly minMs?: number;
    readonly maxMs?: number;
    /** Whether to try again, or after how many ms; undefined: as usual. */
    again?(error: MqttError, attempt: number): boolean | number | undefined;
  };
  /** What may wait to be sent; default 10,000 messages and 16 MiB. */
  readonly offlineQueue?: { readonly messages?: number; readonly bytes?: number };
  /** Where messages of QoS 1 and 2 are kept; default: in memory, and they end with the process. */
  readonly store?: ClientStore;
  /** §4.12 in place of user name and password, or beside them. */
  readonly authentication?: Authentication;
  /** §4.11 redirections followed one behind the other; default 3, `false` for none. */
  readonly redirects?: number | false;
  /** For `mqtts:`. */
  readonly tls?: TlsOptions;
  /** Ends all at once: `connect()` rejects, or the Client closes. */
  readonly signal?: AbortSignal;
  /** Opens connections in place of the one for the scheme of the URL. */
  readonly dial?: Dialer;
  /** Values in place of those of `CLIENT_LIMITS`. */
  readonly limits?: Partial<ClientLimits>;
  /** For tests: time. */
  readonly loop?: ClientLoop;
  /** For tests: chance, integers below 2^32. */
  readonly random?: () => number;
}
