/**
 * The way from a page to a broker in a worker: a port for each connection, and a lock that tells the worker when the page is gone.
 * Knows the message that both ends exchange; refuses to know what goes through the port.
 * @module
 */
import { messagePortTransport, type PortLike } from "./message_port.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";

/** What a connection begins with. */
export interface PortOffer {
  readonly plumbPort: PortLike;
  /** A Web Lock that the page holds as long as it and the connection last; undefined where there are none. */
  readonly lock: string | undefined;
}

/** What takes the offers: a worker, or the port of a SharedWorker. */
export interface WorkerLike {
  /** Sends a message, and gives the ports away. */
  postMessage(message: unknown, transfer: never[]): void;
}

/**
 * A dialer to the broker in a worker, which has called `servePorts()`: `connect("worker://home", { dial: dialWorker(worker) })`.
 * Of a SharedWorker give its `port`. Offers of a port that is not there any more stay without an answer, which `connectTimeoutMs` bounds.
 */
export function dialWorker(worker: WorkerLike): () => Promise<Transport> {
  return async () => {
    const { port1, port2 } = new browser.MessageChannel();
    const lock = await heldLock();
    const offer: PortOffer = { plumbPort: port2, lock: lock?.name };
    worker.postMessage(offer, [port2] as never[]);
    const transport = messagePortTransport(port1, "worker");
    return lock === undefined ? transport : told(transport, lock.release);
  };
}

/** Calls `over` when the transport is over. */
function told(transport: Transport, over: () => void): Transport {
  const start = transport.start.bind(transport);
  transport.start = (handler: TransportHandler) =>
    start({
      received: (chunk) => handler.received(chunk),
      drained: () => handler.drained(),
      closed: (error?: Error) => {
        over();
        handler.closed(error);
      },
    });
  return transport;
}

interface HeldLock {
  readonly name: string;
  release(): void;
}

/** A lock of a name that no one else has, once it is held. */
function heldLock(): Promise<HeldLock | undefined> {
  const { locks } = browser.navigator ?? {};
  if (locks === undefined) return Promise.resolve(undefined);
  const name = `plumb-port:${crypto.randomUUID()}`;
  return new Promise((resolve, reject) => {
    locks.request(name, {}, () => new Promise<void>((release) => resolve({ name, release }))).catch(reject);
  });
}

/** Calls `gone` when the holder of the lock is gone, or has let go; the result takes that back. */
export function watchLock(name: string | undefined, gone: () => void): () => void {
  const { locks } = browser.navigator ?? {};
  if (name === undefined || locks === undefined) return () => {};
  const watch = new AbortController();
  locks.request(name, { signal: watch.signal }, () => {
    gone();
    return Promise.resolve();
  }).catch(() => {}); // it was taken back
  return () => watch.abort();
}

const browser = globalThis as unknown as {
  readonly MessageChannel: new () => Record<"port1" | "port2", PortLike>;
  readonly navigator?: {
    readonly locks?: {
      request(
        name: string,
        options: { readonly signal?: AbortSignal },
        held: () => Promise<void>,
      ): Promise<unknown>;
    };
  };
};
