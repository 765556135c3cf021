/**
 * A relay of TCP connections that cuts them in the middle of whatever they carry.
 * Knows bytes; refuses to know packets.
 * @module
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** ms that the bytes before a cut have to leave. */
const CUT_MS = 5;

/** How often it cuts, and after how many bytes of a connection. */
export interface CutOptions {
  /** Where the connections go: a port of loopback. */
  readonly port: number;
  /** Connections that are cut; those behind them live. */
  readonly cuts: number;
  /** A connection is cut after up to so many bytes, both ways together. */
  readonly bytesMax: number;
  /** Integers below 2^32. */
  readonly random: () => number;
  /** Sees what is passed on; called for each connection. */
  readonly wire?: () => Wire;
}

/** Sees the bytes of one connection. */
export interface Wire {
  /** From the end that has connected. */
  sent(bytes: Uint8Array): void;
  /** To it. */
  received(bytes: Uint8Array): void;
  /** It was cut, or one end has closed. */
  ended(how: string): void;
}

/** One relay. `cuttingProxy()` makes it. */
export class CuttingProxy {
  /** Where it listens. */
  readonly port: number;
  /** Connections that were cut. */
  cuts = 0;
  readonly #server: Server;
  readonly #open: Set<Socket>;

  constructor(server: Server, open: Set<Socket>) {
    this.#server = server;
    this.#open = open;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Ends it with all its connections. */
  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Listens on a free port of loopback. */
export async function cuttingProxy(options: CutOptions): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const wire = options.wire?.();
    const far = connect({ port: options.port, host: "127.0.0.1", noDelay: true });
    let left = proxy.cuts < options.cuts ? 1 + options.random() % options.bytesMax : Infinity;
    let isCut = false;
    for (const [from, to] of [[near, far], [far, near]] as const) {
      open.add(from);
      from.on("data", (chunk: Uint8Array) => {
        if (isCut) return;
        const isWhole = chunk.length < left || proxy.cuts >= options.cuts;
        const passed = isWhole ? chunk : chunk.subarray(0, left);
        if (from === near) wire?.sent(passed);
        else wire?.received(passed);
        if (isWhole) {
          left -= chunk.length;
          to.write(chunk);
          return;
        }
        wire?.ended("cut");
        const cut = (): void => {
          near.destroy();
          far.destroy();
        };
        to.write(passed, cut); // what comes before the cut still arrives
        setTimeout(cut, CUT_MS); // or the other end is gone, and its callback with it
        isCut = true;
        proxy.cuts++;
      });
      from.on("error", () => {}).on("end", () => to.end()).on("close", () => {
        if (open.delete(from)) wire?.ended(from === near ? "closed by the Client" : "closed by the Server");
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = new CuttingProxy(server, open);
  return proxy;
}
