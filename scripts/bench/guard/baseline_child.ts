/**
 * The baseline: frames of a fixed length are taken from each chunk and copied back, to their sender or to a group, over the
 * broker's transport, each connection written once a turn. Its code must not change: it is what the broker is measured by.
 * Knows lengths; refuses to know MQTT, and to use anything of the broker but `src/runtime/listen.ts`.
 *
 * A connection begins with one byte: `E` is echoed to, `R` receives what `S` sends.
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";
import { listenTcp } from "../../../src/runtime/listen.ts";
import type { Transport, TransportHandler } from "../../../src/transport/transport.ts";
import { tellOn } from "./child.ts";

const frameBytes = Number(process.argv[2]);
const FIRST_BYTES = 64 * 1024;

const group = new Set<Line>();
let touched: Line[] = [];

function endTurn(): void {
  const lines = touched;
  touched = [];
  for (const line of lines) line.flush();
}

/** One connection. */
class Line implements TransportHandler {
  readonly #transport: Transport;
  #kind = 0;
  /** Bytes of the frame that has begun. */
  #partial = 0;
  #out: Uint8Array = new Uint8Array(FIRST_BYTES);
  #from = 0;
  #to = 0;
  #touched = false;
  #blocked = false;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  received(chunk: Uint8Array): void {
    let at = 0;
    if (this.#kind === 0) {
      this.#kind = chunk[0]!;
      if (this.#kind === 0x52) group.add(this);
      at = 1;
    }
    while (at < chunk.length) {
      const end = Math.min(chunk.length, at + frameBytes - this.#partial);
      this.#partial = (this.#partial + end - at) % frameBytes;
      const part = chunk.subarray(at, end);
      if (this.#kind === 0x45) this.#put(part);
      else if (this.#kind === 0x53) { for (const line of group) line.#put(part); }
      at = end;
    }
  }

  #put(part: Uint8Array): void {
    if (this.#to + part.length > this.#out.length) {
      const held = this.#to - this.#from;
      const next = held + part.length > this.#out.length ? new Uint8Array(this.#out.length * 2) : this.#out;
      next.set(this.#out.subarray(this.#from, this.#to));
      this.#out = next;
      this.#from = 0;
      this.#to = held;
    }
    this.#out.set(part, this.#to);
    this.#to += part.length;
    if (this.#touched) return;
    this.#touched = true;
    if (touched.push(this) === 1) setImmediate(endTurn);
  }

  flush(): void {
    this.#touched = false;
    if (this.#blocked || this.#from === this.#to) return;
    this.#from += this.#transport.write(this.#out.subarray(this.#from, this.#to));
    this.#blocked = this.#from < this.#to;
    if (!this.#blocked) this.#from = this.#to = 0;
  }

  drained(): void {
    this.#blocked = false;
    this.flush();
  }

  closed(): void {
    group.delete(this);
  }
}

const listener = await listenTcp(
  { host: "127.0.0.1", port: 0 },
  (transport) => transport.start(new Line(transport)),
);
tellOn(listener.port);
