/**
 * Questions to a service by HTTP: few at a time, tried again, and not asked for a while when it does not answer.
 * Knows requests and failures; refuses to know what is asked.
 * @module
 */
import { setTimeout } from "node:timers/promises";
import { fetchBounded, type Fetched } from "./fetch.ts";
import type { LoginEvents } from "./link.ts";
import { LimitEvents } from "./once_a_minute.ts";
import { type NumberRow, numbersOf } from "./options.ts";

/** The name of a number of a hook. */
export type HookNumber =
  | "timeoutMs"
  | "retries"
  | "requestsMax"
  | "requestsWaitingMax"
  | "failuresMax"
  | "pauseMs";

/** The numbers of a hook. */
export const HOOK_NUMBERS: Readonly<Record<HookNumber, NumberRow>> = {
  timeoutMs: {
    default: 2_000,
    least: 10,
    most: 60_000,
    unit: "ms",
    about: "longest time of one try to ask a login service",
  },
  retries: {
    default: 1,
    least: 0,
    most: 10,
    unit: "tries",
    about: "further tries to ask a login service, after no answer or a status of 500 and above",
  },
  requestsMax: {
    default: 64,
    least: 1,
    most: 10_000,
    unit: "requests",
    about: "questions to a login service at a time; others wait",
  },
  requestsWaitingMax: {
    default: 1_000,
    least: 0,
    most: 1_000_000,
    unit: "requests",
    about: "questions to a login service that wait for their turn; above it 0x89",
  },
  failuresMax: {
    default: 5,
    least: 1,
    most: 1_000,
    unit: "failures",
    about:
      "questions in a row without an answer, after which a login service is not asked for a while: Clients are refused at once",
  },
  pauseMs: {
    default: 5_000,
    least: 10,
    most: 3_600_000,
    unit: "ms",
    about: "how long it is not asked then; after that one question tries whether it answers again",
  },
};

/** How a service is asked. */
export interface HookOptions extends Partial<Readonly<Record<HookNumber, number>>> {
  /** Sent with every request; the place of a secret that the service knows the broker by. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Is told of what an owner wants to know. */
  readonly onEvent?: LoginEvents;
  /** ms, for tests. */
  readonly clock?: () => number;
}

/** The service gives no answer: the Client is refused (0x88). */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** So many questions wait that this one is not asked (0x89). */
export class TooMany extends Error {
  override readonly name = "TooMany";
}

const BYTES_MAX = 64 * 1024;
const RETRY_MS = 50;

/** A service at one or more URLs, which fails as one. */
export class Hook {
  readonly #numbers: ReturnType<typeof numbersOf<HookNumber>>;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #onEvent: LoginEvents;
  readonly #clock: () => number;
  readonly #limits: LimitEvents;
  readonly #waiting: (() => void)[] = [];
  #asking = 0;
  #failures = 0;
  #closedUntil = -Infinity;

  constructor(
    { headers = {}, onEvent = () => {}, clock = () => performance.now(), ...numbers }: HookOptions = {},
  ) {
    this.#numbers = numbersOf(HOOK_NUMBERS, numbers);
    this.#headers = headers;
    this.#onEvent = onEvent;
    this.#limits = new LimitEvents(onEvent);
    this.#clock = clock;
  }

  /**
   * Asks; an answer has a status below 500.
   * @throws {NoAnswer}
   * @throws {TooMany}
   */
  async ask(url: string, contentType: string, body: string, method = "POST"): Promise<Fetched> {
    await this.#place();
    try {
      return await this.#tries(url, contentType, body, method);
    } finally {
      this.#asking--;
      this.#waiting.shift()?.();
    }
  }

  async #place(): Promise<void> {
    const { requestsMax, requestsWaitingMax } = this.#numbers;
    if (this.#asking >= requestsMax) {
      if (this.#waiting.length >= requestsWaitingMax) {
        this.#limits.reached("requestsWaitingMax");
        throw new TooMany("too many requests wait");
      }
      await new Promise<void>((go) => this.#waiting.push(go));
    }
    this.#asking++;
  }

  async #tries(url: string, contentType: string, body: string, method: string): Promise<Fetched> {
    const { timeoutMs, retries, failuresMax, pauseMs } = this.#numbers;
    const isOpen = this.#failures >= failuresMax;
    if (isOpen && this.#clock() < this.#closedUntil) {
      throw new NoAnswer("it did not answer before, and is asked again later");
    }
    if (isOpen) this.#closedUntil = this.#clock() + pauseMs; // this one tries, the others do not
    let why = "";
    for (let left = isOpen ? 0 : retries; left >= 0; left--) {
      try {
        const headers = { ...this.#headers, "content-type": contentType };
        const fetched = await fetchBounded(url, { method, headers, body, timeoutMs, bytesMax: BYTES_MAX });
        if (fetched.status < 500) {
          this.#answered();
          return fetched;
        }
        why = `status ${fetched.status}`;
      } catch (error) {
        why = (error as Error).message;
      }
      if (left > 0) await setTimeout(RETRY_MS);
    }
    this.#failed(url, why);
    throw new NoAnswer(why);
  }

  #answered(): void {
    if (this.#failures >= this.#numbers.failuresMax) {
      this.#onEvent({ level: "info", message: "login service answers again", fields: {} });
    }
    this.#failures = 0;
  }

  #failed(url: string, why: string): void {
    if (++this.#failures !== this.#numbers.failuresMax) return;
    this.#closedUntil = this.#clock() + this.#numbers.pauseMs;
    const { host } = new URL(url);
    const fields = { host, why, failures: this.#failures };
    this.#onEvent({ level: "error", message: "login service does not answer, Clients are refused", fields });
  }
}
