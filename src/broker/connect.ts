/**
 * §3.1, §3.2 CONNECT and its CONNACK: who comes in, with which session, under which limits.
 * Knows the way from CONNECT to an open connection; refuses to know how credentials are checked.
 * @module
 */
import { refused } from "../codec/error.ts";
import type { Connack, ConnackProperties, Connect, ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Queue } from "../delivery/queue.ts";
import { Step } from "../delivery/sender.ts";
import { levelCount } from "../topic/name.ts";
import { type Connection, State } from "./connection.ts";
import { pump } from "./deliver.ts";
import { type Broker, UNSAFE } from "./engine.ts";
import {
  type AuthenticationRequest,
  type ClientInfo,
  reasonString,
  type Refusal,
  type Verdict,
} from "./options.ts";
import { type Delivery, NEVER_EXPIRES, Session } from "./session.ts";
import { serverWill } from "./will.ts";

/** §3.1.2.2 the level that an answer to this CONNECT must be in, whatever else is wrong with it. */
export function levelAsked(bytes: Uint8Array, body: number, end: number): ProtocolLevel {
  const name = end - body < 2 ? 0 : bytes[body]! << 8 | bytes[body + 1]!;
  const version = body + 2 + name < end ? bytes[body + 2 + name]! : 0;
  return version >= 5 && version < 0x80 && name === 4 ? 5 : 4;
}

/** A CONNECT that is well formed. */
export function connectPacket(connection: Connection, connect: Connect, now: number): void {
  connection.level = connect.level;
  connection.connect = ownBytes(connect);
  const properties = connect.properties ?? {};
  connection.maximumPacketSize = properties.maximumPacketSize ?? Infinity;
  connection.requestProblemInformation = properties.requestProblemInformation ?? true;
  connection.authenticationMethod = properties.authenticationMethod;
  checkConnect(connection, connection.broker, connect);
  connection.ask(authenticationRequest(connection, "connect", properties.authenticationData), now);
}

/** The CONNECT with bytes of its own: the verdict may come when the frame is long gone. */
function ownBytes(connect: Connect): Connect {
  const own: Connect = { ...connect };
  if (connect.password !== undefined) own.password = connect.password.slice();
  if (connect.will !== undefined) {
    own.will = { ...connect.will, payload: connect.will.payload.slice() };
    const correlationData = connect.will.properties?.correlationData;
    if (correlationData !== undefined) {
      own.will.properties = { ...connect.will.properties, correlationData: correlationData.slice() };
    }
  }
  return own;
}

/** Policies and limits that need no authenticator. */
function checkConnect(connection: Connection, broker: Broker, connect: Connect): void {
  const { options, limits } = broker;
  if (broker.stopping) throw refused(0x88, "limit/unavailable", "The Server is shutting down");
  if (options.redirect !== undefined) {
    throw refused(options.redirect.code, "policy/redirected", "Go to another Server");
  }
  requirePlace(connection, broker, connect.clientId);
  const method = connection.authenticationMethod;
  if (method !== undefined && !(options.authenticationMethods ?? []).includes(method)) {
    throw refused(0x8c, "MQTT-4.12.0-1", `Authentication Method ${JSON.stringify(method)} is not supported`);
  }
  if (connect.clientId === "" && connect.level === 3) {
    throw refused(0x85, "3.1.3.1/level-3-empty", "MQTT 3.1 has no empty Client Identifier");
  }
  if (connect.clientId === "" && connect.level === 4 && !connect.cleanStart) {
    throw refused(0x85, "MQTT311-3.1.3-8", "An empty Client Identifier needs Clean Session 1");
  }
  const will = connect.will;
  if (will === undefined) return;
  if (will.qos > broker.maximumQos) {
    throw refused(0x9b, "MQTT-3.2.2-12", `Will QoS ${will.qos} is not supported`);
  }
  if (will.retain && options.retainAvailable === false) {
    throw refused(0x9a, "MQTT-3.2.2-13", "Will Retain is not supported");
  }
  if (levelCount(will.topic) > limits.topicLevelsMax) {
    throw refused(0x90, "limit/topic-levels", "A Will Topic of too many levels (topicLevelsMax)");
  }
}

/**
 * Throws where as many connections are open as may be, and this Client has none of them. To be asked when the CONNECT comes, so
 * that nobody authenticates in vain, and when it is accepted: of many that are with the authenticator not all may find a place.
 */
function requirePlace(connection: Connection, broker: Broker, clientId: string): void {
  if (broker.connected < broker.limits.connectionsMax) return;
  if (broker.sessions.get(clientId)?.connection !== undefined) return; // [MQTT-3.1.4-3] that one ends
  broker.limited("connectionsMax", connection.transport.label, undefined);
  throw refused(0x97, "limit/connections", "As many connections as may be open (connectionsMax)");
}

/** §4.12 what the authenticator is asked. */
export function authenticationRequest(
  connection: Connection,
  kind: AuthenticationRequest["kind"],
  data: Uint8Array | undefined,
): AuthenticationRequest {
  const connect = connection.connect;
  return {
    kind,
    peer: connection.peer,
    level: connection.level,
    clientId: connection.session?.clientId ?? connect?.clientId ?? "",
    username: connection.client?.username ?? connect?.username,
    password: connect?.password,
    method: connection.authenticationMethod,
    data: data?.slice(),
    will: connect?.will,
    userProperties: connect?.properties?.userProperties ?? [],
  };
}

/** The authenticator lets the Client in. */
export function accept(connection: Connection, verdict: Verdict, now: number): void {
  const { broker } = connection;
  const connect = connection.connect!;
  requirePlace(connection, broker, connect.clientId);
  const username = verdict.username ?? connect.username;
  const assigned = connect.clientId === "" ? broker.newClientId() : undefined; // [MQTT-3.1.3-6]
  const clientId = assigned ?? connect.clientId;
  const keepAlive = keepAliveOf(connect.keepAlive, broker.limits.keepAliveSecondsMax);
  const client = {
    clientId,
    username,
    level: connect.level,
    peer: connection.peer,
    keepAlive,
    cleanStart: connect.cleanStart,
  };
  const dollar = connect.will?.topic.startsWith("$") === true; // a bridge of mosquitto has such a Will, and means well
  const will = dollar ? undefined : connect.will;
  if (will !== undefined) {
    const code = broker.allows({
      action: "publish",
      client,
      topic: will.topic,
      qos: will.qos,
      retain: will.retain,
    });
    if (code !== 0) {
      const message = "The Will Message may not be published";
      const refusal = {
        code: connect.level === 5 ? code : 0x87,
        rule: "policy/not-authorized",
        message,
      } as const;
      return refuseConnect(connection, refusal, now);
    }
  }
  if (!broker.sessions.has(clientId) && broker.sessions.size >= broker.limits.sessionsMax) {
    broker.limited("sessionsMax", clientId, undefined);
    const message = "As many sessions as may be (sessionsMax)";
    return refuseConnect(connection, { code: 0x97, rule: "limit/sessions", message }, now);
  }
  const expirySeconds = Math.min(expiryAsked(connect), broker.limits.sessionExpirySecondsMax);
  const connack = connackOf(connection, connect, client, verdict, assigned, expirySeconds);
  if (!connection.fits(connack)) {
    const message = "CONNACK is above the Client's Maximum Packet Size";
    return refuseConnect(connection, { code: 0x95, rule: "MQTT-3.1.2-24", message }, now);
  }
  broker.sessions.get(clientId)?.catchUp(now);
  const known = broker.sessions.get(clientId);
  const resumes = known?.kept === true && !connect.cleanStart;
  const stands = expirySeconds > 0 || known?.durable === true || broker.endsUnsafe(clientId); // on facts, that is
  if (broker.failing && !resumes && stands) {
    return refuseConnect(connection, UNSAFE, now);
  }
  const { session, present } = takeSession(broker, clientId, connect, now);
  connection.session = session;
  connection.client = client;
  connection.connect = undefined;
  session.connection = connection;
  session.level = connect.level;
  session.expirySeconds = expirySeconds;
  session.limited = undefined;
  connection.will = will === undefined ? undefined : serverWill(will, connect.level, clientId);
  connection.state = State.OPEN;
  broker.connecting.delete(connection);
  broker.connected++;
  connection.sendLimit = Math.min(connect.properties?.receiveMaximum ?? 65_535, broker.limits.inFlightMax);
  connection.receiveLimit = broker.limits.receiveMaximum + (session.received?.size ?? 0);
  if (connect.level === 5) {
    const allowed = connect.properties?.topicAliasMaximum ?? 0;
    connection.aliasesOutMax = Math.min(allowed, broker.limits.topicAliasesOutMax);
    if (connection.aliasesOutMax > 0) connection.aliasesOut = new Map(); // [MQTT-3.1.2-27]
  }
  connection.silenceMs = keepAlive * 1500;
  if (keepAlive === 0) broker.timers.cancel(connection);
  else broker.timers.schedule(connection, now + connection.silenceMs);
  broker.saved(session);
  if (!broker.failing && stands && broker.store !== undefined) connection.hold();
  connack.sessionPresent = connection.resumed = present; // at level 3 the codec leaves it out
  connection.connackAt = connection.outbox.position;
  connection.send(connack);
  broker.hooks.connected?.(client, present);
  if (present) sendOpenAgain(connection, session, now);
  if (dollar) broker.hooks.discarded?.(client, DOLLAR_WILL);
}

const DOLLAR_WILL: Refusal = {
  code: 0x90,
  rule: "policy/dollar-topic",
  message: "The Will is dropped: topics that begin with $ are the Server's",
};

/** §3.1.2.4 the session that goes on, or a new one. */
function takeSession(
  broker: Broker,
  clientId: string,
  connect: Connect,
  now: number,
): { session: Session; present: boolean } {
  const taken = { code: 0x8e, rule: "MQTT-3.1.4-3", message: "The Client has connected again" } as const;
  broker.sessions.get(clientId)?.connection?.end(taken, now);
  const stored = broker.sessions.get(clientId);
  if (stored !== undefined && !connect.cleanStart) { // [MQTT-3.1.2-5]
    broker.timers.cancel(stored);
    if (stored.pendingWill !== undefined) broker.timers.cancel(stored.pendingWill); // [MQTT-3.1.3-9]
    stored.pendingWill = undefined;
    return { session: stored, present: true };
  }
  if (stored !== undefined) broker.endSession(stored, now); // [MQTT-3.1.2-4]
  const session = new Session(broker, clientId, connect.level);
  broker.sessions.set(clientId, session);
  return { session, present: false };
}

/** Below level 5 a session that is not clean has no end of its own. */
function expiryAsked(connect: Connect): number {
  if (connect.level === 5) return connect.properties?.sessionExpiryInterval ?? 0;
  return connect.cleanStart ? 0 : NEVER_EXPIRES;
}

/** Seconds that hold, 0 is off. */
function keepAliveOf(asked: number, most: number): number {
  if (most === 65_535) return asked;
  return asked === 0 ? most : Math.min(asked, most);
}

/** §3.2 what the Client is told, but for Session Present. */
function connackOf(
  connection: Connection,
  connect: Connect,
  client: ClientInfo,
  verdict: Verdict,
  assigned: string | undefined,
  expirySeconds: number,
): Connack {
  const connack: Connack = { type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 };
  if (connect.level !== 5) return connack;
  const { limits, options, maximumQos } = connection.broker;
  const properties: ConnackProperties = {
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.packetBytesMax,
  };
  if (expirySeconds !== expiryAsked(connect)) properties.sessionExpiryInterval = expirySeconds;
  if (maximumQos !== 2) properties.maximumQos = maximumQos; // [MQTT-3.2.2-9]
  if (options.retainAvailable === false) properties.retainAvailable = false;
  if (limits.topicAliasMaximum > 0) properties.topicAliasMaximum = limits.topicAliasMaximum;
  if (options.wildcardSubscriptionAvailable === false) properties.wildcardSubscriptionAvailable = false;
  if (options.subscriptionIdentifiersAvailable === false) properties.subscriptionIdentifiersAvailable = false;
  if (options.sharedSubscriptionAvailable === false) properties.sharedSubscriptionAvailable = false;
  if (assigned !== undefined) properties.assignedClientIdentifier = assigned; // [MQTT-3.2.2-16]
  if (client.keepAlive !== connect.keepAlive) properties.serverKeepAlive = client.keepAlive;
  if (connect.properties?.requestResponseInformation === true) { // [MQTT-3.1.2-28]
    const information = options.responseInformation?.(client);
    if (information !== undefined) properties.responseInformation = information;
  }
  if (verdict.reasonString !== undefined) properties.reasonString = verdict.reasonString;
  if (connection.authenticationMethod !== undefined) { // [MQTT-4.12.0-5] [MQTT-4.12.0-6]
    properties.authenticationMethod = connection.authenticationMethod;
    if (verdict.authenticationData !== undefined) properties.authenticationData = verdict.authenticationData;
  }
  connack.properties = properties;
  return connack;
}

/** §4.4 PUBREL and PUBLISH packets that were open on an earlier connection, in their order [MQTT-4.4.0-1]. */
function sendOpenAgain(connection: Connection, session: Session, now: number): void {
  const { broker } = connection;
  const released: { id: number; order: number }[] = [];
  const unfinished: Delivery[] = [];
  session.sender?.each((id, step, delivery) => {
    if (step === Step.PUBCOMP) released.push({ id, order: delivery?.released ?? 0 });
    else if (delivery !== undefined) unfinished.push(delivery);
  });
  released.sort((a, b) => a.order - b.order); // [MQTT-4.6.0-4]
  unfinished.sort((a, b) => a.order - b.order); // [MQTT-4.6.0-1]
  connection.open = released.length;
  if (broker.failing && (released.length > 0 || unfinished.some(({ qos }) => qos === 2))) {
    connection.hold(); // nothing of an earlier connection may be sent that was held there
  }
  for (const { id } of released) connection.answer(PacketType.PUBREL << 4 | 2, id, 0);
  session.resend = unfinished.length === 0 ? undefined : new Queue();
  for (const delivery of unfinished) {
    const step = delivery.qos === 1 ? Step.RESEND_1 : Step.RESEND_2;
    session.sender!.advance(delivery.packetId, step, delivery);
    session.resend!.push(delivery);
  }
  pump(connection, now);
}

/** §3.2.2.2 a CONNACK with the reason where the level has one for it, then the close [MQTT-3.2.2-7]. */
export function refuseConnect(
  connection: Connection,
  refusal: Refusal,
  now: number,
  serverReference?: string,
): void {
  const { broker, level } = connection;
  const answerable = connection.state !== State.WAITING ||
    (refusal.rule !== "MQTT-3.1.0-1" && refusal.rule !== "limit/connecting");
  if (answerable && (level === 5 || RETURN_CODES[refusal.code] !== undefined)) {
    const reference = serverReference ??
      (refusal.rule === "policy/redirected" ? broker.options.redirect?.serverReference : undefined);
    connection.send(refusingConnack(level, refusal, reference));
  }
  broker.hooks.refused?.(connection.peer, refusal);
  connection.shut(now);
}

/** §3.2 a CONNACK that says no; below level 5 there must be a return code for it. */
export function refusingConnack(level: ProtocolLevel, refusal: Refusal, serverReference?: string): Connack {
  const reasonCode = level === 5 ? refusal.code : RETURN_CODES[refusal.code]!;
  const connack: Connack = { type: PacketType.CONNACK, sessionPresent: false, reasonCode }; // [MQTT-3.2.2-6]
  if (level === 5) {
    connack.properties = { reasonString: reasonString(refusal), ...(serverReference && { serverReference }) };
  }
  return connack;
}

/** 3.1.1 §3.2.2.3: the return code for a Reason Code; without one the connection closes in silence [MQTT311-3.2.2-6]. */
const RETURN_CODES: Readonly<Record<number, number>> = {
  0x84: 1,
  0x85: 2,
  0x88: 3,
  0x89: 3,
  0x97: 3,
  0x9c: 3,
  0x9d: 3,
  0x9f: 3,
  0x86: 4,
  0x87: 5,
  0x8a: 5,
  0x8c: 5,
  0x90: 5,
  0x9a: 5,
  0x9b: 5,
};
