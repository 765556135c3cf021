/**
 * §3.1, §3.2, §4.4 CONNECT and CONNACK: the session that a Client gets, its limits, and the exchanges that go on.
 * Knows the way from an authenticated CONNECT to an open connection; refuses to know how credentials are checked.
 * @module
 */
import { refused } from "../codec/error.ts";
import type { Connack, ConnackProperties, Connect, ProtocolLevel, Will } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Queue } from "../delivery/queue.ts";
import { Step } from "../delivery/sender.ts";
import type { Link } from "../engine/link.ts";
import { levelCount } from "../topic/name.ts";
import type { PeerInfo } from "../transport/peer.ts";
import { Access } from "./access.ts";
import type { Authenticating } from "./auth.ts";
import type { Delivery } from "./delivery.ts";
import { gather } from "./gather.ts";
import { type Ending, Open } from "./open.ts";
import type { ClientInfo, ClientPermissions, Verdict } from "./options.ts";
import { requireText } from "./owner.ts";
import type { Parts } from "./parts.ts";
import type { Permissions } from "./permissions.ts";
import { isLonger } from "../codec/utf8.ts";
import type { Policy } from "./policy.ts";
import { reasonString, type Refusal, UNSAFE } from "./refusal.ts";
import { changeRights } from "./regrant.ts";
import { NEVER_EXPIRES, type Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import { serverWill } from "./will.ts";

/** §3.1.2.2 the level that an answer to this CONNECT must be in, even if the rest of it is wrong. */
export function levelAsked(bytes: Uint8Array, body: number, end: number): ProtocolLevel {
  const name = end - body < 2 ? 0 : bytes[body]! << 8 | bytes[body + 1]!;
  const version = body + 2 + name < end ? bytes[body + 2 + name]! : 0;
  return version >= 5 && version < 0x80 && name === 4 ? 5 : 4;
}

/** The CONNECT with bytes of its own: the verdict may come when the frame is long gone. */
export function ownBytes(connect: Connect): Connect {
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

/**
 * Policies and limits that need no authenticator.
 * @throws {PeerError} if the CONNECT is refused.
 */
export function checkConnect(policy: Policy, connect: Connect): void {
  if (policy.redirect !== undefined) {
    throw refused(policy.redirect.code, "policy/redirected", "Go to another Server");
  }
  const method = connect.properties?.authenticationMethod;
  if (method !== undefined && !policy.authenticationMethods.includes(method)) {
    throw refused(0x8c, "MQTT-4.12.0-1", `Authentication Method ${JSON.stringify(method)} is not supported`);
  }
  if (connect.clientId === "" && connect.level === 3) {
    throw refused(0x85, "3.1.3.1/level-3-empty", "MQTT 3.1 has no empty Client Identifier");
  }
  if (connect.clientId === "" && connect.level === 4 && !connect.cleanStart) {
    throw refused(0x85, "MQTT311-3.1.3-8", "An empty Client Identifier needs Clean Session 1");
  }
  const { nameBytesMax } = policy.limits;
  if (isLonger(connect.clientId, nameBytesMax)) {
    throw refused(0x85, "limit/name-bytes", "Client Identifier of too many bytes (nameBytesMax)");
  }
  if (connect.username !== undefined && isLonger(connect.username, nameBytesMax)) {
    throw refused(0x86, "limit/name-bytes", "User name of too many bytes (nameBytesMax)");
  }
  const { will } = connect;
  if (will === undefined) return;
  if (isLonger(will.topic, nameBytesMax)) {
    throw refused(0x90, "limit/name-bytes", "Will Topic of too many bytes (nameBytesMax)");
  }
  if (will.qos > policy.maximumQos) {
    throw refused(0x9b, "MQTT-3.2.2-12", `Will QoS ${will.qos} is not supported`);
  }
  if (will.retain && !policy.retainAvailable) {
    throw refused(0x9a, "MQTT-3.2.2-13", "Will Retain is not supported");
  }
  if (levelCount(will.topic) > policy.limits.topicLevelsMax) {
    throw refused(0x90, "limit/topic-levels", "A Will Topic of too many levels (topicLevelsMax)");
  }
}

/** A CONNECT that the authenticator has accepted, with its link and policy. */
export interface Candidate {
  readonly link: Link;
  readonly peer: PeerInfo;
  readonly policy: Policy;
  readonly permissions: Permissions;
  readonly ending: Ending;
  readonly phase: Authenticating;
  readonly verdict: Verdict;
  /** Called when the connection is open, before CONNACK is sent. */
  readonly opened: (open: Open) => void;
}

const DOLLAR_WILL: Refusal = {
  code: 0x90,
  rule: "policy/dollar-topic",
  message: "The Will is dropped: topics that begin with $ are the Server's",
};

/**
 * §3.1.3.1 A Server may refuse a Client Identifier: with the session of another user a Client would get that user's messages, and take its
 * place. A session of a Client without a user name is anybody's.
 */
export function isOfAnother(
  known: Pick<Session, "user"> | undefined,
  { username }: Pick<ClientInfo, "username">,
  { takeoverByOthers }: Pick<Policy, "takeoverByOthers">,
): boolean {
  return known?.user !== undefined && known.user !== username && !takeoverByOthers;
}

/** The refusal for that. */
export const OF_ANOTHER: Refusal = {
  code: 0x85,
  rule: "policy/session-of-another",
  message: "The session under this Client Identifier is that of another user (takeoverByOthers)",
};

/** Opens the connection; else returns why not, or "later" if the authorizer takes time over the Will. */
export function accept(
  parts: Parts,
  sessions: Sessions,
  candidate: Candidate,
): Refusal | "later" | undefined {
  const { turn, journal, observer, deliverer } = parts;
  const { link, policy, phase, verdict, permissions } = candidate;
  const { connect } = phase;
  if (connect.clientId === "") phase.assigned ??= sessions.newClientId(); // [MQTT-3.1.3-6] [MQTT-3.1.3-7]
  const clientId = phase.assigned ?? connect.clientId;
  const client: ClientInfo = {
    clientId,
    ...loginOf(verdict, connect.username),
    level: connect.level,
    peer: candidate.peer,
    keepAlive: keepAliveOf(connect.keepAlive, policy.limits.keepAliveSecondsMax),
    cleanStart: connect.cleanStart,
  };
  const rights = permissions.rightsOf(client);
  const isDollarWill = connect.will?.topic.startsWith("$") === true &&
    !opens(permissions, rights, connect.will); // mosquitto's bridge has such a Will by default
  const will = isDollarWill ? undefined : connect.will;
  if (will !== undefined) {
    const code = permissions.ask("publish", client, will.topic, will.qos, will.retain);
    if (code === undefined) return "later";
    permissions.forget();
    if (code !== 0) {
      const message = "The Will Message may not be published";
      return { code: connect.level === 5 ? code : 0x87, rule: "policy/not-authorized", message };
    }
  }
  const known = sessions.getUpToDate(clientId);
  if (isOfAnother(known, client, policy)) return OF_ANOTHER;
  if (known === undefined && sessions.size >= policy.limits.sessionsMax) {
    observer.limited("sessionsMax", clientId);
    return { code: 0x97, rule: "limit/sessions", message: "As many sessions as may be (sessionsMax)" };
  }
  if (sessions.isUserFull(clientId, client.username, policy.limits.userSessionsMax)) {
    observer.limited("userSessionsMax", client.username!);
    const message = "As many sessions as a user may have (userSessionsMax)";
    return { code: 0x97, rule: "limit/user-sessions", message };
  }
  if (turn.ledger.isAbove && known === undefined) {
    observer.limited("memoryBytesMax", clientId);
    return { code: 0x97, rule: "limit/memory", message: "No memory for one more session (memoryBytesMax)" };
  }
  const expirySeconds = Math.min(expiryAsked(connect), policy.limits.sessionExpirySecondsMax);
  const connack = connackOf(candidate, client, expirySeconds);
  if (!link.fits(connack)) {
    const message = "CONNACK is above the Client's Maximum Packet Size";
    return { code: 0x95, rule: "MQTT-3.1.2-24", message };
  }
  const isUnsettled = journal.isUnsettled(clientId);
  const resumes = known?.persists === true && !connect.cleanStart && !isUnsettled;
  const dependsOnFacts = expirySeconds > 0 || known?.durable === true || isUnsettled;
  if (journal.failing && !resumes && dependsOnFacts) return UNSAFE;
  const { session, isPresent } = sessions.take(clientId, connect.cleanStart, connect.level, policy.limits); // [MQTT-3.1.4-4]
  const open = new Open({
    link,
    connect,
    client,
    session,
    isResumed: isPresent,
    will: will && serverWill(will, connect.level, clientId),
    policy,
    permissions,
    turn,
    ending: candidate.ending,
  });
  sessions.assign(session, client.username, client.peer.address);
  session.expirySeconds = expirySeconds;
  session.serve(open, policy.limits);
  parts.router.connected(session);
  if (isPresent) changeRights(parts, session, rights); // the rules may be others, or the Client another one under the same identifier
  else if (rights !== undefined) session.access = new Access(rights, true);
  candidate.opened(open);
  journal.saved(session);
  if (!journal.failing && dependsOnFacts && journal.isKept) journal.hold(link);
  connack.sessionPresent = isPresent; // at level 3 the codec leaves it out
  // Nothing is sent before it but AUTH: [MQTT-3.1.4-5] [MQTT-3.2.0-1]
  link.send(connack);
  observer.hooks.connected?.(client, isPresent);
  if (isPresent) {
    sendOpenAgain(parts, open);
    deliverer.pump(session);
    gather(parts, session);
  }
  if (isDollarWill) {
    observer.refusals.add(DOLLAR_WILL.rule);
    observer.hooks.discarded?.(client, DOLLAR_WILL);
  }
  return undefined;
}

/** Of a Client that is authenticated: anew too. */
export function loginOf(
  { username: name, groups = [], claims }: Verdict,
  before: string | undefined,
): Pick<ClientInfo, "username" | "groups" | "claims"> {
  const username = name === undefined ? before : name ?? undefined;
  return { username, groups: groups.length === 0 ? NO_GROUPS : [...groups], claims: claimsOf(claims) };
}

const NO_GROUPS: readonly string[] = Object.freeze([]);
const NO_CLAIMS: ClientInfo["claims"] = Object.freeze(Object.create(null));

function claimsOf(claims: Verdict["claims"]): ClientInfo["claims"] {
  return claims === undefined ? NO_CLAIMS : Object.assign(Object.create(null), claims);
}

/** Whether rules let the Client publish this Will on a topic that begins with `$`. */
function opens(permissions: Permissions, rights: ClientPermissions | undefined, will: Will): boolean {
  return permissions.mayOpen(will.topic) && rights?.publish(will.topic, will.qos, will.retain) === 0;
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

/** §3.2 the CONNACK, but for Session Present. */
function connackOf(
  { policy, phase, verdict }: Candidate,
  client: ClientInfo,
  expirySeconds: number,
): Connack {
  const { connect, method, assigned } = phase;
  const connack: Connack = { type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 };
  if (connect.level !== 5) return connack;
  const { limits, maximumQos } = policy;
  const properties: ConnackProperties = {
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.packetBytesMax,
  };
  if (expirySeconds !== expiryAsked(connect)) properties.sessionExpiryInterval = expirySeconds;
  if (maximumQos !== 2) properties.maximumQos = maximumQos; // [MQTT-3.2.2-9]
  if (!policy.retainAvailable) properties.retainAvailable = false;
  if (limits.topicAliasMaximum > 0) properties.topicAliasMaximum = limits.topicAliasMaximum;
  if (!policy.wildcardSubscriptionAvailable) properties.wildcardSubscriptionAvailable = false;
  if (!policy.subscriptionIdentifiersAvailable) properties.subscriptionIdentifiersAvailable = false;
  if (!policy.sharedSubscriptionAvailable) properties.sharedSubscriptionAvailable = false;
  if (assigned !== undefined) properties.assignedClientIdentifier = assigned; // [MQTT-3.2.2-16]
  if (client.keepAlive !== connect.keepAlive) properties.serverKeepAlive = client.keepAlive;
  if (connect.properties?.requestResponseInformation === true) { // [MQTT-3.1.2-28]
    const information = policy.responseInformation?.(client);
    if (information !== undefined) {
      requireText("responseInformation", information);
      properties.responseInformation = information;
    }
  }
  if (verdict.reasonString !== undefined) properties.reasonString = verdict.reasonString;
  if (method !== undefined) { // [MQTT-4.12.0-5] [MQTT-4.12.0-6]
    properties.authenticationMethod = method;
    if (verdict.authenticationData !== undefined) properties.authenticationData = verdict.authenticationData;
  }
  connack.properties = properties;
  return connack;
}

/** §4.4 PUBREL and PUBLISH packets that were open on an earlier connection, in their order [MQTT-4.4.0-1]. */
export function sendOpenAgain(
  { journal }: Parts,
  { session, link }: { readonly session: Session; readonly link: Link },
): void {
  const { sender } = session;
  if (sender === undefined) return;
  const released: { id: number; order: number }[] = [];
  const unfinished: Delivery[] = [];
  sender.each((id, step, delivery) => {
    if (step === Step.PUBCOMP) released.push({ id, order: delivery?.released ?? 0 });
    else if (delivery !== undefined) unfinished.push(delivery);
  });
  released.sort((a, b) => a.order - b.order); // [MQTT-4.6.0-4]
  unfinished.sort((a, b) => a.order - b.order); // [MQTT-4.6.0-1]
  if (journal.failing && (released.length > 0 || unfinished.some(({ qos }) => qos === 2))) {
    journal.hold(link); // nothing of an earlier connection may be sent that was held there
  }
  for (const { id } of released) link.answer(PacketType.PUBREL << 4 | 2, id, 0);
  session.resend = unfinished.length === 0 ? undefined : new Queue();
  for (const delivery of unfinished) {
    sender.advance(delivery.packetId, delivery.qos === 1 ? Step.RESEND_1 : Step.RESEND_2, delivery);
    session.resend!.push(delivery);
  }
}

/** §3.2 a CONNACK with a refusal; undefined where the level has no code for the reason [MQTT311-3.2.2-6]. */
export function refusingConnack(
  level: ProtocolLevel,
  refusal: Refusal,
  serverReference?: string,
): Connack | undefined {
  const reasonCode = level === 5 ? refusal.code : RETURN_CODES[refusal.code];
  if (reasonCode === undefined) return undefined;
  const connack: Connack = { type: PacketType.CONNACK, sessionPresent: false, reasonCode }; // [MQTT-3.2.2-6]
  if (level === 5) {
    connack.properties = { reasonString: reasonString(refusal), ...(serverReference && { serverReference }) };
  }
  return connack;
}

/** 3.1.1 §3.2.2.3: the return code for a Reason Code; without one the connection closes in silence [MQTT311-3.1.4-1]. */
const RETURN_CODES: Readonly<Record<number, number>> = {
  0x84: 1, // [MQTT311-3.1.2-2]
  0x85: 2, // [MQTT311-3.1.3-9]
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
