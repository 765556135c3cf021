/**
 * A turn of the engine: from one flush to the next. The one place where the present time stands.
 * Knows the work for the end of the turn; refuses to know its causes.
 *
 * The steps at the end, in this order: postponed work goes on as far as the budget reaches, connections that failed in the middle
 * of routing end, retained deliveries go on for so many steps, a commit begins, links that have bytes are written. The last two also
 * before postponed work goes on: no answer to the inputs of the turn waits for it.
 * @module
 */
import { encode } from "../codec/encode.ts";
import { Writer } from "../codec/writer.ts";
import { invariant } from "../codec/error.ts";
import { Queue } from "../delivery/queue.ts";
import { Ages } from "../engine/ages.ts";
import type { Link, LinkOwner } from "../engine/link.ts";
import { BufferPool } from "../engine/outbox.ts";
import { Timers } from "../engine/timers.ts";
import { Budget } from "./budget.ts";
import { Ledger } from "./ledger.ts";
import type { Question } from "./question.ts";
import type { Refusal } from "./refusal.ts";
import type { Session } from "./session.ts";
import { Traffic } from "./traffic.ts";

/**
 * After so many chunks their answers are written, though the turn goes on: of thousands of Clients that connect at once the
 * first does not wait for the last.
 */
const CHUNKS_MAX = 128;
/** Bytes that are written in one turn: what is over waits for the next one. Some ms of copying. */
const WRITTEN_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of new memory for one step: the system gives and clears it page by page. */
const FRESH_BYTES_PER_STEP = 16;
/** A link with no more bytes than these does not wait behind others that have many. */
const SMALL_BYTES = 64 * 1024;

/** Something that can be ended for a reason. */
export interface Endable {
  end(refusal: Refusal): void;
}

/** @internal A peer that seems silent, unless its bytes have not been read yet. */
export interface Suspect {
  /** Every socket has been looked at. */
  looked(): void;
}

/** The answer of a look for an embedder that knows none. */
const AT_ONCE = {
  then: (done?: (value: undefined) => void) => done?.(undefined),
} as unknown as Question["later"];

const NO_QUESTIONS: readonly Question[] = [];

/** The turns of one broker. */
export class Turn implements LinkOwner {
  /** For every outbox. */
  readonly pool: BufferPool = new BufferPool();
  /** The memory that is held. */
  readonly ledger: Ledger = new Ledger(this.pool);
  /** What has gone through since the start. */
  readonly traffic: Traffic = new Traffic();
  /** For packets that are encoded, one at a time. */
  readonly writer: Writer = new Writer();
  /** A Server's packets. */
  readonly encode: typeof encode = encode;
  /** For links whose bytes wait. */
  readonly makeAges = (): Ages => new Ages();
  /** Everything that falls due later. */
  readonly timers: Timers = new Timers();
  /** The work of this turn. */
  readonly budget: Budget = new Budget();
  #now = 0;
  /** Chunks received since links were written last. */
  #chunks = 0;
  #touched: Link[] = [];
  /** Links that have to wait for the next turn to be written. */
  #unwritten: Link[] = [];
  /** Bytes written in this turn. */
  #written = 0;
  #failed: { readonly target: Endable; readonly refusal: Refusal }[] = [];
  #questions: Question[] = [];
  /** Peers that seem silent since `takeQuestions()`. */
  #suspects: Suspect[] | undefined;
  /** Sessions whose retained deliveries can go on. */
  readonly #scheduled: Queue<Session> = new Queue();

  /** The time of the input that goes on: ms since the epoch. */
  get now(): number {
    return this.#now;
  }

  /** An input begins. */
  begin(now: number): void {
    this.#now = now;
  }

  /** Runs every deadline up to `now`; when the turn has done enough, the others stay due. */
  tick(now: number): void {
    this.#now = now;
    this.timers.run(now, this.#isSpent);
  }

  readonly #isSpent = (): boolean => this.budget.isTurnSpent;

  /** A link has bytes to be written at the end of the turn. */
  touched(link: Link): void {
    this.#touched.push(link);
  }

  /** A chunk has been dealt with. */
  chunkDone(): void {
    if (++this.#chunks >= CHUNKS_MAX) this.write();
  }

  /** Ends a connection at the end of the turn: for a fault that is found in the middle of routing. */
  fail(target: Endable, refusal: Refusal): void {
    this.#failed.push({ target, refusal });
  }

  /** Ends the connections for which `fail()` was called. */
  endFailed(): void {
    for (let i = 0; i < this.#failed.length; i++) this.#failed[i]!.target.end(this.#failed[i]!.refusal);
    this.#failed.length = 0;
  }

  /** Writes every link's bytes that wait for no commit, as far as the bytes of a turn reach. */
  write(): void {
    this.#chunks = 0;
    const touched = this.#unwritten.length === 0 ? this.#touched : this.#unwritten.concat(this.#touched);
    this.#touched = [];
    this.#unwritten = [];
    for (let i = 0; i < touched.length; i++) {
      if (this.mayWrite || touched[i]!.outbox.size <= SMALL_BYTES) touched[i]!.endTurn();
      else {
        touched[i]!.countOut();
        this.#unwritten.push(touched[i]!);
      }
    }
  }

  /** Whether bytes may still be written in this turn. */
  get mayWrite(): boolean {
    return this.#written < WRITTEN_BYTES_MAX;
  }

  /** So many bytes were written. */
  wrote(bytes: number): void {
    this.#written += bytes;
    this.traffic.bytesSent += bytes;
  }

  /** A packet other than PUBLISH was put into an outbox. */
  answered(): void {
    this.traffic.answersSent++;
  }

  /** Whether work is left for a later turn, or the counters of this one stand at their end. */
  get isBehind(): boolean {
    const { budget } = this;
    return this.#scheduled.length > 0 || budget.waiting > 0 || this.#unwritten.length > 0 ||
      !this.mayWrite || budget.isTurnSpent;
  }

  /** The turn is over: the next one begins with nothing done. */
  end(): void {
    this.budget.endTurn();
    this.#written = 0;
  }

  /** Something takes time: the driver is handed the question at the end of the turn. */
  ask(question: Question): void {
    question.later.catch?.(() => {}); // a promise that is rejected before the driver listens would count as unhandled
    this.#questions.push(question);
  }

  /** Has `suspect.looked()` called when every socket has been looked at: before that no peer is called silent. */
  look(suspect: Suspect): void {
    if (this.#suspects === undefined) {
      const suspects: Suspect[] = this.#suspects = [];
      const looked = () => suspects.forEach((each) => each.looked());
      this.ask({ kind: "look", later: AT_ONCE, answered: looked, rejected: looked });
    }
    this.#suspects.push(suspect);
  }

  /** The questions since the last call. */
  takeQuestions(): readonly Question[] {
    if (this.#questions.length === 0) return NO_QUESTIONS;
    const questions = this.#questions;
    this.#questions = [];
    this.#suspects = undefined; // the next one waits for a look of its own
    return questions;
  }

  /** Counts the memory that was taken for outboxes as work: it costs more than what is copied there. */
  spendFresh(): void {
    const { freshBytes } = this.pool;
    if (freshBytes === 0) return;
    this.budget.spend(Math.ceil(freshBytes / FRESH_BYTES_PER_STEP));
    this.pool.freshBytes = 0;
  }

  /** Has the session's retained deliveries go on. */
  schedule(session: Session): void {
    if (session.scheduled) return;
    session.scheduled = true;
    this.#scheduled.push(session);
  }

  /** Sessions that are scheduled. */
  get scheduledCount(): number {
    return this.#scheduled.length;
  }

  /** Takes the session that was scheduled first. */
  nextScheduled(): Session | undefined {
    const session = this.#scheduled.shift();
    if (session !== undefined) session.scheduled = false;
    return session;
  }

  /** Whether something waits for the end of the turn that a peer or the owner waits for. */
  get isUrgent(): boolean {
    return this.#touched.length > 0 || this.#failed.length > 0 || this.#questions.length > 0;
  }

  /** After `write()`. */
  assertInvariants(): void {
    invariant(this.#failed.length === 0, "what failed has ended at the end of its turn");
    invariant(this.#questions.length === 0, "what takes time is handed out at the end of the turn");
  }
}
