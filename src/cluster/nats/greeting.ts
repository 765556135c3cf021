/**
 * A server's greeting, read before the client package connects.
 * Knows its first line; refuses to know more. It is needed for one thing: a client without a certificate, where the server asks for
 * one, is told so by an alert behind the handshake, which the package waits for in vain on Bun, and which ends the process on Deno.
 * @module
 */
import { connect, type Socket } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";

/** The longest first line. */
const GREETING_BYTES_MAX = 64 * 1024;

/**
 * Whether the server that answers first asks for a certificate. False too if none answers in time, which the package says
 * better.
 */
export async function asksForCertificate(servers: readonly string[], ms: number): Promise<boolean> {
  const sockets: Socket[] = [];
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, ms);
  try {
    const line = await Promise.any(servers.map((server) => firstLineOf(server, sockets)));
    return /"tls_verify"\s*:\s*true/.test(line);
  } catch { // all of them have failed
    return false;
  } finally {
    clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
  }
}

function firstLineOf(server: string, sockets: Socket[]): Promise<string> {
  const { hostname, port } = new URL(`nats://${server}`);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) });
    sockets.push(socket);
    let line = "";
    socket.on("error", reject).on("close", () => reject(new Error("It closed the connection")));
    socket.setEncoding("utf8").on("data", (text: string) => {
      line += text;
      if (line.includes("\r\n") || line.length > GREETING_BYTES_MAX) resolve(line);
    });
  });
}
