/**
 * A Client's connection whose session lives at another node: bytes go on to that node and back as they come.
 * Knows two transports and their back-pressure; refuses to know packets.
 * @module
 */
import type { Relay } from "../broker/nodes.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import { Way } from "../transport/way.ts";

/** The phase of a connection that is relayed. */
export class Relaying implements Relay, TransportHandler {
  readonly kind = "relaying";
  readonly #client: Transport;
  readonly #home: Transport;
  readonly #there: Way;
  readonly #back: Way;
  /** The home's end is over. */
  #isOver = false;
  #unanswered: Uint8Array | undefined;

  /** `unanswered`: what the Client is sent if the home ends before it has sent anything. */
  constructor(client: Transport, home: Transport, unanswered: Uint8Array) {
    this.#client = client;
    this.#home = home;
    this.#unanswered = unanswered;
    this.#there = new Way(client, home);
    this.#back = new Way(home, client);
    home.start(this);
  }

  /** Bytes that are kept of what came from the Client, or for it. */
  get keptBytes(): number {
    return this.#there.kept + this.#back.kept;
  }

  /** The Client has sent bytes. */
  sent(chunk: Uint8Array): void {
    if (!this.#isOver) this.#there.write(chunk);
  }

  /** The Client's transport can take more. */
  clientDrained(): void {
    this.#back.drained();
  }

  /** The Client's transport is over, or is to be: that is all for the home too. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#there.kept > 0) this.#home.abort();
    else this.#home.close();
  }

  received(chunk: Uint8Array): void {
    this.#unanswered = undefined;
    this.#back.write(chunk);
  }

  drained(): void {
    this.#there.drained();
  }

  closed(error?: Error): void {
    const unanswered = this.#isOver ? undefined : this.#unanswered;
    this.#isOver = true;
    if (unanswered !== undefined) {
      this.#client.write(unanswered);
      this.#client.close();
    } else if (error === undefined && this.#back.kept === 0) this.#client.close();
    else this.#client.abort();
  }
}
