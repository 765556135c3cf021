/**
 * What bytes are written to in tests of links and outboxes.
 * Knows how many bytes it takes; refuses to know what they are.
 * @module
 */
import type { Transport } from "../transport/transport.ts";

/** Takes at most so many bytes of each write, then all of each. */
export class TakingSink {
  readonly taken: number[] = [];
  /** Bytes taken in each of the next writes; beyond it everything is. */
  readonly plan: number[] = [];
  writes = 0;

  write(chunk: Uint8Array): number {
    this.writes++;
    const most = Math.min(chunk.length, this.plan.shift() ?? chunk.length);
    for (const byte of chunk.subarray(0, most)) this.taken.push(byte);
    return most;
  }
}

/** Takes `most` bytes in all, and writes down what it is told. */
export class TakingTransport implements Transport {
  readonly label: string = "test";
  most: number = Infinity;
  readonly taken: number[] = [];
  readonly calls: string[] = [];

  start(): void {}

  write(chunk: Uint8Array): number {
    const count = Math.min(chunk.length, this.most);
    this.most -= count;
    for (const byte of chunk.subarray(0, count)) this.taken.push(byte);
    return count;
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  close(): void {
    this.calls.push("close");
  }

  abort(): void {
    this.calls.push("abort");
  }
}
