/**
 * What a broker that dies again and again still owes: sessions, subscriptions, and every message it acknowledged.
 * Knows what Clients sent, what was answered and what came; refuses to know processes, connections and packets. What was
 * not answered is in doubt: either outcome is right, until something is seen that settles it.
 * @module
 */
import type { QoS } from "../../../src/codec/mod.ts";
import { type Coverage, Subscription, together } from "./coverage.ts";

/** A message as it is handed to the Server. */
export interface Sent {
  readonly serial: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly publisher: string;
  /** Wills of several connections have no order among them. */
  readonly isWill?: boolean;
}

/** A message as a Client's application gets it, repeats of QoS 2 left out. */
export interface Got {
  readonly serial: number;
  readonly topic: string;
  readonly qos: QoS;
}

interface Message {
  readonly sent: Sent;
  /** Ticks: no earlier and no later than this it was routed. */
  readonly from: number;
  to: number;
  /** How often it was handed over. */
  sends: number;
  /** Undefined unless it must never be published: why. */
  forbidden: string | undefined;
}

/** What came of one message, to a Client or to a group. */
interface Copies {
  readonly count: [number, number, number];
}

/** A Client, or a group of Clients that share. */
class Receiver {
  readonly name: string;
  /** By serial. */
  readonly copies: Map<number, Copies> = new Map();
  /** Serials that must still come. */
  readonly owed: Set<number> = new Set();
  /** The highest serial that came, by publisher, topic and both QoS. */
  readonly latest: Map<string, number> = new Map();
  /** Since this tick it is known what came; of an earlier message this may be a second copy in the same session. */
  knownSince = 0;

  constructor(name: string) {
    this.name = name;
  }
}

class Client extends Receiver {
  /** Whether the Server must have a session for it, and whether it must have had one at the last CONNECT. */
  session: "none" | "maybe" | "sure" = "none";
  before: "none" | "maybe" | "sure" = "none";
  /** What the CONNECT under way will make of the session. */
  asked: "none" | "sure" = "sure";
  readonly subscriptions: Map<string, Subscription> = new Map();

  covers(topic: string, from: number, to: number, group: string | undefined): Coverage {
    const all: Coverage[] = [];
    for (const subscription of this.subscriptions.values()) {
      if (subscription.group === group) all.push(subscription.covers(topic, from, to));
    }
    return together(all);
  }
}

/** How much there was of each. */
export interface Counts {
  acknowledged: number;
  delivered: number;
  deliveredQos2: number;
  repeated: number;
  /** Problems of these kinds. */
  lost: number;
  doubled: number;
}

/** Missing messages of one receiver that are named. */
const NAMED_MAX = 5;

/** All Clients of one data directory. */
export class Model {
  readonly counts: Counts = {
    acknowledged: 0,
    delivered: 0,
    deliveredQos2: 0,
    repeated: 0,
    lost: 0,
    doubled: 0,
  };
  readonly #problem: (text: string) => void;
  readonly #clients: Map<string, Client> = new Map();
  readonly #groups: Map<string, Receiver> = new Map();
  readonly #messages: Map<number, Message> = new Map();
  #now = 0;
  /** When the latest QoS 2 message was sent whose PUBREC has come. */
  #safe = 0;

  /** `problem` is told of everything that should not be. */
  constructor(problem: (text: string) => void) {
    this.#problem = problem;
  }

  /** A tick of the model's own time. */
  get now(): number {
    return this.#now;
  }

  /** Facts are made safe in their order: what the Server knew at this tick is safe, whether somebody waited for it or not. */
  get safe(): number {
    return this.#safe;
  }

  #client(id: string): Client {
    let client = this.#clients.get(id);
    if (client === undefined) this.#clients.set(id, client = new Client(id));
    return client;
  }

  /** CONNECT was sent; `kept` is whether the session outlives the connection. */
  connecting(id: string, cleanStart: boolean, kept: boolean): void {
    const client = this.#client(id);
    client.asked = kept ? "sure" : "none";
    client.before = client.session;
    if (client.session === "sure" && !kept) client.session = "maybe";
    if (client.session === "none" && kept) client.session = "maybe";
    if (cleanStart || !kept) this.#ending(client);
  }

  /** Its session may be over, or will be. */
  #ending(client: Client): void {
    this.#now++;
    client.owed.clear();
    client.copies.clear(); // "exactly once" is what one session promises
    client.latest.clear();
    client.knownSince = this.#now;
    for (const subscription of client.subscriptions.values()) subscription.unsubscribing(this.#now);
  }

  /** CONNACK came. */
  connected(id: string, cleanStart: boolean, present: boolean): void {
    const client = this.#client(id);
    if (present && (cleanStart || client.before === "none")) {
      this.#problem(`${id}: Session Present is 1, but there can be no session`);
    }
    if (!present && !cleanStart && client.before === "sure") {
      this.#problem(`${id}: Session Present is 0, but its session was acknowledged`);
    }
    if (!present) {
      this.#ending(client);
      for (const subscription of client.subscriptions.values()) subscription.unsubscribed(this.#now);
    }
    client.session = client.asked;
  }

  /** DISCONNECT was sent that ends the session; nothing answers it. */
  leaving(id: string): void {
    const client = this.#client(id);
    if (client.session === "sure") client.session = "maybe";
    this.#ending(client);
  }

  /** A connection is over whose session ends with it. */
  ended(id: string): void {
    this.#ending(this.#client(id));
  }

  /** What the Server must think of a subscription. */
  subscription(id: string, filter: string): "there" | "gone" | "maybe" {
    return this.#client(id).subscriptions.get(filter)?.state ?? "gone";
  }

  /** The filters of each Client that must have a session. */
  filters(): Map<string, string[]> {
    const filters = new Map<string, string[]>();
    for (const { name, session, subscriptions } of this.#clients.values()) {
      const there = [...subscriptions.values()].filter(({ state }) => state === "there");
      if (session === "sure") filters.set(name, there.map(({ filter }) => filter));
    }
    return filters;
  }

  /** SUBSCRIBE was sent. */
  subscribing(id: string, filter: string, qos: QoS): void {
    const { subscriptions } = this.#client(id);
    let subscription = subscriptions.get(filter);
    if (subscription === undefined) subscriptions.set(filter, subscription = new Subscription(filter));
    if (subscription.group !== undefined && !this.#groups.has(filter)) {
      this.#groups.set(filter, new Receiver(filter));
    }
    subscription.subscribing(qos, ++this.#now);
  }

  /** SUBACK came. */
  subscribed(id: string, filter: string): void {
    this.#client(id).subscriptions.get(filter)!.subscribed(++this.#now);
  }

  /** UNSUBSCRIBE was sent. */
  unsubscribing(id: string, filter: string): void {
    this.#client(id).subscriptions.get(filter)?.unsubscribing(++this.#now);
  }

  /** UNSUBACK came, with this code (undefined below level 5), for a subscription that was in that state. */
  unsubscribed(
    id: string,
    filter: string,
    code: number | undefined,
    state: "there" | "gone" | "maybe",
  ): void {
    this.#client(id).subscriptions.get(filter)?.unsubscribed(++this.#now);
    if (code === 0x11 && state === "there") {
      this.#problem(`${id}: UNSUBACK knows no subscription to ${filter}, but it was acknowledged`);
    }
    if (code === 0 && state === "gone") {
      this.#problem(`${id}: UNSUBACK ends a subscription to ${filter} that there cannot be`);
    }
  }

  /** A message was handed over, or handed over again; a will is handed over by CONNECT. */
  published(sent: Sent): void {
    const known = this.#messages.get(sent.serial);
    if (known !== undefined) known.sends++;
    else {
      const message = { sent, from: ++this.#now, to: Infinity, sends: 1, forbidden: undefined };
      this.#messages.set(sent.serial, message);
    }
  }

  /** PUBACK or PUBREC came. */
  acknowledged(serial: number, code: number): void {
    const message = this.#messages.get(serial)!;
    this.counts.acknowledged++;
    if (code >= 0x80) return this.#problem(`${nameOf(message.sent)} is refused with ${code}`);
    message.to = ++this.#now;
    if (message.sent.qos === 2 && message.sends === 1) this.#safe = Math.max(this.#safe, message.from);
    const sure = this.#demand(message);
    if (code === 0x10 && sure.length > 0) {
      this.#problem(`${nameOf(message.sent)} finds no subscriber, but ${sure.join(", ")} had subscribed`);
    }
  }

  /** A will must be published. */
  demanded(serial: number): void {
    this.#demand(this.#messages.get(serial)!);
  }

  /** It need not come. */
  excused(serial: number): void {
    for (const { owed } of this.#receivers()) owed.delete(serial);
  }

  /** A will must not be published, for this reason; nor may it have been. */
  forbidden(serial: number, reason: string): void {
    const message = this.#messages.get(serial)!;
    message.forbidden = reason;
    const seen = [...this.#clients.values()].find(({ copies }) => copies.has(serial));
    if (seen !== undefined) this.#problem(`${seen.name} has got ${nameOf(message.sent)}: ${reason}`);
  }

  /** From now on it is owed to everybody who was subscribed for sure; returns their names. */
  #demand({ sent, from, to }: Message): string[] {
    const demand = (receiver: Receiver): void => {
      if (!receiver.copies.has(sent.serial)) receiver.owed.add(sent.serial);
    };
    const sure: string[] = [];
    for (const client of this.#clients.values()) {
      const coverage = client.covers(sent.topic, from, to, undefined);
      if (coverage.sure) sure.push(client.name);
      if (coverage.sure && Math.min(sent.qos, coverage.least) > 0) demand(client);
    }
    for (const group of this.#groups.values()) {
      const coverages = [...this.#clients.values()].map((client) =>
        client.covers(sent.topic, from, to, group.name)
      );
      const possible = coverages.filter((coverage) => coverage.possible);
      if (!possible.some((coverage) => coverage.sure)) continue;
      sure.push(group.name);
      if (sent.qos > 0 && possible.every(({ least, sure }) => sure && least > 0)) demand(group);
    }
    return sure;
  }

  /** The application of a Client has got a message. */
  delivered(id: string, got: Got): void {
    this.#now++;
    this.counts.delivered++;
    if (got.qos === 2) this.counts.deliveredQos2++;
    const client = this.#client(id);
    const message = this.#messages.get(got.serial);
    const what = `${id} got message ${got.serial} (${got.topic}, QoS ${got.qos})`;
    if (message === undefined) return this.#problem(`${what} that was never published`);
    const { sent, from, to, forbidden } = message;
    if (sent.topic !== got.topic) return this.#problem(`${what}, which was published to ${sent.topic}`);
    if (forbidden !== undefined) return this.#problem(`${what}: ${forbidden}`);
    // A message of a group may go on to a member that came later.
    const group = [...this.#groups.values()].find(({ name }) =>
      client.covers(sent.topic, from, Infinity, name).possible
    );
    const coverage = client.covers(sent.topic, from, group === undefined ? to : Infinity, group?.name);
    if (!coverage.possible) return this.#problem(`${what} without a subscription`);
    const least = Math.min(sent.qos, coverage.least);
    const most = Math.min(sent.qos, coverage.most);
    if (got.qos < least || got.qos > most) {
      this.#problem(`${what}, which should come at QoS ${least === most ? least : `${least} to ${most}`}`);
    }
    const steady = coverage.sure && least === most && group === undefined;
    this.#count(group ?? client, message, got, what, steady);
  }

  #count(receiver: Receiver, { sent, sends, from }: Message, got: Got, what: string, steady: boolean): void {
    receiver.owed.delete(sent.serial);
    let copies = receiver.copies.get(sent.serial);
    const first = copies === undefined;
    if (copies === undefined) receiver.copies.set(sent.serial, copies = { count: [0, 0, 0] });
    const count = ++copies.count[got.qos];
    if (count > 1 && (got.qos === 2 || (got.qos === 0 && count > sends))) {
      this.counts.doubled++;
      this.#problem(`${what} ${count} times${receiver.name.startsWith("$") ? ` by ${receiver.name}` : ""}`);
    }
    if (!first) this.counts.repeated++;
    if (!first || (got.qos === 0 && sends > 1)) return;
    const key = `${sent.publisher} ${sent.topic} ${sent.qos} ${got.qos}`;
    const latest = receiver.latest.get(key) ?? 0;
    if (latest > sent.serial && steady && !sent.isWill && from > receiver.knownSince) {
      this.#problem(`${what} of ${sent.publisher} behind ${latest}`);
    }
    receiver.latest.set(key, Math.max(latest, sent.serial));
  }

  /** Whether the application of a Client has got this message. */
  got(id: string, serial: number): boolean {
    return this.#client(id).copies.has(serial);
  }

  /** How many messages must still come. */
  get owed(): number {
    let count = 0;
    for (const receiver of this.#receivers()) count += receiver.owed.size;
    return count;
  }

  /** Nothing more can come: complains of what is missing, and expects it no longer. */
  settled(): void {
    for (const { name, owed } of this.#receivers()) {
      if (owed.size === 0) continue;
      this.counts.lost += owed.size;
      const some = [...owed].slice(0, NAMED_MAX).map((serial) => nameOf(this.#messages.get(serial)!.sent));
      const more = owed.size > NAMED_MAX ? `, and ${owed.size - NAMED_MAX} more` : "";
      this.#problem(`${name} has missed ${some.join(", ")}${more}`);
      owed.clear();
    }
  }

  *#receivers(): Iterable<Receiver> {
    yield* this.#clients.values();
    yield* this.#groups.values();
  }
}

function nameOf({ serial, topic, qos, publisher }: Sent): string {
  return `message ${serial} of ${publisher} (${topic}, QoS ${qos})`;
}
