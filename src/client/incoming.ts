/**
 * §3.3 One message of the Server, until it is acknowledged.
 * Knows its packet and how many readers it waits for; refuses to know readers and bytes.
 * @module
 */
import type { Publish } from "../codec/packet.ts";

/** Sends its acknowledgement when it is due. */
export interface Acknowledger {
  /** Every reader is done with it. */
  acknowledge(message: Incoming): void;
}

/** One message. */
export class Incoming {
  /** With its Topic Name, whatever alias stood for it; its bytes are views that neighbours may share. */
  readonly publish: Publish;
  /** Readers that have not called `done()`. */
  pending = 0;
  /** All have. */
  isAcknowledged = false;
  /** §3.4.2.1, §3.5.2.1 */
  reasonCode = 0;
  readonly #acknowledger: Acknowledger;

  constructor(publish: Publish, acknowledger: Acknowledger) {
    this.publish = publish;
    this.#acknowledger = acknowledger;
  }

  /** One reader is done with it; a code of 0x80 or above refuses it. */
  done(reasonCode = 0): void {
    if (reasonCode > this.reasonCode) this.reasonCode = reasonCode;
    if (this.isAcknowledged || --this.pending > 0) return;
    this.isAcknowledged = true;
    if (this.publish.qos > 0) this.#acknowledger.acknowledge(this);
  }
}
