/**
 * Opens connections over TCP and TLS with the adapter of the runtime it runs on.
 * Knows how to reach a host; refuses to know the meaning of the bytes.
 * @module
 */
import type { Transport } from "../transport/transport.ts";
import { type DialOptions, hostAndPort, NO_HOST, systemCode } from "./endpoint.ts";
import { tcpAdapter } from "./listen.ts";
import type { TlsClientOptions } from "./tls/options.ts";
import type { WebSocketDialOptions } from "./websocket/dial.ts";

export type { DialOptions, TlsClientOptions, WebSocketDialOptions };

/** Connects; rejects with the system's error (`code` is `ECONNREFUSED`, say) when it cannot. */
export async function dialTcp(options: DialOptions): Promise<Transport> {
  const adapter = await tcpAdapter();
  return await adapter.dialTcp(options);
}

const TROUBLES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: NO_HOST,
  EAI_AGAIN: NO_HOST,
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  ETIMEDOUT: "it does not answer",
  ENOENT: "there is no such socket",
};

/** Why a connection could not be opened: in plain words for errors that are known, else the first line of the system's message. */
export function dialTrouble(error: unknown): string {
  const [message = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  const unknownHost = /lookup address/.test(message) ? NO_HOST : undefined; // Deno's error has no code
  return TROUBLES[systemCode(error)] ?? unknownHost ?? message;
}

/**
 * Connects by TLS if `tls` is given, else by TCP, and over it by WebSocket if `webSocket` is; rejects with the system's error, with the reason why
 * the peer is not trusted, or with an `UpgradeError`.
 */
export async function dial(
  { host, port }: DialOptions,
  tls?: TlsClientOptions,
  webSocket?: Omit<WebSocketDialOptions, "host">,
): Promise<Transport> {
  const below = tls === undefined
    ? await dialTcp({ host, port })
    : await (await import("./tls/tls.ts")).dialTls({ host, port }, tls);
  if (webSocket === undefined) return below;
  const { upgradeClient } = await import("./websocket/dial.ts");
  const own = port === (tls === undefined ? 80 : 443);
  return await upgradeClient(below, {
    ...webSocket,
    host: own ? hostAndPort(host, port).replace(/:\d+$/, "") : hostAndPort(host, port),
  });
}
