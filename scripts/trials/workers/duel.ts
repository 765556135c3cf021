/**
 * [MQTT-3.1.4-3] Two connections again and again for one Client Identifier, at whatever workers they come to: one of them lives.
 * Knows connections; refuses to know where they come to.
 * @module
 */
import { PacketType } from "../../../src/codec/mod.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";

/** Between two connections: ms. */
const PAUSE_MS = 150;
/** Without CONNACK another one is tried behind this: ms. The worker may be stopped, and the one before ends all the same. */
const ANSWER_MS = 8_000;

/** One Client Identifier that is fought for. */
export class Duel {
  /** Connections that were accepted. */
  accepted = 0;
  /** The longest that one lived beside a later one: ms. */
  overlapMs = 0;
  readonly name: string;
  readonly #port: number;
  readonly #lasts: boolean;
  readonly #open: Set<RawClient> = new Set();
  #isOver = false;
  #done: Promise<void> | undefined;

  /** `lasts`: its session outlives connections. */
  constructor(name: string, port: number, lasts: boolean) {
    this.name = name;
    this.#port = port;
    this.#lasts = lasts;
  }

  /** Connections that were accepted and live. */
  get living(): number {
    return this.#open.size;
  }

  /** Begins, until `end()`. */
  start(): void {
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#connect();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #connect(): Promise<void> {
    return new Promise((resolve) => {
      let lostAt: number | undefined;
      const raw: RawClient = new RawClient(this.#port, 5, {
        packet: (packet) => {
          if (packet.type !== PacketType.CONNACK) return;
          if (packet.reasonCode === 0) {
            this.accepted++;
            lostAt = performance.now();
            this.#overtaken(lostAt);
            this.#open.add(raw);
          }
          resolve();
        },
        closed: () => {
          this.#open.delete(raw);
          this.#ends.delete(raw);
          resolve();
        },
      });
      raw.send(connectOf(5, this.name, {
        cleanStart: !this.#lasts,
        properties: { sessionExpiryInterval: this.#lasts ? 86_400 : 0 },
      }));
      setTimeout(() => {
        if (lostAt === undefined) raw.reset();
      }, ANSWER_MS);
    });
  }

  readonly #ends: Map<RawClient, number> = new Map();

  /** From now on all others should be over. */
  #overtaken(now: number): void {
    for (const other of this.#open) {
      if (this.#ends.has(other)) continue;
      this.#ends.set(other, now);
      void other.closed().catch(() => {}).then(() => {
        this.overlapMs = Math.max(this.overlapMs, performance.now() - now);
      });
    }
  }

  /** Ends with one connection or none. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  /** Closes what lives. */
  close(): void {
    for (const raw of this.#open) raw.reset();
  }
}
