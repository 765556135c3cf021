/**
 * Two Clients that do nothing wrong, one clean and one durable, as a process of their own: each sends a QoS 1 message to
 * itself, waits until that and its PUBACK are there, and a few ms later sends the next.
 * Knows how long each took; refuses to know what else the broker has to do. Run: `healthy_child.ts HOST PORT [LOGIN]`, the last
 * as JSON. On standard input `mark` forgets the worst, `report` asks for a `HealthReport`; its end ends the process.
 * @module
 */
import { setPriority } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { PacketType } from "../../../src/codec/mod.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";

/** How one of them fares since the last `mark`. */
export interface Health {
  /** Round trips that are complete. */
  readonly done: number;
  /** The longest of them, or of the one under way if that has taken longer. */
  readonly worstMs: number;
  /** Why its connection is over, if it is. */
  readonly lost?: string;
}

/** How both fare. */
export interface HealthReport {
  readonly clean: Health;
  readonly durable: Health;
  /** The longest that this process itself stood still or had no core. */
  readonly lateMs: number;
}

/** How they log in, with TLS. */
export interface HealthyLogin {
  /** Certificates that are trusted, in PEM. */
  readonly ca: string;
  readonly username: string;
  readonly password: string;
}

/** Between two messages of one Client. */
const PAUSE_MS = 5;
const LEVEL = 5;
/** A broker that keeps nothing any more is no excuse. */
const EXPIRY_SECONDS = 3_600;

class Healthy {
  readonly #topic: string;
  readonly #client: RawClient;
  readonly #onReady: () => void;
  #began = 0;
  #messageCame = false;
  #acknowledged = false;
  #done = 0;
  #worstMs = 0;
  #lost: string | undefined;

  constructor(
    { host, port, login }: { readonly host: string; readonly port: number; readonly login?: HealthyLogin },
    name: string,
    sessionExpiryInterval: number,
    ready: () => void,
  ) {
    this.#topic = `healthy/${name}`;
    this.#onReady = ready;
    this.#client = new RawClient(
      port,
      LEVEL,
      {
        packet: (packet) => {
          switch (packet.type) {
            case PacketType.CONNACK:
              if (packet.reasonCode >= 0x80) this.#end(`CONNACK 0x${packet.reasonCode.toString(16)}`);
              return;
            case PacketType.SUBACK:
              return this.#send();
            case PacketType.PUBLISH:
              if (packet.qos > 0) {
                const { packetId } = packet as { readonly packetId: number };
                this.#client.send({ type: PacketType.PUBACK, packetId, reasonCode: 0 });
              }
              if (packet.topic === this.#topic) this.#messageCame = true;
              return this.#progress();
            case PacketType.PUBACK:
              if (packet.reasonCode >= 0x80) this.#end(`PUBACK 0x${packet.reasonCode.toString(16)}`);
              this.#acknowledged = true;
              return this.#progress();
            case PacketType.DISCONNECT:
              return this.#end(`DISCONNECT 0x${packet.reasonCode.toString(16)}`);
          }
        },
        broken: (error) => this.#end(String(error)),
        closed: () => this.#end("closed"),
      },
      host,
      login && { ca: login.ca },
    );
    const credentials = login &&
      { username: login.username, password: new TextEncoder().encode(login.password) };
    const properties = { sessionExpiryInterval };
    this.#client.send(connectOf(LEVEL, `healthy-${name}`, { properties, ...credentials }));
    const options = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = [{ filter: this.#topic, ...options }];
    this.#client.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });
  }

  #end(reason: string): void {
    this.#lost ??= reason;
    this.#onReady();
  }

  #send(): void {
    if (this.#lost !== undefined) return;
    this.#messageCame = this.#acknowledged = false;
    this.#began = performance.now();
    this.#client.send({
      type: PacketType.PUBLISH,
      dup: false,
      qos: 1,
      packetId: 1,
      retain: false,
      topic: this.#topic,
      payload: new Uint8Array(16),
    });
  }

  #progress(): void {
    if (!this.#messageCame || !this.#acknowledged || this.#began === 0) return;
    this.#worstMs = Math.max(this.#worstMs, performance.now() - this.#began);
    this.#began = 0;
    this.#done++;
    if (this.#done === 1) this.#onReady();
    setTimeout(() => this.#send(), PAUSE_MS);
  }

  mark(): void {
    this.#worstMs = 0;
    this.#done = 0;
    // What is under way counts from here.
    if (this.#began > 0) this.#began = performance.now();
  }

  get health(): Health {
    const underWayMs = this.#began > 0 && this.#lost === undefined ? performance.now() - this.#began : 0;
    return {
      done: this.#done,
      worstMs: Math.max(this.#worstMs, underWayMs),
      ...this.#lost !== undefined && { lost: this.#lost },
    };
  }
}

function main(host: string, port: number, login?: HealthyLogin): void {
  try {
    setPriority(-10); // the attackers' process may have the same core
  } catch { // not allowed: the measuring is coarser
  }
  const tell = (line: unknown): void => void process.stdout.write(JSON.stringify(line) + "\n");
  let lacking = 2;
  const healthyOne = (name: string, expiry: number): Healthy => {
    let told = false;
    return new Healthy({ host, port, ...login && { login } }, name, expiry, () => {
      if (!told && --lacking === 0) tell({ ready: true });
      told = true;
    });
  };
  const clean = healthyOne("clean", 0);
  const durable = healthyOne("durable", EXPIRY_SECONDS);

  let lateMs = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    lateMs = Math.max(lateMs, now - last - PAUSE_MS);
    last = now;
  }, PAUSE_MS);

  createInterface(process.stdin).on("line", (line) => {
    if (line === "mark") {
      clean.mark();
      durable.mark();
      lateMs = 0;
    }
    const report: HealthReport = { clean: clean.health, durable: durable.health, lateMs };
    tell({ report });
  }).on("close", () => process.exit(0));
}

if (import.meta.main) {
  const [host, port, login] = process.argv.slice(2);
  main(host!, Number(port), login === undefined ? undefined : JSON.parse(login));
}
