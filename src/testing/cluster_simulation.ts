/**
 * §4 A whole cluster at random: processes that are killed, machines that stop, stand still, lose their power, the bus or the streams, whole and one
 * way, and Clients that go on meanwhile, against what one Server promises. A seed does the same at each run.
 * Knows what Clients may expect; refuses to know how shards are owned.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { STREAMS } from "../cluster/memory/stream.ts";
import { logStream } from "../cluster/subjects.ts";
import { Deframer } from "../codec/deframer.ts";
import { decodePacket } from "../codec/decode.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Connack, Packet, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { homeOf } from "../nodes/mod.ts";
import { matches } from "../topic/filter.ts";
import type { Transport } from "../transport/transport.ts";
import { ClusterWorld, type Machine, type ShardProcess } from "./cluster_world.ts";
import { idOf } from "./nodes_world.ts";

const { CONNACK, SUBACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const STEPS = 90;
const TOPICS = ["a", "a/b", "b"];
/** None matches a topic of a group: the copies of that come by the group alone. */
const FILTERS = ["a", "a/#", "+/b", "b", "+", "w/#", "r/+"];
const GROUPS = ["$share/g/g/#", "$share/h/h/#"];
/** Nobody leaves a session for so long: s. */
const KEPT_SECONDS = 1_000_000;
const UNACKNOWLEDGED_MAX = 12;
/** A Client that is told nothing for so long, though it waits, connects elsewhere: ms. */
const PATIENCE_MS = 4_000;
/** Behind the last fault, until each shard is owned, linked and in step: ms. */
const WHOLE_MS = 200_000;
/** Nothing comes for so long: all has come, and nobody waits for anything: ms. */
const CALM_MS = 15_000;
/** Of entries that the servers lose in a blackout. */
const LOST_MAX = 8;

/** A message, or a will; `serial` is its payload. */
interface Sent {
  readonly serial: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly by: SimulatedClient;
  readonly isWill: boolean;
  /** `Simulation.troubles` when it was sent; of a will, when its Client connected. */
  readonly troubles: number;
  isAcknowledged: boolean;
  /** A broker has taken it over. */
  isTaken: boolean;
  /** Of a group that had a member which keeps messages when it was sent. */
  isForGroup: boolean;
  /** Copies that have come to members of its group. */
  copies: number;
}

interface Subscription {
  readonly qos: QoS;
  isGranted: boolean;
  /** Processes that know of it: those that were not cut off when it was granted, and all that were in step since. */
  readonly known: Set<ShardProcess>;
}

interface Outgoing {
  readonly message: Sent;
  isReleased: boolean;
}

/** One connection of a Client. */
interface Connection {
  readonly transport: Transport;
  readonly process: ShardProcess;
  readonly since: number;
  readonly will: Sent | undefined;
  readonly asked: Map<number, string>;
  isUp: boolean;
  isOver: boolean;
  heardAt: number;
  owed: Packet[];
}

/** What a run has brought about. */
export interface ClusterDone {
  readonly acknowledged: number;
  readonly claims: number;
  readonly faults: number;
}

/** `trace` is told in lines what happens. @throws {Error} where something does not hold. */
export async function simulateCluster(seed: number, trace?: (line: string) => void): Promise<ClusterDone> {
  return await new Simulation(seed, trace).run();
}

class Simulation {
  readonly world: ClusterWorld;
  readonly trace: ((line: string) => void) | undefined;
  readonly clients: SimulatedClient[] = [];
  readonly sent: Map<number, Sent> = new Map();
  /** Processes that have begun and ended, and logs that have lost something. */
  troubles = 0;
  faults = 0;
  /** Packets that Clients have got. */
  came = 0;
  readonly #errors: unknown[] = [];
  /** There has been a blackout; and it is not over, as some shard is not back. */
  #isDark = false;
  #isDarkStill = false;

  constructor(seed: number, trace: ((line: string) => void) | undefined) {
    this.trace = trace;
    this.world = new ClusterWorld(seed, {
      failed: (error) => this.#errors.push(error),
      published: (process, payload) => this.#published(process, payload),
      claimed: () => this.troubles++,
      ended: () => this.troubles++,
      trace: trace === undefined ? undefined : (line) => this.note(line),
    });
    for (let index = 0; index < 5; index++) this.clients.push(new SimulatedClient(this, index));
  }

  async run(): Promise<ClusterDone> {
    const { world } = this;
    await this.#whole();
    for (let step = 0; step < STEPS; step++) {
      await world.pass(world.pick(8) === 0 ? world.pick(6_000) : world.pick(400));
      this.learn();
      world.assertFenced();
      for (let i = 1 + world.pick(4); i > 0; i--) this.#act(world.any(this.clients)!);
      if (world.pick(7) === 0) this.#fault(world.pick(16));
    }
    await this.#calm();
    this.#check();
    await this.#checkRetained();
    await this.#empty();
    world.assertFenced();
    this.#noErrors();
    const acknowledged = [...this.sent.values()].filter(({ isAcknowledged }) => isAcknowledged).length;
    return { acknowledged, claims: world.claims, faults: this.faults };
  }

  #noErrors(): void {
    for (const error of this.#errors) if (!EXPECTED.test(String(error))) throw error;
  }

  /** For `trace`. */
  note(line: string): void {
    const [, seconds = "", ms = ""] = /(\d{5})(\d{3})$/.exec(`${this.world.now}`) ?? [];
    this.trace?.(`${seconds}.${ms} ${line}`);
  }

  #act(client: SimulatedClient): void {
    const { world } = this;
    const what = world.pick(20);
    client.look();
    if (!client.isUp) {
      if (what < 12) client.connect();
    } else if (what < 11) client.publish(1 + world.pick(4));
    else if (what < 15) client.subscribe(world.any(client.index < 3 ? [...FILTERS, ...GROUPS] : FILTERS)!);
    else if (what < 16) client.unsubscribe();
    else if (what < 17) client.connect();
    else if (what < 18) client.end("lose");
    else if (what < 19) client.end("disconnect");
    client.acknowledge();
  }

  /** A broker has taken over a message: whoever has a subscription that it knows of is to get it, if its publisher is told so. */
  #published(process: ShardProcess, payload: Uint8Array): void {
    const message = this.sent.get(Number(new TextDecoder().decode(payload)));
    if (message === undefined || payload.length === 0) return;
    if (message.isWill) {
      const isCalm = message.troubles === this.troubles;
      assert(!message.isTaken || !isCalm, `the will ${message.serial} is published twice`);
      message.isTaken = true;
      return;
    }
    this.learn();
    const isFirst = !message.isTaken;
    message.isTaken = true;
    const isForGroup = /^[gh]\//.test(message.topic);
    for (const client of this.clients) {
      if (!client.wants(message.topic, process)) continue;
      if (isForGroup) message.isForGroup = true;
      else client.isToGet(message, isFirst);
    }
  }

  /** Which processes know of which subscriptions. */
  learn(): void {
    const { processes } = this.world;
    for (const client of this.clients) client.learn(processes);
  }

  /** What was granted may be relied on at once, everywhere. */
  granted(filter: string): void {
    const { world } = this;
    const others = this.clients.filter(({ isUp }) => isUp);
    const topic = filter.startsWith("$share/")
      ? `${filter.slice(7, 8)}/${world.pick(2)}`
      : TOPICS.find((topic) => matches(filter, topic));
    if (topic !== undefined) world.any(others)?.publish(1, topic);
  }

  // Faults.

  #fault(kind: number): void {
    const { world } = this;
    this.#isDarkStill &&= !world.isWhole;
    if (this.#isDarkStill) return; // what the servers have lost stands in one file alone
    const { machines, net } = world;
    const running = machines.filter(({ isRunning }) => isRunning);
    const some = world.any(running);
    const process = world.any(world.processes);
    this.faults++;
    this.note(`fault ${kind} at ${some?.name}, or shard ${process?.shard}; ${world.state}`);
    switch (kind) {
      case 0:
      case 1:
        return process?.crash();
      case 2:
        return this.#crash(some, false);
      case 3:
        return this.#crash(some, world.durability === "log" || world.pick(2) === 0);
      case 4:
      case 5: // stands still: others may take what it has, of which it knows nothing
        if (some?.isStopped === false) {
          this.#during(500 + world.pick(14_000), () => some.stop(), () => some.goOn());
        }
        return;
      case 6:
        if (some?.isConnected === true) {
          this.#during(500 + world.pick(12_000), () => some.connect(false), () => some.connect(true));
        }
        return;
      case 7:
      case 8: // from each other, not from the streams: owners of before can write
        return this.#cut(world.pick(2) === 0, false);
      case 9:
        return this.#cut(world.pick(2) === 0, true);
      case 10: { // appends whose answers do not come
        const [from, to] = world.pick(2) === 0 ? [STREAMS, some?.name] : [some?.name, STREAMS];
        if (from !== undefined && to !== undefined) {
          this.#during(200 + world.pick(9_000), () => net.cut(from, to), HEAL);
        }
        return;
      }
      case 11:
        return this.#during(
          5_000,
          () => net.faults.streamLoss = 100,
          () => net.faults.streamLoss = 0,
        );
      case 12:
        return this.#during(
          5_000,
          () => (net.faults.stalls = 5, net.faults.stallMs = 1_500),
          () => net.faults.stalls = 0,
        );
      case 13:
        for (const process of world.ready) void process.store!.checkpoint().catch(() => {});
        return;
      case 14:
        return void process?.leave();
      default:
        if (world.isWhole && !this.#isDark) this.#blackout();
    }
  }

  /** Some time later it is back, perhaps without what it had. */
  #crash(machine: Machine | undefined, isPower: boolean): void {
    const { world } = this;
    if (machine === undefined) return;
    machine.crash(isPower);
    if (!this.#isDark && world.pick(4) === 0) machine.lose();
    world.later(world.pick(12_000), () => machine.isRunning || machine.start());
  }

  #during(ms: number, begin: () => void, end: (world: ClusterWorld) => void): void {
    begin();
    this.world.later(ms, () => end(this.world));
  }

  /** One machine from the others, in one direction or in both. */
  #cut(isOneWay: boolean, isFromStreams: boolean): void {
    const { world } = this;
    const one = world.any(world.machines)!;
    const others = [
      ...world.machines.filter((other) => other !== one).map(({ name }) => name),
      ...isFromStreams ? [STREAMS] : [],
    ];
    const isOut = world.pick(2) === 0;
    this.#during(500 + world.pick(15_000), () => {
      for (const other of others) {
        if (!isOneWay || isOut) world.net.cut(one.name, other);
        if (!isOneWay || !isOut) world.net.cut(other, one.name);
      }
    }, HEAL);
  }

  /** The power of all goes: files lose what was not synced, or else the servers lose what they had acknowledged. */
  #blackout(): void {
    const { world } = this;
    this.#isDark = this.#isDarkStill = true;
    world.heal(); // whoever has the file is heard
    for (const machine of world.machines) machine.crash(true);
    if (world.durability === "replicated") {
      this.troubles++;
      for (let shard = 1; shard <= world.shards; shard++) {
        world.net.store(logStream(shard)).lose(world.pick(LOST_MAX));
      }
    }
    for (const machine of world.machines) {
      world.later(world.pick(3_000), () => machine.isRunning || machine.start());
    }
  }

  // The end.

  /** Nothing is in the way any more; waits until each shard is owned and in step with all others. */
  async #whole(): Promise<void> {
    const { world } = this;
    world.heal();
    await world.pass(WHOLE_MS, () => world.isWhole);
    this.#noErrors();
    if (!world.isWhole) throw new Error(`not whole after ${WHOLE_MS / 1_000} s: ${world.state}`);
  }

  async #calm(): Promise<void> {
    const { world, clients } = this;
    await this.#whole();
    let quietSince = world.now;
    for (let came = -1; world.now - quietSince < CALM_MS;) {
      for (const client of clients) {
        client.look();
        client.connect(true);
        client.acknowledge();
      }
      await world.pass(100);
      if (came !== this.came) quietSince = world.now;
      came = this.came;
    }
    for (const client of clients) {
      assert(client.isUp, `${client.id} cannot connect`);
      assertEquals(client.unacknowledged, [], `what ${client.id} has sent is not acknowledged`);
    }
    const open = world.ready.reduce((sum, { broker }) => sum + broker!.stats.connected, 0);
    assertEquals(open, clients.length, "a Client has more connections than one");
  }

  #check(): void {
    for (const client of this.clients) {
      for (const message of client.due) {
        if (!message.isAcknowledged) continue;
        assert(
          client.got.has(message.serial),
          `${client.id} never got ${message.serial} of ${message.topic}, QoS ${message.qos}, from ${message.by.id}`,
        );
      }
    }
    for (const { isForGroup, isAcknowledged, copies, serial, topic } of this.sent.values()) {
      if (isForGroup && isAcknowledged) assert(copies > 0, `no member got ${serial} of ${topic}`);
    }
  }

  /** All shards have the same retained messages, none older than the last that was acknowledged. */
  async #checkRetained(): Promise<void> {
    const { world } = this;
    const found: string[][] = [];
    for (let place = 0; place < world.shards; place++) {
      const reader = new SimulatedClient(this, 100 + place, idOf(place, world.shards, "reader"));
      for (let tries = 0; tries < 20 && !reader.isUp; tries++) { // a shard may be given to another one now
        reader.connect(true);
        await world.pass(1_000);
      }
      assert(reader.isUp, "the reader cannot connect");
      reader.subscribe("r/#");
      for (let i = 0; i < 20; i++) {
        await world.pass(200);
        reader.acknowledge();
      }
      found.push(reader.retained.sort());
      reader.end("disconnect", true);
      await world.pass(1_000);
    }
    for (const one of found) assertEquals(one, found[0], "retained messages");
    for (const client of this.clients) {
      const last = client.lastRetained;
      if (last === undefined) continue;
      const kept = Number(found[0]!.find((one) => one.startsWith(`r/${client.index} `))?.split(" ")[1] ?? 0);
      assert(kept >= last.serial, `r/${client.index} has ${kept}, and ${last.serial} was acknowledged`);
    }
  }

  /** All go for good, and nothing is left. */
  async #empty(): Promise<void> {
    const { world } = this;
    for (let tries = 0; tries < 60 && this.clients.some(({ isUp }) => !isUp); tries++) { // a shard was given to another machine
      for (const client of this.clients) client.connect(true);
      await world.pass(1_000);
    }
    for (const client of this.clients) client.end("disconnect", true);
    await world.pass(30_000);
    for (const { broker, nodes, shard } of world.ready) {
      const { connections, sessions, subscriptions, sharedSubscriptions, queuedMessages, deadlines } =
        broker!.stats;
      assertEquals(
        [connections, sessions, subscriptions, sharedSubscriptions, queuedMessages, deadlines],
        [0, 0, 0, 0, 0, 0],
        `what is left at shard ${shard}`,
      );
      assertEquals(nodes!.waiting, 0, `what waits at shard ${shard}`);
      for (const { routes, outstanding } of nodes!.stats) {
        assertEquals([routes, outstanding], [0, 0], `of others at shard ${shard}`);
      }
    }
  }
}

const HEAL = (world: ClusterWorld): void => world.net.heal();
/** What a broker says of a store that cannot write at present, or has another owner. */
const EXPECTED = /log of the shard|has another owner/;

/** A Client with a session that outlives its connections. */
class SimulatedClient {
  readonly id: string;
  readonly index: number;
  /** Messages that are to come. */
  readonly due: Set<Sent> = new Set();
  /** Of these, those that it was to get when they were sent for the first time: who subscribes in between may get the others late. */
  readonly #ordered: Set<Sent> = new Set();
  /** Messages that have come, and how often. */
  readonly got: Map<number, number> = new Map();
  readonly retained: string[] = [];
  lastRetained: Sent | undefined;
  readonly #simulation: Simulation;
  readonly #subscriptions: Map<string, Subscription> = new Map();
  readonly #outgoing: Map<number, Outgoing> = new Map();
  readonly #incoming: Set<number> = new Set();
  /** The last serial that came, by publisher, topic and QoS. */
  readonly #last: Map<string, number> = new Map();
  #connection: Connection | undefined;
  /** A CONNACK has come: the session is there for good. */
  #hasSession = false;
  #nextId = 0;

  constructor(simulation: Simulation, index: number, id: string = `c${index}`) {
    this.#simulation = simulation;
    this.index = index;
    this.id = id;
  }

  get isUp(): boolean {
    return this.#connection?.isUp === true;
  }

  isToGet(message: Sent, isFirst: boolean): void {
    this.due.add(message);
    if (isFirst) this.#ordered.add(message);
  }

  get unacknowledged(): number[] {
    return [...this.#outgoing.values()].map(({ message }) => message.serial);
  }

  /** Loses patience with a server that does not answer. */
  look(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const isWaiting = !connection.isUp || connection.asked.size > 0 || this.#outgoing.size > 0;
    if (isWaiting && this.#now - connection.heardAt > PATIENCE_MS) this.end("lose");
  }

  get #now(): number {
    return this.#simulation.world.now;
  }

  /** Connects to some shard; with `isIdle` only if it has no connection. */
  connect(isIdle: boolean = false): void {
    const { world } = this.#simulation;
    if (isIdle && this.#connection !== undefined) return;
    const process = world.any(world.processes.filter(({ isReady }) => isReady));
    if (process === undefined) return;
    this.#connection = undefined; // the Server ends the one before
    const transport = process.connect();
    const will = !isIdle && world.pick(4) === 0
      ? this.#message(`w/${this.index}`, 2, false, true)
      : undefined;
    const connection: Connection = {
      transport,
      process,
      since: this.#now,
      will,
      asked: new Map(),
      isUp: false,
      isOver: false,
      heardAt: this.#now,
      owed: [],
    };
    this.#connection = connection;
    const deframer = new Deframer(Infinity);
    transport.start({
      received: (chunk) =>
        void deframer.receive(chunk, {
          frame: (bytes, at, _body, end): boolean => {
            this.#received(connection, decodePacket(bytes.slice(at, end), 5));
            return true;
          },
        }),
      drained() {},
      closed: () => {
        connection.isOver = true;
        if (this.#connection === connection) this.#connection = undefined;
      },
    });
    this.#write(connection, {
      type: PacketType.CONNECT,
      level: 5,
      cleanStart: false,
      keepAlive: 0,
      clientId: this.id,
      properties: { sessionExpiryInterval: KEPT_SECONDS, receiveMaximum: 1 + world.pick(20) },
      ...will && { will: { topic: will.topic, payload: payloadOf(will), qos: will.qos, retain: false } },
    });
  }

  end(how: "lose" | "disconnect", isForGood: boolean = false): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    if (how === "lose" || !connection.isUp) return connection.transport.abort();
    this.#write(connection, {
      type: PacketType.DISCONNECT,
      reasonCode: 0,
      ...isForGood && { properties: { sessionExpiryInterval: 0 } },
    });
    connection.transport.close();
  }

  #write(connection: Connection, packet: Packet): void {
    const { process: { shard, machine } } = connection;
    if (this.#simulation.trace !== undefined) {
      this.#simulation.note(`${this.id} > shard ${shard} at ${machine.name} ${shown(packet)}`);
    }
    const bytes = encodePacket(packet, 5);
    if (!connection.isOver) assertEquals(connection.transport.write(bytes), bytes.length);
  }

  #received(connection: Connection, packet: Packet): void {
    if (connection.isOver || connection !== this.#connection && packet.type !== PUBLISH) return;
    if (connection !== this.#connection) return; // it has left: nothing that comes counts
    connection.heardAt = this.#now;
    this.#simulation.came++;
    if (this.#simulation.trace !== undefined) this.#simulation.note(`${this.id} < ${shown(packet)}`);
    switch (packet.type) {
      case CONNACK:
        return this.#connected(connection, packet);
      case SUBACK: {
        const filter = connection.asked.get(packet.packetId)!;
        connection.asked.delete(packet.packetId);
        const subscription = this.#subscriptions.get(filter);
        if (packet.reasonCodes[0]! >= 0x80) return void this.#subscriptions.delete(filter);
        if (subscription !== undefined) subscription.isGranted = true;
        this.#simulation.learn();
        return this.#simulation.granted(filter);
      }
      case PacketType.UNSUBACK:
        return void connection.asked.delete(packet.packetId);
      case PUBLISH:
        return this.#publish(connection, packet);
      case PUBREL:
        this.#incoming.delete(packet.packetId);
        return void connection.owed.push({ type: PUBCOMP, packetId: packet.packetId, reasonCode: 0 });
      case PUBACK:
      case PUBREC:
      case PUBCOMP:
        return this.#acknowledged(connection, packet.type, packet.packetId, packet.reasonCode);
    }
  }

  #connected(connection: Connection, { reasonCode, sessionPresent }: Connack): void {
    if (reasonCode !== 0) return; // at present it cannot be
    if (this.#hasSession) assert(sessionPresent, `the session of ${this.id} is lost`);
    this.#hasSession = true;
    connection.isUp = true;
    for (const [packetId, { message, isReleased }] of this.#outgoing) { // [MQTT-4.4.0-1] [MQTT-4.6.0-1]
      if (isReleased) this.#write(connection, { type: PUBREL, packetId, reasonCode: 0 });
      else this.#write(connection, this.#packetOf(message, packetId, true));
    }
  }

  #acknowledged(connection: Connection, type: number, packetId: number, reasonCode: number): void {
    const exchange = this.#outgoing.get(packetId);
    if (exchange === undefined) {
      throw new Error(`${this.id} is told of ${packetId}, which it has not sent`);
    }
    const { message } = exchange;
    if (reasonCode >= 0x80 && type !== PUBCOMP) return void this.#outgoing.delete(packetId);
    if (type === PUBREC) {
      exchange.isReleased = true;
      connection.owed.push({ type: PUBREL, packetId, reasonCode: 0 });
    } else this.#outgoing.delete(packetId);
    message.isAcknowledged = true;
    if (message.retain && message.serial > (this.lastRetained?.serial ?? 0)) this.lastRetained = message;
  }

  #publish(connection: Connection, { topic, qos, retain, packetId = 0, payload }: Publish): void {
    const simulation = this.#simulation;
    if (qos === 1) connection.owed.push({ type: PUBACK, packetId, reasonCode: 0 });
    if (qos === 2) {
      connection.owed.push({ type: PUBREC, packetId, reasonCode: 0 });
      if (this.#incoming.has(packetId)) return;
      this.#incoming.add(packetId);
    }
    const serial = Number(new TextDecoder().decode(payload));
    if (retain) return void this.retained.push(`${topic} ${serial}`);
    const message = simulation.sent.get(serial);
    assert(message !== undefined, `${this.id} gets ${topic}, which was never sent`);
    message.copies++;
    const before = this.got.get(serial) ?? 0;
    this.got.set(serial, before + 1);
    const isGroup = /^[gh]\//.test(topic);
    // §4.3.3 [MQTT-4.3.3-10] Whoever has both sides sees it once, as long as no process ends.
    const isCalm = message.troubles === simulation.troubles;
    if (isCalm && qos === 2) {
      assertEquals(before, 0, `${this.id} gets ${serial} of ${topic} twice, QoS ${qos}`);
    }
    if (isGroup || message.isWill || !this.#ordered.has(message)) return;
    const key = `${message.by.id} ${topic} ${message.qos}`;
    const last = this.#last.get(key) ?? 0;
    if (before === 0) {
      assert(serial > last, `${this.id} gets ${serial} of ${topic} from ${message.by.id} behind ${last}`);
      this.#last.set(key, serial);
    }
  }

  /** Sends some of what it owes. */
  acknowledge(): void {
    const connection = this.#connection;
    if (connection?.isUp !== true) return;
    for (const packet of connection.owed.splice(0)) this.#write(connection, packet);
  }

  #message(topic: string, qos: QoS, retain: boolean, isWill: boolean): Sent {
    const simulation = this.#simulation;
    const serial = simulation.sent.size + 1;
    const message: Sent = {
      serial,
      topic,
      qos,
      retain,
      by: this,
      isWill,
      troubles: simulation.troubles,
      isAcknowledged: false,
      isTaken: false,
      isForGroup: false,
      copies: 0,
    };
    simulation.sent.set(serial, message);
    return message;
  }

  publish(count: number, first?: string): void {
    const { world } = this.#simulation;
    const connection = this.#connection;
    if (connection?.isUp !== true) return;
    for (let i = 0; i < count && this.#outgoing.size < UNACKNOWLEDGED_MAX; i++) {
      const topic = first ??
        world.any([...TOPICS, ...TOPICS, `r/${this.index}`, `g/${world.pick(2)}`, `h/${world.pick(2)}`])!;
      const isRetained = topic.startsWith("r/");
      // Of one QoS: what is sent again at QoS 1 may come behind a later message of QoS 2.
      const qos = (1 + (isRetained ? this.index : world.pick(3)) % 2) as QoS;
      const message = this.#message(topic, qos, isRetained, false);
      do this.#nextId = this.#nextId % 50 + 1; while (this.#outgoing.has(this.#nextId)); // [MQTT-2.2.1-3]
      this.#outgoing.set(this.#nextId, { message, isReleased: false });
      this.#write(connection, this.#packetOf(message, this.#nextId, false));
    }
  }

  #packetOf(message: Sent, packetId: number, dup: boolean): Publish {
    const { topic, qos, retain } = message;
    return { type: PUBLISH, dup, qos, retain, topic, packetId, payload: payloadOf(message) };
  }

  /** A subscription of which this process knows matches. */
  wants(topic: string, process: ShardProcess): boolean {
    return [...this.#subscriptions].some(([filter, { isGranted, known }]) =>
      isGranted && known.has(process) && matches(filter.replace(/^\$share\/.\//, ""), topic)
    );
  }

  learn(processes: readonly ShardProcess[]): void {
    const { world } = this.#simulation;
    const home = homeOf(this.id, world.shards) + 1;
    for (const { isGranted, known } of this.#subscriptions.values()) {
      if (!isGranted) continue;
      for (const own of processes) {
        if (own.shard !== home || !own.isReady || own.epoch !== world.epochOf(home)) continue;
        for (const process of processes) if (process.knows(own)) known.add(process);
      }
    }
  }

  subscribe(filter: string): void {
    const { world } = this.#simulation;
    const connection = this.#connection;
    if (connection?.isUp !== true || connection.asked.size > 3) return;
    if (this.#subscriptions.has(filter)) return;
    const qos = (1 + world.pick(2)) as QoS;
    this.#subscriptions.set(filter, { qos, isGranted: false, known: new Set() });
    const packetId = this.#askedId(connection, filter);
    const options = { filter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    this.#write(connection, { type: PacketType.SUBSCRIBE, packetId, subscriptions: [options] });
  }

  /** Of one filter, and nothing that it was to bring is expected any more. */
  unsubscribe(): void {
    const { world } = this.#simulation;
    const connection = this.#connection;
    const filter = world.any(
      [...this.#subscriptions.keys()].filter((filter) => !filter.startsWith("$share")),
    );
    if (connection?.isUp !== true || filter === undefined) return;
    this.#subscriptions.delete(filter);
    for (const message of this.due) if (matches(filter, message.topic)) this.due.delete(message);
    const packetId = this.#askedId(connection, filter);
    this.#write(connection, { type: PacketType.UNSUBSCRIBE, packetId, filters: [filter] });
  }

  #askedId(connection: Connection, filter: string): number {
    let packetId = 1_000;
    while (connection.asked.has(packetId)) packetId++;
    connection.asked.set(packetId, filter);
    return packetId;
  }
}

function payloadOf({ serial }: Sent): Uint8Array {
  return new TextEncoder().encode(`${serial}`);
}

function shown(packet: Packet): string {
  return JSON.stringify(
    packet,
    (key, value) =>
      key === "properties"
        ? undefined
        : value instanceof Uint8Array
        ? new TextDecoder().decode(value)
        : value,
  );
}
