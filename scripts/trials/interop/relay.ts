/**
 * A relay from TCP to WebSocket, framed by npm's `ws`: mosquitto's programs of 2.0 speak no WebSocket themselves.
 * Knows both ends; refuses to know packets.
 * @module
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { WebSocket } from "ws";
import { CA } from "../../../src/testing/tls.ts";

/** A relay that is open. */
export interface Relay {
  readonly port: number;
  /** Ends it, and what goes through it. */
  close(): void;
}

/** Carries each connection to a free port of loopback over a WebSocket of its own. */
export async function startRelay(url: string): Promise<Relay> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    const webSocket = new WebSocket(url, ["mqtt"], { ca: CA });
    open.add(socket);
    webSocket.on("open", () => socket.resume());
    webSocket.on("message", (data) => void socket.write(data as Buffer));
    webSocket.on("close", () => void socket.end());
    webSocket.on("error", () => void socket.destroy());
    socket.on("data", (chunk) => webSocket.send(Buffer.from(chunk)));
    socket.on("end", () => webSocket.close());
    socket.on("error", () => webSocket.terminate());
    socket.on("close", () => {
      open.delete(socket);
      webSocket.terminate();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close(): void {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
