/**
 * §3.15, §4.12 Enhanced authentication: AUTH back and forth, at the start and anew.
 * Knows which AUTH may come when, and the requests to an authenticator; refuses to know any method.
 * @module
 */
import { protocolError } from "../codec/error.ts";
import type { Auth, Connect } from "../codec/packet.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { AuthenticationRequest, ClientInfo, Verdict } from "./options.ts";
import type { Refusal } from "./refusal.ts";

/** §2.4 Continue authentication. */
export const CONTINUE = 0x18;
/** §2.4 Re-authenticate. */
const REAUTHENTICATE = 0x19;

/** The phase of a connection whose CONNECT has come and is not accepted yet. */
export class Authenticating {
  readonly kind = "authenticating";
  /** With bytes of its own. */
  readonly connect: Connect;
  /** The verdict that accepts the Client, while the authorizer decides on the Will. */
  verdict: Verdict | undefined;
  /** §3.2.2.3.7 the Client Identifier that the Server gives, once there is one. */
  assigned: string | undefined;
  /** §4.12 of the last verdict 0x18. */
  state: unknown;
  /** Other nodes are asked for its Client Identifier, or have answered. */
  isClaimed = false;

  constructor(connect: Connect) {
    this.connect = connect;
  }

  /** §4.12 of the CONNECT. */
  get method(): string | undefined {
    return this.connect.properties?.authenticationMethod;
  }
}

/** How far authentication has come when an AUTH arrives. */
export interface AuthState {
  readonly method: string | undefined;
  readonly isOpen: boolean;
  /** §4.12.1 an open connection is being authenticated anew. */
  readonly isReauthenticating: boolean;
  /** The authenticator has not answered yet. */
  readonly isAsking: boolean;
}

/**
 * The meaning of an AUTH from the Client.
 * @throws {PeerError} if it may not be sent now.
 */
export function authKind(
  { reasonCode, properties }: Auth,
  state: AuthState,
): "continue" | "reauthenticate" {
  const { method, isOpen, isReauthenticating } = state;
  if (method === undefined) {
    throw protocolError("MQTT-4.12.0-7", "AUTH without an Authentication Method in CONNECT");
  }
  if (properties?.authenticationMethod !== method) {
    const rule = isOpen ? "MQTT-4.12.1-1" : "MQTT-4.12.0-5";
    throw protocolError(rule, "AUTH with another Authentication Method than CONNECT");
  }
  if (reasonCode === 0) throw protocolError("MQTT-3.15.2-1", "AUTH with Success is for the Server to send");
  const isNew = reasonCode === REAUTHENTICATE;
  if (isNew && !isOpen) throw protocolError("4.12.1/too-early", "Re-authenticate before CONNACK");
  if (isNew && isReauthenticating) {
    throw protocolError("4.12/not-under-way", "Re-authenticate while an authentication goes on");
  }
  if (!isNew && isOpen && !isReauthenticating) {
    throw protocolError("4.12/not-under-way", "Continue authentication while none goes on");
  }
  if (state.isAsking) throw protocolError("4.12/not-under-way", "AUTH before the last one is answered");
  return isNew ? "reauthenticate" : "continue";
}

/** §4.12 the request to the authenticator that a CONNECT makes, or an AUTH before it is accepted. */
export function requestOfConnect(
  kind: AuthenticationRequest["kind"],
  connect: Connect,
  peer: PeerInfo,
  data: Uint8Array | undefined,
  state?: unknown,
): AuthenticationRequest {
  const { level, clientId, username, password, will, properties } = connect;
  return {
    kind,
    peer,
    level,
    clientId,
    username,
    password,
    method: properties?.authenticationMethod,
    data: data?.slice(),
    will,
    userProperties: properties?.userProperties ?? [],
    state,
  };
}

/** §4.12.1 the request that an AUTH of an open connection makes. */
export function requestOfClient(
  kind: AuthenticationRequest["kind"],
  { peer, level, clientId, username }: ClientInfo,
  method: string | undefined,
  data: Uint8Array | undefined,
  state: unknown,
): AuthenticationRequest {
  return {
    kind,
    peer,
    level,
    clientId,
    username,
    password: undefined,
    method,
    data: data?.slice(),
    will: undefined,
    userProperties: [],
    state,
  };
}

/** The refusal that a verdict stands for. */
export function refusalOf(verdict: Verdict): Refusal {
  const { code, reasonString, why } = verdict;
  const message = reasonString ?? "The authenticator says no";
  return { code, rule: ruleOf(code), message, ...why !== undefined && { why } };
}

function ruleOf(code: number): Refusal["rule"] {
  switch (code) {
    case 0x85:
      return "MQTT-3.1.3-8";
    case 0x86:
      return "policy/bad-credentials";
    case 0x89:
      return "limit/logins";
    case 0x8a:
      return "policy/banned";
    case 0x9f:
      return "limit/failed-logins";
    case 0x9c:
    case 0x9d:
      return "policy/redirected";
    default:
      return "policy/not-authorized";
  }
}
