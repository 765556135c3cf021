/**
 * One Client under virtual time, whose program, network, store and Server do by chance whatever may happen, and what must hold behind it:
 * each call is settled once, QoS 2 comes once, QoS 1 is not lost, and all is in order.
 * Knows both ends and what each of them was given; refuses to know packets, which the Servers look at.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Incoming } from "../client/mod.ts";
import type { QoS } from "../codec/packet.ts";
import { type Random, seededRandom } from "../engine/random.ts";
import type { Transport } from "../transport/transport.ts";
import { AwkwardServer, type SentMessage } from "./awkward_server.ts";
import { MemoryRecords, type Outcome, Reader, Server, World } from "./client_world.ts";
import type { Effects } from "./effects.ts";
import { UnsteadyPair } from "./unsteady_pair.ts";

/** A Server of one Client whose identifier is `c`. */
export interface Peer {
  /** Takes the Server's end of a connection; undefined if that is the broker of `server`. */
  readonly script: { accept(transport: Transport): void } | undefined;
  readonly server: Server;
  /** Messages of the Client that it has accepted, in order. */
  readonly taken: readonly SentMessage[];
  /** Messages that it had for the Client. */
  readonly sent: readonly SentMessage[];
  /** Sessions that were lost. */
  readonly lost: number;
  /** Whether it may refuse what is right. */
  readonly refuses: boolean;
  /** Does something that it owes; false if there is nothing. */
  act(): boolean;
  publish(text: string, qos: QoS): void;
  loseSession(): void;
  /** From now on it refuses and ends nothing. */
  calm(): void;
}

/** Our broker. */
export class OurServer implements Peer {
  readonly script = undefined;
  readonly refuses = false;
  readonly server: Server;
  readonly taken: SentMessage[] = [];
  /** What the Client publishes comes back to it. */
  readonly sent: SentMessage[] = [];
  lost = 0;
  #isSubscribed = false;

  constructor() {
    this.server = new Server({
      hooks: {
        subscribed: (_client, filter) => {
          if (filter === "t/#") this.#isSubscribed = true;
        },
      },
    });
    this.#tap();
  }

  #tap(): void {
    this.server.broker.tap("t/#", ({ view: { bytes, payloadAt, end, qos }, publisher }) => {
      const message = { text: new TextDecoder().decode(bytes.subarray(payloadAt, end)), qos };
      if (publisher !== undefined) this.taken.push(message);
      if (this.#isSubscribed) this.sent.push(message);
    });
  }

  act(): boolean {
    return false;
  }

  publish(text: string, qos: QoS): void {
    if (!this.#isSubscribed) return;
    this.server.driver.run((broker, now) => broker.publish({ topic: "t/server", payload: text, qos }, now));
  }

  loseSession(): void {
    this.lost++;
    this.#isSubscribed = false;
    this.server.replace();
    this.#tap();
  }

  calm(): void {}
}

/** A Server that does whatever it may. */
export class OtherServer implements Peer {
  readonly script: AwkwardServer;
  readonly refuses = true;
  readonly server: Server = new Server();

  constructor(random: Random) {
    this.script = new AwkwardServer(random);
  }

  get taken(): readonly SentMessage[] {
    return this.script.taken;
  }

  get sent(): readonly SentMessage[] {
    return this.script.sent;
  }

  get lost(): number {
    return this.script.counts.lost;
  }

  act(): boolean {
    return this.script.act();
  }

  publish(text: string, qos: QoS): void {
    this.script.publish(text, qos);
  }

  loseSession(): void {
    this.script.loseSession();
  }

  calm(): void {
    this.script.isKind = true;
  }
}

interface Sent extends SentMessage {
  readonly outcome: Outcome;
  /** The process that published it. */
  readonly process: number;
  /** Its program took it back before it left. */
  isCancelled: boolean;
}

/** A message that the program has taken and is done with. */
interface Taken {
  readonly text: string;
  readonly message: Incoming;
  /** It cannot come again: the store has its identifier. */
  isSafe: boolean;
}

const STEPS = 150;

/** What one seed does. */
export class ClientRun {
  readonly peer: Peer;
  readonly #random: Random;
  /** Told what the Client does. */
  readonly #effects: Effects | undefined;
  readonly #level: 4 | 5;
  /** The same for all processes: their Server need not look for a smaller one. */
  readonly #receiveMaximum: number;
  readonly #isKept: boolean;
  readonly #hasSlowCommits: boolean;
  /** The Client is closed in the end, whatever is under way. */
  readonly #isClosed: boolean;
  #world!: World;
  #pair: UnsteadyPair | undefined;
  #reader!: Reader;
  readonly #others: { filter: string; reader: Reader; isThere: boolean }[] = [];
  readonly #sent: Sent[] = [];
  /** Of `subscribe()` and `unsubscribe()`. */
  #asked: { readonly outcome: Outcome; readonly process: number; readonly what: string }[] = [];
  /** What every process has got, in order. */
  readonly #got: string[] = [];
  /** Of the present process. */
  #taken: Taken[] = [];
  /** Messages that a process was done with, and whose acknowledgement died with it. */
  readonly #mayComeAgain: Set<string> = new Set();
  #serial = 0;
  #process = 0;
  #losses = 0;

  constructor(seed: number, makePeer: (random: Random) => Peer, effects?: Effects) {
    this.#effects = effects;
    this.#random = seededRandom(seed);
    this.peer = makePeer(this.#random);
    this.#level = this.#chance(2) ? 5 : 4;
    this.#receiveMaximum = 1 + this.#below(10);
    this.#isKept = this.#chance(2);
    this.#hasSlowCommits = this.#chance(2);
    this.#isClosed = this.#chance(5);
  }

  #below(bound: number): number {
    return this.#random() % bound;
  }

  #chance(oneIn: number): boolean {
    return this.#below(oneIn) === 0;
  }

  #begin(safe: ReadonlyMap<number, Uint8Array>): void {
    const most = [1, 3, 20, 1_000][this.#below(4)]!;
    const capacityBytes = [7, 50, Infinity][this.#below(3)]!;
    const { script, server } = this.peer;
    const records = new MemoryRecords(safe);
    records.saved = () => {
      for (const one of this.#taken) {
        if (records.safe.has(-one.message.publish.packetId!)) one.isSafe = true;
      }
    };
    this.#world = new World(server, {
      seed: this.#random(),
      ...this.#effects !== undefined && { effects: this.#effects },
      pair: () => {
        this.#pair = new UnsteadyPair(this.#random, server.loop, most, { capacityBytes });
        if (this.#chance(4)) this.#pair.cutAfter(this.#below(2) as 0 | 1, 1 + this.#below(200));
        return this.#pair;
      },
      ...script !== undefined && { script },
      ...this.#isKept && { records, slowCommits: this.#hasSlowCommits },
      engine: {
        clientId: "c",
        cleanStart: false,
        level: this.#level,
        patienceMs: 36_000_000,
        topicAliasMaximum: this.#below(3),
        receiveMaximum: this.#receiveMaximum,
        limits: {
          inFlightMax: 1 + this.#below(5),
          outboundBytesMax: 100,
          closeTimeoutMs: 1_000,
          strayMs: 3_600_000,
          stableMs: this.#below(2) * 1_000,
        },
      },
    });
    this.#reader = new Reader(false, this.#effects);
    this.#others.length = 0;
    this.#taken = [];
    this.#world.engine.start(this.#world.now);
    this.#ask("subscribe t/#", this.#world.subscribe({ filter: "t/#", qos: 2 }, this.#reader));
  }

  #ask(what: string, outcome: Outcome): void {
    this.#asked.push({ what, outcome, process: this.#process });
  }

  /** The program takes some of what has come, in its order, and is done with it. */
  #take(most: number): void {
    for (const { got } = this.#reader; most > 0 && this.#taken.length < got.length; most--) {
      const message = got[this.#taken.length]!;
      const text = new TextDecoder().decode(message.publish.payload);
      this.#got.push(text);
      this.#taken.push({ text, message, isSafe: message.publish.qos < 2 });
      message.done();
    }
  }

  #publish(): void {
    const qos = this.#below(3) as QoS;
    const serial = this.#serial++;
    const text = `${serial}${this.#chance(8) ? "-".repeat(200) : ""}`;
    const offline = (["fail", "queue", "drop"] as const)[qos > 0 ? 1 : this.#below(3)]!;
    const topic = `t/topic/${serial % 3}`;
    const last = this.#sent.at(-1);
    const joined = qos === 0 && last?.qos === 0 && this.#world.join(last.outcome, topic, text)
      ? last.outcome
      : undefined;
    const outcome = joined ?? this.#world.publish({ topic, payload: text, qos, offline });
    this.#sent.push({ text, qos, outcome, process: this.#process, isCancelled: false });
  }

  /** Another subscription, or the end of one. */
  #subscribe(): void {
    const there = this.#others[this.#below(3)];
    if (there === undefined) {
      const other = { filter: `u/${this.#below(2)}`, reader: new Reader(true, this.#effects), isThere: true };
      this.#others.push(other);
      this.#ask(
        `subscribe ${other.filter}`,
        this.#world.subscribe({ filter: other.filter, qos: 1 }, other.reader),
      );
    } else if (there.isThere) {
      there.isThere = false;
      this.#ask(`unsubscribe ${there.filter}`, this.#world.unsubscribe(there.filter, there.reader));
    } else this.#others.splice(this.#others.indexOf(there), 1);
  }

  #cancel(): void {
    const one = this.#sent[this.#sent.length - 1 - this.#below(8)];
    if (one === undefined || one.process !== this.#process || one.outcome.times > 0) return;
    const publication = one.outcome.publication!;
    one.isCancelled = this.#world.engine.outbound.cancel(publication);
    publication.failed("cancelled");
  }

  #die(): void {
    this.#world.die();
    for (const { text, isSafe } of this.#taken) if (!isSafe) this.#mayComeAgain.add(text);
    this.#losses += this.#world.losses.length;
    this.#process++;
    this.#begin(this.#world.records!.safe);
  }

  /** One thing happens. */
  #act(): void {
    switch (this.#below(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return this.#publish();
      case 5:
      case 6:
        return this.peer.publish(`s${this.#serial++}`, this.#below(3) as QoS);
      case 7:
      case 8:
        return this.#take(1 + this.#below(5));
      case 9:
        return this.#world.cut();
      case 10:
        return this.#world.advance(this.#below(this.#chance(8) ? 120_000 : 2_000));
      case 11:
        return this.#pair?.stall(this.#below(2) as 0 | 1, 1 + this.#below(5_000));
      case 12:
        if (this.#chance(3)) this.#pair?.lose(this.#below(2) as 0 | 1);
        return;
      case 13:
        if (this.#chance(12)) {
          this.peer.loseSession();
          this.#world.cut();
        }
        return;
      case 14:
        // Who dies before the store has forgotten a session that was lost is told later that there is one: that is another one, and
        // nothing tells them apart.
        if (this.#isKept && this.peer.lost === 0 && this.#chance(6)) this.#die();
        return;
      case 15:
        return this.#subscribe();
      case 16:
        return this.#cancel();
      case 17:
      case 18:
        if (!this.#world.isCommitting || !this.#hasSlowCommits) return;
        if (this.#chance(6)) this.#world.commitFails();
        else this.#world.commitDone();
        return;
      case 19:
        return this.#pair?.cutAfter(this.#below(2) as 0 | 1, 1 + this.#below(60));
      default:
        for (let steps = this.#below(STEPS); steps > 0; steps--) {
          const isServers = this.#chance(8) && this.peer.act();
          if (!isServers && !this.#world.step() && !this.peer.act()) return;
        }
    }
  }

  run(): void {
    this.#begin(new Map());
    for (let i = 0; i < 150; i++) this.#act();
    if (this.#isClosed) this.#close();
    else this.#quiet();
    this.#check();
  }

  /** All that can be done without time. */
  #settle(): void {
    do this.#world.settle(); while (this.peer.act() || this.#world.commitDone());
  }

  /** Nothing is lost any more, and the program takes everything. */
  #quiet(): void {
    this.peer.calm();
    const { engine } = this.#world;
    for (let i = 0; i < 80; i++) {
      this.#world.advance(5_000);
      do {
        this.#take(Infinity);
        this.#settle();
      } while (this.#taken.length < this.#reader.got.length);
      const isIdle = engine.status === "connected" && engine.outbound.isIdle;
      // A connection that carries nothing one way is found out by Keep Alive.
      if (i > 24 && isIdle) break;
    }
    this.#settle();
    assertEquals(engine.status, "connected");
    assert(engine.outbound.isIdle, "something of the Client is still under way");
  }

  #close(): void {
    const { engine } = this.#world;
    engine.close(this.#world.now, this.#below(2) * 2_000);
    for (let i = 0; i < 20; i++) {
      this.#settle();
      this.#world.advance(1_000);
    }
    assert(this.#world.closedWith !== undefined, "the Client does not close");
    const late = this.#world.publish({ topic: "t/0", payload: "late", qos: 1 });
    assertEquals(late.times, 1, "a message for a Client that is closed");
  }

  /** What must hold now. */
  #check(): void {
    for (const { what, outcome, process } of this.#asked) {
      if (process === this.#process) assertEquals(outcome.times, 1, `${what} is settled once`);
      else assert(outcome.times <= 1, `${what} is settled once`);
    }
    this.#checkOut();
    this.#checkIn();
  }

  /** Towards the Server. */
  #checkOut(): void {
    const times = timesOf(this.peer.taken.map(({ text }) => text));
    for (const { text, qos, outcome, process, isCancelled } of this.#sent) {
      const count = times.get(text) ?? 0;
      const { error } = outcome;
      const what = `message ${text} of QoS ${qos} came ${count} times, settled ${outcome.times} (${
        error ?? outcome.code
      })`;
      if (process === this.#process) assertEquals(outcome.times, 1, what);
      else assert(outcome.times <= 1, what);
      const wasDropped = qos === 0 || error === "cancelled" || this.#isClosed;
      if (isCancelled && process === this.#process && this.peer.lost === 0) assertEquals(count, 0, what);
      if (qos === 0) assert(count <= 1, what);
      if (this.peer.lost > 0) continue;
      if (qos === 2) assert(count <= 1, what);
      if (wasDropped || outcome.times === 0) continue;
      if (error === undefined) assert(count > 0, what);
      else {
        assert(this.peer.refuses, what);
        assert(qos === 1 || count === 0, what);
      }
    }
    if (this.peer.lost > 0) return;
    for (const qos of [1, 2]) { // the first time that each came
      const sent = this.#sent.filter((one) => one.qos === qos && times.has(one.text)).map(({ text }) => text);
      const taken = new Set(this.peer.taken.filter((one) => one.qos === qos).map(({ text }) => text));
      assertEquals([...taken], sent, `the order of QoS ${qos} towards the Server`);
    }
  }

  /** Towards the Client. */
  #checkIn(): void {
    const times = timesOf(this.#got);
    for (const { text, qos } of this.peer.sent) {
      const count = times.get(text) ?? 0;
      const what = `message ${text} of QoS ${qos} came to the program ${count} times`;
      if (qos === 0) assert(count <= 1, what);
      if (this.peer.lost > 0) continue;
      if (qos === 2 && !this.#mayComeAgain.has(text)) assert(count <= 1, what);
      if (qos > 0 && !this.#isClosed) assert(count > 0, what);
    }
    if (this.peer.lost > 0) return;
    for (const qos of [1, 2]) {
      const sent = this.peer.sent.filter((one) => one.qos === qos && times.has(one.text)).map(({ text }) =>
        text
      );
      const ofThis = new Set(sent);
      assertEquals(
        [...times.keys()].filter((text) => ofThis.has(text)),
        [...ofThis],
        `the order of QoS ${qos}`,
      );
    }
  }

  /** What has happened: messages that came each way, connections and sessions that were lost, processes that died. */
  get tally(): readonly number[] {
    const losses = this.#losses + this.#world.losses.length;
    return [this.peer.taken.length, this.#got.length, losses, this.peer.lost, this.#process];
  }
}

/** How often each of them is there, in the order in which they came first. */
function timesOf(texts: readonly string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const text of texts) times.set(text, (times.get(text) ?? 0) + 1);
  return times;
}
