/**
 * Clients that publish and read numbered messages, while a broker is ill-treated.
 * Knows what they are owed; refuses to know what is done to the broker.
 * @module
 */
import { type Client, connect, type ConnectOptions } from "../../../src/client_api/mod.ts";
import type { QoS } from "../../../src/codec/mod.ts";
import { until } from "../../../src/testing/patience.ts";
import type { Dice } from "../soak/dice.ts";
import { Duel } from "./duel.ts";
import { Ledger, type Reader, type ReaderInit } from "./ledger.ts";

/** Messages that the slowest reader may be behind: fewer than a broker keeps in a session. */
const AHEAD = 400;
/** Publications of one Client that are not acknowledged. */
const WINDOW = 20;
/** Between two messages of a Client: ms at most. */
const PAUSE_MS = 12;
const BACK: ConnectOptions = { connectTimeoutMs: Infinity, reconnect: { minMs: 5, maxMs: 100 } };
const LASTS = 86_400;
/** ms without a message from which on no more comes. */
const SILENT_MS = 60_000;
const LOOK_MS = 20;
/** Topics of one publisher with a retained message. */
const KEPT = 5;

/** Who they are, and where. */
export interface CrowdOptions {
  /** Of 127.0.0.1. */
  readonly port: number;
  readonly dice: Dice;
  /** Clients of each kind. */
  readonly width: number;
  /** The node that is home to a Client Identifier. */
  readonly home: (clientId: string) => number;
  readonly wrong: (text: string) => void;
  /** A Client is connected again; `lostAt`: since when it was not, by `performance.now()`. */
  readonly cameBack: (home: number, lostAt: number | undefined) => void;
}

/** One Client that publishes; its session may last. */
interface Writer {
  readonly client: Client;
  readonly clientId: string;
  readonly lasts: boolean;
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** See the module. */
export class Crowd {
  readonly ledger: Ledger;
  readonly duels: Duel[] = [];
  /** What must be retained: by topic the number, undefined for nothing. */
  readonly kept: Map<string, number | undefined> = new Map();
  readonly #options: CrowdOptions;
  readonly #dice: Dice;
  readonly #clients: Client[] = [];
  readonly #writers: Writer[] = [];
  readonly #writing: Promise<void>[] = [];
  #lastKept = 0;
  #isOver = false;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#dice = options.dice;
    this.ledger = new Ledger(options.wrong);
  }

  /** Connects all of them; then they publish until `end()`. */
  async begin(): Promise<void> {
    const { width, port } = this.#options;
    for (let i = 1; i <= width; i++) await this.#read(`reader-${i}`, i % 2 === 0 ? 1 : 2);
    await this.#readTogether("first", 2, Math.max(2, width - 1));
    await this.#readTogether("second", 1, 2);
    for (let i = 1; i <= width; i++) await this.#writer(`writer-${i}`, true);
    for (let i = 1; i <= Math.ceil(width / 2); i++) await this.#writer(`passing-${i}`, false);
    for (let i = 1; i <= 4; i++) this.duels.push(new Duel(`duel-${i}`, port, i % 2 === 0));
    for (const duel of this.duels) duel.start();
  }

  /** They publish no more; resolves when all is acknowledged. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#writing, ...this.duels.map((duel) => duel.end())]);
  }

  /** Ends their connections. */
  async close(): Promise<void> {
    this.#isOver = true;
    for (const duel of this.duels) duel.close();
    await Promise.all(this.#clients.map((client) => client.close({ timeoutMs: 0 })));
  }

  /** How far it is, in words. */
  get state(): string {
    const { open, ahead, tally: { acknowledged, delivered } } = this.ledger;
    const away = this.#clients.filter(({ status }) => status !== "connected").map(({ clientId }) => clientId);
    return `${acknowledged} acknowledged, ${delivered} delivered, ${open} open, the slowest reader ${ahead} behind, ` +
      `away: ${away.join(" ") || "nobody"}`;
  }

  /** What must be retained, as `topic number`, in order. */
  get retained(): string[] {
    return [...this.kept].filter(([, number]) => number !== undefined)
      .map(([topic, number]) => `${topic} ${number}`).sort();
  }

  async #client(clientId: string, lasts: boolean): Promise<Client> {
    const client = await connect(`mqtt://127.0.0.1:${this.#options.port}`, {
      ...BACK,
      clientId,
      cleanStart: !lasts,
      sessionExpiry: lasts ? LASTS : 0,
      level: 5,
    });
    this.#clients.push(client);
    const home = this.#options.home(clientId);
    let lostAt: number | undefined;
    client.on("disconnected", () => lostAt ??= performance.now());
    client.on("connected", ({ sessionPresent }) => {
      if (lasts && !sessionPresent) this.#options.wrong(`the session of ${clientId} was lost`);
      this.#options.cameBack(home, lostAt);
      lostAt = undefined;
    });
    return client;
  }

  async #read(clientId: string, qos: 1 | 2): Promise<void> {
    const init = { name: clientId, qos, homes: [this.#options.home(clientId)], isGroup: false };
    await this.#readFrom(clientId, "line/#", init);
  }

  async #readTogether(group: string, qos: 1 | 2, members: number): Promise<void> {
    const ids = Array.from({ length: members }, (_, i) => `${group}-${i + 1}`);
    const homes = ids.map((id) => this.#options.home(id));
    const reader = this.ledger.reader({ name: `group ${group}`, qos, homes, isGroup: true });
    for (const id of ids) await this.#readFrom(id, `$share/${group}/line/#`, reader, reader);
  }

  async #readFrom(clientId: string, filter: string, init: ReaderInit, known?: Reader): Promise<void> {
    const reader = known ?? this.ledger.reader(init);
    const client = await this.#client(clientId, true);
    const subscription = await client.subscribe(filter, { qos: init.qos, ack: "receipt" });
    void (async () => {
      for await (const { topic, bytes } of subscription) {
        this.ledger.delivered(reader, topic, Number(new TextDecoder().decode(bytes)));
      }
    })().catch((error) => this.#options.wrong(`${clientId} cannot read on: ${error}`));
  }

  async #writer(clientId: string, lasts: boolean): Promise<void> {
    const client = await this.#client(clientId, lasts);
    const writer = { client, clientId, lasts };
    this.#writers.push(writer);
    for (const qos of [0, 1, 2] as const) {
      if (lasts || qos < 2) {
        this.ledger.line(`line/${clientId}/${qos}`, qos, lasts ? this.#options.home(clientId) : undefined);
      }
    }
    this.#writing.push(this.#write(writer));
  }

  async #write(writer: Writer): Promise<void> {
    const open = new Set<Promise<unknown>>();
    while (!this.#isOver) {
      if (open.size < WINDOW && this.ledger.ahead < AHEAD) {
        const sent: Promise<unknown> = this.#one(writer).finally(() => open.delete(sent));
        open.add(sent);
      }
      await pause(this.#dice.below(PAUSE_MS));
    }
    await Promise.all(open);
  }

  /** Some messages of each publisher. */
  async some(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.all(this.#writers.map((writer) => this.#one(writer)));
  }

  async #one({ client, clientId, lasts }: Writer): Promise<void> {
    const dice = this.#dice;
    if (dice.chance(10)) return await this.#keep(client, `kept/${clientId}/${dice.below(KEPT)}`);
    const qos = dice.below(lasts ? 3 : 2) as QoS;
    const topic = `line/${clientId}/${qos}`;
    if (qos === 0 && client.status !== "connected") return;
    const number = this.ledger.publish(topic);
    try {
      await client.publish(topic, `${number}`, { qos });
      if (qos > 0) this.ledger.acknowledged(topic, number);
    } catch (error) {
      if (qos === 0) return;
      this.ledger.givenUp(topic, number);
      this.#options.wrong(`${clientId} cannot publish ${number} on ${topic}: ${error}`);
    }
  }

  /** Retains a message, or has nothing retained. */
  async #keep(client: Client, topic: string): Promise<void> {
    const number = this.#dice.chance(20) ? undefined : ++this.#lastKept;
    this.kept.set(topic, number);
    try {
      await client.publish(topic, number === undefined ? "" : `${number}`, { qos: 1, retain: true });
    } catch (error) {
      this.#options.wrong(`${topic} cannot be retained: ${error}`);
    }
  }

  /** Waits until all is acknowledged and delivered, or nothing more comes. */
  async settle(when: string): Promise<void> {
    const ledger = this.ledger;
    let [seen, since] = [-1, 0];
    while (!ledger.isComplete) {
      const { acknowledged, delivered } = ledger.tally;
      if (acknowledged + delivered > seen) [seen, since] = [acknowledged + delivered, performance.now()];
      if (performance.now() - since > SILENT_MS) {
        return ledger.missing.forEach((text) => this.#options.wrong(`${when}: ${text}`));
      }
      await pause(LOOK_MS);
    }
  }

  /** Of each Client Identifier that was fought for one connection lives. */
  async seeOneOfEach(): Promise<void> {
    for (const duel of this.duels) {
      await until(() => duel.living <= 1, () => `${duel.living} connections of ${duel.name} live`)
        .catch((error) => this.#options.wrong(error.message));
    }
  }
}
