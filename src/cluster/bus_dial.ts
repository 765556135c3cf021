/**
 * Transports over a bus: who asks for one, and who is asked.
 * Knows how the two ends find their subjects; refuses to know what goes over them, and to dial again.
 * @module
 */
import type { Transport } from "../transport/transport.ts";
import type { Bus } from "./bus.ts";
import { type Beats, BusTransport } from "./bus_transport.ts";
import type { Cancel, Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";

const VERSION = 2;
/** Of the flags of a question. */
const QUIET = 1;
/** u8 version, u8 flags, u8 bytes of the call's name; then the name and the head. */
const QUESTION_BYTES = 3;
/** Answers to a question for a transport. */
const ACCEPTED = 0;
const FULL = 1;
const UNREADABLE = 2;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** What a node asks with. */
export interface BusDialOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  /** The subject of `acceptBus()`. */
  readonly at: string;
  /** 1 to 64 letters, digits, `-` and `_`: no other call at this subject has ever had it. */
  readonly id: string;
  readonly label: string;
  /** See `BusTransportOptions`. */
  readonly deadMs?: number;
  /** See `BusTransportOptions`; the other end does the same. With `while asked` the window is `CLUSTER.quietWindowBytes`. */
  readonly beats?: Beats;
  /** What the other side is to know before it accepts; at most `CLUSTER.headBytes`. */
  readonly head?: Uint8Array;
  /** Told once: a transport over which bytes can go at once, or why there is none. */
  readonly dialled: (transport: Transport | Error) => void;
  /** Told when nothing of the transport is left, if there was one or not. */
  readonly ended?: () => void;
}

/** Asks for a transport; the function that is returned gives up. */
export function dialBus(options: BusDialOptions): Cancel {
  const { bus, clock, at, id, label, deadMs = CLUSTER.deadMs, beats, head = new Uint8Array() } = options;
  if (!ID.test(id)) {
    throw new RangeError(`A call is named by 1 to 64 letters, digits, "-" and "_", not by "${id}"`);
  }
  if (head.length > CLUSTER.headBytes) {
    throw new RangeError(`A call begins with at most ${CLUSTER.headBytes} bytes, not ${head.length}`);
  }
  let isOver = false;
  let refused: Error | undefined;
  const transport = new BusTransport({
    bus,
    clock,
    label,
    deadMs,
    ...waysOf(beats === "while asked"),
    ...subjects(at, id, true),
    greeted(error): void {
      if (isOver) return;
      isOver = true;
      options.dialled(refused ?? error ?? transport);
    },
    ...options.ended && { ended: options.ended },
  });
  const name = new TextEncoder().encode(id);
  const question = new Uint8Array(QUESTION_BYTES + name.length + head.length);
  question.set([VERSION, beats === "while asked" ? QUIET : 0, name.length]);
  question.set(name, QUESTION_BYTES);
  question.set(head, QUESTION_BYTES + name.length);
  bus.request(at, question, deadMs, (answer) => {
    if (isOver || typeof answer !== "string" && answer[0] === ACCEPTED) return;
    refused = new Error(`${label}: ${typeof answer === "string" ? REASONS[answer] : refusal(answer[0])}`);
    transport.abort();
  });
  return () => {
    isOver = true;
    transport.abort();
  };
}

function waysOf(isQuiet: boolean): { readonly beats: Beats; readonly windowBytes: number } {
  return isQuiet
    ? { beats: "while asked", windowBytes: CLUSTER.quietWindowBytes }
    : { beats: "all the time", windowBytes: CLUSTER.windowBytes };
}

const REASONS = {
  nobody: "nobody listens there",
  silent: "no answer in time",
  disconnected: "there is no connection to the bus",
} as const;

function refusal(code: number | undefined): string {
  return code === FULL
    ? `more than ${CLUSTER.greetingsMax} calls at the same time`
    : "the other side does not understand the call: is it of another version?";
}

/** What a node that is asked is made of. */
export interface BusAcceptOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly at: string;
  /** The label of the transports. */
  readonly label: string;
  /** See `BusTransportOptions`. */
  readonly deadMs?: number;
  /**
   * Is handed each transport when bytes can go, and what the call began with; starts it, at once or later. What it gives to `atEnd` is
   * called when nothing of the transport is left.
   */
  readonly accepted: (transport: Transport, head: Uint8Array, atEnd: (ended: () => void) => void) => void;
}

/** Accepts transports, until the function that is returned is called; those that there are live on. */
export function acceptBus(options: BusAcceptOptions): Cancel {
  const { bus, clock, at, label, deadMs } = options;
  /** Calls that live, by their name: a question may come twice. */
  const calls = new Set<string>();
  const greeting = new Set<BusTransport>();
  const unsubscribe = bus.subscribe(at, (bytes, answer) => {
    const say = (code: number): void => answer?.(Uint8Array.of(code));
    const end = QUESTION_BYTES + (bytes[2] ?? 0);
    const id = new TextDecoder().decode(bytes.subarray(QUESTION_BYTES, end));
    if (bytes[0] !== VERSION || end > bytes.length || !ID.test(id)) return say(UNREADABLE);
    if (calls.has(id)) return say(ACCEPTED);
    if (greeting.size >= CLUSTER.greetingsMax) return say(FULL);
    const head = bytes.slice(end);
    calls.add(id);
    let ended: (() => void) | undefined;
    const transport = new BusTransport({
      bus,
      clock,
      label,
      deadMs,
      ...waysOf((bytes[1]! & QUIET) !== 0),
      ...subjects(at, id, false),
      greeted(error): void {
        greeting.delete(transport);
        if (error === undefined) options.accepted(transport, head, (told) => void (ended = told));
      },
      ended() {
        calls.delete(id);
        ended?.();
      },
    });
    greeting.add(transport);
    say(ACCEPTED);
  });
  return () => {
    unsubscribe();
    for (const transport of greeting) transport.abort();
  };
}

function subjects(at: string, id: string, isDialler: boolean): { inbox: string; outbox: string } {
  const [dialler, accepter] = [`${at}.${id}.d`, `${at}.${id}.a`];
  return isDialler ? { inbox: dialler, outbox: accepter } : { inbox: accepter, outbox: dialler };
}
