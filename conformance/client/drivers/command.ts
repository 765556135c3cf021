/**
 * The language of `--exec`: a command line with placeholders, and what it becomes for an order.
 * Knows words, quotes and placeholders; refuses to run anything.
 *
 * `{host}` stands for a value, `{user?-u {user}}` for its words only if the order has that value. No shell is asked:
 * words are split at spaces; '…' and "…" keep theirs.
 * @module
 */
import { AuditCallError } from "../../call_error.ts";
import type { ClientOrder, Skill, Where } from "./driver.ts";

/** All placeholders, with what they mean. */
export const PLACEHOLDERS = {
  host: "where the auditor listens",
  port: "where the auditor listens",
  url:
    "where the auditor listens, as mqtt://HOST:PORT, or ws://HOST:PORT/mqtt with --websocket; mqtts://, wss:// with --cert",
  version: "5 or 311",
  level: "5 or 4",
  client: "Client Identifier",
  session: "for {session?…}: the session is to be kept (Clean Start 0)",
  clean: "for {clean?…}: Clean Start 1",
  expiry: "Session Expiry Interval",
  keepalive: "seconds",
  user: "User Name",
  password: "Password",
  topic: "the topic to publish to, or the filter to subscribe to",
  filter: "the filter to subscribe to",
  unsubscribe: "the filter to unsubscribe from",
  qos: "0, 1 or 2",
  message: "the payload to publish",
  stdin: "nothing; payloads are written to the command's input, one a line",
  retain: "for {retain?…}: RETAIN 1",
  willtopic: "Will Topic",
  willmessage: "Will Payload",
  willqos: "Will QoS",
  willretain: "for {willretain?…}: Will Retain 1",
  receivemaximum: "Receive Maximum of the Client",
  topicaliasmaximum: "Topic Alias Maximum of the Client",
  maximumpacketsize: "Maximum Packet Size of the Client",
  authmethod: "Authentication Method",
} as const;

/** One of them. */
export type Placeholder = keyof typeof PLACEHOLDERS;

type Node = string | { readonly name: Placeholder; readonly inner: readonly Node[] | undefined };

/** What an order gives for each placeholder. */
export type Values = Partial<Record<Placeholder, string>>;

/** A command line that has been understood. */
export interface Command {
  readonly text: string;
  readonly uses: ReadonlySet<Placeholder>;
  /** The words for an order; the first is the program. */
  words(values: Values): string[];
}

/**
 * Understands a command line.
 * @throws {AuditCallError} that says what is wrong with it.
 */
export function parseCommand(text: string): Command {
  const uses = new Set<Placeholder>();
  const nodes = parseNodes(text, uses);
  if (!uses.has("port") && !uses.has("url")) {
    throw new AuditCallError(
      `--exec ${JSON.stringify(text)} has no {port} and no {url}: the Client must be told where to go`,
    );
  }
  const command = { text, uses, words: (values: Values) => wordsOf(nodes, values) };
  if (command.words({}).length === 0) throw new AuditCallError("--exec names no command");
  return command;
}

function parseNodes(text: string, uses: Set<Placeholder>): Node[] {
  const nodes: Node[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("{", at);
    if (open < 0) {
      nodes.push(text.slice(at));
      break;
    }
    if (open > at) nodes.push(text.slice(at, open));
    const close = closing(text, open);
    const [, name = "", inner] = /^([a-z]+)(?:\?(.*))?$/s.exec(text.slice(open + 1, close)) ?? [];
    if (!Object.hasOwn(PLACEHOLDERS, name)) {
      throw new AuditCallError(
        `--exec: ${text.slice(open, close + 1)} is no placeholder; there are ${
          Object.keys(PLACEHOLDERS).map((one) => `{${one}}`).join(" ")
        }`,
      );
    }
    uses.add(name as Placeholder);
    nodes.push({
      name: name as Placeholder,
      inner: inner === undefined ? undefined : parseNodes(inner, uses),
    });
    at = close + 1;
  }
  return nodes;
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (text[at] === "}" && --depth === 0) return at;
  }
  throw new AuditCallError(`--exec ${JSON.stringify(text)}: a { is not closed`);
}

/** A word is at hand as soon as something of it is there, even if that is empty: `''`, or a value of no characters. */
function wordsOf(nodes: readonly Node[], values: Values): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  const literal = (text: string) => {
    for (const char of text) {
      if (quote !== "") {
        if (char === quote) quote = "";
        else word += char;
      } else if (char === "'" || char === '"') {
        quote = char;
        word ??= "";
      } else if (/\s/.test(char)) {
        if (word !== undefined) words.push(word);
        word = undefined;
      } else word = (word ?? "") + char;
    }
  };
  const walk = (all: readonly Node[]) => {
    for (const node of all) {
      if (typeof node === "string") literal(node);
      else if (node.inner !== undefined) {
        if (values[node.name] !== undefined) walk(node.inner);
      } else if (node.name !== "stdin") word = (word ?? "") + (values[node.name] ?? "");
    }
  };
  walk(nodes);
  if (quote !== "") throw new AuditCallError(`--exec: a ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}

/** What a command with these placeholders can be brought to do. */
export function skillsOf(uses: ReadonlySet<Placeholder>): Set<Skill> {
  const has = (...names: readonly Placeholder[]) => names.some((name) => uses.has(name));
  const publishes = has("message", "stdin");
  const skills: readonly (readonly [Skill, boolean])[] = [
    // Without a placeholder the Client speaks one level; which one, its CONNECT tells.
    ["level 4", true],
    ["level 5", true],
    ["publish", publishes],
    ["several messages", has("stdin")],
    ["retain", publishes && has("retain")],
    ["subscribe", has("filter") || (has("topic") && !publishes)],
    ["unsubscribe", has("unsubscribe")],
    ["will", has("willtopic")],
    ["user name", has("user")],
    ["password", has("password")],
    ["client id", has("client")],
    ["session", has("session", "clean")],
    ["keep alive", has("keepalive")],
    ["receive maximum", has("receivemaximum")],
    ["topic alias maximum", has("topicaliasmaximum")],
    ["maximum packet size", has("maximumpacketsize")],
  ];
  return new Set(skills.filter(([, there]) => there).map(([skill]) => skill));
}

/** The values of an order. */
export function valuesOf(order: ClientOrder, { host, port, url }: Where): Values {
  const { level, will, subscribe: [subscription] = [], publish: [message] = [] } = order;
  const values: Record<Placeholder, string | number | false | undefined> = {
    host,
    port,
    url,
    version: level === 5 ? 5 : 311,
    level,
    client: order.clientId,
    session: !order.cleanStart && "",
    clean: order.cleanStart && "",
    expiry: level === 5 ? order.sessionExpiry : undefined,
    keepalive: order.keepAlive,
    user: order.username,
    password: order.password,
    topic: message?.topic ?? subscription?.filter ?? "plumb-audit",
    filter: subscription?.filter,
    unsubscribe: order.unsubscribe?.[0],
    qos: message?.qos ?? subscription?.qos ?? 0,
    message: message?.payload ?? "plumb-audit",
    stdin: undefined,
    retain: message?.retain === true && "",
    willtopic: will?.topic,
    willmessage: will?.payload,
    willqos: will?.qos,
    willretain: will?.retain === true && "",
    receivemaximum: order.receiveMaximum,
    topicaliasmaximum: order.topicAliasMaximum,
    maximumpacketsize: order.maximumPacketSize,
    authmethod: order.authenticationMethod,
  };
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== false)
      .map(([name, value]) => [name, String(value)]),
  );
}
