/**
 * A message bus: bytes by subject between nodes. One of the two things that a cluster needs of an engine.
 * Knows subjects, questions and whether there is a connection; refuses to know what is said, and over what.
 * @module
 */
import type { Cancel } from "./clock.ts";

/**
 * Why a question has no answer: nobody listens there; nobody has answered in time; there is no connection, or it broke meanwhile.
 * Whether somebody has read the question is known with `nobody` alone.
 */
export type RequestTrouble = "nobody" | "silent" | "disconnected";

/** Answers a question, once. */
export type Answer = (bytes: Uint8Array) => void;

/**
 * One node's place on the bus. Everything happens by callback, and no callback is called from inside a call of the bus.
 *
 * What is promised of a message: it comes at most once while no connection breaks, in most cases once, and maybe never; whoever
 * needs more numbers what it sends. Messages of one bus on one subject come in the order in which they were published, but
 * for those that do not come, and but for those of before and after a broken connection.
 *
 * A subject is a literal: parts of letters, digits, `-` and `_`, with dots in between. There are no patterns.
 */
export interface Bus {
  /** The most bytes that one message may have; more is an error of the caller, and thrown. */
  readonly bytesMax: number;
  /** Messages go out and come in at present. */
  readonly isConnected: boolean;
  /** Sends bytes, which the caller gives away, to all that listen to the subject. False: not sent, as there is no connection. */
  publish(subject: string, bytes: Uint8Array): boolean;
  /**
   * Listens to a subject, soon: what others publish just now may not come. `bytes` are the callee's only during the call; `answer`
   * is given with a question. What is listened to outlives a broken connection.
   */
  subscribe(subject: string, received: (bytes: Uint8Array, answer?: Answer) => void): Cancel;
  /** Asks whoever listens to the subject, and is told the first answer, or after `ms` at the latest why there is none. */
  request(
    subject: string,
    bytes: Uint8Array,
    ms: number,
    answered: (answer: Uint8Array | RequestTrouble) => void,
  ): void;
  /** Tells from now on when the connection breaks and when there is one again. */
  watch(changed: (isConnected: boolean) => void): Cancel;
  /** Leaves the bus. Nothing is called any more. */
  close(): void;
}
