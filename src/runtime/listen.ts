/**
 * Opens TCP listeners with the adapter of the runtime it runs on.
 * Knows which runtimes there are; refuses to know the meaning of the bytes.
 * @module
 */
import { hasBuiltins } from "./builtin.ts";
import { type Accept, isSocketPath, type Listener, type ListenOptions, type TcpAdapter } from "./endpoint.ts";

export type { Accept, Listener, ListenOptions, PeerInfo } from "./endpoint.ts";
export { ListenError, systemCode } from "./endpoint.ts";

/** Opens a listener for TCP, or for a Unix socket if the host is its path; rejects with a `ListenError`. */
export async function listenTcp(options: ListenOptions, accept: Accept): Promise<Listener> {
  const adapter = await tcpAdapter();
  if (isSocketPath(options.host)) {
    return await (await import("./unix.ts")).listenUnix(adapter, options, accept);
  }
  return await adapter.listenTcp(options, accept);
}

let adapter: Promise<TcpAdapter> | undefined;

/** The adapter of this runtime, imported once: thousands of connections are dialled in a second. */
export function tcpAdapter(): Promise<TcpAdapter> {
  return adapter ??= importAdapter();
}

/** The specifiers are literals so that bundlers see them. */
async function importAdapter(): Promise<TcpAdapter> {
  if ("Bun" in globalThis) return await import("./tcp/bun.ts");
  if ("Deno" in globalThis) return await import("./tcp/deno.ts");
  if (hasBuiltins()) return await import("./tcp/node.ts");
  throw new Error("There is no TCP adapter for this runtime: use Deno, Bun or Node");
}
