/**
 * A server's greeting, read before the client package connects.
 * Knows its first line; refuses to know more. It is needed for one thing: a client without a certificate, where the server asks for
 * one, is told so by an alert behind the handshake, which the package waits for in vain on Bun, and which ends the process on Deno.
 * @module
 */
import { connect } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";

/** The longest first line. */
const GREETING_BYTES_MAX = 64 * 1024;

/** Whether this server asks for a certificate; false too if it does not answer in time, which the package says better. */
export function asksForCertificate(server: string, ms: number): Promise<boolean> {
  const { hostname, port } = new URL(`nats://${server}`);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) });
    const timer = setTimeout(() => end(false), ms);
    const end = (asks: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(asks);
    };
    let line = "";
    socket.on("error", () => end(false)).on("close", () => end(false));
    socket.setEncoding("utf8").on("data", (text: string) => {
      line += text;
      if (line.includes("\r\n") || line.length > GREETING_BYTES_MAX) {
        end(/"tls_verify"\s*:\s*true/.test(line));
      }
    });
  });
}
