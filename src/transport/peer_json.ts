/**
 * §4.2 The far end of a Network Connection as another node is told of it.
 * Knows what must be said; refuses to know who says it, and how text becomes a value.
 * @module
 */
import type { ClientCertificate, PeerInfo, TransportKind } from "./peer.ts";

const KINDS: Readonly<Record<TransportKind, true>> = {
  tcp: true,
  tls: true,
  ws: true,
  wss: true,
  unix: true,
  memory: true,
};

/** The peer that a value of JSON tells of; undefined if too little is said. */
export function peerOf(value: unknown): PeerInfo | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const peer = value as Partial<PeerInfo>;
  const isPeer = typeof peer.address === "string" && typeof peer.port === "number" &&
    Object.hasOwn(KINDS, peer.transport ?? "");
  if (!isPeer) return undefined;
  const { certificate } = peer;
  if (certificate === undefined) return peer as PeerInfo;
  // JSON leaves out an identity that is undefined.
  const whole: ClientCertificate = { ...certificate, identity: certificate.identity };
  return { ...peer as PeerInfo, certificate: whole };
}
