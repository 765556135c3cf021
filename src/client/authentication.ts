/**
 * §4.12 Enhanced authentication: AUTH of the Server, and ours.
 * Knows whose turn it is; refuses to know methods. A Client without it takes no AUTH.
 * @module
 */
import { decodeAuth, encodeAuth } from "../codec/auth.ts";
import { protocolError, UsageError } from "../codec/error.ts";
import type { Auth, ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { Reader } from "../codec/reader.ts";
import { ConnectionError, type MqttError } from "./error.ts";
import type { Waiter } from "./exchange.ts";
import type { Encoder } from "./link.ts";

/** A connection, for its authentication. */
export interface AuthenticatedConnection {
  /** §3.1.2.2 */
  readonly link: { readonly level: ProtocolLevel };
  /** §4.12 the Authentication Method of CONNECT. */
  readonly method: string | undefined;
  /** Whether CONNACK has accepted it, and it can be used. */
  readonly isOpen: boolean;
  /** Sends AUTH, if anything may still be sent. */
  send(encode: Encoder<Auth>, auth: Auth): void;
  /** Ends it. */
  fail(error: MqttError): void;
}

/** The engine, for its authentication. */
export interface AuthenticationHost {
  /** The connection in use. */
  readonly connection: AuthenticatedConnection | undefined;
  /** An input begins. */
  begin(now: number): void;
}

/** Who knows the method. */
export interface AuthenticationOwner {
  /** The Server goes on with the authentication: `next()` is called later, or at once. */
  challenged(data: Uint8Array | undefined): void;
}

/** The authentication of one Client on all its connections. */
export class Authentication {
  readonly #host: AuthenticationHost;
  readonly #owner: AuthenticationOwner;
  /** Of the re-authentication that is under way. */
  #waiter: Waiter | undefined;

  constructor(host: AuthenticationHost, owner: AuthenticationOwner) {
    this.#host = host;
    this.#owner = owner;
  }

  // Inputs.

  /** The next data of the authentication that is under way. */
  next(data: Uint8Array | undefined, now: number): void {
    this.#host.begin(now);
    this.#send(0x18, data); // [MQTT-4.12.0-3]
  }

  /** §4.12.1 begins it again on an open connection [MQTT-4.12.1-1]. */
  again(data: Uint8Array | undefined, waiter: Waiter, now: number): void {
    this.#host.begin(now);
    if (this.#host.connection?.isOpen !== true) return waiter.failed(new ConnectionError("No connection"));
    if (this.#waiter !== undefined) {
      return waiter.failed(new UsageError("Re-authentication is under way [4.12/not-under-way]"));
    }
    this.#waiter = waiter;
    this.#send(0x19, data);
  }

  /** The owner's part has failed. */
  failed(error: unknown, now: number): void {
    this.#host.begin(now);
    this.#host.connection?.fail(new ConnectionError("The authentication has failed", error));
  }

  #send(reasonCode: 0x18 | 0x19, data: Uint8Array | undefined): void {
    const { connection } = this.#host;
    const authenticationMethod = connection?.method;
    if (authenticationMethod === undefined) return; // [MQTT-4.12.0-7]
    const properties = { authenticationMethod, ...data !== undefined && { authenticationData: data } };
    connection!.send(encodeAuth, { type: PacketType.AUTH, reasonCode, properties });
  }

  // Of the connection.

  /** The body of an AUTH has come. @throws {PeerError} for one that is wrong now. */
  received(connection: AuthenticatedConnection, reader: Reader, flags: number): void {
    const { reasonCode, properties } = decodeAuth(reader, flags, connection.link.level);
    const { method, isOpen } = connection;
    if (method === undefined) throw protocolError("4.12/not-under-way");
    const { authenticationMethod, authenticationData } = properties ?? {};
    if (authenticationMethod !== method && (authenticationMethod !== undefined || reasonCode !== 0)) {
      throw protocolError("MQTT-4.12.0-5");
    }
    if (reasonCode === 0x18) return this.#owner.challenged(authenticationData?.slice());
    if (reasonCode !== 0 || !isOpen) throw protocolError("4.12/not-under-way");
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.done(0);
  }

  /** The connection is over, or the Client. */
  ended(error: unknown): void {
    this.#waiter?.failed(error);
    this.#waiter = undefined;
  }
}
