/**
 * §3.3, §3.14, §3.1, §5.4.2 Values of the owner, checked before anything happens: messages, reasons, verdicts, permissions.
 * Knows which values packets can carry; refuses to know the effects of a value.
 * @module
 */
import { UsageError } from "../codec/error.ts";
import type { MessageProperties, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { type PublishView, viewOf } from "../codec/publish_view.ts";
import { isReasonAllowed, isReasonAllowedFrom, type ReasonCode } from "../codec/reason_code.ts";
import { encodeUtf8 } from "../codec/utf8.ts";
import { frameOf } from "../delivery/message.ts";
import { isTopicName } from "../topic/name.ts";
import { CONTINUE } from "./auth.ts";
import { readTopicName } from "./known_topics.ts";
import { type LimitName, LIMITS } from "./limits.ts";
import type { AuthorizationRequest, Redirection, Verdict } from "./options.ts";
import { type Policy, policyOf } from "./policy.ts";
import type { Refusal } from "./refusal.ts";

/** §1.5.4, §1.5.6 bytes of a string or of binary data on the wire. */
const FIELD_BYTES_MAX = 0xffff;

/** Limits that `RateLimit` takes when the connection begins. */
const RATES: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "publishRateMax",
  "bytesRateMax",
  "overRateTimeoutMs",
]);

/** A message that the Server's owner publishes. */
export interface MessageInit {
  /** §3.3.2.1 Topic Name; `$`-topics are allowed. */
  readonly topic: string;
  /** A text is sent as UTF-8. */
  readonly payload: Uint8Array | string;
  /** Default 0. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
  /** §3.3.2.3 for Clients of level 5. */
  readonly properties?: MessageProperties;
}

/** A message as a frame of level 5. */
interface Framed {
  readonly topic: string;
  readonly view: PublishView;
}

/**
 * §3.3 A message of the owner, with bytes of its own.
 * @throws {UsageError} for a topic, payload, QoS, flag or property that cannot be sent.
 */
export function ownMessage(message: MessageInit): Framed {
  if (!isObject(message)) throw new UsageError(`${shown(message)} is no message`);
  const { topic, qos = 0, retain = false, properties = {} } = message;
  if (typeof topic !== "string" || !isTopicName(topic)) {
    throw new UsageError(`${shown(topic)} is not a Topic Name`);
  }
  if (typeof retain !== "boolean") throw new UsageError(`RETAIN is true or false, not ${shown(retain)}`);
  if (!isObject(properties)) throw new UsageError(`Properties are an object, not ${shown(properties)}`);
  for (const name of ["topicAlias", "subscriptionIdentifiers"]) { // both belong to one connection
    if (name in properties) throw new UsageError(`${name} is not a property of a message`);
  }
  const payload = typeof message.payload === "string"
    ? encodeUtf8(message.payload) ?? encodeUtf8(message.payload.toWellFormed())
    : message.payload;
  if (!(payload instanceof Uint8Array)) {
    throw new UsageError(`A payload is a text or a Uint8Array, not ${shown(payload)}`);
  }
  if (properties.responseTopic === "") {
    throw new UsageError("A Response Topic is a Topic Name: it is not empty");
  }
  return { topic, view: frameOf({ topic, payload, qos, retain }, properties, 5) };
}

/**
 * §3.3 A PUBLISH frame of level 5; the view is over its bytes.
 * @throws {PeerError} if it is no well-formed PUBLISH.
 * @throws {UsageError} if it has a Topic Alias or a Subscription Identifier: both belong to one connection.
 */
export function injectedMessage(frame: Uint8Array): Framed {
  if (!(frame instanceof Uint8Array)) throw new UsageError(`${shown(frame)} is no frame`);
  const view = viewOf(frame, true);
  if (view.topicAlias !== 0 || view.subscriptionIdentifier) {
    throw new UsageError("A frame to be injected has a Topic Alias or a Subscription Identifier");
  }
  return { topic: readTopicName(view.bytes, view.topicAt, view.topicEnd), view };
}

/**
 * §3.14 Why the owner ends a connection.
 * @throws {UsageError} for a reason that DISCONNECT cannot carry.
 */
export function checkReason(
  reason: Refusal | Redirection,
): { readonly refusal: Refusal; readonly serverReference?: string } {
  if (!isObject(reason)) throw new UsageError(`${shown(reason)} is no reason`);
  const { code } = reason;
  if (typeof code !== "number" || !isReasonAllowedFrom("server", PacketType.DISCONNECT, code)) {
    throw new UsageError(`${shown(code)} is no Reason Code of a Server's DISCONNECT`);
  }
  if (!("serverReference" in reason)) {
    requireText("rule", reason.rule);
    requireText("message", reason.message);
    return { refusal: reason };
  }
  const { serverReference } = reason;
  requireText("serverReference", serverReference);
  return { refusal: { code, rule: "policy/redirected", message: "Go to another Server" }, serverReference };
}

/**
 * §3.1, §4.12 An authenticator's answer.
 * @throws {UsageError} if it is no verdict for this connection.
 */
export function checkVerdict(
  answer: unknown,
  policy: Policy,
  method: string | undefined,
  isOpen: boolean,
): Verdict {
  const verdict = answer as Verdict;
  if (!isObject(verdict)) throw new UsageError(`authenticate() answered ${shown(answer)}: no verdict`);
  const { code, authenticationData, username, reasonString, serverReference } = verdict;
  if (!isVerdictCode(code, isOpen)) {
    throw new UsageError(`authenticate() answered with the code ${shown(code)}, which CONNACK does not have`);
  }
  if (code === CONTINUE && method === undefined) {
    throw new UsageError("authenticate() answered 0x18 to a CONNECT without Authentication Method");
  }
  if (authenticationData !== undefined && !isBinary(authenticationData)) {
    throw new UsageError("authenticate() answered with authenticationData that cannot be sent");
  }
  if (username !== undefined && username !== null) requireText("username", username);
  checkLogin(verdict, policy);
  if (reasonString !== undefined) requireText("reasonString", reasonString);
  if (serverReference !== undefined) requireText("serverReference", serverReference);
  return verdict;
}

/** The parts of a verdict that no packet carries. */
function checkLogin({ groups, claims, limits, expiresAt, why }: Verdict, policy: Policy): void {
  if (why !== undefined && !isText(why)) throw new UsageError(`why is a text, not ${shown(why)}`);
  if (groups !== undefined && !(Array.isArray(groups) && groups.every(isText))) {
    throw new UsageError("authenticate() answered with groups that are no array of texts");
  }
  if (claims !== undefined && !(isObject(claims) && Object.values(claims).every(isText))) {
    throw new UsageError("authenticate() answered with claims that are no object of texts");
  }
  if (expiresAt !== undefined && (typeof expiresAt !== "number" || Number.isNaN(expiresAt))) {
    throw new UsageError(`authenticate() answered with expiresAt ${shown(expiresAt)}: it is a number of ms`);
  }
  if (limits === undefined) return;
  if (!isObject(limits)) throw new UsageError(`Limits of a verdict are an object, not ${shown(limits)}`);
  for (const name of Object.keys(limits)) {
    if (RATES.has(name) || LIMITS[name as LimitName]?.scope === "listener") {
      throw new UsageError(`Limit ${name} holds from the first byte on, not from a verdict`);
    }
  }
  policyOf({ limits }, policy);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isVerdictCode(code: unknown, isOpen: boolean): boolean {
  if (typeof code !== "number") return false;
  if (code === 0 || code === CONTINUE) return true;
  return isReasonAllowed(PacketType.CONNACK, code) ||
    (isOpen && isReasonAllowedFrom("server", PacketType.DISCONNECT, code));
}

/**
 * §5.4.2 An authorizer's answer.
 * @throws {UsageError} if it is no permission.
 */
export function checkPermission(action: AuthorizationRequest["action"], answer: unknown): ReasonCode {
  if (answer === 0) return 0;
  const type = action === "publish" ? PacketType.PUBACK : PacketType.SUBACK;
  if (typeof answer === "number" && answer >= 0x80 && isReasonAllowed(type, answer)) {
    if (action === "subscribe" || isReasonAllowed(PacketType.CONNACK, answer)) return answer as ReasonCode; // a Will is refused by CONNACK
  }
  throw new UsageError(`authorize() answered ${shown(answer)}: neither 0x00 nor a refusal to ${action}`);
}

/**
 * A text that goes into a packet.
 * @throws {UsageError} if it cannot.
 */
export function requireText(name: string, text: unknown): void {
  if (typeof text !== "string") throw new UsageError(`${name} is a text, not ${shown(text)}`);
  const bytes = encodeUtf8(text);
  if (bytes === undefined || bytes.length > FIELD_BYTES_MAX || text.includes("\0")) {
    throw new UsageError(`${name} is a text that cannot be sent [MQTT-1.5.4-1] [MQTT-1.5.4-2]`);
  }
}

function isBinary(value: unknown): boolean {
  return value instanceof Uint8Array && value.length <= FIELD_BYTES_MAX;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** A value as a person may read it; never the content of an object. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (typeof value === "number") return Number.isInteger(value) && value >= 0 ? hex(value) : `${value}`;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" || typeof value === "symbol" ? `a ${typeof value}` : `${value}`;
}

function hex(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(2, "0")}`;
}
