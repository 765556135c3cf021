/**
 * Why a Client gets the next message of a topic, or does not: §3.3, §3.8, §4.7, §4.8, §4.9, §5.4.2 and the limits, one step after the other.
 * Knows the steps and their words; refuses to know what would become of a copy (rehearsal.ts), and to change anything.
 * @module
 */
import { type Rule, UsageError } from "../codec/error.ts";
import type { QoS } from "../codec/packet.ts";
import { isLonger } from "../codec/utf8.ts";
import { expiryOf, frameOf } from "../delivery/message.ts";
import { matches } from "../topic/filter.ts";
import { isTopicName, levelCount, SEPARATOR } from "../topic/name.ts";
import type { Broker } from "./broker.ts";
import type { Outgoing } from "./deliver.ts";
import type { LimitName } from "./limits.ts";
import type { Match } from "./match.ts";
import type { Open } from "./open.ts";
import type { DropReason } from "./options.ts";
import type { Parts } from "./parts.ts";
import { needsStore } from "./publish.ts";
import { Rehearsal, type Rehearsed, type RehearsedCopy, type RehearsedGroup } from "./rehearsal.ts";
import { NEVER_EXPIRES, type Session, type Subscription } from "./session.ts";
import type { Sessions } from "./sessions.ts";

/** Clients, filters and groups that one step names. */
const NAMED_MAX = 5;
/** Subscriptions among which the nearest one is looked for. */
const NEAREST_AMONG_MAX = 1_000;
/** Bytes of the largest payload that is asked for. */
const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
/** §1.5.4 */
const NAME_BYTES_MAX = 0xffff;

/** The question: would this Client get this message, were it published now? */
export interface ExplainQuestion {
  /** §3.1.3.1 Client Identifier of the receiver. */
  readonly client: string;
  /** §3.3.2.1 Topic Name. */
  readonly topic: string;
  /** §3.1.3.1 Client Identifier of the publisher; without it the Server itself publishes. */
  readonly publisher?: string | undefined;
  /** §3.3.1.2 of the PUBLISH; default 0. */
  readonly qos?: QoS | undefined;
  /** §3.3.1.3 of the PUBLISH; default false. */
  readonly retain?: boolean | undefined;
  /** §3.3.3 bytes of the payload, up to 16 MiB; default 0. */
  readonly payloadBytes?: number | undefined;
  /** §3.3.2.3.3 Message Expiry Interval in seconds; default none. */
  readonly expirySeconds?: number | undefined;
}

/** What a step looks at. */
export type ExplainSubject =
  | "topic"
  | "publisher"
  | "permission to publish"
  | "store"
  | "session"
  | "connection"
  | "filters"
  | "no local"
  | "shared group"
  | "permission to receive"
  | "qos"
  | "retain"
  | "packet size"
  | "flow control"
  | "queue"
  | "expiry"
  | "others"
  | "last";

/** One step. */
export interface ExplainStep {
  /** What it looks at. */
  readonly what: ExplainSubject;
  /** `no` keeps the message from the Client, `unknown` may; `note` decides nothing. */
  readonly result: "yes" | "no" | "unknown" | "note";
  /** For a person: one sentence or two, without a full stop at the end. */
  readonly detail: string;
  /** The statement of the standard, or the rule of this broker. */
  readonly rule?: Rule;
  /** The limit that decides. */
  readonly limit?: LimitName;
}

/** One copy of the message for the Client. */
export interface ExplainedCopy {
  /** `sent` at once, or `waits` in the session. */
  readonly how: "sent" | "waits";
  /** §3.8.4 */
  readonly qos: QoS;
  /** §3.3.1.3 */
  readonly retain: boolean;
  /** §3.3.2.3.8 */
  readonly subscriptionIdentifiers: readonly number[];
  /** §4.8.2 the filter of the Shared Subscription that it comes by; undefined for the other subscriptions. */
  readonly share: string | undefined;
}

/** What is known of the past of a session. Times are ms since the epoch. */
export interface ExplainedPast {
  /** When the last bytes came from its Client; undefined without a connection. */
  readonly heardAt: number | undefined;
  /** §4.3 QoS 1 and 2 messages that were sent and are not acknowledged. */
  readonly unacknowledged: number;
  /** Messages that wait. */
  readonly queued: number;
  /** Messages that it was to get and did not, since the session is in memory. */
  readonly drops: number;
  /** The last of them. */
  readonly lastDrop: { readonly at: number; readonly reason: DropReason; readonly topic: string } | undefined;
}

/** The answer. */
export interface Explanation {
  /** Whether the Client gets the message, at once or later; null if that cannot be foretold. */
  readonly gets: boolean | null;
  /** The same in a sentence. */
  readonly because: string;
  /** How that comes about. */
  readonly steps: readonly ExplainStep[];
  /** What the Client gets. */
  readonly copies: readonly ExplainedCopy[];
  /** Sessions that get a copy; undefined if there are too many to look at. */
  readonly receivers: number | undefined;
  /** Of the Client's session; undefined without one. */
  readonly past: ExplainedPast | undefined;
}

/**
 * Answers a question at `now`, ms since the epoch; nothing is changed by it. Not while a broker tells its owner of something: its hooks,
 * taps and authorizers may see it in the middle of a step.
 * @throws {UsageError} for a question that is none.
 */
export function explain(broker: Broker, question: ExplainQuestion, now: number): Explanation {
  const { parts, sessions } = broker.inside;
  return new Explaining(parts, sessions, checked(question), now).answer();
}

interface Question extends ExplainQuestion {
  readonly qos: QoS;
  readonly payloadBytes: number;
}

function checked(question: ExplainQuestion): Question {
  const { client, topic, publisher, qos = 0, payloadBytes = 0, expirySeconds } = question;
  for (
    const [name, value] of [["client", client], ["topic", topic], ["publisher", publisher ?? ""]] as const
  ) {
    if (typeof value !== "string") throw new UsageError(`${name} is a text`);
  }
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new UsageError("qos is 0, 1 or 2");
  if (!isWhole(payloadBytes, PAYLOAD_BYTES_MAX)) {
    throw new UsageError(`payloadBytes is a whole number from 0 to ${PAYLOAD_BYTES_MAX}`);
  }
  if (expirySeconds !== undefined && !isWhole(expirySeconds, NEVER_EXPIRES)) {
    throw new UsageError(`expirySeconds is a whole number from 0 to ${NEVER_EXPIRES}`);
  }
  return { ...question, qos, payloadBytes };
}

function isWhole(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

/** One question on its way. */
class Explaining {
  readonly #parts: Parts;
  readonly #sessions: Sessions;
  readonly #question: Question;
  readonly #now: number;
  readonly #steps: ExplainStep[] = [];
  /** The Client of the question, as it is named. */
  readonly #client: string;
  readonly #topic: string;

  constructor(parts: Parts, sessions: Sessions, question: Question, now: number) {
    this.#parts = parts;
    this.#sessions = sessions;
    this.#question = question;
    this.#now = now;
    this.#client = named(question.client);
    this.#topic = named(question.topic);
  }

  answer(): Explanation {
    const { client, topic, publisher } = this.#question;
    const session = this.#sessions.get(client);
    if (!this.#isTopic()) return this.#answer(session, [], undefined);
    const open = publisher === undefined ? undefined : this.#openOf(publisher);
    const outgoing = this.#outgoing(open);
    const match = this.#parts.router.look(topic);
    this.#mayPublish(open, outgoing, match);
    this.#aboutSession(session);
    const from = publisher === undefined ? undefined : this.#sessions.get(publisher);
    const rehearsed = new Rehearsal(this.#parts, outgoing, this.#now).route(match, from, session);
    const copies = session === undefined ? [] : rehearsed.copies.filter((copy) => copy.session === session);
    if (session !== undefined) {
      this.#aboutFilters(session, match);
      for (const { group, member } of rehearsed.groups) {
        const own = session.subscriptions.get(group.filter.text);
        if (own !== undefined) this.#aboutGroup({ group, member }, own);
      }
      this.#mayReceive(session, copies, match);
      for (const copy of copies) this.#aboutCopy(copy, outgoing);
    }
    this.#aboutOthers(match, rehearsed, session);
    return this.#answer(session, copies, rehearsed);
  }

  #add(
    what: ExplainSubject,
    result: ExplainStep["result"],
    detail: string,
    why: { readonly rule?: Rule; readonly limit?: LimitName } = {},
  ): void {
    this.#steps.push({ what, result, detail, ...why });
  }

  // The message.

  #isTopic(): boolean {
    const { topic } = this.#question;
    const no = (detail: string, rule: Rule): boolean => {
      this.#add("topic", "no", detail, { rule });
      return false;
    };
    if (topic === "") return no("An empty text is no Topic Name", "MQTT-4.7.3-1");
    if (topic.includes("\0")) return no("A Topic Name has no U+0000", "MQTT-4.7.3-2");
    if (!isTopicName(topic)) {
      return no(
        `${this.#topic} has a wildcard: it is a Topic Filter, and no message has it as its topic`,
        "MQTT-3.3.2-2",
      );
    }
    if (!topic.isWellFormed()) return no("A Topic Name is well-formed Unicode", "MQTT-1.5.4-1");
    if (isLonger(topic, NAME_BYTES_MAX)) return no("A Topic Name has at most 65,535 bytes", "MQTT-4.7.3-3");
    this.#add("topic", "yes", `${this.#topic} is a Topic Name`);
    return true;
  }

  /** The message as one frame, in the layout of its publisher. */
  #outgoing(open: Open | undefined): Outgoing {
    const { topic, qos, retain = false, payloadBytes, expirySeconds, publisher } = this.#question;
    const level = open?.link.level ?? 5;
    const properties = level === 5 && expirySeconds !== undefined
      ? { messageExpiryInterval: expirySeconds }
      : {};
    const view = frameOf({ topic, payload: new Uint8Array(payloadBytes), qos, retain }, properties, level);
    return { view, topic, publisher, expiresAt: expiryOf(view, this.#now), message: undefined };
  }

  #openOf(publisher: string): Open | undefined {
    return this.#sessions.get(publisher)?.connection as Open | undefined;
  }

  /** §3.3, §5.4.2 in the order of publish.ts. */
  #mayPublish(open: Open | undefined, outgoing: Outgoing, match: Match): void {
    const { publisher, topic } = this.#question;
    const { view } = outgoing;
    if (publisher === undefined) {
      this.#add(
        "publisher",
        "note",
        "No publisher is named: as if the Server itself published, for which there are no rules",
      );
      return;
    }
    const name = named(publisher);
    if (open === undefined) {
      return this.#add("publisher", "no", `${name} is not connected, so it publishes nothing`);
    }
    const { policy, client, permissions, session } = open;
    const no = (detail: string, rule: Rule, limit?: LimitName): void =>
      this.#add("publisher", "no", `${name} ${detail}`, limit === undefined ? { rule } : { rule, limit });
    const { limits } = policy;
    const size = view.end - view.at;
    if (size > limits.packetBytesMax) {
      return no(
        `may send no packet of ${size} bytes: packetBytesMax is ${limits.packetBytesMax}`,
        "MQTT-3.2.2-15",
        "packetBytesMax",
      );
    }
    if (view.qos > policy.maximumQos) {
      return no(`may publish at QoS ${policy.maximumQos} at most (Maximum QoS)`, "MQTT-3.2.2-11");
    }
    if (view.retain && !policy.retainAvailable) {
      return no("may retain nothing (Retain Available)", "MQTT-3.2.2-14");
    }
    if (view.topicEnd - view.topicAt > limits.nameBytesMax) {
      return no(
        `may use no Topic Name of more than ${limits.nameBytesMax} bytes (nameBytesMax)`,
        "limit/name-bytes",
        "nameBytesMax",
      );
    }
    const opened = session.received === undefined ? 0 : session.received.size;
    if (view.qos === 2 && opened >= open.receiveLimit) {
      return no(
        `has ${opened} QoS 2 messages open, which is Receive Maximum: one more ends its connection`,
        "3.3.4/receive-maximum",
        "receiveMaximum",
      );
    }
    this.#add("publisher", "yes", `${name} is connected, ${addressOf(open)}`);
    if (topic.startsWith("$") && !permissions.mayOpen(topic)) {
      this.#add("permission to publish", "no", "Topics that begin with $ are the Server's", {
        rule: "policy/dollar-topic",
      });
      return;
    }
    if (levelCount(topic) > limits.topicLevelsMax) {
      return no(
        `may use no Topic Name of more than ${limits.topicLevelsMax} levels (topicLevelsMax)`,
        "limit/topic-levels",
        "topicLevelsMax",
      );
    }
    const rights = permissions.rightsOf(client);
    const reasons = rights?.explain?.("publish", topic, view.qos, view.retain) ?? [];
    const code = rights?.publish(topic, view.qos, view.retain) ?? 0;
    if (code !== 0) {
      const why = reasons.length > 0 ? reasons.join("; ") : `the rules answer ${hex(code)}`;
      this.#add(
        "permission to publish",
        "no",
        `${name} may not publish ${this.#topic} at QoS ${view.qos}${
          view.retain ? " with RETAIN" : ""
        }: ${why}`,
        { rule: "policy/not-authorized" },
      );
      return;
    }
    if (permissions.hasAuthorizer) {
      this.#add(
        "permission to publish",
        "unknown",
        "A function of the broker's owner decides that, and is not asked in vain",
        { rule: "policy/not-authorized" },
      );
    } else {
      this.#add(
        "permission to publish",
        "yes",
        rights === undefined
          ? "There are no rules: everybody may"
          : `${name} may publish it: ${reasons.join("; ")}`,
      );
    }
    const { journal, router } = this.#parts;
    if (journal.failing && view.qos > 0 && needsStore(this.#parts, open, view, match)) {
      this.#add(
        "store",
        "no",
        "The store fails at present: messages that it would have to keep are refused (0x97)",
        { rule: "limit/store" },
      );
      return;
    }
    const limit = view.retain ? router.retainLimit(outgoing) : undefined;
    if (limit !== undefined && view.qos > 0 && open.link.level === 5) {
      this.#add(
        "publisher",
        "no",
        `There is no room to retain it (${limit}), so the whole PUBLISH is refused (0x97)`,
        { rule: "limit/retained", limit },
      );
    }
  }

  // The Client.

  #aboutSession(session: Session | undefined): void {
    if (session === undefined) {
      this.#add(
        "session",
        "no",
        `There is no session of ${this.#client}: it has not connected, or its session has ended`,
      );
      return;
    }
    const { connection, expirySeconds } = session;
    const count = session.subscriptions.size;
    const kept = expirySeconds === 0
      ? "it ends with the connection"
      : expirySeconds === NEVER_EXPIRES
      ? "it stays until it is taken up again"
      : `it stays for ${duration(expirySeconds * 1000)} without a connection`;
    this.#add(
      "session",
      "yes",
      `${this.#client} has a session with ${counted(count, "subscription")}; ${kept}`,
    );
    if (connection !== undefined) {
      return this.#add("connection", "yes", `It is connected, ${addressOf(connection as Open)}`);
    }
    const until = session.heapIndex < 0 || session.heapTime === Infinity
      ? ""
      : `; the session ends in ${duration(Math.max(0, session.heapTime - this.#now))}`;
    this.#add(
      "connection",
      "note",
      `It is not connected: messages of QoS 1 and 2 wait, those of QoS 0 do not${until}`,
    );
  }

  #aboutFilters(session: Session, match: Match): void {
    const { topic } = this.#question;
    const own: Subscription[] = [];
    for (const target of match.targets) if (target.session === session) target.each((one) => own.push(one));
    for (const { filter } of match.groups) {
      const member = session.subscriptions.get(filter.text);
      if (member !== undefined) own.push(member);
    }
    if (own.length > 0) {
      const all = own.slice(0, NAMED_MAX).map((one) => `${named(one.filter)} (${optionsOf(one)})`);
      this.#add("filters", "yes", `${some(own.length, all)} ${own.length === 1 ? "matches" : "match"}`);
      return;
    }
    if (session.subscriptions.size === 0) {
      return this.#add("filters", "no", `${this.#client} has not subscribed to anything`);
    }
    const isDollar = topic.startsWith("$") &&
      someOf(session.subscriptions.keys()).find((filter) => matches(withoutShare(filter), `x${topic}`));
    if (isDollar) {
      const detail = `A filter that begins with a wildcard, as ${
        named(isDollar)
      }, matches no topic that begins with $`;
      return this.#add("filters", "no", detail, { rule: "MQTT-4.7.2-1" });
    }
    const nearest = nearestTo(topic, session.subscriptions.keys());
    const isFolded = matches(withoutShare(nearest).toLowerCase(), topic.toLowerCase());
    const { size } = session.subscriptions;
    const hint = isFolded
      ? `${size === 1 ? "it" : named(nearest)} would, but for capital and small letters`
      : undefined;
    const detail = size === 1
      ? `Its only subscription, ${named(nearest)}, does not match ${this.#topic}${
        hint === undefined ? "" : `; ${hint}`
      }`
      : `None of its ${size} subscriptions matches ${this.#topic}; ${
        hint ?? `the nearest is ${named(nearest)}`
      }`;
    this.#add("filters", "no", detail, isFolded ? { rule: "MQTT-4.7.3-4" } : {});
  }

  /** §4.8.2 */
  #aboutGroup({ group, member }: RehearsedGroup, own: Subscription): void {
    const name = named(group.filter.text);
    const among = `${counted(group.size, "member")} of ${name}`;
    const rule = { rule: "MQTT-4.8.2-3" } as const;
    if (member === own) {
      return this.#add(
        "shared group",
        "yes",
        `One of the ${among} gets each message: it is the turn of ${this.#client}`,
        rule,
      );
    }
    if (member === "one of several") {
      const detail = `One of the ${among} gets it; none can be sent it at once, so which one shows only then`;
      return this.#add("shared group", "unknown", detail, rule);
    }
    const detail = member === undefined
      ? `None of the ${among} can take a message of QoS ${this.#question.qos} now`
      : `One of the ${among} gets each message: this time it is the turn of ${
        named(member.session.clientId)
      }`;
    this.#add("shared group", "no", detail, rule);
  }

  /** §5.4.2 */
  #mayReceive(session: Session, copies: readonly RehearsedCopy[], match: Match): void {
    const { access } = session;
    const { topic, qos } = this.#question;
    const rule = { rule: "policy/not-authorized" } as const;
    if (access === undefined) {
      const isAway = session.connection === undefined;
      if (isAway && copies.length > 0) {
        this.#add(
          "permission to receive",
          "note",
          "Rules, if there are any, are asked when it connects: it has not since the start",
        );
      }
      return;
    }
    const reasons = access.rights.explain?.("receive", topic, qos, false).join("; ") || "the rules say so";
    const isMember = match.groups.some(({ filter }) => session.subscriptions.has(filter.text));
    if (copies.length === 0 && !isMember) {
      if (access.rights.receive(topic)) return;
      return this.#add(
        "permission to receive",
        "note",
        `It may not receive ${this.#topic} anyway: ${reasons}`,
        rule,
      );
    }
    if (access.mayReceive(topic)) {
      this.#add("permission to receive", "yes", `${this.#client} may receive it: ${reasons}`);
    } else {this.#add(
        "permission to receive",
        "no",
        `${this.#client} may not receive ${this.#topic}: ${reasons}`,
        rule,
      );}
  }

  #aboutCopy(copy: RehearsedCopy, { view, expiresAt }: Outgoing): void {
    const { session, qos, retain, fate, bytes, fits, share } = copy;
    const { connection } = session;
    if (fate === "not permitted") return; // a step of its own
    if (fate === "no local") {
      const detail = "It is its own message, and each filter that matches was subscribed to with No Local";
      return this.#add("no local", "no", detail, { rule: "MQTT-3.8.3-3" });
    }
    const by = share === undefined ? "" : ` by ${named(share)}`;
    this.#add(
      "qos",
      "note",
      qos < view.qos
        ? `It is published at QoS ${view.qos} and granted at QoS ${qos}, so it comes${by} at QoS ${qos}`
        : `It comes${by} at QoS ${qos}`,
      { rule: share === undefined ? "MQTT-3.8.4-8" : "MQTT-4.8.2-3" },
    );
    if (view.retain) {
      const detail = retain
        ? "RETAIN stays 1: Retain As Published"
        : "RETAIN becomes 0, without Retain As Published";
      this.#add("retain", "note", detail, { rule: retain ? "MQTT-3.3.1-13" : "MQTT-3.3.1-12" });
    }
    if (fate === "not connected") {
      const detail = qos === 0
        ? `${this.#client} is not connected, and a message of QoS 0 does not wait${
          view.qos === 0 ? "; one of QoS 1 would, if its subscription has QoS 1" : ""
        }`
        : "Its session has ended";
      return this.#add("queue", "no", detail, { rule: "MQTT-4.5.0-1" });
    }
    const maximum = connection === undefined ? Infinity : connection.link.maximumPacketSize;
    if (fits === false && (fate === "packet too large" || fate === "waits")) {
      const detail = `The packet has ${bytes} bytes, and Maximum Packet Size of the Client is ${maximum}`;
      return this.#add("packet size", "no", detail, { rule: "MQTT-3.1.2-24" });
    }
    if (maximum < Infinity) {
      const result = fits === undefined ? "unknown" : "yes";
      this.#add("packet size", result, `${bytes} bytes, of ${maximum} that the Client takes`, {
        rule: "MQTT-3.1.2-24",
      });
    }
    if (fate === "sent") {
      if (qos > 0) {
        const { sendLimit } = connection!;
        this.#add(
          "flow control",
          "yes",
          `${
            sendLimit - session.quota
          } of ${sendLimit} messages that may be in flight are not acknowledged yet`,
          { rule: "MQTT-4.9.0-2" },
        );
      }
      return;
    }
    if (fate === "waits") return this.#waits(copy, expiresAt);
    this.#overLimit(session, fate as LimitName, qos);
  }

  #waits({ session, qos }: RehearsedCopy, expiresAt: number): void {
    const { connection, queued, limits } = session;
    const before = queued === 0 ? "nothing is before it" : `${counted(queued, "message")} before it`;
    const bound = `queuedMessagesMax is ${limits.queuedMessagesMax}`;
    if (connection === undefined) {
      this.#add("queue", "yes", `It waits until ${this.#client} connects; ${before}, ${bound}`, {
        rule: "MQTT-4.5.0-1",
      });
    } else {
      const { sendLimit, outbox, bytesMax } = connection;
      const why = session.quota <= 0
        ? `${sendLimit} messages are in flight, as many as may be, and ${this.#client} has not acknowledged them`
        : outbox.size > bytesMax
        ? `${outbox.size} bytes wait for ${this.#client} to read them`
        : "others go before it";
      this.#add("flow control", "note", `It waits: ${why}`, {
        rule: qos === 0 ? "MQTT-4.5.0-1" : "MQTT-4.9.0-2",
      });
      this.#add("queue", "yes", `There is room for it to wait; ${before}, ${bound}`);
    }
    if (expiresAt < Infinity) {
      const detail = `It is given up if it has not been sent within ${duration(expiresAt - this.#now)}`;
      this.#add("expiry", "note", detail, { rule: "MQTT-3.3.2-5" });
    }
  }

  #overLimit(session: Session, limit: LimitName, qos: QoS): void {
    const { limits, connection, queued, queuedBytes } = session;
    const memory = { rule: "limit/memory", limit } as const;
    if (qos === 0) {
      const size = connection!.outbox.size;
      const detail =
        `${size} bytes wait for ${this.#client} to read them: messages of QoS 0 are dropped (${limit})`;
      return this.#add(
        "flow control",
        "no",
        detail,
        limit === "memoryBytesMax" ? memory : { rule: "limit/outbound", limit },
      );
    }
    const ends = connection === undefined ? "" : "; the connection ends, since it is too slow (0x97)";
    const full: Partial<Record<LimitName, string>> = {
      queuedMessagesMax: `${
        counted(queued, "message")
      } wait already, of ${limits.queuedMessagesMax} that may (queuedMessagesMax)`,
      queuedBytesMax:
        `${queuedBytes} bytes wait already, of ${limits.queuedBytesMax} that may (queuedBytesMax)`,
      userQueuedBytesMax: `All sessions of its user have as many bytes waiting as may (userQueuedBytesMax)`,
    };
    const detail = full[limit] ?? `The broker holds as much in memory as it may (${limit})`;
    this.#add(
      "queue",
      "no",
      `${detail}: the message is dropped${ends}`,
      limit === "memoryBytesMax" ? memory : { rule: "limit/queue", limit },
    );
  }

  #aboutOthers(match: Match, { copies, isWhole }: Rehearsed, asked: Session | undefined): void {
    const others: string[] = [];
    let count = 0;
    for (const { session } of match.targets) {
      if (session === asked) continue;
      count++;
      if (others.length < NAMED_MAX) others.push(named(session.clientId));
    }
    const groups = match.groups.slice(0, NAMED_MAX).map(({ filter, size }) =>
      `${named(filter.text)} with ${counted(size, "member")}`
    );
    const all = [
      count === 0
        ? "No other session has a filter that matches"
        : `Of the other sessions ${some(count, others)} ${
          count === 1 ? "has" : "have"
        } a filter that matches`,
      ...groups.length === 0
        ? []
        : [`there ${match.groups.length === 1 ? "is" : "are"} ${some(match.groups.length, groups)}`],
    ];
    const { length } = match.nodes;
    if (length > 0) {
      all.push(
        `${counted(length, "other node")} of this Server ${length === 1 ? "has" : "have"} subscribers`,
      );
    }
    const gets = isWhole ? `; ${counted(receiversOf(copies), "session")} in all would get it` : "";
    this.#add("others", "note", `${all.join("; ")}${gets}`);
  }

  // The answer.

  #answer(
    session: Session | undefined,
    copies: readonly RehearsedCopy[],
    rehearsed: Rehearsed | undefined,
  ): Explanation {
    const past = session && pastOf(session);
    if (past !== undefined) this.#aboutPast(past);
    const isPublished = !this.#steps.some(({ what, result }) => result === "no" && OF_PUBLISHER.has(what));
    const own = isPublished ? copies.filter(isDelivered) : [];
    const gets = isPublished && this.#gets(own);
    return {
      gets,
      because: this.#because(gets, own),
      steps: this.#steps,
      copies: own.map(({ fate, qos, retain, identifiers, share }) => ({
        how: fate as "sent" | "waits",
        qos,
        retain,
        subscriptionIdentifiers: identifiers,
        share,
      })),
      receivers: rehearsed?.isWhole === true ? (isPublished ? receiversOf(rehearsed.copies) : 0) : undefined,
      past,
    };
  }

  #gets(own: readonly RehearsedCopy[]): boolean | null {
    if (own.length === 0) {
      return this.#is("shared group", "unknown") && !this.#is("permission to receive", "no") ? null : false;
    }
    const isSure = own.some(({ session, fits }) => session.connection === undefined || fits !== undefined);
    return isSure && !this.#is("permission to publish", "unknown") ? true : null;
  }

  #is(what: ExplainSubject, result: ExplainStep["result"]): boolean {
    return this.#steps.some((step) => step.what === what && step.result === result);
  }

  #because(gets: boolean | null, own: readonly RehearsedCopy[]): string {
    const decisive = (result: ExplainStep["result"]) => this.#steps.find((step) => step.result === result);
    if (gets === false) {
      return `${this.#client} does not get it. ${
        this.#steps.find(({ result }) => result === "no")?.detail ?? "Nothing matches"
      }.`;
    }
    if (gets === null) {
      return `Whether ${this.#client} gets it cannot be foretold. ${decisive("unknown")!.detail}.`;
    }
    const how = own.map(({ fate, qos, share }) => {
      const by = share === undefined ? "" : ` by ${named(share)}`;
      return fate === "sent" ? `at once at QoS ${qos}${by}` : `at QoS ${qos}${by}, after it has waited`;
    });
    const wait = own.some(({ fate }) => fate === "sent")
      ? undefined
      : this.#steps.find(({ what, detail }) =>
        (what === "flow control" || what === "queue") && detail.startsWith("It waits")
      );
    return `${this.#client} gets it ${how.join(", and ")}.${wait === undefined ? "" : ` ${wait.detail}.`}`;
  }

  #aboutPast({ heardAt, unacknowledged, queued, drops, lastDrop }: ExplainedPast): void {
    const heard = heardAt === undefined
      ? []
      : [`its Client sent something ${duration(this.#now - heardAt)} ago`];
    const all = [
      ...heard,
      `${counted(unacknowledged, "message")} sent and not acknowledged`,
      `${counted(queued, "message")} waiting`,
      lastDrop === undefined
        ? "nothing dropped since the session is in memory"
        : `${counted(drops, "message")} dropped, the last one ${duration(this.#now - lastDrop.at)} ago on ${
          named(lastDrop.topic)
        } (${lastDrop.reason})`,
    ];
    const text = all.join("; ");
    this.#add("last", "note", text[0]!.toUpperCase() + text.slice(1));
  }
}

/** Steps that keep the message from everybody. */
const OF_PUBLISHER: ReadonlySet<ExplainSubject> = /* @__PURE__ */ new Set([
  "topic",
  "publisher",
  "permission to publish",
  "store",
]);

function isDelivered({ fate, fits }: RehearsedCopy): boolean {
  return fate === "sent" || (fate === "waits" && fits !== false);
}

function receiversOf(copies: readonly RehearsedCopy[]): number {
  return new Set(copies.filter(isDelivered).map(({ session }) => session)).size;
}

function pastOf({ connection, sender, queued, drops }: Session): ExplainedPast {
  return {
    heardAt: (connection as Open | undefined)?.heardAt,
    unacknowledged: sender === undefined ? 0 : sender.inFlight,
    queued,
    drops: drops === undefined ? 0 : drops.count,
    lastDrop: drops && { at: drops.at, reason: drops.reason, topic: drops.topic },
  };
}

function addressOf({ client: { peer, username } }: Open): string {
  const user = username === undefined ? "without a user name" : `as user ${named(username)}`;
  const where = peer.address === ""
    ? "from this process"
    : `from ${peer.address}${peer.port === 0 ? "" : ` port ${peer.port}`}`;
  return `${user}, ${where}`;
}

function optionsOf({ qos, noLocal, retainAsPublished, identifier }: Subscription): string {
  return [
    `QoS ${qos}`,
    ...noLocal ? ["No Local"] : [],
    ...retainAsPublished ? ["Retain As Published"] : [],
    ...identifier === 0 ? [] : [`identifier ${identifier}`],
  ].join(", ");
}

/** The filter that goes the same way for the most levels. */
function nearestTo(topic: string, filters: Iterable<string>): string {
  const levels = topic.split(SEPARATOR);
  let best = "";
  let most = -1;
  for (const filter of someOf(filters)) {
    const own = withoutShare(filter).split(SEPARATOR);
    let score = 0;
    for (let i = 0; i < levels.length && i < own.length; i++) {
      if (own[i] === levels[i]) score += 3;
      else if (own[i] === "+" || own[i] === "#") score += 2;
      else if (own[i]!.toLowerCase() === levels[i]!.toLowerCase()) score += 1;
      else break;
    }
    if (score > most) [best, most] = [filter, score];
  }
  return best;
}

function someOf(filters: Iterable<string>): string[] {
  const some: string[] = [];
  for (const filter of filters) {
    some.push(filter);
    if (some.length === NEAREST_AMONG_MAX) break;
  }
  return some;
}

function withoutShare(filter: string): string {
  return filter.startsWith("$share/") ? filter.split(SEPARATOR).slice(2).join(SEPARATOR) : filter;
}

/** The first of many, and how many more there are. */
function some(count: number, named: readonly string[]): string {
  const more = count - named.length;
  return more > 0 ? `${named.join(", ")} and ${more} more` : named.join(", ");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 120) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** A text of a peer, so that it cannot be taken for ours. */
function named(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200).toWellFormed()}…` : text);
}

function hex(code: number): string {
  return `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}
