/**
 * The ports of a broker of several processes: taken before the first of them starts, and held until they have them.
 * Knows who may share a port; refuses to know what comes there.
 * @module
 */
import { createServer, type Server } from "node:net";
import { type Listener, ListenError, type ListenOptions } from "../../runtime/endpoint.ts";
import { parseAddress } from "../../server/address.ts";
import { CallError } from "../error.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../options.ts";
import { listenAdvice } from "../serve.ts";
import { missingOf } from "../serve_options.ts";

/** Ports that are held. */
export interface Ports {
  /** By URL: the port where any would do, and null for a listener that is left out. */
  readonly taken: Readonly<Record<string, number | null>>;
  /** They are held no more. */
  release(): void;
}

/** Any port that is free for one address may be taken for the other one: so often others are tried. */
const TRIES = 20;

/**
 * Takes the ports of all listeners.
 * @throws {CallError} for one that cannot be had, unless the broker starts without it.
 */
export async function takePorts(settings: Settings, log: Log): Promise<Ports> {
  const taken: Record<string, number | null> = {};
  const held: Listener[] = [];
  const release = () => {
    for (const listener of held.splice(0)) void listener.close();
  };
  for (const { url } of settings.listen) {
    const { scheme, host, port } = parseAddress(url);
    if (scheme === "unix") continue;
    try {
      const some = await holdAll(host, port);
      held.push(...some);
      if (port === 0) taken[url] = some[0]!.port;
    } catch (error) {
      const missing = missingOf(url, settings, log);
      if (missing !== undefined && error instanceof ListenError) {
        missing(error);
        taken[url] = null;
        continue;
      }
      release();
      throw error instanceof ListenError
        ? new CallError(error.message + listenAdvice(error, settings.listen))
        : error;
    }
  }
  return { taken, release };
}

/** Both addresses of `localhost` at one port; `::1` and `::` only where there is IPv6, as src/server/listeners.ts does. */
async function holdAll(host: string, port: number): Promise<Listener[]> {
  if (host === "::") {
    return [
      await hold({ host, port }).catch((error) => {
        if (isBusy(error)) throw error;
        return hold({ host: "0.0.0.0", port });
      }),
    ];
  }
  if (host !== "localhost") return [await hold({ host, port })];
  for (let tries = 1;; tries++) {
    const first = await hold({ host: "127.0.0.1", port });
    try {
      return [first, await hold({ host: "::1", port: first.port })];
    } catch (error) {
      if (!isBusy(error)) return [first];
      await first.close();
      if (port !== 0 || tries === TRIES) throw error;
    }
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof ListenError && (error.code === "EADDRINUSE" || error.code === "EACCES");
}

/**
 * Takes a port alone first: a broker whose workers share it, and that is of the same user, would share it with ours too. The ports
 * are held by sockets that listen, so who connects meanwhile is reset when the first worker has come.
 */
async function hold(where: ListenOptions): Promise<Listener> {
  for (let tries = 1;; tries++) {
    const alone = await listen(where, false);
    const { port } = alone;
    await alone.close();
    try {
      return await listen({ ...where, port }, true);
    } catch (error) {
      if (where.port !== 0 || tries === TRIES) throw error; // another process was quicker
    }
  }
}

function listen(where: ListenOptions, reusePort: boolean): Promise<Listener> {
  const { host, port } = where;
  return new Promise((resolve, reject) => {
    const server: Server = createServer((socket) => socket.destroy());
    server.once("error", (error) => {
      // The message of Deno 2.9 for an address of another machine.
      if ((error as { code?: unknown }).code === "EINVAL") Object.assign(error, { code: "EADDRNOTAVAIL" });
      reject(new ListenError(where, error));
    });
    server.listen({ host, port, reusePort, exclusive: true } as object, () =>
      resolve({
        host,
        port: (server.address() as { readonly port: number }).port,
        close: () => new Promise((closed) => void server.close(() => closed())),
      }));
  });
}
