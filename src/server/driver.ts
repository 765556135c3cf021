/**
 * Runs a broker engine: hands it what transports tell, ends each turn with one flush, and calls it when something is due.
 * Knows transports and the event loop; refuses to know MQTT.
 * @module
 */
import type { Broker, Connection } from "../broker/mod.ts";
import { type Cancel, type Loop, systemLoop } from "../runtime/loop.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";

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
  readonly #loop: Loop;
  /** `#turn` is on its way. */
  #ending = false;
  /** `#nextTurn` is on its way; another turn may come before. */
  #goingOn = false;
  /** Takes back the `#tick` that is on its way. */
  #disarm: Cancel = () => {};
  /** The deadline that it is for. */
  #armedFor = Infinity;
  /** When it is due: later than `#armedFor` if that had passed before the tick was asked for. */
  #tickDue = Infinity;
  /** A commit of the store takes its time. */
  #committing = false;
  #closed: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;

  /** Begins at once: what fell due while nothing ran is done first. */
  constructor(broker: Broker, loop: Loop = systemLoop) {
    this.broker = broker;
    this.#loop = loop;
    broker.outside = (action) => this.run((_, now) => action(now));
    this.#after();
  }

  /** A new connection. */
  accept(transport: Transport, peer: PeerInfo): Connection {
    const connection = this.broker.opened(transport, peer, this.#loop.now());
    transport.start(new Link(this, transport, connection));
    this.#after();
    return connection;
  }

  /** Does something to the broker from outside, at a time and with what follows from it: every call of the owner's goes through here. */
  run<T>(action: (broker: Broker, now: number) => T): T {
    try {
      return action(this.broker, this.#loop.now());
    } finally {
      this.#after();
    }
  }

  /** Tells every Client that the Server goes (0x8B); resolves when all connections are over and all facts are safe. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#onClosed = () => {
        this.#disarm();
        resolve();
      };
      this.broker.shutdown(this.#loop.now());
      this.#endTurnSoon();
    });
    return this.#closed;
  }

  /** For the links: does `input` with the time, and what follows from it. */
  input(transport: Transport, input: (now: number) => void): void {
    try {
      input(this.#loop.now());
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
      connection.received(chunk, this.#loop.now());
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
    this.#loop.endOfTurn(this.#turn);
  }

  #flushSoon(): void {
    if (this.broker.urgent) return this.#endTurnSoon();
    if (this.#goingOn) return;
    this.#goingOn = true;
    this.#loop.afterInput(this.#nextTurn);
  }

  readonly #nextTurn = (): void => {
    this.#goingOn = false;
    if (!this.#ending) this.#turn();
  };

  readonly #turn = (): void => {
    this.#ending = false;
    const { broker } = this;
    try {
      const commit = broker.flush(this.#loop.now());
      if (commit !== undefined) this.#await(commit);
    } catch (error) {
      broker.failed(error);
    }
    if (broker.dirty) this.#flushSoon();
    else if (this.#onClosed !== undefined && broker.connections === 0 && !this.#committing) this.#onClosed();
    if (broker.nextDeadline() < this.#armedFor) this.#arm();
  };

  /** Hands in how the commit has ended. */
  #await(commit: Promise<void>): void {
    this.#committing = true;
    const ended = (input: (now: number) => void) => {
      this.#committing = false;
      try {
        input(this.#loop.now());
      } catch (error) {
        this.broker.failed(error);
      }
      this.#endTurnSoon();
    };
    commit.then(
      () => ended((now) => this.broker.committed(now)),
      (error) => ended((now) => this.broker.commitFailed(error, now)),
    );
  }

  #arm(): void {
    this.#disarm();
    this.#armedFor = this.broker.nextDeadline();
    if (this.#armedFor !== Infinity) this.#tickAt(Math.max(this.#armedFor, this.#loop.now()));
  }

  #tickAt(ms: number): void {
    this.#tickDue = ms;
    this.#disarm = this.#loop.at(ms, this.#tick);
  }

  readonly #tick = (): void => {
    const now = this.#loop.now();
    if (this.#armedFor !== CATCHING_UP && now - this.#tickDue > LATE_MS) {
      this.#armedFor = CATCHING_UP;
      return this.#tickAt(now + CATCH_UP_MS);
    }
    this.#armedFor = Infinity;
    try {
      this.broker.ticked(now);
    } catch (error) {
      this.broker.failed(error);
    }
    this.#after();
  };
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
