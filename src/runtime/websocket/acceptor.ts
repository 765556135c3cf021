/**
 * Connections that begin with an HTTP request: an upgrade to WebSocket is accepted as a transport of its own, any other request goes to an HTTP
 * server, if there is one.
 * Knows what to answer, and which proxies are believed; refuses to know frames and packets.
 * @module
 */
import crypto from "node:crypto"; // by name a bundle for a browser would miss hash()
import type { PeerInfo, TransportKind } from "../../transport/peer.ts";
import { ipBytes, ipText } from "../../transport/ip_address.ts";
import { WebSocketTransport } from "../../transport/websocket.ts";
import {
  ACCEPT_SUFFIX,
  asksForWebSocket,
  checkUpgrade,
  forwardedFor,
  KnownRequest,
  readRequestHead,
  refusalAnswer,
  type RequestHead,
  type Upgrade,
  upgradeAnswer,
  UpgradeError,
  type UpgradeRules,
} from "../../transport/websocket_upgrade.ts";
import type { Accept } from "../endpoint.ts";
import { HeadTransport } from "../head.ts";
import type { HandshakeSlots } from "../tls/slots.ts";
import { keepAlive, letGo } from "./pinger.ts";

/** How a listener takes HTTP requests. */
export interface WebSocketOptions extends Omit<UpgradeRules, "isNameProved"> {
  /** Time for a request, and for the end of a connection that is refused, ms. */
  readonly timeoutMs: number;
  /** Places of connections that wait for their request. */
  readonly slots: HandshakeSlots;
  /** Whether a peer may connect at all: gives what gives its place back, or undefined. A proxy's peer is asked for when it is known. */
  admit(peer: PeerInfo): (() => void) | undefined;
  /** Whether the peer at this address is a proxy whose `X-Forwarded-For` is believed. */
  isProxy(address: string): boolean;
  /** Takes what is no upgrade: a transport that begins with the request. */
  readonly http?: Accept;
  /** Called for an upgrade that is refused, and for a WebSocket whose peer breaks a rule. */
  refused(peer: PeerInfo, error: Error): void;
}

const KINDS: Partial<Record<TransportKind, TransportKind>> = { tcp: "ws", tls: "wss" };

/** RFC 6455 §4.2.2 */
export function acceptOf(key: string): string {
  return crypto.hash("sha1", key + ACCEPT_SUFFIX, "base64");
}

/** What a connection begins with. */
interface Asked {
  readonly length: number;
  /** Undefined where it is the request that is known. */
  readonly request: RequestHead | undefined;
  /** What it asks for, where that is known. */
  readonly upgrade: Upgrade | undefined;
  /** All bytes that have come. */
  readonly bytes: Uint8Array;
}

/** Makes `accept` one of transports that begin with a request. `options` is asked anew for each; the same object says that nothing has changed. */
export function upgraded(options: () => WebSocketOptions, accept: Accept): Accept {
  let present: WebSocketOptions | undefined;
  let known = new KnownRequest();
  return (below, peer) => {
    const now = options();
    if (now !== present) known = new KnownRequest();
    present = now;
    const { timeoutMs, slots, admit, isProxy, refused } = now;
    const isProxied = isProxy(peer.address);
    const over = isProxied ? undefined : admit(peer);
    if (over === undefined && !isProxied) return below.abort();
    const own = isProxied ? undefined : known; // a proxy's Clients differ in their addresses, which stand in the head
    const refuse = (transport: HeadTransport<Asked>, error: Error): void => {
      if (error instanceof UpgradeError) transport.end(refusalAnswer(error), timeoutMs);
      else transport.abort();
      refused(peer, error);
    };
    new HeadTransport<Asked>(below, {
      what: "HTTP request",
      read: (bytes) => readAsked(bytes, own),
      timeoutMs,
      slots,
    }, {
      headed(transport, { length, request, upgrade, bytes }): number {
        const named = peerOf(peer, request, isProxied ? isProxy : undefined);
        transport.peer = named;
        transport.over ??= admit(named);
        if (transport.over === undefined) {
          transport.abort();
          return length;
        }
        if (request !== undefined && now.http !== undefined && !asksForWebSocket(request)) {
          now.http(transport, named);
          return 0;
        }
        try {
          const isNameProved = isProxied || peer.transport === "tls";
          const { key, protocol } = upgrade ?? checkUpgrade(request!, { ...now, isNameProved });
          if (upgrade === undefined) own?.keep(bytes.subarray(0, length), { key, protocol });
          transport.send(upgradeAnswer(protocol, acceptOf(key)));
          const socket = new WebSocketTransport(transport, { broken: teller(refused, named), over: letGo });
          keepAlive(socket);
          accept(socket, named);
        } catch (error) {
          refuse(transport, error as Error);
        }
        return length;
      },
      failed: refuse,
    }, over);
  };
}

/** @throws {UpgradeError} for bytes that are no head. */
function readAsked(bytes: Uint8Array, known: KnownRequest | undefined): Asked | undefined {
  const upgrade = known?.asked(bytes);
  if (upgrade !== undefined) return { length: bytes.length, request: undefined, upgrade, bytes };
  const request = readRequestHead(bytes);
  return request && { length: request.length, request, upgrade, bytes };
}

/** Out here, since a closure inside keeps all that its connection began with, as long as the connection. */
function teller(refused: WebSocketOptions["refused"], peer: PeerInfo): (error: Error) => void {
  return (error) => refused(peer, error);
}

/** The peer, or the one that a proxy in front names: `isProxy` is given where the peer is one. */
function peerOf(
  peer: PeerInfo,
  request: RequestHead | undefined,
  isProxy: ((address: string) => boolean) | undefined,
): PeerInfo {
  const { address, port } = peer;
  const transport = KINDS[peer.transport] ?? peer.transport;
  const text = isProxy && request && forwardedFor(request, isProxy);
  const bytes = text === undefined ? undefined : ipBytes(text);
  if (bytes === undefined) return { ...peer, transport };
  return { ...peer, transport, address: ipText(bytes), port: 0, proxy: { address, port } };
}
