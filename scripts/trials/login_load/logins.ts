/**
 * Logins with the right password, so many each second, whatever becomes of those before.
 * Knows CONNECT and what it is answered; refuses to know what else the broker does.
 * @module
 */
import { PacketType } from "../../../src/codec/mod.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { until } from "../../../src/testing/patience.ts";

/** As whom to come, and how often. */
export interface LoginRate {
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly perSecond: number;
}

const TICK_MS = 20;
/** §2.4 Server busy: too many passwords wait. */
const BUSY = 0x89;

/** Logins that go on until `end()`. */
export class Logins {
  asked = 0;
  /** Refused since too many wait. */
  busy = 0;
  /** ms from CONNECT to CONNACK, of those that were let in. */
  readonly times: number[] = [];
  /** What else became of them, by its name. */
  readonly others: Map<string, number> = new Map();
  /** Seconds in which they were asked. */
  seconds = 0;
  readonly #rate: LoginRate;
  readonly #begun = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #open = 0;

  constructor(rate: LoginRate) {
    this.#rate = rate;
    this.#timer = setInterval(() => {
      const due = (performance.now() - this.#begun) / 1000 * rate.perSecond;
      while (this.asked < due) this.#ask();
    }, TICK_MS);
  }

  #ask(): void {
    const { port, username, password } = this.#rate;
    const begun = performance.now();
    let answer = "no answer";
    this.asked++;
    this.#open++;
    const client = new RawClient(port, 5, {
      packet: (packet) => {
        if (packet.type !== PacketType.CONNACK) return;
        if (packet.reasonCode === 0) this.times.push(performance.now() - begun);
        if (packet.reasonCode === BUSY) this.busy++;
        answer = packet.reasonCode === 0 || packet.reasonCode === BUSY
          ? ""
          : `0x${packet.reasonCode.toString(16)}`;
        client.reset();
      },
      closed: () => {
        this.#open--;
        if (answer !== "") this.others.set(answer, (this.others.get(answer) ?? 0) + 1);
      },
    });
    client.send(
      connectOf(5, `login-${this.asked}`, { username, password: new TextEncoder().encode(password) }),
    );
  }

  /** Asks no more; resolves when all are decided. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.seconds = (performance.now() - this.#begun) / 1000;
    await until(() => this.#open === 0, () => `${this.#open} logins are decided`);
  }
}
