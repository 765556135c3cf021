/**
 * Ports for programs that cannot be told to take any.
 * Knows one that is free at present; refuses to know for whom.
 * @module
 */
import { createServer } from "node:net";

/** A port of the loopback address that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
