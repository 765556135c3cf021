/**
 * Opens WebSocket connections for MQTT over TCP or TLS.
 * Knows the request and its answer; refuses to know frames and packets.
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Transport } from "../../transport/transport.ts";
import { WebSocketTransport } from "../../transport/websocket.ts";
import {
  readUpgradeAnswer,
  SUBPROTOCOLS,
  type UpgradeRequest,
  upgradeRequest,
} from "../../transport/websocket_upgrade.ts";
import { HeadTransport } from "../head.ts";
import { HandshakeSlots } from "../tls/slots.ts";
import { acceptOf } from "./acceptor.ts";
import { keepAlive, letGo } from "./pinger.ts";

/** What to ask for. */
export interface WebSocketDialOptions {
  /** Host, and port where it is not the scheme's own. */
  readonly host: string;
  /** Path and query; default `/mqtt`. */
  readonly target?: string;
  /** Default `mqtt` alone. */
  readonly protocols?: readonly string[];
  /** Further header fields: `Origin`, a proxy's login, cookies. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Time for the answer, ms; default 10 s. */
  readonly timeoutMs?: number;
}

/** Makes a WebSocket of a connection that is not started; rejects with an `UpgradeError` for an answer that is no upgrade. */
export function upgradeClient(below: Transport, options: WebSocketDialOptions): Promise<Transport> {
  const { host, target = "/mqtt", protocols = SUBPROTOCOLS.slice(0, 1), fields = {}, timeoutMs = 10_000 } =
    options;
  const key = randomBytes(16).toString("base64");
  const request: UpgradeRequest = { host, target, key, protocols, fields };
  const accept = acceptOf(key);
  return new Promise((resolve, reject) => {
    const transport = new HeadTransport(below, {
      what: "answer to the upgrade",
      read(bytes) {
        const length = readUpgradeAnswer(bytes, request, accept);
        return length === undefined ? undefined : { length };
      },
      timeoutMs,
      slots: new HandshakeSlots(1),
    }, {
      headed(transport, { length }): number {
        const socket = new WebSocketTransport(transport, { key: frameKey, over: letGo });
        keepAlive(socket);
        resolve(socket);
        return length;
      },
      failed(transport, error): void {
        transport.abort();
        reject(error);
      },
      left: (error) =>
        reject(error ?? new Error("The connection was closed before the upgrade was answered")),
    });
    try {
      transport.send(upgradeRequest(request));
    } catch (error) {
      transport.abort();
      reject(error);
    }
  });
}

/** Random numbers are fetched a hundred frames at a time. */
const KEYS = 128;
const keys = new Int32Array(KEYS);
let nextKey = KEYS;

/** RFC 6455 §10.3: nobody can foresee it. */
function frameKey(): number {
  if (nextKey === KEYS) {
    new Uint8Array(keys.buffer).set(randomBytes(keys.byteLength));
    nextKey = 0;
  }
  return keys[nextKey++]!;
}
