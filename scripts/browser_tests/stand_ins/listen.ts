/**
 * `src/runtime/listen.ts` where nothing can listen: ports of this program, which `dialPort()` connects to.
 * Knows ports and pairs in memory; refuses to know what goes through them.
 * @module
 */
import { inProcess } from "../../../src/runtime/in_process.ts";
import type { Transport } from "../../../src/transport/transport.ts";

/** A port that is open. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

const FIRST_PORT = 49_152;
const open = new Map<number, (transport: Transport) => void>();
let last = FIRST_PORT;

/** Opens a port that nothing else has. */
export function listenTcp(_: unknown, accept: (transport: Transport) => void): Promise<Listener> {
  const port = ++last;
  open.set(port, accept);
  return Promise.resolve({ port, close: () => Promise.resolve(void open.delete(port)) });
}

/** Connects to a port; rejects if it is closed. */
export function dialPort(port: number): Promise<Transport> {
  const accept = open.get(port);
  if (accept === undefined) return Promise.reject(new Error(`Nothing listens at port ${port}`));
  const [theirs, ours] = inProcess();
  accept(theirs);
  return Promise.resolve(ours);
}
