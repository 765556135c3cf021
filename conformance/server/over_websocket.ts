/**
 * §6 How a Server under audit is reached over WebSocket.
 * Knows where to ask for an upgrade; refuses to know frames, and which subprotocol is right.
 * @module
 */
import { isUpgrade, MQTT, Socket } from "../wire/websocket.ts";
import type { Dial } from "./profile.ts";

/** Where the target takes WebSockets. */
export interface OverWebSocket {
  /** Opens the stream below. */
  readonly dial: Dial;
  /** As it stands in the field Host. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
}

/** Opens streams over WebSocket, whatever subprotocol the target selects. */
export function overWebSocket({ dial, host, target }: OverWebSocket, patienceMs: number): Dial {
  return async () => {
    const socket = new Socket(await dial(), "client");
    try {
      const head = await socket.ask({ host, target, protocols: [MQTT] }, patienceMs);
      if (!isUpgrade(head)) {
        throw new Error(`the upgrade to WebSocket at ${target} is answered by ${head.line}`);
      }
      return socket;
    } catch (error) {
      socket.abort();
      throw error;
    }
  };
}
