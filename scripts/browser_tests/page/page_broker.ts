/**
 * A broker in a worker of the page, and how the page's Clients come to it.
 * Knows the worker's messages; refuses to know what goes through the ports.
 * @module
 */
import type { Dialer } from "../../../src/client_api/browser.ts";
import { messagePortTransport, type PortLike } from "../../../src/runtime/in_process.ts";

/** A worker that runs this program. */
export interface PageWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  postMessage(message: unknown, transfer?: unknown[]): void;
  terminate(): void;
}

const { Worker, MessageChannel } = globalThis as unknown as {
  readonly Worker: new (url: string, options: { readonly type: "module" }) => PageWorker;
  readonly MessageChannel: new () => Record<"port1" | "port2", PortLike>;
};

/** Names the broker inside the page; it is no address. */
export const PAGE_BROKER_URL = "ws://inside-this-page/mqtt";

/** Starts a worker with the program of the page. */
export function startWorker(): PageWorker {
  return new Worker(import.meta.url, { type: "module" });
}

/** A new worker with a broker in it. */
export class PageBroker {
  readonly #worker: PageWorker = startWorker();

  /** Connects by a port of the worker. */
  readonly dial: Dialer = () => {
    const { port1, port2 } = new MessageChannel();
    this.give(port1);
    return Promise.resolve(messagePortTransport(port2));
  };

  /** Hands the other end of a connection to the broker. */
  give(port: unknown): void {
    this.#worker.postMessage({ port }, [port]);
  }

  /** Asks for the broker's numbers. */
  stats(): Promise<Readonly<Record<string, number>>> {
    return new Promise((resolve) => {
      this.#worker.onmessage = ({ data }) => resolve(data as Record<string, number>);
      this.#worker.postMessage({ stats: true });
    });
  }

  /** Ends the worker at once. */
  terminate(): void {
    this.#worker.terminate();
  }
}
