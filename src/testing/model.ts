/**
 * What §4 promises about deliveries, kept by itself: who must get which message, how often, at which QoS, in which order.
 * Knows what Clients handed over and what they got; refuses to know how a broker does it. Shares only the plain
 * definition of a match with it.
 * @module
 */
import { assert } from "@std/assert";
import { matches } from "../topic/filter.ts";

/** A message; `serial` is in its payload. */
export interface Sent {
  readonly serial: number;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly publisher: string;
}

/** One message on its way to one Client at one QoS, or to one shared group. */
interface Copy {
  readonly message: Sent;
  readonly qos: number;
  /** When the Server took it over: more than once if a QoS 1 publisher repeated it. */
  readonly taken: number[];
  delivered: number;
  /** It may be lost: the connection (QoS 0) or the session that had it has ended. */
  excused: boolean;
}

interface Session {
  /** Filter to granted QoS and No Local. */
  readonly filters: Map<string, { qos: number; noLocal: boolean }>;
  /** §4.3.3 identifiers of QoS 2 messages handed over and not released. */
  readonly received: Set<number>;
  /** It has been in a shared group. */
  wasMember: boolean;
  connected: boolean;
  keptMs: number;
  endsAt: number;
}

/** All Clients of one Server. Times are ms. */
export class Model {
  /** Whether a QoS 0 message to who is connected may be dropped (a limit on bytes is small). */
  readonly mayDrop: boolean;
  #sessions: Map<string, Session> = new Map();
  /** By Client and `serial/qos`. */
  #copies: Map<string, Map<string, Copy>> = new Map();
  #shared: Map<number, Copy> = new Map();
  /** The last takeover that was seen, by Client, publisher, topic and QoS. */
  #last: Map<string, number> = new Map();
  #clock = 0;

  constructor(mayDrop: boolean) {
    this.mayDrop = mayDrop;
  }

  /** Copies that were expected, for a test that something happened at all. */
  get expected(): number {
    let count = this.#shared.size;
    for (const copies of this.#copies.values()) count += copies.size;
    return count;
  }

  /** CONNECT was accepted; returns whether a session must be present. */
  connected(client: string, cleanStart: boolean, keptMs: number): boolean {
    const before = this.#sessions.get(client);
    if (before !== undefined && cleanStart) this.#end(client);
    const session = this.#sessions.get(client) ??
      {
        filters: new Map(),
        received: new Set(),
        wasMember: false,
        connected: true,
        keptMs,
        endsAt: Infinity,
      };
    Object.assign(session, { connected: true, keptMs, endsAt: Infinity });
    this.#sessions.set(client, session);
    return before !== undefined && !cleanStart;
  }

  /** The connection is over, in whatever way. */
  disconnected(client: string, now: number): void {
    const session = this.#sessions.get(client)!;
    session.connected = false;
    session.endsAt = now + session.keptMs;
    for (const copy of this.#of(client).values()) if (copy.qos === 0) copy.excused = true;
    if (session.keptMs === 0) this.#end(client);
  }

  /** Time has come to `now`. */
  ticked(now: number): void {
    for (const [client, { endsAt }] of this.#sessions) if (endsAt <= now) this.#end(client);
  }

  subscribed(client: string, filter: string, qos: number, noLocal: boolean): void {
    const session = this.#sessions.get(client)!;
    session.filters.set(filter, { qos, noLocal });
    session.wasMember ||= filter.startsWith("$share/");
  }

  unsubscribed(client: string, filter: string): boolean {
    return this.#sessions.get(client)!.filters.delete(filter);
  }

  /** A whole PUBLISH has reached the Server. */
  published(message: Sent, packetId: number): void {
    const { received } = this.#sessions.get(message.publisher)!;
    if (message.qos === 2) {
      if (received.has(packetId)) return; // [MQTT-4.3.3-10]
      received.add(packetId);
    }
    this.#clock++;
    let isShared = false;
    for (const [client, session] of this.#sessions) {
      let highest = -1;
      for (const [filter, { qos, noLocal }] of session.filters) {
        const [, group, name] = /^\$share\/([^/]*)\/(.*)$/.exec(filter) ?? [];
        if (group !== undefined) isShared ||= matches(name!, message.topic);
        else if (matches(filter, message.topic) && !(noLocal && client === message.publisher)) {
          highest = Math.max(highest, qos);
        }
      }
      const qos = Math.min(highest, message.qos);
      if (qos < 0 || (qos === 0 && !session.connected)) continue;
      const key = `${message.serial}/${qos}`;
      const copies = this.#of(client);
      const copy = copies.get(key) ?? { message, qos, taken: [], delivered: 0, excused: false };
      copy.taken.push(this.#clock);
      copies.set(key, copy);
    }
    if (!isShared) return;
    const copy = this.#shared.get(message.serial) ??
      { message, qos: message.qos, taken: [], delivered: 0, excused: message.qos === 0 };
    copy.taken.push(this.#clock);
    this.#shared.set(message.serial, copy);
  }

  /** A whole PUBREL has reached the Server. */
  released(client: string, packetId: number): void {
    this.#sessions.get(client)!.received.delete(packetId);
  }

  /** The application of a Client has got a message. Fails if it should not have. */
  delivered(client: string, serial: number, topic: string, qos: number): void {
    const isShared = topic.startsWith("s/");
    const copy = isShared ? this.#shared.get(serial) : this.#of(client).get(`${serial}/${qos}`);
    const what = `${client} got message ${serial} (${topic}, QoS ${qos})`;
    assert(copy !== undefined, `${what} that it should not get`);
    assert(copy.message.topic === topic && copy.qos === qos, `${what} as another one`);
    copy.delivered++;
    if (qos === 0) assert(copy.delivered <= copy.taken.length, `${what} more than once`); // [MQTT-4.3.1-1]
    if (qos === 2) assert(copy.delivered === 1, `${what} more than once`);
    if (isShared || (qos === 1 && copy.delivered > 1)) return;
    const key = `${client} ${copy.message.publisher} ${topic} ${qos}`;
    const last = this.#last.get(key) ?? 0;
    const at = copy.taken.find((time) => time > last);
    assert(at !== undefined, `${what} behind a later one`); // [MQTT-4.6.0-5] [MQTT-4.6.0-6]
    this.#last.set(key, at);
  }

  /** Everybody is connected and all is quiet: fails if something is missing. */
  settled(): void {
    for (const [client, copies] of [...this.#copies, ["a group", this.#shared] as const]) {
      for (const { message, qos, taken, delivered, excused } of copies.values()) {
        if (excused || (qos === 0 && this.mayDrop)) continue;
        const enough = qos === 0 ? delivered === taken.length : delivered > 0;
        assert(enough, `${client} has missed message ${message.serial} (${message.topic}, QoS ${qos})`);
      }
    }
  }

  #end(client: string): void {
    const { wasMember } = this.#sessions.get(client)!;
    this.#sessions.delete(client);
    for (const copy of this.#of(client).values()) copy.excused = true;
    // QoS 2 messages of a group that were begun with a member go nowhere else [MQTT-4.8.2-5].
    if (wasMember) { for (const copy of this.#shared.values()) copy.excused = true; }
  }

  #of(client: string): Map<string, Copy> {
    let copies = this.#copies.get(client);
    if (copies === undefined) this.#copies.set(client, copies = new Map());
    return copies;
  }
}
