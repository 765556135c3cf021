/**
 * A broker and stub Clients under virtual time: every byte and every second moves only when the test says so.
 * Knows how to drive the engine; refuses to know what it should do.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  Broker,
  type BrokerHooks,
  type BrokerOptions,
  type Connection,
  type Policy,
  type SessionStats,
} from "../broker/mod.ts";
import { decodePacket } from "../codec/decode.ts";
import { Deframer } from "../codec/deframer.ts";
import { encodePacket } from "../codec/encode.ts";
import type {
  Connack,
  Connect,
  Packet,
  ProtocolLevel,
  Publish,
  Subscribe,
  SubscriptionRequest,
} from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Driver } from "../server/driver.ts";
import { type MemoryOptions, type MemoryPair, memoryPair } from "../transport/memory.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import type { Effects } from "./effects.ts";
import { VirtualLoop } from "./virtual_loop.ts";

/** What `publish()` of a stub takes; the rest is QoS 0, no flags. */
export type PublishInit = Partial<Omit<Publish, "type" | "payload">> & {
  topic: string;
  payload?: string | Uint8Array;
};

/** What `connect()` takes; the rest is level 5, Clean Start 1, no Keep Alive. */
export type ConnectInit = Partial<Omit<Connect, "type">>;

/** One broker, its Clients and its clock, in the hands of the `Driver` that serves. */
export class Pair {
  readonly broker: Broker;
  readonly #loop: VirtualLoop = new VirtualLoop();
  readonly #driver: Driver;
  readonly #links: { pair: MemoryPair; client: StubClient }[] = [];
  /** Errors that the broker has told, if the test does not ask for them. */
  readonly #errors: unknown[] = [];
  /** Told what the broker does with the connections that are opened from now on; then invariants are not looked at. */
  watched: Effects | undefined;
  /** The broker's invariants are looked at after each turn. */
  isChecked = true;
  #settling = false;
  /** Several that are settled together, this one among them. */
  together: { settle(): void } | undefined;

  /** An error of the broker's fails the test at the next `settle()`, unless a hook `failed` takes it. */
  constructor(options: BrokerOptions = {}, now?: number) {
    if (now !== undefined) this.#loop.time = now;
    const hooks: BrokerHooks = Object.create(options.hooks ?? null); // they may be methods of a class
    if (hooks.failed === undefined) hooks.failed = (error) => void this.#errors.push(error);
    this.broker = new Broker({ ...options, hooks });
    this.#driver = new Driver(this.broker, this.#loop);
  }

  /** ms since the epoch. Set, it goes on, and the broker is not called before the next `advance()`. */
  get now(): number {
    return this.#loop.time;
  }

  set now(ms: number) {
    this.#loop.time = ms;
  }

  /** A connection that has sent nothing yet. */
  open(
    level: ProtocolLevel = 5,
    options: MemoryOptions = {},
    peer: Partial<PeerInfo> = {},
    policy?: Policy,
  ): StubClient {
    const pair = memoryPair(options);
    const from = { address: "192.0.2.1", port: 40_000, transport: "tcp", ...peer } as const;
    const left = this.watched?.transport(pair.left) ?? pair.left;
    const connection = this.#driver.accept(left, from, policy);
    const client = new StubClient(this, pair.right, connection, level);
    this.#links.push({ pair, client });
    return client;
  }

  /** A connection whose CONNECT was accepted. */
  connect(init: ConnectInit = {}, options: MemoryOptions = {}): StubClient {
    const client = this.open(init.level ?? 5, options);
    client.connect(init);
    const connack = client.take(PacketType.CONNACK) as Connack;
    assertEquals(connack.reasonCode, 0, "CONNACK refuses");
    client.connack = connack;
    return client;
  }

  /** The Server's end of a connection: its transport, below the engine. */
  serverEnd(client: StubClient): { readonly transport: Transport } {
    const link = this.#links.find((link) => link.client === client);
    assert(link !== undefined, "the connection is over");
    return { transport: link.pair.left };
  }

  /** A link to another node. */
  link(transport: Transport, node: string, incarnation: string): void {
    this.#driver.link(transport, node, incarnation);
  }

  /** A Client that another node relays. */
  relayed(transport: Transport, peer: PeerInfo): void {
    this.#driver.accept(transport, peer);
  }

  /** Moves every byte until nothing moves any more. */
  settle(): void {
    if (this.together === undefined) this.settleAlone();
    else this.together.settle();
  }

  /** The same without the others. True if anything moved. */
  settleAlone(): boolean {
    if (this.#settling) return false; // who calls from inside is looked after by the loop that is going on
    this.#settling = true;
    let moved = false;
    try {
      while (this.#step()) moved = true;
    } finally {
      this.#settling = false;
    }
    for (let i = this.#links.length - 1; i >= 0; i--) {
      if (this.#links[i]!.client.over) this.#links.splice(i, 1);
    }
    if (this.#errors.length > 0) throw this.#errors[0];
    return moved;
  }

  /** Ends a turn, then moves all bytes there are, then compares what must agree; without either, what comes after all input. False if there is nothing to do. */
  #step(): boolean {
    this.#driver.run(() => {}); // the test may have called the broker itself
    let moved = this.#loop.endTurn();
    if (moved && this.isChecked && this.watched === undefined) this.broker.assertInvariants(); // whose cost would be most of all, on slow engines
    for (const { pair } of this.#links) while (pair.step()) moved = true;
    return moved || this.#loop.goOn() || this.#loop.look();
  }

  /** Lets time go on, calling the broker at each of its deadlines on the way. */
  advance(ms: number): void {
    const until = this.now + ms;
    this.settle();
    while (this.tick(until)) this.settle();
    this.now = until;
    this.settle();
  }

  /** Lets time go on to the next deadline of the broker by `until`; false if there is none. */
  tick(until: number): boolean {
    return this.#loop.tick(until);
  }

  /** Fails unless the broker has forgotten every connection, session and subscription, and the store is told of that. */
  assertEmpty(): void {
    const { broker } = this;
    if (broker.stats.isUnsafe) this.advance(1_000); // facts that nobody waits for
    assertEquals(broker.connections, 0, "connections");
    assertEquals(broker.stats.connected, 0, "connected");
    assertEquals(broker.stats.sessions, 0, "sessions");
    assertEquals(broker.stats.sharedSubscriptions, 0, "groups");
    assertEquals(broker.stats.subscriptions, 0, "subscriptions");
    assertEquals(broker.stats.deadlines, 0, "timers");
  }
}

/** A Client that does only what the test tells it: no acknowledgement, no PINGREQ of its own. */
export class StubClient {
  readonly pair: Pair;
  readonly transport: Transport;
  /** The Server's end. */
  readonly connection: Connection;
  level: ProtocolLevel;
  /** Packets that arrived and were not taken. */
  readonly inbox: Packet[] = [];
  /** Sees the bytes of each packet that arrives; one for which it returns false is not decoded. */
  heard: ((frame: Uint8Array) => unknown) | undefined;
  /** The Server has ended its half, or the connection. */
  over = false;
  connack: Connack | undefined;
  #deframer: Deframer = new Deframer(Infinity);
  #nextId = 1;

  constructor(pair: Pair, transport: Transport, connection: Connection, level: ProtocolLevel) {
    this.pair = pair;
    this.transport = transport;
    this.connection = connection;
    this.level = level;
    transport.start({
      received: (chunk) =>
        this.#deframer.receive(chunk, {
          frame: (bytes, at, _body, end) => {
            const frame = bytes.slice(at, end);
            if (this.heard?.(frame) !== false) this.inbox.push(decodePacket(frame, this.level));
            return true;
          },
        }),
      drained: () => {},
      closed: () => {
        this.over = true;
      },
    });
  }

  /** §4.9 QoS 1 and 2 messages that the Server has in flight towards it. */
  get inFlight(): number {
    return this.session?.inFlight ?? 0;
  }

  /** Its session on the Server; undefined while it has no accepted CONNECT. */
  get session(): SessionStats | undefined {
    const clientId = this.connection.client?.clientId;
    return clientId === undefined ? undefined : this.pair.broker.session(clientId);
  }

  /** Sends bytes as they are. */
  raw(...bytes: number[]): void {
    this.write(Uint8Array.from(bytes));
  }

  /** Sends bytes as they are, and lets everything settle. */
  write(bytes: Uint8Array): void {
    this.transport.write(bytes);
    this.pair.settle();
  }

  /** Sends a packet, and lets everything settle. */
  send(packet: Packet): void {
    this.write(encodePacket(packet, this.level));
  }

  /** Sends CONNECT. */
  connect(init: ConnectInit = {}): void {
    this.level = init.level ?? this.level;
    this.send({
      type: PacketType.CONNECT,
      level: this.level,
      cleanStart: true,
      keepAlive: 0,
      clientId: "stub",
      ...init,
    });
  }

  /** Sends PUBLISH, with the next Packet Identifier if it needs one and has none; returns that. */
  publish(init: PublishInit): number {
    const { payload = "", qos = 0, ...rest } = init;
    const packetId = init.packetId ?? (qos === 0 ? 0 : this.#nextId++);
    const packet: Publish = {
      type: PacketType.PUBLISH,
      dup: false,
      retain: false,
      ...rest,
      qos,
      payload: typeof payload === "string" ? new TextEncoder().encode(payload) : payload,
    };
    if (qos > 0) packet.packetId = packetId;
    this.send(packet);
    return packetId;
  }

  /** Sends SUBSCRIBE and takes its SUBACK; returns the Reason Codes. */
  subscribe(...filters: (string | (Partial<SubscriptionRequest> & { filter: string }))[]): readonly number[] {
    return this.subscribeWith({}, ...filters);
  }

  /** The same, with properties. */
  subscribeWith(
    properties: NonNullable<Subscribe["properties"]>,
    ...filters: (string | (Partial<SubscriptionRequest> & { filter: string }))[]
  ): readonly number[] {
    const packetId = this.#nextId++;
    this.send({
      type: PacketType.SUBSCRIBE,
      packetId,
      subscriptions: filters.map((filter) => ({
        qos: 2,
        noLocal: false,
        retainAsPublished: false,
        retainHandling: 0,
        ...(typeof filter === "string" ? { filter } : filter),
      })),
      properties,
    });
    const suback = this.take(PacketType.SUBACK);
    assert(suback.type === PacketType.SUBACK);
    assertEquals(suback.packetId, packetId);
    return suback.reasonCodes;
  }

  /** Sends UNSUBSCRIBE and takes its UNSUBACK; returns the Reason Codes. */
  unsubscribe(...filters: string[]): readonly number[] {
    const packetId = this.#nextId++;
    this.send({ type: PacketType.UNSUBSCRIBE, packetId, filters });
    const unsuback = this.take(PacketType.UNSUBACK);
    assert(unsuback.type === PacketType.UNSUBACK);
    assertEquals(unsuback.packetId, packetId);
    return unsuback.reasonCodes;
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(type: 4 | 5 | 6 | 7, packetId: number, reasonCode = 0): void {
    this.send({ type, packetId, reasonCode });
  }

  /** Takes the first packet of a type out of the inbox; fails if there is none. */
  take<T extends PacketType>(type: T): Extract<Packet, { type: T }> {
    this.pair.settle();
    const at = this.inbox.findIndex((packet) => packet.type === type);
    assert(
      at >= 0,
      `no packet of type ${type} has come, but ${JSON.stringify(this.inbox.map((p) => p.type))}`,
    );
    return this.inbox.splice(at, 1)[0] as Extract<Packet, { type: T }>;
  }

  /** Takes every PUBLISH out of the inbox, in order. */
  takePublishes(): Publish[] {
    this.pair.settle();
    const taken = this.inbox.filter((packet) => packet.type === PacketType.PUBLISH);
    const rest = this.inbox.filter((packet) => packet.type !== PacketType.PUBLISH);
    this.inbox.splice(0, this.inbox.length, ...rest);
    return taken as Publish[];
  }

  /** The payloads of every PUBLISH in the inbox as text, in order; they are taken. */
  takeTexts(): string[] {
    return this.takePublishes().map(({ payload }) => new TextDecoder().decode(payload));
  }

  /** Fails unless nothing has come, PINGRESP answering at once (so nothing is on its way either). */
  assertSilent(): void {
    this.send({ type: PacketType.PINGREQ });
    this.take(PacketType.PINGRESP);
    assertEquals(this.inbox, []);
  }

  /** Sends DISCONNECT and ends. */
  disconnect(reasonCode = 0, properties?: { sessionExpiryInterval?: number }): void {
    const packet = { type: PacketType.DISCONNECT, reasonCode } as const;
    this.send(properties === undefined ? packet : { ...packet, properties });
    this.transport.close();
    this.pair.settle();
  }

  /** The network fails: no DISCONNECT. */
  lose(): void {
    this.transport.abort();
    this.pair.settle();
  }
}
