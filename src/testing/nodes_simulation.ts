/**
 * §4 Several nodes that are one Server, and their Clients, at random: links that are slow, cut and made again, nodes that start anew, Clients
 * that move, against what one Server promises. A seed does the same at each run, on each engine.
 * Knows what Clients and nodes do; refuses to know how nodes come to agree.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { encodePacket } from "../codec/encode.ts";
import type { Connack, Packet, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { type Random, seededRandom } from "../engine/random.ts";
import { homeOf } from "../nodes/mod.ts";
import { matches } from "../topic/filter.ts";
import type { Effects } from "./effects.ts";
import { HandStore } from "./hand_store.ts";
import { type NodesWay, NodesWorld } from "./nodes_world.ts";
import type { StubClient } from "./pair.ts";

const { CONNACK, SUBACK, UNSUBACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const STEPS = 400;
/** Invariants are looked at so seldom, as that takes time. */
const LOOKS = 100;
const TOPICS = ["a", "a/b", "b", "g/x", "h/x", "r/x", "r/y"];
/** A topic of a group is matched by nothing else, so that its copies are known. */
const FILTERS = ["a", "a/#", "a/+", "+", "+/b", "b", "b/#", "r/#", "w/#", "$share/g/g/+", "$share/h/h/#"];
/** Nobody leaves a session for so long: s. */
const KEPT_SECONDS = 1_000_000;
/** Of a CONNECT: its home is not there, the store fails, or the Client has connected again; at level 4 there is one for all. */
const REFUSALS = [0x80, 0x88, 0x97, 3];
const UNACKNOWLEDGED_MAX = 20;

/** How one run is made. */
export interface NodesRun {
  /** Nodes that start anew have their stores, and messages wait for them. */
  readonly keeps: boolean;
  readonly effects?: Effects | undefined;
}

/** A message, or a will; `serial` is in its payload. */
interface Sent {
  readonly serial: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Undefined for a will. */
  readonly by: SimulatedSession | undefined;
  readonly from: SimulatedClient;
  /** The Server has acknowledged it; a will: its connection was accepted and has ended without DISCONNECT. */
  isAcknowledged: boolean;
  readonly isWill: boolean;
  /** How often a node has taken it over. */
  taken: number;
  /** Copies that came to members of its group. */
  copies: number;
  /** `World.troubles` when it was taken over; undefined before. */
  trouble: Troubles | undefined;
  /** A group that keeps messages was known where it was taken over, and had lost no member: then its count of those. */
  lapses: number | undefined;
}

/** What has happened so far that may lose or repeat messages. */
interface Troubles {
  readonly cuts: number;
  readonly restarts: number;
  readonly failures: number;
}

/** A message that is to come to a session, if its publisher is told that it was taken over. */
interface Due {
  readonly at: number;
  readonly qos: QoS;
}

interface SimulatedSubscription {
  readonly qos: QoS;
  readonly noLocal: boolean;
  /** Its SUBACK has come. */
  isGranted: boolean;
  /** Nodes that must know of it. */
  readonly known: Set<number>;
}

/** A session as its Client knows it. */
interface SimulatedSession {
  readonly serial: number;
  readonly client: SimulatedClient;
  /** The node at which it lives. */
  readonly place: number;
  /** It does not end with its connection. */
  outlives: boolean;
  readonly subscriptions: Map<string, SimulatedSubscription>;
  readonly due: Map<Sent, Due>;
  /** Messages that came, and how often as a new one. */
  readonly got: Map<number, number>;
  /** The last serial by publishing session, topic and QoS. */
  readonly last: Map<string, number>;
  /** §4.3.3 as a receiver: identifiers that are not released. */
  readonly incoming: Set<number>;
  /** As a sender: what is not at its end, in order. */
  readonly outgoing: Map<number, { readonly message: Sent; released: boolean }>;
  /** It is not known whether it is the Server's: two connections of its Client came at one time. */
  isVague: boolean;
}

/** One connection of a Client. */
interface SimulatedConnection {
  readonly stub: StubClient;
  readonly place: number;
  readonly level: 4 | 5;
  readonly outlives: boolean;
  readonly cleanStart: boolean;
  session: SimulatedSession | undefined;
  will: Sent | undefined;
  readonly willDelay: number;
  isReading: boolean;
  /** Its node was started anew. */
  isDead: boolean;
  owed: Packet[];
  readonly aliases: Map<number, string>;
  /** SUBSCRIBE and UNSUBSCRIBE packets that are not answered. */
  readonly asked: Map<
    number,
    { readonly filter: string; readonly subscription: SimulatedSubscription | undefined }
  >;
}

/** All nodes and Clients of one run. */
class World {
  readonly keeps: boolean;
  readonly effects: Effects | undefined;
  readonly pick: (below: number) => number;
  readonly nodes: NodesWorld;
  readonly stores: (HandStore | undefined)[] = [];
  readonly clients: SimulatedClient[] = [];
  readonly sent: Map<number, Sent> = new Map();
  /** A node takes Clients once it has been in step with all others. */
  readonly ready: boolean[] = [];
  readonly errors: unknown[] = [];
  readonly cutLinks: Set<string> = new Set();
  troubles: Troubles = { cuts: 0, restarts: 0, failures: 0 };
  /** How often a group has lost a member that is not certain to come back, by the topic's first level. */
  readonly lapses: Map<string, number> = new Map();
  /** The filter of the last SUBACK, until somebody has published for it. */
  granted: string | undefined;
  serial = 0;
  sessions = 0;
  deliveries = 0;
  expected = 0;

  #looks = 0;
  #starts = 0;

  constructor(seed: number, { keeps, effects }: NodesRun) {
    const random: Random = seededRandom(seed);
    this.keeps = keeps;
    this.effects = effects;
    this.pick = (below) => random() % below;
    const count = 2 + seed % 3;
    const hasStores = keeps;
    this.nodes = new NodesWorld({
      nodes: count,
      keeps,
      byHand: true,
      effects,
      memory: { chunkBytes: (waiting) => this.pick(3) > 0 ? waiting : 1 + this.pick(waiting) },
      broker: (place) => ({
        ...(hasStores && { store: this.#storeOf(place, seed) }),
        random: seededRandom(seed * 1_000 + ++this.#starts),
        takeoverByOthers: true,
        hooks: {
          failed: (error) => this.errors.push(error),
          published: ({ payload }) => this.#published(place, payload),
        },
      }),
    });
    this.drain();
  }

  #storeOf(place: number, seed: number): HandStore {
    const store = this.stores[place]?.crashed() ?? new HandStore();
    store.slow = seed % 2 === 0;
    store.late = seed % 5 < 2;
    this.stores[place] = store;
    return store;
  }

  assertInvariants(): void {
    for (const { broker } of this.nodes.nodes) broker.assertInvariants();
  }

  get count(): number {
    return this.nodes.nodes.length;
  }

  any<T>(all: readonly T[]): T {
    return all[this.pick(all.length)]!;
  }

  // Bytes between nodes.

  isLinked(one: number, other: number): boolean {
    return one === other || this.#sees(one, other) && this.#sees(other, one);
  }

  #sees(one: number, other: number): boolean {
    return this.nodes.stats(one).find(({ name }) => name === `n${other}`)!.isLinked;
  }

  isInStep(at: number, of: number): boolean {
    const stats = this.nodes.stats(at).find(({ name }) => name === `n${of}`);
    return stats === undefined || stats.isLinked && stats.isInStep;
  }

  #mayMove({ to, isRelay }: NodesWay): boolean {
    return !isRelay || this.ready[to]!;
  }

  /** Moves something between nodes; false if there is nothing. */
  move(): boolean {
    const ways = this.nodes.ways.filter((way) => this.#mayMove(way));
    const first = this.pick(Math.max(1, ways.length));
    for (let i = 0; i < ways.length; i++) {
      if (!ways[(first + i) % ways.length]!.pair.step()) continue;
      this.look();
      return true;
    }
    return false;
  }

  /** Lets everything settle, and finds what has changed by itself. */
  look(): void {
    this.nodes.settle();
    if (++this.#looks % LOOKS === 0 && this.effects === undefined) this.assertInvariants();
    for (let one = 0; one < this.count; one++) {
      for (let other = one + 1; other < this.count; other++) {
        const key = `${one} ${other}`;
        if (!this.cutLinks.has(key) && !this.isLinked(one, other)) this.cut(one, other); // a node has ended it
      }
    }
    for (let place = 0; place < this.count; place++) {
      this.ready[place] ||= this.nodes.stats(place).every(({ isLinked, isInStep }) => isLinked && isInStep);
    }
    for (const client of this.clients) client.read();
    this.#learn();
  }

  /** Nodes that are in step know every subscription. */
  #learn(): void {
    for (const { session } of this.clients) {
      if (session === undefined) continue;
      for (const { isGranted, known } of session.subscriptions.values()) {
        if (!isGranted || known.size === this.count) continue;
        for (let place = 0; place < this.count; place++) {
          if (this.isLinked(place, session.place) && this.isInStep(place, session.place)) known.add(place);
        }
      }
    }
  }

  /** Moves all there is, commits and pages among it, until nothing moves. */
  drain(): void {
    for (let goesOn = true; goesOn;) {
      goesOn = false;
      this.look();
      while (this.move()) goesOn = true;
      for (let place = 0; place < this.count; place++) if (this.commit(place)) goesOn = true;
      for (const client of this.clients) {
        if (client.connection !== undefined && client.acknowledge(Infinity)) goesOn = true;
      }
    }
    for (const client of this.clients) client.drained();
  }

  /** Ends the commit of a node that is under way, and brings a page; false if there is neither. */
  commit(place: number, error?: Error): boolean {
    const store = this.stores[place];
    if (store === undefined) return false;
    const { isCommitting } = store;
    if (error !== undefined && isCommitting) {
      this.troubles = { ...this.troubles, failures: this.troubles.failures + 1 };
    }
    if (isCommitting) store.settle(error);
    this.look();
    const brought = store.bring();
    if (brought) this.look();
    return isCommitting || brought;
  }

  advance(ms: number): void {
    this.nodes.advance(ms);
    this.look();
  }

  // Trouble.

  cut(one: number, other: number): void {
    this.cutLinks.add(`${one} ${other}`);
    this.troubles = { ...this.troubles, cuts: this.troubles.cuts + 1 };
    for (const { session } of this.clients) {
      if (session === undefined) continue;
      const away = session.place === one ? other : session.place === other ? one : undefined;
      if (away === undefined) continue;
      for (const [message, { at, qos }] of session.due) {
        if (at === away && (!this.keeps || qos === 0)) session.due.delete(message);
      }
      if (!this.keeps) { for (const { known } of session.subscriptions.values()) known.delete(away); }
    }
    if (!this.keeps) this.lapse();
    this.nodes.cut(one, other);
    this.look();
  }

  link(one: number, other: number): void {
    if (!this.cutLinks.delete(`${one} ${other}`)) return;
    this.nodes.link(one, other);
    this.look();
  }

  restart(place: number): void {
    this.troubles = { ...this.troubles, restarts: this.troubles.restarts + 1 };
    for (const client of this.clients) client.nodeEnds(place);
    if (!this.keeps) this.lapse();
    this.ready[place] = false;
    for (let other = 0; other < this.count; other++) {
      if (other === place) continue;
      const [one, two] = [Math.min(place, other), Math.max(place, other)];
      if (!this.cutLinks.has(`${one} ${two}`)) this.#cutBy(one, two);
    }
    this.nodes.restart(place);
    this.look();
  }

  #cutBy(one: number, other: number): void {
    this.cutLinks.add(`${one} ${other}`);
    for (const { session } of this.clients) {
      if (session === undefined) continue;
      for (const [message, { at, qos }] of session.due) {
        const isBetween = (at === one && session.place === other) || (at === other && session.place === one);
        if (isBetween && (!this.keeps || qos === 0)) session.due.delete(message);
      }
      if (this.keeps) continue;
      if (session.place === one) {
        for (const { known } of session.subscriptions.values()) known.delete(other);
      }
      if (session.place === other) {
        for (const { known } of session.subscriptions.values()) known.delete(one);
      }
    }
  }

  /** A group may have lost what it had. */
  lapse(group?: string): void {
    for (const one of group === undefined ? ["g", "h"] : [group]) {
      this.lapses.set(one, (this.lapses.get(one) ?? 0) + 1);
    }
  }

  // Messages.

  message(init: Pick<Sent, "topic" | "qos" | "retain" | "by" | "from">): Sent {
    const message: Sent = {
      ...init,
      serial: ++this.serial,
      isAcknowledged: false,
      isWill: init.topic.startsWith("w/"),
      taken: 0,
      copies: 0,
      trouble: undefined,
      lapses: undefined,
    };
    this.sent.set(message.serial, message);
    return message;
  }

  /** A node has taken over a message. */
  #published(at: number, payload: Uint8Array): void {
    const message = this.sent.get(Number(new TextDecoder().decode(payload)));
    if (message === undefined || payload.length === 0) return;
    message.taken++;
    message.trouble ??= this.troubles;
    const [group] = message.topic.split("/");
    if (group === "g" || group === "h") {
      const keeper = this.clients.some(({ session }) => {
        const own = session?.subscriptions.get(group === "g" ? "$share/g/g/+" : "$share/h/h/#");
        return session?.outlives === true && !session.isVague && own?.isGranted === true && own.known.has(at);
      });
      message.lapses = keeper ? this.lapses.get(group) ?? 0 : undefined;
      return;
    }
    for (const { session, connection } of this.clients) {
      if (session === undefined || session.isVague || session.got.has(message.serial)) continue;
      let qos = -1;
      for (const [filter, one] of session.subscriptions) {
        if (
          !one.isGranted || !one.known.has(at) || filter.startsWith("$share") ||
          !matches(filter, message.topic)
        ) continue;
        if (!one.noLocal || message.from !== session.client) qos = Math.max(qos, one.qos);
      }
      qos = Math.min(qos, message.qos);
      const isConnected = connection?.session === session;
      if (qos === 0 && !this.isLinked(at, session.place)) continue;
      if (qos < 0 || (!isConnected && (qos === 0 || !session.outlives))) continue;
      if (!session.due.has(message)) this.expected++;
      session.due.set(message, { at, qos: qos as QoS });
    }
  }

  // The end.

  /** Fails unless everything that was promised has come. */
  settled(): void {
    for (const client of this.clients) {
      const { session } = client;
      if (session === undefined) continue;
      for (const [message, { qos, at }] of session.due) {
        if (qos > 0 && !message.isAcknowledged) continue;
        if (message.isWill && message.trouble?.restarts !== this.troubles.restarts) continue; // nobody waits for it
        assert(
          session.got.has(message.serial),
          `${client.id} at ${session.place} never got ${message.serial} of ${message.topic}, QoS ${qos}, taken over at ${at}`,
        );
      }
      assertEquals([...session.outgoing.keys()], [], `what ${client.id} has sent is not acknowledged`);
    }
    for (const message of this.sent.values()) {
      if (message.isWill) this.#checkWill(message);
      const [group] = message.topic.split("/");
      if ((group !== "g" && group !== "h") || !message.isAcknowledged || message.lapses === undefined) {
        continue;
      }
      if (message.lapses !== (this.lapses.get(group) ?? 0)) continue;
      assert(message.copies > 0, `no member of ${group} got ${message.serial}, QoS ${message.qos}`);
    }
  }

  /** §3.1.2.5 Where no node has started anew since its CONNECT, a will is published once at most. */
  #checkWill({ serial, taken, isAcknowledged, trouble }: Sent): void {
    if (trouble?.restarts !== this.troubles.restarts) return;
    assert(taken <= 1, `will ${serial} is published ${taken} times`);
    if (isAcknowledged && this.troubles.failures === 0) assertEquals(taken, 1, `will ${serial}`);
  }
}

/** A Client Identifier and whoever has it; its acknowledgements wait until it is told to send them. */
class SimulatedClient {
  readonly world: World;
  readonly id: string;
  readonly level: 4 | 5;
  /** The one that counts. */
  connection: SimulatedConnection | undefined;
  /** The Server must end them, or has, unless they were lost. */
  readonly old: SimulatedConnection[] = [];
  session: SimulatedSession | undefined;
  /** A CONNECT may still be on its way, though nobody waits for the answer. */
  #hasGhost = false;
  /** One has been, so that it may have left a session. */
  #isUnsure = false;
  #nextId = 1;

  constructor(world: World, index: number) {
    this.world = world;
    this.id = `c${index}`;
    this.level = index % 3 === 2 ? 4 : 5;
  }

  // Connections.

  connect(place: number, cleanStart: boolean, outlives: boolean, willQos: QoS | undefined): void {
    const { world } = this;
    const { pick } = world;
    if (!world.ready[place]) return;
    if (this.connection !== undefined) {
      if (this.connection.session === undefined) this.#hasGhost = true;
      this.connection.stub.transport.resume();
      this.#lost(this.connection);
      this.old.push(this.connection);
      this.#forget();
    }
    if (this.level === 4) outlives = !cleanStart;
    const isOther = cleanStart || this.session?.outlives === false || this.session?.outlives !== outlives;
    if (isOther || this.#hasGhost || this.#isUnsure) this.#blur();
    const stub = world.nodes.nodes[place]!.open(this.level, {
      ...(pick(2) === 0 && { chunkBytes: (waiting: number) => 1 + pick(waiting) }),
    });
    const will = willQos === undefined
      ? undefined
      : world.message({ topic: `w/${pick(2)}`, qos: willQos, retain: false, by: undefined, from: this });
    if (will !== undefined) will.trouble = world.troubles;
    const willDelay = will !== undefined && this.level === 5 && pick(3) === 0 ? 1 + pick(20) : 0;
    const connection: SimulatedConnection = {
      stub,
      place,
      level: this.level,
      outlives,
      cleanStart,
      session: undefined,
      will,
      willDelay,
      isReading: true,
      isDead: false,
      owed: [],
      aliases: new Map(),
      asked: new Map(),
    };
    this.connection = connection;
    stub.transport.write(encodePacket({
      type: PacketType.CONNECT,
      level: this.level,
      cleanStart,
      keepAlive: 0,
      clientId: this.id,
      ...(will !== undefined && {
        will: {
          topic: will.topic,
          payload: bytesOf(will),
          qos: will.qos,
          retain: false,
          ...(willDelay > 0 && { properties: { willDelayInterval: willDelay } }),
        },
      }),
      ...(this.level === 5 && {
        properties: {
          sessionExpiryInterval: outlives ? KEPT_SECONDS : 0,
          receiveMaximum: pick(2) === 0 ? 1 + pick(4) : 1000,
          topicAliasMaximum: pick(3),
        },
      }),
    }, this.level));
    world.look();
  }

  /** §3.1.2.5 The will of a connection that was accepted is due. */
  #lost({ will, willDelay, session }: SimulatedConnection): void {
    if (will !== undefined && willDelay === 0 && session !== undefined) will.isAcknowledged = true;
  }

  /** Nobody knows any more what is in the session. */
  #blur(): void {
    const { session } = this;
    if (session === undefined) return;
    session.isVague = true;
    session.due.clear();
    this.#lapse(session);
  }

  /** The groups of a session may lose a member. */
  #lapse({ subscriptions }: SimulatedSession): void {
    if (subscriptions.has("$share/g/g/+")) this.world.lapse("g");
    if (subscriptions.has("$share/h/h/#")) this.world.lapse("h");
  }

  /** The connection does not count any more; what a connection must get goes with it. */
  #forget(): void {
    const { connection } = this;
    this.connection = undefined;
    const session = connection?.session;
    if (session === undefined) return;
    for (const [message, { qos }] of session.due) if (qos === 0) session.due.delete(message);
    if (session.outlives) return;
    session.due.clear();
    this.#lapse(session);
  }

  /** Ends the connection. */
  leave(how: "disconnect" | "lose"): void {
    const { connection, world } = this;
    if (connection === undefined) return;
    const { stub } = connection;
    if (connection.session === undefined) this.#hasGhost = true;
    const isOwn = connection.session !== undefined && !connection.session.outlives;
    if (how === "disconnect" && connection.session !== undefined) {
      connection.will = undefined;
      this.#write({ type: PacketType.DISCONNECT, reasonCode: 0 });
      stub.transport.close();
    } else {
      this.#lost(connection);
      stub.transport.abort();
    }
    stub.transport.resume();
    this.old.push(connection);
    this.#forget();
    if (isOwn) this.#blur();
    world.look();
  }

  /** A node ends without a word. */
  nodeEnds(place: number): void {
    const { session, connection, world } = this;
    for (const one of [...this.old, ...connection === undefined ? [] : [connection]]) {
      if (one.place === place) one.isDead = true;
    }
    if (session !== undefined) {
      if (session.place === place && (!session.outlives || !world.keeps)) {
        this.#lapse(session);
        if (connection?.session === session && connection.place === place) this.#forget();
        this.session = undefined;
        this.#isUnsure ||= world.keeps; // the store may have it, until time goes on
      }
      for (const { known } of session.subscriptions.values()) {
        if (place !== session.place) known.delete(place);
      }
    }
    if (this.connection?.isDead === true) {
      if (this.connection.session === undefined) this.#hasGhost = true;
      this.#forget();
    }
  }

  /** Nothing is on its way between nodes. */
  drained(): void {
    this.#isUnsure ||= this.#hasGhost;
    this.#hasGhost &&= this.world.ready.includes(false) ||
      this.old.some(({ session, isDead, stub }) => session === undefined && !isDead && !stub.over);
  }

  /** Takes what has come. */
  read(): void {
    const { connection } = this;
    if (connection === undefined) return;
    const { stub } = connection;
    for (const packet of stub.inbox.splice(0)) {
      this.world.effects?.tell("came", this.id, packet);
      this.#received(connection, packet);
      if (this.connection !== connection) return;
    }
    if (!stub.over) return;
    this.#lost(connection);
    this.old.push(connection);
    const { session } = connection;
    if (session === undefined) this.#hasGhost = true;
    this.#forget();
    if (session !== undefined && !session.outlives) this.#blur();
  }

  #received(connection: SimulatedConnection, packet: Packet): void {
    if (packet.type === CONNACK) return this.#connected(connection, packet);
    const { session } = connection;
    if (packet.type === PacketType.DISCONNECT) return;
    assert(session !== undefined, `${this.id} gets a packet before CONNACK`);
    if (packet.type === SUBACK) {
      const { filter, subscription } = take(connection.asked, packet.packetId);
      if (session.subscriptions.get(filter) !== subscription) return;
      const [code] = packet.reasonCodes;
      if (this.world.troubles.failures > 0 && code! >= 0x80) return void session.subscriptions.delete(filter);
      assertEquals(code, subscription!.qos);
      subscription!.isGranted = true;
      this.world.granted = filter;
      for (let place = 0; place < this.world.count; place++) {
        if (place === session.place) subscription!.known.add(place);
        else if (this.world.isInStep(place, session.place)) subscription!.known.add(place);
      }
    } else if (packet.type === UNSUBACK) take(connection.asked, packet.packetId);
    else if (packet.type === PUBLISH) this.#message(connection, session, packet);
    else if (packet.type === PUBREL) {
      session.incoming.delete(packet.packetId);
      connection.owed.push({ type: PUBCOMP, packetId: packet.packetId, reasonCode: 0 });
    } else if (packet.type === PUBREC || packet.type === PUBACK || packet.type === PUBCOMP) {
      const exchange = session.outgoing.get(packet.packetId);
      assert(exchange !== undefined, `an acknowledgement of nothing for ${this.id}`);
      if (packet.type === PUBCOMP || packet.reasonCode >= 0x80) session.outgoing.delete(packet.packetId);
      else {
        exchange.message.isAcknowledged = true;
        if (packet.type === PUBACK) session.outgoing.delete(packet.packetId);
        else {
          exchange.released = true;
          connection.owed.push({ type: PUBREL, packetId: packet.packetId, reasonCode: 0 });
        }
      }
    }
  }

  #connected(connection: SimulatedConnection, { reasonCode, sessionPresent }: Connack): void {
    const { world } = this;
    if (reasonCode !== 0) {
      assert(REFUSALS.includes(reasonCode), `${this.id} is refused with ${reasonCode}`);
      return;
    }
    const { session: before } = this;
    const isSure = !this.#hasGhost && !this.#isUnsure && before?.isVague !== true;
    this.#isUnsure = this.#hasGhost;
    if (isSure) {
      const expected = before !== undefined && before.outlives && !connection.cleanStart;
      assertEquals(sessionPresent, expected, `session of ${this.id} at ${before?.place}`);
    }
    assert(!(sessionPresent && connection.cleanStart), "Clean Start begins a session");
    const home = homeOf(this.id, world.count);
    if (sessionPresent && before?.place === home) {
      connection.session = before;
      if (!isSure) before.isVague = true;
    } else {
      if (before !== undefined) this.#lapse(before);
      const isOwn = connection.cleanStart && !connection.outlives;
      connection.session = this.session = {
        serial: ++world.sessions,
        client: this,
        place: isOwn ? connection.place : home,
        outlives: connection.outlives,
        subscriptions: new Map(),
        due: new Map(),
        got: new Map(),
        last: new Map(),
        incoming: new Set(),
        outgoing: new Map(),
        isVague: this.#hasGhost || sessionPresent,
      };
    }
    const { session } = connection;
    session.outlives = connection.outlives;
    for (const [packetId, { message, released }] of session.outgoing) { // [MQTT-4.4.0-1] [MQTT-4.6.0-1]
      if (released) this.#write({ type: PUBREL, packetId, reasonCode: 0 });
      else this.#write(this.#packetOf(message, packetId, true));
    }
  }

  // Messages.

  publish(count: number, first?: string): void {
    const { world, connection } = this;
    const { pick } = world;
    const session = connection?.session;
    if (session === undefined) return;
    let [topic, qos] = [first ?? world.any(TOPICS), pick(3) as QoS];
    for (let i = 0; i < count; i++) {
      if (first === undefined && pick(3) === 0) [topic, qos] = [world.any(TOPICS), pick(3) as QoS];
      if (qos > 0 && session.outgoing.size > UNACKNOWLEDGED_MAX) continue;
      const message = world.message({
        topic,
        qos,
        retain: topic.startsWith("r/") && pick(2) === 0,
        by: session,
        from: this,
      });
      if (qos === 0) this.#write(this.#packetOf(message, 0, false));
      else {
        do this.#nextId = this.#nextId % 30 + 1; while (session.outgoing.has(this.#nextId)); // [MQTT-2.2.1-3]
        session.outgoing.set(this.#nextId, { message, released: false });
        this.#write(this.#packetOf(message, this.#nextId, false));
      }
    }
    world.look();
  }

  subscribe(filter: string): void {
    const { world, connection } = this;
    const session = connection?.session;
    if (session === undefined || connection!.asked.size > 5) return;
    const isShared = filter.startsWith("$share");
    const qos = isShared ? 2 : world.pick(3) as QoS;
    const noLocal = !isShared && this.level === 5 && world.pick(4) === 0;
    this.#unsubscribed(session, filter);
    const subscription: SimulatedSubscription = { qos, noLocal, isGranted: false, known: new Set() };
    session.subscriptions.set(filter, subscription);
    const packetId = this.#askId({ filter, subscription });
    const options = {
      filter,
      qos,
      noLocal,
      retainAsPublished: false,
      retainHandling: world.pick(3) as 0 | 1 | 2,
    };
    this.#send({ type: PacketType.SUBSCRIBE, packetId, subscriptions: [options] });
  }

  unsubscribe(filter: string): void {
    const session = this.connection?.session;
    if (session === undefined || this.connection!.asked.size > 5) return;
    this.#unsubscribed(session, filter);
    const packetId = this.#askId({ filter, subscription: undefined });
    this.#send({ type: PacketType.UNSUBSCRIBE, packetId, filters: [filter] });
  }

  #askId(
    asked: { readonly filter: string; readonly subscription: SimulatedSubscription | undefined },
  ): number {
    let packetId = 0xffff;
    while (this.connection!.asked.has(packetId)) packetId--;
    this.connection!.asked.set(packetId, asked);
    return packetId;
  }

  /** What only this subscription would bring may come or not. */
  #unsubscribed(session: SimulatedSession, filter: string): void {
    if (!session.subscriptions.delete(filter)) return;
    if (filter.startsWith("$share")) return this.world.lapse(filter[7]);
    for (const [message] of session.due) if (matches(filter, message.topic)) session.due.delete(message);
  }

  acknowledge(most: number): boolean {
    const { connection } = this;
    if (connection?.session === undefined) return false;
    const packets = connection.owed.splice(0, most);
    for (const packet of packets) this.#write(packet);
    this.world.look();
    return packets.length > 0;
  }

  pause(isReading: boolean): void {
    const { connection } = this;
    if (connection === undefined) return;
    connection.isReading = isReading;
    if (isReading) connection.stub.transport.resume();
    else connection.stub.transport.pause();
    this.world.look();
  }

  #message(connection: SimulatedConnection, session: SimulatedSession, packet: Publish): void {
    const { world } = this;
    const { topic, qos, packetId, payload, properties, retain, dup } = packet;
    const alias = properties?.topicAlias;
    if (alias !== undefined && topic !== "") connection.aliases.set(alias, topic);
    const name = topic || connection.aliases.get(alias!)!;
    const isNew = qos < 2 || !session.incoming.has(packetId!);
    if (qos === 1) connection.owed.push({ type: PUBACK, packetId: packetId!, reasonCode: 0 });
    if (qos === 2) {
      session.incoming.add(packetId!);
      connection.owed.push({ type: PUBREC, packetId: packetId!, reasonCode: 0 });
    }
    world.deliveries++;
    const message = world.sent.get(Number(new TextDecoder().decode(payload)));
    if (!isNew || payload.length === 0) return;
    assert(message !== undefined && message.topic === name, `${this.id} gets what nobody sent`);
    if (retain) return; // of the retained messages
    const times = (session.got.get(message.serial) ?? 0) + 1;
    session.got.set(message.serial, times);
    const due = session.due.get(message);
    session.due.delete(message);
    const { troubles } = world;
    const isCalm = message.by?.isVague !== true && message.trouble?.restarts === troubles.restarts &&
      message.trouble.failures === troubles.failures;
    if (message.topic.startsWith("g/") || message.topic.startsWith("h/")) {
      message.copies++;
      if (isCalm && qos === 2) assertEquals(message.copies, 1, `copies of ${message.serial} to a group`);
      return;
    }
    if (due !== undefined && message.taken === 1 && !session.isVague) {
      assert(qos >= due.qos, `QoS of ${message.serial} for ${this.id}`);
    }
    if (isCalm && qos === 2 && !session.isVague) {
      assertEquals(times, 1, `${message.serial} for ${this.id} again`);
    }
    if (message.by === undefined || message.by.isVague || session.isVague) return;
    if (message.taken > 1 || times > 1 || troubles.failures > 0) return; // what was repeated or refused comes when it comes
    const order = `${message.by.serial} ${name} ${message.qos} ${qos}`;
    const last = session.last.get(order) ?? 0;
    assert(
      message.serial > last,
      `${this.id} gets ${message.serial} of ${name} behind ${last}${dup ? ", DUP" : ""}`,
    );
    session.last.set(order, message.serial);
  }

  #packetOf({ topic, qos, retain, serial }: Sent, packetId: number, dup: boolean): Publish {
    const payload = new TextEncoder().encode(`${serial}`);
    return { type: PUBLISH, dup, qos, retain, topic, payload, ...(qos > 0 && { packetId }) };
  }

  #send(packet: Packet): void {
    this.#write(packet);
    this.world.look();
  }

  #write(packet: Packet): void {
    this.connection!.stub.transport.write(encodePacket(packet, this.level));
  }
}

function take<V>(map: Map<number, V>, key: number): V {
  const value = map.get(key);
  assert(value !== undefined, `an answer to nothing: ${key}`);
  map.delete(key);
  return value;
}

function bytesOf({ serial }: Sent): Uint8Array {
  return new TextEncoder().encode(`${serial}`);
}

/** One thing that happens. */
function step(world: World): void {
  const { pick, granted } = world;
  world.granted = undefined;
  const meant = granted === undefined ? undefined : TOPICS.find((topic) => matches(granted, topic));
  if (meant !== undefined && pick(2) === 0) { for (const client of world.clients) client.publish(1, meant); }
  for (let moves = pick(6); moves > 0; moves--) world.move();
  if (pick(25) === 0) world.advance(pick(8) === 0 ? 15_000 : pick(1_000));
  if (pick(4) === 0) {
    world.commit(pick(world.count), world.keeps && pick(60) === 0 ? new Error("disk full") : undefined);
  }
  if (pick(60) === 0) world.drain();
  if (pick(40) === 0) {
    const one = pick(world.count - 1);
    world.cut(one, one + 1 + pick(world.count - one - 1));
  }
  if (world.cutLinks.size > 0 && pick(6) === 0) {
    const [one, other] = world.any([...world.cutLinks]).split(" ").map(Number);
    world.link(one!, other!);
  }
  if (pick(80) === 0) world.restart(pick(world.count));
  const client = world.any(world.clients);
  const { connection } = client;
  const what = pick(100);
  if (connection === undefined || what < 4) {
    const isBusy = connection !== undefined && connection.session === undefined;
    if (pick(2) === 0 && (!isBusy || pick(3) === 0)) {
      client.connect(
        pick(world.count),
        pick(4) === 0,
        pick(3) > 0,
        pick(2) === 0 ? pick(3) as QoS : undefined,
      );
    }
  } else if (what < 45) client.publish(pick(4) === 0 ? 1 + pick(12) : 1);
  else if (what < 59) client.subscribe(world.any(FILTERS));
  else if (what < 63) client.unsubscribe(world.any(FILTERS));
  else if (what < 84) client.acknowledge(1 + pick(6));
  else if (what < 93) client.pause(!connection.isReading);
  else client.leave(pick(2) === 0 ? "disconnect" : "lose");
}

/** All links are there, and everybody comes back, reads and acknowledges all there is. */
function settle(world: World): void {
  for (const key of [...world.cutLinks]) {
    const [one, other] = key.split(" ").map(Number);
    world.link(one!, other!);
  }
  world.drain();
  world.advance(30_000);
  world.drain();
  for (const client of world.clients) {
    client.pause(true);
    world.drain();
    if (client.connection === undefined) {
      client.connect(world.pick(world.count), false, client.session?.outlives ?? true, undefined);
    }
    world.drain();
    assert(client.connection?.session !== undefined, `${client.id} is not connected`);
  }
  world.advance(1_000);
  world.drain();
  world.assertInvariants();
}

/** One session and one connection for each Client Identifier. */
function checkOne(world: World): void {
  const { nodes } = world.nodes;
  for (const { id, session, old } of world.clients) {
    assert(session !== undefined, `no session of ${id}`);
    const places = nodes.flatMap(({ broker }, place) => broker.session(id) === undefined ? [] : [place]);
    if (session!.isVague) assertEquals(places.length, 1, `sessions of ${id}`);
    else assertEquals(places, [session!.place], `where the session of ${id} is`);
    for (const { isDead, stub } of old) assert(isDead || stub.over, `another connection of ${id} is there`);
    const { queued, exchanges, received, inFlight } = nodes[places[0]!]!.broker.session(id)!;
    const open = session.isVague ? 0 : received; // nobody releases what its Client has forgotten
    assertEquals([queued, exchanges, open, inFlight], [0, 0, 0, 0], `what waits for ${id}`);
  }
}

/** The retained messages of every node. */
function checkRetained(world: World): void {
  const found = world.nodes.nodes.map((node) => {
    const reader = node.open();
    reader.connect({ clientId: "" });
    world.drain();
    const [packetId, subscriptions] = [1, [{ ...ALL_OF_IT, filter: "r/#" }]];
    reader.send({ type: PacketType.SUBSCRIBE, packetId, subscriptions });
    world.drain();
    const kept = reader.takePublishes().map(({ topic, payload }) =>
      `${topic} ${new TextDecoder().decode(payload)}`
    );
    reader.disconnect();
    world.drain();
    return kept.sort();
  });
  for (const one of found) assertEquals(one, found[0], "retained messages");
}

const ALL_OF_IT = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

/** Everybody goes for good, and nothing is left. */
function empty(world: World): void {
  const { nodes } = world.nodes;
  for (const client of world.clients) {
    client.connect(world.pick(world.count), true, false, undefined);
    world.drain();
    client.leave("disconnect");
    world.drain();
  }
  const last = nodes[0]!.open();
  last.connect({ clientId: "" });
  world.drain();
  for (const topic of ["r/x", "r/y"]) last.publish({ topic, retain: true });
  last.disconnect();
  world.drain();
  world.advance(40_000);
  world.drain();
  nodes.forEach((node, place) => {
    const { connections, stats } = node.broker;
    assertEquals(connections, 0, "connections");
    const { sessions, subscriptions, sharedSubscriptions, retainedMessages, deadlines } = stats;
    assertEquals(
      [sessions, subscriptions, sharedSubscriptions, retainedMessages, deadlines],
      [0, 0, 0, 0, 0],
      `node ${place}`,
    );
    for (const { routes, outstanding, isInStep, isLinked } of world.nodes.stats(place)) {
      assert(isLinked, "linked");
      assertEquals([routes, outstanding, isInStep], [0, 0, true], `another node at node ${place}`);
    }
    assertEquals(world.nodes.waiting(place), 0, `what waits at node ${place}`);
    const store = world.stores[place];
    if (store !== undefined) assertEquals([...store.sessions()], [], `the store of node ${place}`);
  });
}

/** Runs one seed; returns how much happened. */
export function simulateNodes(seed: number, run: NodesRun): { deliveries: number; expected: number } {
  const world = new World(seed, run);
  const count = 4 + seed % 4;
  for (let index = 0; index < count; index++) world.clients.push(new SimulatedClient(world, index));
  for (let i = 0; i < STEPS; i++) step(world);
  settle(world);
  world.settled();
  checkOne(world);
  checkRetained(world);
  empty(world);
  assertEquals(world.errors.filter((error) => (error as Error).message !== "disk full"), []);
  return { deliveries: world.deliveries, expected: world.expected };
}
