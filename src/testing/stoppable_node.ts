/**
 * A node whose process can be stopped and go on, as by SIGSTOP and SIGCONT: nothing of it runs meanwhile, and what came waits for it.
 * Knows clocks and buses; refuses to know who uses them.
 * @module
 */
import type { Answer, Bus } from "../cluster/bus.ts";
import type { Cancel } from "../cluster/clock.ts";
import type { MemoryNode } from "../cluster/memory/network.ts";
import type { Stream } from "../cluster/stream.ts";
import type { Loop } from "../runtime/loop.ts";

/** See the module. */
export class StoppableNode {
  readonly bus: Bus;
  readonly clock: Loop;
  readonly #node: MemoryNode;
  #isStopped = false;
  #timers: (() => void)[] = [];
  #inputs: (() => void)[] = [];

  constructor(node: MemoryNode) {
    this.#node = node;
    const { bus, clock } = node;
    this.clock = {
      now: () => clock.now(),
      at: (ms, run): Cancel => {
        let isCancelled = false;
        const due = (): void => {
          if (!isCancelled) run();
        };
        const cancel = clock.at(ms, () => this.#isStopped ? void this.#timers.push(due) : due());
        return () => {
          isCancelled = true;
          cancel();
        };
      },
      endOfTurn: (run) => clock.endOfTurn(this.#held(run)),
      afterInput: (run) => clock.afterInput(this.#held(run)),
      afterLook: (sockets, run) => clock.afterLook(sockets, this.#held(run)),
    };
    this.bus = {
      bytesMax: bus.bytesMax,
      get isConnected(): boolean {
        return bus.isConnected;
      },
      publish: (subject, bytes) => bus.publish(subject, bytes),
      subscribe: (subject, received): Cancel => {
        let isOver = false;
        const cancel = bus.subscribe(subject, (bytes: Uint8Array, answer?: Answer) => {
          if (!this.#isStopped) return received(bytes, answer);
          const copy = bytes.slice();
          this.#inputs.push(() => isOver || received(copy, answer));
        });
        return () => {
          isOver = true;
          cancel();
        };
      },
      request: (subject, bytes, ms, answered) => bus.request(subject, bytes, ms, answered),
      watch: (changed) =>
        bus.watch((isConnected) =>
          this.#isStopped ? void this.#inputs.push(() => changed(isConnected)) : changed(isConnected)
        ),
      close: () => bus.close(),
    };
  }

  /** A stream whose answers wait while it is stopped. */
  stream(name: string): Stream {
    const stream = this.#node.stream(name);
    const late = <T>(answered: (answer: T) => void) => (answer: T): void =>
      this.#isStopped ? void this.#inputs.push(() => answered(answer)) : answered(answer);
    return {
      bytesMax: stream.bytesMax,
      add: (bytes, key, expectedLast, answered) => stream.add(bytes, key, expectedLast, late(answered)),
      read: (from, waitMs, answered) => stream.read(from, waitMs, late(answered)),
      purge: (through, answered) => stream.purge(through, late(answered)),
      close: () => stream.close(),
    };
  }

  #held(run: () => void): () => void {
    return () => this.#isStopped ? void this.#timers.push(run) : run();
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Nothing runs any more... */
  stop(): void {
    this.#isStopped = true;
  }

  /** ...until now: first what was due, then what has come. */
  goOn(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    const [timers, inputs] = [this.#timers, this.#inputs];
    [this.#timers, this.#inputs] = [[], []];
    for (const run of [...timers, ...inputs]) this.clock.endOfTurn(run);
  }

  /** The machine goes down. */
  crash(): void {
    this.#timers = [];
    this.#inputs = [];
    this.#node.crash();
  }

  /** The connection to the bus breaks, or there is one again. */
  connect(isConnected: boolean): void {
    this.#node.bus.connect(isConnected);
  }
}
