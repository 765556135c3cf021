/**
 * §3.3.2.3.3 How long the bytes of an outbox wait, and the Message Expiry Intervals in them that are counted down for it [MQTT-3.3.2-6].
 * Knows times by position, and PUBLISH packets of level 5; refuses to know why the bytes wait.
 *
 * Nothing is noted for bytes that leave in their turn, and nothing is looked at before it has waited for a second. So an interval is
 * less than a second above what is left of it when its bytes leave. A message whose interval has run out stays, with 0: its
 * exchange is open, and others are numbered behind it.
 * @module
 */
import { PacketType } from "../codec/packet_type.ts";
import { PublishView } from "../codec/publish_view.ts";
import type { Renewer } from "./outbox.ts";

/** The unit of an interval in ms: what has waited for less is left as it is. */
const SECOND = 1000;
/** Bytes that were written within so many ms count as written with the first of them. */
const TOGETHER_MS = 250;

/** The bytes of one outbox that have waited over the end of a turn. */
export class Ages implements Renewer {
  /** The present time in ms. */
  now = 0;
  /** Runs of bytes in their order: each ends before this position. */
  #until: number[] = [];
  /** Since when its intervals are right. */
  #since: number[] = [];
  readonly #view: PublishView = new PublishView();

  /** Bytes before `position` that were not noted before have been written now, and have not left. */
  note(position: number): void {
    const last = this.#until.length - 1;
    if (last >= 0 && this.#until[last]! >= position) return;
    const before = last < 0 ? Infinity : this.now - this.#since[last]!; // below 0 where more was counted down than had passed
    if (before >= 0 && before < TOGETHER_MS) this.#until[last] = position;
    else {
      this.#until.push(position);
      this.#since.push(this.now);
    }
  }

  /** Brings `bytes[from, end)` up to date. They begin with a whole packet at 0, which stands at `position` of the stream. */
  renew(bytes: Uint8Array, from: number, end: number, position: number): void {
    const until = this.#until;
    while (until.length > 0 && until[0]! <= position + from) {
      until.shift();
      this.#since.shift();
    }
    if (!this.#isDue(position + end)) return;
    for (let at = 0, run = 0; at < end;) {
      const next = packetEnd(bytes, at);
      if (next > from && bytes[at]! >> 4 === PacketType.PUBLISH) {
        while (run < until.length && until[run]! <= position + at) run++;
        if (run === until.length) break;
        const seconds = this.#seconds(run);
        if (seconds > 0) this.#countDown(bytes, at, next, from, seconds);
      }
      at = next;
    }
    this.#renewed(position + end);
  }

  /** Whether bytes before `position` have waited long enough to be looked at. */
  #isDue(position: number): boolean {
    for (let run = 0, from = -1; run < this.#until.length && from < position; run++) {
      if (this.#seconds(run) > 0) return true;
      from = this.#until[run]!;
    }
    return false;
  }

  /** By how much the intervals of a run are to be counted down. */
  #seconds(run: number): number {
    const waited = this.now - this.#since[run]!;
    return waited < SECOND ? 0 : Math.ceil(waited / SECOND);
  }

  #countDown(bytes: Uint8Array, at: number, end: number, from: number, seconds: number): void {
    const view = this.#view;
    view.aimFrame(bytes, at, end, true);
    const { expiryAt, expirySeconds } = view;
    if (expiryAt < from) return; // none, or it has left already
    const left = Math.max(0, expirySeconds - seconds);
    for (let i = 0; i < 4; i++) bytes[expiryAt + i] = left >>> (24 - 8 * i);
  }

  /** The intervals before `position` are right now; a run that reaches beyond it is divided. */
  #renewed(position: number): void {
    for (let run = 0; run < this.#until.length; run++) {
      const since = this.#since[run]!;
      const renewed = since + SECOND * this.#seconds(run);
      this.#since[run] = renewed;
      if (this.#until[run]! < position) continue;
      if (this.#until[run]! > position && renewed !== since) {
        this.#until.splice(run, 0, position);
        this.#since.splice(run + 1, 0, since);
      } else this.#since[run] = this.#until[run] === position ? renewed : since;
      return;
    }
  }
}

/** §2.1.4 the end of the packet that begins at `at`. */
function packetEnd(bytes: Uint8Array, at: number): number {
  let length = 0;
  let body = at + 1;
  for (let shift = 0;; shift += 7) {
    const byte = bytes[body++]!;
    length += (byte & 127) << shift;
    if (byte < 128) return body + length;
  }
}
