/**
 * §6 The upgrade from HTTP to WebSocket (RFC 6455 section 4), for both roles.
 * Knows the heads of a request and of an answer; refuses to know frames, sockets, and how SHA-1 is made.
 * @module
 */
import type { Rule } from "../codec/error.ts";
import { putUtf8 } from "../codec/utf8.ts";

/** The head of a request or an answer has so many bytes at most. */
export const UPGRADE_HEAD_BYTES_MAX: number = 8 * 1024;

/** The subprotocols of MQTT, the better first: the other one is of MQTT 3.1. */
export const SUBPROTOCOLS: readonly string[] = ["mqtt", "mqttv3.1"];

/** RFC 6455 §1.3: behind the key, in what is hashed. */
export const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Which upgrades a Server takes. */
export interface UpgradeRules {
  /** The paths; any path if empty. */
  readonly paths: readonly string[];
  /**
   * The origins of pages that may connect, besides pages of the same host: `https://example.org`, or `*` for all. A Client that is no browser
   * sends no Origin, and is not asked for one.
   */
  readonly origins: readonly string[];
  /** Only this machine reaches the listener: without a proxy a browser calls it by a name of this machine. */
  readonly isLocal: boolean;
  /**
   * The name that a browser calls the Server by is proved, by its certificate or by a trusted proxy. Else a page of `evil.example` could be of
   * the same host: its owner says that the name has the Server's address now (DNS rebinding).
   */
  readonly isNameProved: boolean;
}

/** The head of a request, whole. */
export interface RequestHead {
  /** Bytes of the head; what is behind them is no part of it. */
  readonly length: number;
  readonly method: string;
  /** As it stands in the request line. */
  readonly target: string;
  /** Field values by field name in lower case, in their order. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

/** An upgrade that a Server takes. */
export interface Upgrade {
  readonly key: string;
  readonly protocol: string;
}

/** A head that is refused. */
export class UpgradeError extends Error {
  /** As it stands in logs. */
  override readonly name = "UpgradeError";
  /** Of HTTP. */
  readonly status: number;
  /** The rule that is broken. */
  readonly rule: Rule;

  constructor(status: number, message: string, rule: Rule = "policy/websocket-upgrade") {
    super(message);
    this.status = status;
    this.rule = rule;
  }
}

const METHOD = /^[A-Z]+$/;
const TARGET = /^[!-~]+$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Lines of the head at the front of `bytes`, without its last, empty one, and the bytes of all; undefined if more are needed. */
function readLines(bytes: Uint8Array): { readonly lines: string[]; readonly length: number } | undefined {
  const most = Math.min(bytes.length, UPGRADE_HEAD_BYTES_MAX);
  for (let at = bytes.indexOf(CR); at >= 0 && at + 4 <= most; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) throw new UpgradeError(400, "a line of the head does not end with CR LF");
    if (bytes[at + 2] !== CR || bytes[at + 3] !== LF) continue;
    return { lines: latin1(bytes.subarray(0, at)).split("\r\n"), length: at + 4 };
  }
  if (bytes.length < UPGRADE_HEAD_BYTES_MAX) return undefined;
  throw new UpgradeError(431, `the head is longer than ${UPGRADE_HEAD_BYTES_MAX} bytes`);
}

const CR = 0x0d;
const LF = 0x0a;

/** All at once: a loop over each byte costs ten times as much until it is compiled, and a burst of connections comes before. */
function latin1(bytes: Uint8Array): string {
  return String.fromCharCode.apply(undefined, bytes as unknown as number[]);
}

function fieldsOf(lines: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1);
    if (!TOKEN.test(name) || CONTROL.test(value)) throw new UpgradeError(400, "a header field is malformed");
    const small = name.toLowerCase();
    const known = fields.get(small);
    if (known === undefined) fields.set(small, [value.trim()]);
    else known.push(value.trim());
  }
  return fields;
}

/**
 * The head of the request at the front of `bytes`; undefined if more are needed.
 * @throws {UpgradeError} for bytes that are no head.
 */
export function readRequestHead(bytes: Uint8Array): RequestHead | undefined {
  // A Client that speaks MQTT, or TLS, to the wrong port is told apart by its first byte: each method begins with a letter.
  if (bytes.length > 0 && !isLetter(bytes[0]!)) {
    throw new UpgradeError(400, "the connection does not begin with an HTTP request");
  }
  const head = readLines(bytes);
  if (head === undefined) return undefined;
  const [line = "", ...rest] = head.lines;
  const [method = "", target = "", version, ...more] = line.split(" ");
  const isMethod = METHOD.test(method) && method.length <= 32;
  if (!isMethod || !TARGET.test(target) || version !== "HTTP/1.1" || more.length > 0) {
    throw new UpgradeError(400, "the request line is not one of HTTP/1.1");
  }
  return { length: head.length, method, target, fields: fieldsOf(rest) };
}

/** A key of 16 bytes in Base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const KEY_LENGTH = 24;

/**
 * The last request that was taken: Clients of one kind ask for the same but for the key, and after a restart thousands of them do
 * at once, when nothing of how a head is read is compiled yet. For requests under the same rules.
 */
export class KnownRequest {
  #head: Uint8Array | undefined;
  /** Where its key begins. */
  #at = 0;
  #protocol = "";

  /** Keeps a request that was taken, with all bytes of its head; not one in which the key stands twice. */
  keep(head: Uint8Array, { key, protocol }: Upgrade): void {
    const text = latin1(head);
    const at = text.indexOf(key);
    if (text.lastIndexOf(key) !== at) return;
    this.#head = new Uint8Array(head);
    this.#at = at;
    this.#protocol = protocol;
  }

  /** What these bytes ask for, if they are the same request with any key, and nothing is behind it; undefined if they must be read. */
  asked(bytes: Uint8Array): Upgrade | undefined {
    const head = this.#head;
    const at = this.#at;
    const end = at + KEY_LENGTH;
    if (head === undefined || bytes.length !== head.length) return undefined;
    for (let i = 0; i < at; i++) if (bytes[i] !== head[i]) return undefined;
    for (let i = end; i < head.length; i++) if (bytes[i] !== head[i]) return undefined;
    let key = "";
    for (let i = at; i < end; i += 4) {
      key += String.fromCharCode(bytes[i]!, bytes[i + 1]!, bytes[i + 2]!, bytes[i + 3]!);
    }
    return KEY.test(key) ? { key, protocol: this.#protocol } : undefined;
  }
}

function isLetter(byte: number): boolean {
  const small = byte | 0x20;
  return small >= 0x61 && small <= 0x7a;
}

/** Whether a request asks for a WebSocket at all, rightly or not. */
export function asksForWebSocket({ fields }: RequestHead): boolean {
  return listOf(fields, "upgrade").includes("websocket");
}

/**
 * Checks a request that asks for a WebSocket (RFC 6455 §4.2.1).
 * @throws {UpgradeError} with the status for the peer.
 */
export function checkUpgrade(head: RequestHead, rules: UpgradeRules): Upgrade {
  const { method, target, fields } = head;
  const refuse = (status: number, message: string): never => {
    throw new UpgradeError(status, message);
  };
  if (!asksForWebSocket(head)) refuse(426, "here is MQTT over WebSocket, and nothing else");
  if (method !== "GET") refuse(405, "an upgrade is asked for by GET");
  if (fields.get("host")?.length !== 1) refuse(400, "there is not exactly one Host");
  if (!listOf(fields, "connection").includes("upgrade")) refuse(400, "Connection does not say Upgrade");
  if (fields.has("transfer-encoding") || (fields.get("content-length") ?? ["0"]).some((one) => one !== "0")) {
    refuse(400, "an upgrade has no body");
  }
  if (fields.get("sec-websocket-version")?.join() !== "13") refuse(426, "Sec-WebSocket-Version is not 13");
  const key = fields.get("sec-websocket-key")?.join() ?? "";
  if (!KEY.test(key)) refuse(400, "Sec-WebSocket-Key is not one of 16 bytes");
  const path = target.replace(/[?#].*$/, "");
  if (rules.paths.length > 0 && !rules.paths.includes(path)) {
    refuse(404, "there is no WebSocket at this path");
  }
  const origin = fields.get("origin")?.join().toLowerCase();
  if (origin !== undefined && !mayConnect(origin, fields.get("host")![0]!.toLowerCase(), rules)) {
    refuse(403, "pages of this Origin may not connect (websocket.origins)");
  }
  const offered = listOf(fields, "sec-websocket-protocol", false);
  const protocol = SUBPROTOCOLS.find((one) => offered.includes(one));
  if (protocol === undefined) {
    throw new UpgradeError(400, "Sec-WebSocket-Protocol does not offer mqtt", "MQTT-6.0.0-3");
  }
  return { key, protocol };
}

/** Without it any page that a person opens could use what listens on the person's machine. */
export function mayConnect(origin: string, host: string, rules: UpgradeRules): boolean {
  if (rules.origins.includes("*") || rules.origins.includes(origin)) return true;
  const name = host.replace(/:\d*$/, "");
  if (/^https?:\/\/([^/]*?)(:\d*)?$/.exec(origin)?.[1] !== name) return false;
  if (rules.isNameProved) return true;
  if (rules.isLocal) return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(name);
  return UNFORGEABLE.test(name);
}

/** An address, and names that no stranger can have: without a dot, and those of a local network (RFC 6762, RFC 8375). */
const UNFORGEABLE = /^([^.]+|\d{1,3}(\.\d{1,3}){3}|\[[\da-f:.]+\]|.+\.(local|localhost|home\.arpa))$/;

/** The address of the Client as trusted proxies tell it: the last one in `X-Forwarded-For` that is none of theirs; undefined without one. */
export function forwardedFor(
  { fields }: RequestHead,
  isTrusted: (address: string) => boolean,
): string | undefined {
  const addresses = listOf(fields, "x-forwarded-for").filter((one) => one !== "").map(withoutPort);
  return addresses.findLast((address) => !isTrusted(address)) ?? addresses[0];
}

/** Some proxies write a port too, and an IPv6 address in brackets then. */
function withoutPort(text: string): string {
  return text.replace(/^\[(.*)\](:\d+)?$/, "$1").replace(/^(\d+(?:\.\d+){3}):\d+$/, "$1");
}

/** The members of a field that is a list, in lower case if that makes no difference. */
function listOf(fields: RequestHead["fields"], name: string, isCaseless = true): string[] {
  const text = (fields.get(name) ?? []).join(",");
  return (isCaseless ? text.toLowerCase() : text).split(",").map((one) => one.trim());
}

/** The last answer, for one subprotocol: a new array for each would cost more than the bytes that differ. */
let answer: { readonly protocol: string; readonly bytes: Uint8Array; readonly at: number } | undefined;

/**
 * The answer to an upgrade that is taken [MQTT-6.0.0-4]; `accept` is the Base64 of the SHA-1 of the key and `ACCEPT_SUFFIX`. Its bytes hold
 * until the next one is made.
 */
export function upgradeAnswer(protocol: string, accept: string): Uint8Array {
  if (answer?.protocol !== protocol) {
    const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
    const at = `${lines.join("\r\n")}\r\nSec-WebSocket-Accept: `.length;
    lines.push(`Sec-WebSocket-Accept: ${accept}`, `Sec-WebSocket-Protocol: ${protocol}`);
    answer = { protocol, bytes: ascii(lines), at };
  }
  putUtf8(answer.bytes, answer.at, accept);
  return answer.bytes;
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
};

/** The answer to one that is not; the connection ends behind it. */
export function refusalAnswer({ status, message }: UpgradeError): Uint8Array {
  const body = `${message}\n`;
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Refused"}`,
    `Connection: close${status === 426 ? ", Upgrade" : ""}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    ...status === 405 ? ["Allow: GET"] : [],
    ...status === 426 ? ["Upgrade: websocket", "Sec-WebSocket-Version: 13"] : [],
  ];
  return ascii(head, body);
}

/** What a Client asks for (RFC 6455 §4.1). */
export interface UpgradeRequest {
  /** Host, and port where it is not the scheme's own. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** Base64 of 16 random bytes. */
  readonly key: string;
  /** [MQTT-6.0.0-3] */
  readonly protocols: readonly string[];
  /** Further fields: a proxy's login, cookies. */
  readonly fields?: Readonly<Record<string, string>>;
}

/**
 * The request, as bytes.
 * @throws {UpgradeError} for a field that cannot stand in one.
 */
export function upgradeRequest({ host, target, key, protocols, fields = {} }: UpgradeRequest): Uint8Array {
  const lines = [
    `GET ${target} HTTP/1.1`,
    `Host: ${host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Protocol: ${protocols.join(", ")}`,
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
  ];
  if (!TARGET.test(target) || lines.some((line) => !/^[ -~]+$/.test(line))) {
    throw new UpgradeError(400, "what is asked for has characters that a request cannot have");
  }
  return ascii(lines);
}

/**
 * Checks the answer at the front of `bytes` (RFC 6455 §4.1); gives the bytes of its head, or undefined if more are needed.
 * @throws {UpgradeError} for an answer that is no upgrade to what was asked for.
 */
export function readUpgradeAnswer(
  bytes: Uint8Array,
  { protocols }: UpgradeRequest,
  accept: string,
): number | undefined {
  const head = readLines(bytes);
  if (head === undefined) return undefined;
  const [line = "", ...rest] = head.lines;
  // What is no printable ASCII would reach a terminal with the error.
  const [, status, reason = ""] = /^HTTP\/1\.[01] (\d{3})(?: ([ -~]{0,100}).*)?$/.exec(line) ?? [];
  if (status === undefined) throw new UpgradeError(400, "the answer is not one of HTTP");
  if (status !== "101") {
    throw new UpgradeError(Number(status), `the Server answers ${status} ${reason}`);
  }
  const fields = fieldsOf(rest);
  const protocol = fields.get("sec-websocket-protocol")?.join();
  const isRight = listOf(fields, "upgrade").join() === "websocket" &&
    listOf(fields, "connection").includes("upgrade") && fields.get("sec-websocket-accept")?.join() === accept;
  if (!isRight) throw new UpgradeError(400, "the answer is no upgrade to the WebSocket that was asked for");
  if (fields.has("sec-websocket-extensions")) throw new UpgradeError(400, "the Server uses an extension");
  if (protocol === undefined || !protocols.includes(protocol)) {
    throw new UpgradeError(400, "the Server does not select a subprotocol that was offered", "MQTT-6.0.0-4");
  }
  return head.length;
}

function ascii(lines: readonly string[], body = ""): Uint8Array {
  const text = `${lines.join("\r\n")}\r\n\r\n${body}`;
  const bytes = new Uint8Array(text.length);
  putUtf8(bytes, 0, text);
  return bytes;
}
