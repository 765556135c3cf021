/**
 * §3.15, §4.12 Enhanced authentication: AUTH back and forth, at the start and anew.
 * Knows the exchange; refuses to know any method.
 * @module
 */
import { protocolError } from "../codec/error.ts";
import type { Auth } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { isReasonAllowed } from "../codec/reason_code.ts";
import { accept, authenticationRequest, refuseConnect } from "./connect.ts";
import { type Connection, State } from "./connection.ts";
import type { Verdict } from "./options.ts";

const CONTINUE = 0x18;
const REAUTHENTICATE = 0x19;

/** An AUTH from the Client. */
export function authPacket(connection: Connection, packet: Auth, now: number): void {
  const { reasonCode, properties } = packet;
  if (connection.authenticationMethod === undefined) {
    throw protocolError("MQTT-4.12.0-7", "AUTH without an Authentication Method in CONNECT");
  }
  if (properties?.authenticationMethod !== connection.authenticationMethod) {
    const rule = connection.state === State.OPEN ? "MQTT-4.12.1-1" : "MQTT-4.12.0-5";
    throw protocolError(rule, "AUTH with another Authentication Method than CONNECT");
  }
  if (reasonCode === 0) throw protocolError("MQTT-3.15.2-1", "AUTH with Success is for the Server to send");
  const again = reasonCode === REAUTHENTICATE;
  if (again && connection.state !== State.OPEN) {
    throw protocolError("4.12.1/too-early", "Re-authenticate before CONNACK");
  }
  if (again && connection.reauthenticating) {
    throw protocolError("4.12/not-under-way", "Re-authenticate while an authentication goes on");
  }
  if (!again && connection.state === State.OPEN && !connection.reauthenticating) {
    throw protocolError("4.12/not-under-way", "Continue authentication while none goes on");
  }
  if (connection.asking) throw protocolError("4.12/not-under-way", "AUTH before the last one is answered");
  if (again) connection.reauthenticating = true;
  const kind = again ? "reauthenticate" : "continue";
  connection.ask(authenticationRequest(connection, kind, properties.authenticationData), now);
}

/** The authenticator has answered. */
export function authenticated(connection: Connection, verdict: Verdict, now: number): void {
  if (verdict.code === CONTINUE) {
    if (connection.state !== State.OPEN) connection.state = State.EXCHANGING;
    return auth(connection, CONTINUE, verdict, now); // [MQTT-4.12.0-2]
  }
  if (connection.state !== State.OPEN) {
    if (verdict.code === 0) return accept(connection, verdict, now);
    return refuseConnect(connection, refusalOf(verdict), now, verdict.serverReference); // [MQTT-4.12.0-4]
  }
  connection.reauthenticating = false;
  if (verdict.code !== 0) { // [MQTT-4.12.1-2]
    const code = isReasonAllowed(PacketType.DISCONNECT, verdict.code) ? verdict.code : 0x87;
    return connection.end({ ...refusalOf(verdict), code }, now, verdict.serverReference);
  }
  if (verdict.username !== undefined) {
    connection.client = { ...connection.client!, username: verdict.username };
  }
  auth(connection, 0, verdict, now);
}

/** Sends AUTH; a Client that cannot take it would wait for ever, so its connection ends. */
function auth(connection: Connection, reasonCode: number, verdict: Verdict, now: number): void {
  const properties = { authenticationMethod: connection.authenticationMethod! }; // [MQTT-4.12.0-5]
  const data = verdict.authenticationData;
  const sent = connection.send({
    type: PacketType.AUTH,
    reasonCode,
    properties: data === undefined ? properties : { ...properties, authenticationData: data },
  });
  if (sent) return;
  const refusal = { code: 0x95, rule: "MQTT-3.1.2-24", message: "AUTH does not fit" } as const;
  if (connection.state === State.OPEN) connection.end(refusal, now);
  else refuseConnect(connection, refusal, now);
}

function refusalOf(verdict: Verdict) {
  const rule = verdict.code === 0x85
    ? "MQTT-3.1.3-8"
    : verdict.code === 0x86
    ? "policy/bad-credentials"
    : verdict.code === 0x8a
    ? "policy/banned"
    : verdict.code === 0x9c || verdict.code === 0x9d
    ? "policy/redirected"
    : "policy/not-authorized";
  return { code: verdict.code, rule, message: verdict.reasonString ?? "The authenticator says no" } as const;
}
