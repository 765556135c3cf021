/**
 * The connections between the workers of one broker: Unix sockets in their private directory.
 * Knows who dials whom, again after a break, and what a connection begins with; refuses to know what follows that.
 * @module
 */
import { join } from "node:path";
import { clearTimeout, setTimeout } from "node:timers";
import { dialTcp } from "../../runtime/dial.ts";
import type { Listener } from "../../runtime/endpoint.ts";
import { HeadTransport } from "../../runtime/head.ts";
import { LateTransport } from "../../runtime/late.ts";
import { listenTcp } from "../../runtime/listen.ts";
import { HandshakeSlots } from "../../runtime/tls/slots.ts";
import type { RelayHead, Server } from "../../server/serve.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Log } from "../log.ts";
import { type Hello, helloBytes, type ReadHello, readHello } from "./hello.ts";
import { nodeName, nodeNames, type WorkerOrder } from "./worker.ts";

/** Who is given the connections. */
export type LinkServer = Pick<Server, "link" | "acceptRelayed">;

/** Time for a hello, ms. */
const HELLO_MS = 5_000;
/** Connections that may wait for theirs: each Client that is handed on needs one. */
const HELLOS_MAX = 10_000;
/** Clients that wait until this worker takes any. */
const EARLY_MAX = 1_000;
/** Until a worker that cannot be reached is tried again: twice as long each time, ms. */
const AGAIN_MS = 20;
const AGAIN_MS_MAX = 1_000;

/** The socket of a worker. */
export function socketOf(directory: string, number: number): string {
  return join(directory, `${number}.sock`);
}

/** The connections of one worker. */
export class Links {
  readonly #order: WorkerOrder;
  readonly #log: () => Log;
  readonly #own: Hello;
  readonly #slots = new HandshakeSlots(HELLOS_MAX);
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #server: LinkServer | undefined;
  #listener: Listener | undefined;
  readonly #linked = new Set<Transport>();
  #isClosed = false;
  /** Clients that others have handed on, until this worker takes Clients. */
  #early: { readonly headed: Transport; readonly head: RelayHead }[] | undefined = [];

  /** `log` is asked when there is something to say. */
  constructor(order: WorkerOrder, log: () => Log) {
    this.#order = order;
    this.#log = log;
    const { number, incarnation } = order;
    this.#own = { from: nodeName(number), incarnation };
  }

  /** Listens for the workers with a higher number, and dials those with a lower one, until `close()`. */
  async open(server: LinkServer): Promise<void> {
    this.#server = server;
    const { directory, number } = this.#order;
    const host = socketOf(directory, number);
    const troubled = ({ message }: Error) =>
      this.#log().warn("workers cannot be reached for a while", { why: message });
    this.#listener = await listenTcp({ host, port: 0, troubled }, (transport) => this.#accept(transport));
    for (let other = 1; other < number; other++) this.#dial(other, AGAIN_MS);
  }

  /** A connection for a Client that goes on at another node; it can be used at once. */
  relay(to: string, head: RelayHead): Transport {
    const number = nodeNames(this.#order).indexOf(to) + 1;
    const opening = number === 0
      ? Promise.reject(new Error(`there is no node ${JSON.stringify(to)}`))
      : dialTcp({ host: socketOf(this.#order.directory, number), port: 0 });
    return new LateTransport(`relay ${to}`, helloBytes({ ...this.#own, head }), opening);
  }

  /** Hands on the Clients that have come from others, from now on at once. */
  takeRelayed(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const { headed, head } of early) this.#server!.acceptRelayed(headed, head);
  }

  /** Ends all links: behind the end of the server nothing that others send is to reach it. */
  cut(): void {
    for (const transport of this.#linked) transport.abort();
  }

  /** Accepts and dials no more; connections that are there stay, until `cut()`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await this.#listener?.close();
  }

  #dial(number: number, againMs: number): void {
    const again = (ms: number, next: number) => {
      if (this.#isClosed) return;
      this.#timers.set(number, setTimeout(() => this.#dial(number, next), ms));
    };
    dialTcp({ host: socketOf(this.#order.directory, number), port: 0 }).then((transport) => {
      if (this.#isClosed) return transport.abort();
      let isLinked = false;
      const headed = this.#awaitHello(
        transport,
        ({ from, incarnation }) => {
          if (from !== nodeName(number)) {
            throw new Error(`${from} answers in the place of ${nodeName(number)}`);
          }
          isLinked = true;
          this.#link(headed, from, incarnation);
        },
        () => again(isLinked ? 0 : againMs, isLinked ? AGAIN_MS : Math.min(2 * againMs, AGAIN_MS_MAX)),
      );
      headed.send(helloBytes(this.#own));
    }, () => again(againMs, Math.min(2 * againMs, AGAIN_MS_MAX)));
  }

  #accept(transport: Transport): void {
    if (this.#isClosed) return transport.abort();
    const headed = this.#awaitHello(transport, ({ from, incarnation, head }) => {
      if (!nodeNames(this.#order).includes(from)) {
        throw new Error(`there is no worker ${JSON.stringify(from)}`);
      }
      if (head !== undefined) {
        if (this.#early === undefined) this.#server!.acceptRelayed(headed, head);
        else if (this.#early.length < EARLY_MAX) this.#early.push({ headed, head });
        else headed.abort();
        return;
      }
      headed.send(helloBytes(this.#own));
      this.#link(headed, from, incarnation);
    });
  }

  /** Calls `taken` with the first line; what that throws, and a line that is none, ends the connection. */
  #awaitHello(
    transport: Transport,
    taken: (hello: ReadHello) => void,
    over?: () => void,
  ): HeadTransport<ReadHello> {
    const failed = (headed: Transport, error: Error) => {
      headed.abort();
      this.#log().error("a worker is not understood", { why: error.message });
    };
    return new HeadTransport<ReadHello>(
      transport,
      { what: "hello", read: readHello, timeoutMs: HELLO_MS, slots: this.#slots },
      {
        headed(headed, hello): number {
          try {
            taken(hello);
          } catch (error) {
            failed(headed, error as Error);
          }
          return hello.length;
        },
        failed,
      },
      over,
    );
  }

  #link(transport: Transport, node: string, incarnation: string): void {
    this.#log().debug("linked", { with: node });
    this.#linked.add(transport);
    this.#server!.link(transport, node, incarnation, () => this.#linked.delete(transport));
  }
}
