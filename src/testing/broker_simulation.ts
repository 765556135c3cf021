/**
 * §4 Several Clients of a broker at random, with cuts, delays and short writes, against the model of what must arrive.
 * Knows what the Clients do; refuses to know how a broker answers. A seed does the same at each run, on each engine.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { encodePacket } from "../codec/encode.ts";
import type { Connack, Packet, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { type Random, seededRandom } from "../engine/random.ts";
import type { Effects } from "./effects.ts";
import { bytesOf } from "./frame.ts";
import { HandStore } from "./hand_store.ts";
import { Model, type Sent } from "./model.ts";
import { Pair, type StubClient } from "./pair.ts";

const { CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const STEPS = 400;
const TOPICS = ["a", "a/b", "b", "s/x"];
/** A topic of the group is matched by nothing else, so that its copies are known. */
const FILTERS = ["a", "a/#", "a/+", "+", "+/b", "b", "b/#", "$share/g/s/+"];

/** Ends the commit that is under way, and those that follow from it. */
function commit({ store, pair }: World): void {
  while (store.isCommitting) {
    store.settle();
    pair.settle();
  }
}

/** Brings the page that was asked for first. */
function bring({ store, pair }: World): boolean {
  const brought = store.bring();
  pair.settle();
  return brought;
}

function anyOf<T>(all: readonly T[], pick: World["pick"]): T {
  return all[pick(all.length)]!;
}

/** Everything that is the same for all Clients of a run. */
interface World {
  readonly pair: Pair;
  readonly store: HandStore;
  readonly model: Model;
  /** 0 to `below` - 1. */
  readonly pick: (below: number) => number;
  /** Bytes of the payload of a message. */
  readonly sizeOf: (serial: number) => number;
  /** Bytes that a connection with little room has under way. */
  readonly capacityBytes: number;
  /** Publications so far. */
  serial: number;
  deliveries: number;
}

/** A Client that keeps the rules of §4.3 and §4.4; its acknowledgements wait until it is told to send them. */
class SimulatedClient {
  readonly world: World;
  readonly id: string;
  readonly level: 4 | 5;
  stub: StubClient | undefined;
  keptMs = 0;
  isReading = true;
  /** QoS 1 and 2 messages that are not at their end, by identifier, in order. */
  readonly outgoing: Map<number, { message: Sent; released: boolean }> = new Map();
  readonly #incoming: Set<number> = new Set();
  #owed: Packet[] = [];
  #aliases: Map<number, string> = new Map();
  #nextId = 1;

  constructor(world: World, index: number) {
    this.world = world;
    this.id = `c${index}`;
    this.level = index % 3 === 2 ? 4 : 5;
  }

  /** Opens a connection, with its session if `cleanStart` is not asked for. */
  connect(cleanStart: boolean, keptMs: number): void {
    const { pick, pair, model, capacityBytes } = this.world;
    this.keptMs = this.level === 5 ? keptMs : cleanStart ? 0 : Infinity;
    const stub = pair.open(this.level, {
      capacityBytes: pick(3) === 0 ? 30 + pick(capacityBytes) : Infinity,
      ...(pick(2) === 0 && { chunkBytes: (waiting: number) => 1 + pick(waiting) }),
    });
    this.stub = stub;
    this.isReading = true;
    this.#owed = [];
    this.#aliases.clear();
    this.#write(encodePacket({
      type: PacketType.CONNECT,
      level: this.level,
      cleanStart,
      keepAlive: 0,
      clientId: this.id,
      ...(pick(3) > 0 && { username: anyOf(["a", "b"], pick) }),
      ...(this.level === 5 && {
        properties: {
          sessionExpiryInterval: keptMs / 1000,
          receiveMaximum: pick(2) === 0 ? 1 + pick(4) : 1000,
          topicAliasMaximum: pick(3),
        },
      }),
    }, this.level));
    commit(this.world); // CONNACK waits for the session to be safe
    const connack = stub.inbox.shift() as Connack;
    assertEquals([connack.type, connack.reasonCode], [CONNACK, 0]);
    assertEquals(
      connack.sessionPresent,
      model.connected(this.id, cleanStart, this.keptMs),
      `session of ${this.id}`,
    );
    if (!connack.sessionPresent) {
      this.outgoing.clear();
      this.#incoming.clear();
    }
    for (const [packetId, { message, released }] of this.outgoing) { // [MQTT-4.4.0-1] [MQTT-4.6.0-1]
      if (released) this.#send({ type: PUBREL, packetId, reasonCode: 0 });
      else this.#publish(message, packetId, true);
    }
    this.read();
  }

  /** Publishes so many messages in one piece. */
  publish(count: number): void {
    const { pick } = this.world;
    const burst: { message: Sent; packetId: number }[] = [];
    let [topic, qos] = [anyOf(TOPICS, pick), pick(3) as QoS];
    for (let i = 0; i < count; i++) {
      if (pick(3) === 0) [topic, qos] = [anyOf(TOPICS, pick), pick(3) as QoS];
      const message: Sent = { serial: ++this.world.serial, topic, qos, publisher: this.id };
      if (qos > 0 && this.outgoing.size > 20) continue;
      let packetId = 0;
      if (qos > 0) {
        do this.#nextId = this.#nextId % 30 + 1; while (this.outgoing.has(this.#nextId)); // [MQTT-2.2.1-3]
        packetId = this.#nextId;
        this.outgoing.set(packetId, { message, released: false });
      }
      burst.push({ message, packetId });
    }
    this.#write(bytesOf(...burst.map(({ message, packetId }) => this.#encode(message, packetId, false))));
    for (const { message, packetId } of burst) this.world.model.published(message, packetId);
    this.read();
  }

  subscribe(filter: string): void {
    const { pick, model } = this.world;
    const shared = filter.startsWith("$share");
    const [qos, noLocal] = [shared ? 2 : pick(3) as QoS, !shared && this.level === 5 && pick(4) === 0];
    const options = { filter, qos, noLocal, retainAsPublished: false, retainHandling: 2 } as const;
    this.#send({ type: PacketType.SUBSCRIBE, packetId: 0xffff, subscriptions: [options] });
    model.subscribed(this.id, filter, qos, noLocal);
    this.read();
  }

  unsubscribe(filter: string): void {
    this.#send({ type: PacketType.UNSUBSCRIBE, packetId: 0xffff, filters: [filter] });
    this.world.model.unsubscribed(this.id, filter);
    this.read();
  }

  /** Sends up to so many of the acknowledgements that are owed, in their order. */
  acknowledge(most: number): boolean {
    const packets = this.#owed.splice(0, most);
    for (const packet of packets) this.#send(packet);
    this.read();
    return packets.length > 0;
  }

  /** Stops or begins to read. */
  pause(isReading: boolean): void {
    this.isReading = isReading;
    if (isReading) this.stub!.transport.resume();
    else this.stub!.transport.pause();
    this.world.pair.settle();
    this.read();
  }

  /** Ends the connection: in order, or in the middle of a packet. */
  leave(how: "disconnect" | "lose" | "cut"): void {
    const stub = this.stub!;
    const { pair, model, pick } = this.world;
    if (how === "cut") {
      const packet: Publish = {
        type: PUBLISH,
        dup: false,
        qos: 0,
        retain: false,
        topic: "a",
        payload: new Uint8Array(9),
      };
      const bytes = encodePacket(packet, this.level);
      this.#write(bytes.subarray(0, 1 + pick(bytes.length - 1)));
    }
    this.read();
    if (how === "disconnect") this.#send({ type: PacketType.DISCONNECT, reasonCode: 0 });
    if (how !== "disconnect") stub.lose();
    else {
      stub.transport.close();
      stub.transport.resume();
      pair.settle();
    }
    this.stub = undefined;
    model.disconnected(this.id, pair.now);
  }

  /** Takes what has come. */
  read(): void {
    const { stub } = this;
    if (stub === undefined) return;
    assert(!stub.over, `${this.id} was thrown out`);
    for (const packet of stub.inbox.splice(0)) this.#received(packet);
  }

  #received(packet: Packet): void {
    if (packet.type === PUBLISH) this.#message(packet);
    else if (packet.type === PUBREL) {
      this.#incoming.delete(packet.packetId);
      this.#owed.push({ type: PUBCOMP, packetId: packet.packetId, reasonCode: 0 });
    } else if (packet.type === PUBREC) {
      const exchange = this.outgoing.get(packet.packetId);
      assert(
        exchange !== undefined && packet.reasonCode < 0x80,
        `PUBREC for ${this.id}: ${packet.reasonCode}`,
      );
      exchange.released = true;
      this.#owed.push({ type: PUBREL, packetId: packet.packetId, reasonCode: 0 });
    } else if (packet.type === PUBACK || packet.type === PUBCOMP) {
      assert(this.outgoing.delete(packet.packetId), `an acknowledgement of nothing for ${this.id}`);
    }
  }

  #message({ topic, qos, packetId, payload, properties }: Publish): void {
    const alias = properties?.topicAlias;
    if (alias !== undefined && topic !== "") this.#aliases.set(alias, topic);
    const isNew = qos < 2 || !this.#incoming.has(packetId!);
    if (qos === 1) this.#owed.push({ type: PUBACK, packetId: packetId!, reasonCode: 0 });
    if (qos === 2) {
      this.#incoming.add(packetId!);
      this.#owed.push({ type: PUBREC, packetId: packetId!, reasonCode: 0 });
    }
    if (!isNew) return;
    this.world.deliveries++;
    const serial = Number(new TextDecoder().decode(payload)); // trims what pads it
    this.world.model.delivered(this.id, serial, topic || this.#aliases.get(alias!)!, qos);
  }

  #publish(message: Sent, packetId: number, dup: boolean): void {
    this.#write(this.#encode(message, packetId, dup));
    this.world.model.published(message, packetId);
  }

  #encode({ topic, qos, serial }: Sent, packetId: number, dup: boolean): Uint8Array {
    const payload = new TextEncoder().encode(`${serial}`.padEnd(this.world.sizeOf(serial)));
    const packet: Publish = { type: PUBLISH, dup, qos, retain: false, topic, payload };
    return encodePacket(qos === 0 ? packet : { ...packet, packetId }, this.level);
  }

  #send(packet: Packet): void {
    this.#write(encodePacket(packet, this.level));
    if (packet.type === PUBREL) this.world.model.released(this.id, packet.packetId);
  }

  /** Hands bytes over, as many at a time as there is room for. */
  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      at += this.stub!.transport.write(bytes.subarray(at));
      this.world.pair.settle();
    }
  }
}

/** One thing that happens to one Client. */
function step(client: SimulatedClient): void {
  const { pick, pair, model } = client.world;
  if (pick(25) === 0) {
    pair.advance(pick(8) === 0 ? 40_000 : pick(3_000));
    model.ticked(pair.now);
  }
  if (pick(6) === 0) commit(client.world);
  if (pick(6) === 0) bring(client.world);
  if (client.stub === undefined) {
    if (pick(3) === 0) client.connect(pick(5) === 0, anyOf([0, 20_000, 600_000], pick));
    return;
  }
  const what = pick(100);
  if (what < 45) client.publish(pick(4) === 0 ? 1 + pick(12) : 1);
  else if (what < 57) client.subscribe(anyOf(FILTERS, pick));
  else if (what < 61) client.unsubscribe(anyOf(FILTERS, pick));
  else if (what < 83) client.acknowledge(1 + pick(6));
  else if (what < 93) client.pause(!client.isReading);
  else client.leave(anyOf(["disconnect", "lose", "cut"], pick));
}

/** Everybody comes back, reads and acknowledges all there is. */
function settle(clients: readonly SimulatedClient[]): void {
  for (const client of clients) {
    if (client.stub === undefined) client.connect(false, client.keptMs === Infinity ? 0 : client.keptMs);
    else client.pause(true);
  }
  for (let goesOn = true; goesOn;) {
    goesOn = false;
    for (const client of clients) {
      commit(client.world);
      if (bring(client.world)) goesOn = true;
      client.read();
      if (client.acknowledge(Infinity)) goesOn = true;
    }
  }
}

/** Everybody goes for good. */
function empty(world: World, clients: readonly SimulatedClient[]): void {
  for (const client of clients) {
    client.leave("lose");
    client.connect(true, 0);
    client.leave("disconnect");
  }
  commit(world);
  world.pair.advance(10_000);
  commit(world);
  while (bring(world));
  world.pair.assertEmpty();
}

/** Runs one seed; returns how much happened. `effects` are told what the broker does. */
export function simulateBroker(seed: number, effects?: Effects): { deliveries: number; expected: number } {
  const random: Random = seededRandom(seed);
  const pick = (below: number) => random() % below;
  const isNarrow = seed % 4 === 3;
  const failures: unknown[] = [];
  const store = new HandStore();
  store.slow = seed % 3 === 0;
  store.late = seed % 5 < 2;
  const pair = new Pair({
    takeoverByOthers: true,
    hooks: { failed: (error) => failures.push(error) },
    ...(seed % 3 < 2 && { store: effects?.calls(store) ?? store }),
    limits: {
      ...(isNarrow && { outboundBytesMax: 4096, inFlightMax: 20 }),
      ...(seed % 7 < 5 && { residentMessagesMax: 2 + seed % 7 }),
      ...(seed % 7 < 2 && { residentBytesMax: 2_000 }),
    },
  });
  pair.watched = effects;
  const isLarge = isNarrow || seed % 4 === 1;
  const world: World = {
    pair,
    store,
    model: new Model(isNarrow),
    pick,
    sizeOf: (serial) => !isLarge || serial % 2 === 0 ? 0 : serial % 31 === 0 ? 20_000 : serial * 97 % 3000,
    capacityBytes: isLarge ? 3000 : 200,
    serial: 0,
    deliveries: 0,
  };
  const clients = Array.from({ length: 3 + seed % 4 }, (_, index) => new SimulatedClient(world, index));
  for (let i = 0; i < STEPS; i++) step(clients[pick(clients.length)]!);
  settle(clients);
  world.model.settled();
  for (const { id, outgoing } of clients) {
    const { queued, queuedBytes, exchanges, received, inFlight } = pair.broker.session(id)!;
    assertEquals([queued, queuedBytes, exchanges], [0, 0, 0], id);
    assertEquals([received, outgoing.size, inFlight], [0, 0, 0], id);
  }
  empty(world, clients);
  assertEquals([failures, [...store.sessions()]], [[], []]);
  return { deliveries: world.deliveries, expected: world.model.expected };
}
