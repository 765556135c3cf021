/**
 * Runs a broker engine: hands it what transports tell, ends each turn with one flush, and calls it when something is due.
 * Knows transports and the event loop; refuses to know MQTT.
 * @module
 */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { Broker, Connection, PeerInfo } from "../broker/mod.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import { type Clock, wallClock } from "../runtime/clock.ts";

/** How a driver may be changed, by tests and by measurements. */
export interface DriverOptions {
  /** The default is `wallClock`. */
  readonly clock?: Clock;
  /**
   * Calls back when the sockets that were readable together have all been read. The default, `setImmediate`, does so on both
   * runtimes: a microtask on Bun comes after each single socket, a timer of 0 ms comes a millisecond late.
   */
  readonly endOfTurn?: (run: () => void) => void;
  /**
   * Calls back when every socket has had its chance, for work that takes many turns. The default is a timer of 0 ms on Deno,
   * where an immediate that follows an immediate comes before any socket is looked at: turns of 1 ms, one behind the other,
   * let a round trip of 0.2 ms take 57. On Bun it is `setImmediate`.
   */
  readonly goOn?: (run: () => void) => void;
}

/** The longest that a timer can wait. */
const WAIT_MS_MAX = 2 ** 31 - 1;
/** What falls due within this time is done together: deadlines are seconds long, and there may be one per connection. */
const WAIT_MS_MIN = 10;

/**
 * A timer that comes later than this says that the process stood still: stopped, starved, or in a virtual machine that
 * was. What Clients have sent meanwhile is read first, or all of them would be called silent.
 */
const LATE_MS = 250;
/** Time for reading that. */
const CATCH_UP_MS = 50;
/** `#armedFor` during that time: no deadline is earlier, so the timer is left alone. */
const CATCHING_UP = -Infinity;

/** The loop around one broker. */
export class Driver {
  /** What is run. Calls that change something go through `run()`. */
  readonly broker: Broker;
  readonly #clock: Clock;
  readonly #endOfTurn: (run: () => void) => void;
  readonly #goOn: (run: () => void) => void;
  /** `#turn` is on its way. */
  #ending = false;
  /** `#nextTurn` is on its way; another turn may come before. */
  #goingOn = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When `#timer` is due, or a little earlier. */
  #armedFor = Infinity;
  /** A commit of the store takes its time. */
  #committing = false;
  #closed: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;

  /** Begins at once: what fell due while nothing ran is done first. */
  constructor(broker: Broker, options: DriverOptions = {}) {
    this.broker = broker;
    this.#clock = options.clock ?? wallClock;
    this.#endOfTurn = options.endOfTurn ?? setImmediate;
    this.#goOn = options.goOn ?? options.endOfTurn ?? afterAllSockets;
    broker.outside = (action) => this.run((_, now) => action(now));
    this.#after();
  }

  /** A new connection. */
  accept(transport: Transport, peer: PeerInfo): void {
    const connection = this.broker.opened(transport, peer, this.#clock());
    transport.start(new Link(this, transport, connection));
    this.#after();
  }

  /** Does something to the broker from outside, at a time and with what follows from it: every call of the owner's goes through here. */
  run<T>(action: (broker: Broker, now: number) => T): T {
    try {
      return action(this.broker, this.#clock());
    } finally {
      this.#after();
    }
  }

  /** Tells every Client that the Server goes (0x8B); resolves when all connections are over and all facts are safe. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#onClosed = () => {
        clearTimeout(this.#timer);
        resolve();
      };
      this.broker.shutdown(this.#clock());
      this.#endTurnSoon();
    });
    return this.#closed;
  }

  /** For the links: does `input` with the time, and what follows from it. */
  input(transport: Transport, input: (now: number) => void): void {
    try {
      input(this.#clock());
    } catch (error) {
      // The engine does not throw; if it does, one connection pays and not the process.
      this.broker.failed(error);
      transport.abort();
    }
    this.#after();
  }

  /** The hottest input, without a closure for each chunk. */
  received(transport: Transport, connection: Connection, chunk: Uint8Array): void {
    try {
      connection.received(chunk, this.#clock());
    } catch (error) {
      this.broker.failed(error);
      transport.abort();
    }
    this.#after();
  }

  #after(): void {
    if (!this.#ending && this.broker.dirty) this.#flushSoon();
    if (this.broker.nextDeadline() < this.#armedFor) this.#arm();
    if (this.#onClosed !== undefined && !this.#ending) this.#endTurnSoon();
  }

  #endTurnSoon(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#endOfTurn(this.#turn);
  }

  #flushSoon(): void {
    if (this.broker.urgent) return this.#endTurnSoon();
    if (this.#goingOn) return;
    this.#goingOn = true;
    this.#goOn(this.#nextTurn);
  }

  readonly #nextTurn = (): void => {
    this.#goingOn = false;
    if (!this.#ending) this.#turn();
  };

  readonly #turn = (): void => {
    this.#ending = false;
    const { broker } = this;
    try {
      const commit = broker.flush(this.#clock());
      if (commit !== undefined) this.#await(commit);
    } catch (error) {
      broker.failed(error);
    }
    if (broker.dirty) this.#flushSoon();
    else if (this.#onClosed !== undefined && broker.connections === 0 && !this.#committing) this.#onClosed();
    if (broker.nextDeadline() < this.#armedFor) this.#arm();
  };

  #await(commit: Promise<void>): void {
    this.#committing = true;
    const { broker } = this;
    commit.then(
      () => broker.committed(this.#clock()),
      (error) => broker.commitFailed(error, this.#clock()),
    ).then(() => {
      this.#committing = false;
      this.#endTurnSoon();
    });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const deadline = this.broker.nextDeadline();
    this.#armedFor = deadline;
    if (deadline === Infinity) return;
    const waitMs = Math.min(Math.max(deadline - this.#clock(), WAIT_MS_MIN), WAIT_MS_MAX);
    this.#timer = setTimeout(this.#tick, waitMs);
  }

  readonly #tick = (): void => {
    if (this.#armedFor !== CATCHING_UP && this.#clock() - this.#armedFor > LATE_MS) {
      this.#armedFor = CATCHING_UP;
      this.#timer = setTimeout(this.#tick, CATCH_UP_MS);
      return;
    }
    this.#armedFor = Infinity;
    try {
      this.broker.ticked(this.#clock());
    } catch (error) {
      this.broker.failed(error);
    }
    this.#after();
  };
}

function afterAllSockets(run: () => void): void {
  if ("Deno" in globalThis) setTimeout(run, 0);
  else setImmediate(run);
}

/** What one transport tells, for its connection. */
class Link implements TransportHandler {
  readonly #driver: Driver;
  readonly #transport: Transport;
  readonly #connection: Connection;

  constructor(driver: Driver, transport: Transport, connection: Connection) {
    this.#driver = driver;
    this.#transport = transport;
    this.#connection = connection;
  }

  received(chunk: Uint8Array): void {
    this.#driver.received(this.#transport, this.#connection, chunk);
  }

  drained(): void {
    this.#driver.input(this.#transport, (now) => this.#connection.drained(now));
  }

  closed(): void {
    this.#driver.input(this.#transport, (now) => this.#connection.closed(now));
  }
}
