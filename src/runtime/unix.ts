/**
 * Listeners on Unix sockets: who may connect, and what an older process left behind.
 * Knows files; refuses to know sockets, which the adapters of TCP open.
 * @module
 */
import { builtin } from "./builtin.ts";
import {
  type Accept,
  type Listener,
  ListenError,
  type ListenOptions,
  systemCode,
  type TcpAdapter,
} from "./endpoint.ts";

const { chmodSync, lstatSync, rmSync } = builtin("node:fs");

/** Its owner alone may connect. */
const MODE = 0o600;
const UMASK = 0o777;

/** Opens a Unix socket at the path `options.host`. The file goes when the listener does. */
export async function listenUnix(
  adapter: TcpAdapter,
  options: ListenOptions,
  accept: Accept,
): Promise<Listener> {
  const { host: path, mode = MODE } = options;
  await clear(adapter, options);
  const before = masked(UMASK & ~mode);
  let listening: Promise<Listener>;
  try {
    listening = adapter.listenTcp(options, accept); // it opens the socket before it returns
  } finally {
    if (before !== undefined) masked(before);
  }
  const listener = await listening;
  try {
    chmodSync(path, mode);
    return listener;
  } catch (error) {
    await listener.close();
    throw new ListenError(options, error);
  }
}

/** Removes the socket of a process that is no more; a file that is none, or a socket that is listened on, is a `ListenError`. */
async function clear(adapter: TcpAdapter, options: ListenOptions): Promise<void> {
  const { host: path } = options;
  const refuse = (code: string, message: string): never => {
    throw new ListenError(options, Object.assign(new Error(message), { code }));
  };
  try {
    if (!lstatSync(path).isSocket()) return refuse("EEXIST", "there is a file that is no socket");
  } catch (error) {
    if (error instanceof ListenError) throw error;
    if (systemCode(error) === "ENOENT") return;
    throw new ListenError(options, error);
  }
  let code = "";
  try {
    const other = await adapter.dialTcp({ host: path, port: 0 });
    other.abort();
  } catch (error) {
    code = systemCode(error);
  }
  if (code !== "ECONNREFUSED") refuse("EADDRINUSE", "another process listens there");
  rmSync(path, { force: true });
}

/** Sets what new files may not permit, and gives what it was; undefined where that is not permitted, as on Deno without `--allow-sys`. */
function masked(mask: number): number | undefined {
  try {
    return builtin("node:process").umask(mask);
  } catch {
    return undefined;
  }
}
