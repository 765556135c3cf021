/**
 * Runs a broker engine: hands it the events of transports, ends each turn with one flush, and calls it at each deadline.
 * Knows transports and the event loop; refuses to know MQTT.
 * @module
 */
import type { Broker, Connection, Policy, Question } from "../broker/mod.ts";
import type { Cancel, Loop } from "../runtime/loop.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";

/**
 * A timer that comes later than this says that the process stood still: stopped, starved, or in a virtual machine that
 * was. The bytes that Clients have sent meanwhile are read first, or all Clients would count as silent.
 */
const LATE_MS = 250;
/** `#armedFor` during that time: no deadline is earlier, so the timer is left alone. */
const CATCHING_UP = -Infinity;

/** Is told of turns and questions, to see how long they take. */
export interface DriverMeter {
  /** Bytes have come, and nothing is to be written yet; `received` is `Broker.received`. */
  turnBegins(received: number): void;
  /** All that is to be written now is written. */
  turnEnds(received: number): void;
  /** A question is handed out; what it returns is handed in with the answer. */
  asked(): number;
  /** It is answered, with or without an error. */
  answered(kind: Question["kind"], askedAt: number): void;
}

/** The loop around one broker. */
export class Driver {
  /** The engine. Calls that change something go through `run()`. */
  readonly broker: Broker;
  /** Undefined while nothing is measured. */
  meter: DriverMeter | undefined;
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
  /** Looks at every socket that were asked for since the present one began, if one is under way. */
  #looks: Question[] = [];
  #isLooking = false;
  /** Commits that take their time. */
  #commits = 0;
  #closed: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;

  /** Begins at once: deadlines that passed while nothing ran come first. */
  constructor(broker: Broker, loop: Loop) {
    this.broker = broker;
    this.#loop = loop;
    this.#after();
  }

  /** A new connection, under the policy of its listener; `over` is called when its transport is over. */
  accept(transport: Transport, peer: PeerInfo, policy?: Policy, over?: (now: number) => void): Connection {
    const connection = this.broker.opened(transport, peer, this.#loop.now(), policy);
    transport.start(new Link(this, transport, connection, over));
    this.#after();
    return connection;
  }

  /**
   * A link to another node; `over` is called when its transport is over.
   * @throws {UsageError} if there is no such node; then the transport is as it was.
   */
  link(transport: Transport, node: string, incarnation: string, over?: (now: number) => void): void {
    const connection = this.broker.linked(transport, this.#loop.now());
    transport.start(new Link(this, transport, connection, over));
    this.run((broker, now) => broker.join(connection, node, incarnation, now));
  }

  /** Calls `action` with the broker and the time, then ends the turn: every call of the owner goes through here. */
  run<T>(action: (broker: Broker, now: number) => T): T {
    try {
      return action(this.broker, this.#loop.now());
    } finally {
      this.#after();
    }
  }

  /** Sends every Client DISCONNECT (0x8B); resolves when all connections are over and all facts are safe. */
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

  /** For the links: calls `input` with the time, then ends the turn. */
  input(transport: Transport, input: (now: number) => void): void {
    try {
      input(this.#loop.now());
    } catch (error) {
      // The engine does not throw; if it does, one connection ends and not the process.
      this.broker.failed(error);
      transport.abort();
    }
    this.#after();
  }

  /** The hottest input, without a closure for each chunk. */
  received(transport: Transport, connection: Connection, chunk: Uint8Array): void {
    if (this.meter !== undefined && !this.#ending) this.meter.turnBegins(this.broker.received);
    try {
      connection.received(chunk, this.#loop.now());
    } catch (error) {
      this.broker.failed(error);
      transport.abort();
    }
    this.#after();
  }

  #after(): void {
    if (!this.#ending) this.#flushSoon();
    if (this.broker.nextDeadline() < this.#armedFor) this.#arm();
    if (this.#onClosed !== undefined && !this.#ending) this.#endTurnSoon();
  }

  #endTurnSoon(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#loop.endOfTurn(this.#turn);
  }

  #flushSoon(): void {
    const { work } = this.broker;
    if (work === "soon") return this.#endTurnSoon();
    if (work === "none" || this.#goingOn) return;
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
      for (const question of broker.flush(this.#loop.now())) this.#await(question);
    } catch (error) {
      broker.failed(error);
    }
    this.meter?.turnEnds(broker.received);
    if (broker.work !== "none") this.#flushSoon();
    else if (this.#onClosed !== undefined && broker.connections === 0 && this.#commits === 0) {
      return this.#onClosed(); // nothing falls due any more
    }
    if (broker.nextDeadline() < this.#armedFor) this.#arm();
  };

  /** Hands in the answer when it is there. An owner's promise may be none of the language's: the first answer counts. */
  #await(question: Question): void {
    const { broker } = this;
    if (question.kind === "look") {
      this.#looks.push(question);
      return this.#look();
    }
    const commits = question.kind === "commit" ? 1 : 0;
    this.#commits += commits;
    const askedAt = this.meter?.asked();
    let isAnswered = false;
    const ended = (input: (now: number) => void) => {
      if (isAnswered) return;
      isAnswered = true;
      this.#commits -= commits;
      if (askedAt !== undefined) this.meter?.answered(question.kind, askedAt);
      try {
        input(this.#loop.now());
      } catch (error) {
        broker.failed(error);
      }
      this.#endTurnSoon();
    };
    const rejected = (error: unknown) => ended((now) => broker.rejected(question, error, now));
    try {
      question.later.then((answer) => ended((now) => broker.answered(question, answer, now)), rejected);
    } catch (error) {
      rejected(error);
    }
  }

  /** One look at a time, for all questions that were there when it began. */
  #look(): void {
    if (this.#isLooking || this.#looks.length === 0) return;
    this.#isLooking = true;
    const questions = this.#looks.splice(0);
    this.#loop.afterLook(this.broker.connections, () => {
      this.#isLooking = false;
      for (const question of questions) this.run((broker, now) => broker.answered(question, undefined, now));
      this.#look();
    });
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
    if (this.#loop.now() - this.#tickDue <= LATE_MS) return this.#ticked();
    this.#armedFor = CATCHING_UP;
    this.#loop.afterLook(this.broker.connections, this.#ticked);
  };

  readonly #ticked = (): void => {
    this.#armedFor = Infinity;
    try {
      this.broker.ticked(this.#loop.now());
    } catch (error) {
      this.broker.failed(error);
    }
    this.#after();
  };
}

/** Hands the events of one transport to its connection. */
class Link implements TransportHandler {
  readonly #driver: Driver;
  readonly #transport: Transport;
  readonly #connection: Connection;
  readonly #over: ((now: number) => void) | undefined;

  constructor(
    driver: Driver,
    transport: Transport,
    connection: Connection,
    over: ((now: number) => void) | undefined,
  ) {
    this.#driver = driver;
    this.#transport = transport;
    this.#connection = connection;
    this.#over = over;
  }

  received(chunk: Uint8Array): void {
    this.#driver.received(this.#transport, this.#connection, chunk);
  }

  drained(): void {
    this.#driver.input(this.#transport, (now) => this.#connection.drained(now));
  }

  closed(): void {
    this.#driver.input(this.#transport, (now) => {
      this.#over?.(now);
      this.#connection.closed(now);
    });
  }
}
