/**
 * What the owner of a client engine decides, and what the engine tells the owner.
 * Knows names and meanings; refuses to know how an owner opens connections.
 * @module
 */
import type { ConnackProperties, Connect, ProtocolLevel, UserProperties, Will } from "../codec/packet.ts";
import type { Random } from "../engine/random.ts";
import type { MqttError, RefusedError, UnsupportedError } from "./error.ts";
import type { Incoming } from "./incoming.ts";
import type { Authentication, AuthenticationHost } from "./authentication.ts";
import type { Journal } from "./journal.ts";
import type { ClientLimits } from "./limits.ts";

/** How one Client behaves. */
export interface EngineOptions {
  /** §3.1.3.1 Empty: the Server gives one. */
  readonly clientId?: string;
  /** §3.1.2.2 `auto` (default): 5, then 4 where the Server does not know 5 or closes without CONNACK. */
  readonly level?: ProtocolLevel | "auto";
  /** §3.1.2.4 of the first connection; default: without `clientId`. Below level 5 it holds for all. */
  readonly cleanStart?: boolean;
  /** §3.1.2.11.2 seconds. Default 0 without `clientId`, else 3,600. */
  readonly sessionExpiry?: number;
  /** §3.1.2.10 seconds, 0 for none. Default 60. */
  readonly keepAlive?: number;
  /** §3.1.2.11.3 */
  readonly receiveMaximum?: number;
  /** §3.1.2.11.4 bytes. Default: no limit. */
  readonly maximumPacketSize?: number;
  /** §3.1.2.11.5 */
  readonly topicAliasMaximum?: number;
  /** §3.1.2.11.6 */
  readonly requestResponseInformation?: boolean;
  /** §3.1.2.11.7 default true. */
  readonly requestProblemInformation?: boolean;
  /** §3.1.2.11.8 */
  readonly userProperties?: UserProperties;
  /** §3.1.2.5 */
  readonly will?: Will;
  /** The CONNECT in place of this one, for each connection anew: for what no other option says. */
  amend?(connect: Connect): Connect;
  /** Whether it connects again when the connection is lost. Default true. */
  readonly reconnect?: boolean;
  /** ms that it tries to connect for the first time; default: one attempt. */
  readonly patienceMs?: number;
  /** Decides on another attempt: whether, or after how many ms. Default: see `isFinal()`. */
  again?(error: MqttError, attempt: number): boolean | number | undefined;
  /** §4.11 whether a refusal is a redirection, which is followed; without it none is. */
  isRedirect?(error: MqttError): boolean;
  /** Values in place of those of the table. */
  readonly limits?: Partial<ClientLimits>;
  /** Keeps messages of QoS 1 and 2 over the end of the process. */
  readonly journal?: Journal;
  /** §4.12 makes the part that answers AUTH. */
  authentication?(host: AuthenticationHost): Authentication;
  /** For the waits between attempts. */
  readonly random: Random;
}

/** Who connects: asked anew for each connection. */
export interface Credentials {
  /** §3.1.3.5 */
  readonly username?: string;
  /** §3.1.3.6 */
  readonly password?: Uint8Array;
  /** §4.12 */
  readonly authenticationMethod?: string;
  /** §4.12 the first data of the method. */
  readonly authenticationData?: Uint8Array;
}

/** Where a Client stands. */
export type Status = "connecting" | "connected" | "waiting" | "closed";

/** A connection that is accepted, and whose subscriptions are made. */
export interface Connected {
  /** §3.2.2.1.1 */
  readonly sessionPresent: boolean;
  /** §3.1.2.2 */
  readonly level: ProtocolLevel;
  /** §3.2.2.3 as it came. */
  readonly server: Readonly<ConnackProperties>;
}

/** A Network Connection is wanted. */
export interface DialOrder {
  /** From 0; 1 for the first one after a connection that was stable. */
  readonly attempt: number;
  /** §4.11 the Server to use instead. */
  readonly redirect: RefusedError | undefined;
}

/** The owner. It is called in the midst of inputs: it may call the engine then, but `received`, `ticked` and `flush`. */
export interface ClientOwner {
  /** Opens a Network Connection: `opened()` or `dialFailed()` is called later, or at once. */
  dial(order: DialOrder): void;
  /** CONNACK has come: why this is not the Server that it should be, before anything is sent to it. */
  refuses(server: Readonly<ConnackProperties>): MqttError | undefined;
  /** The Server has accepted the Client, and the subscriptions are there. */
  connected(event: Connected): void;
  /** The connection is lost; `retryAt` (ms since the epoch) is undefined if there will be no other. */
  disconnected(error: MqttError, retryAt: number | undefined): void;
  /** A subscription could not be made anew. */
  unsubscribed(filter: string, error: RefusedError | UnsupportedError): void;
  /** A message that no subscription matches. It is acknowledged. */
  unmatched(message: Incoming): void;
  /** The records have changed: `committed()` or `commitFailed()` is called later, or at once. */
  commit(): void;
  /** There is something to `flush()` at the end of the turn. */
  touched(): void;
  /** It is over, and every connection has ended. */
  closed(error: MqttError | undefined): void;
}
