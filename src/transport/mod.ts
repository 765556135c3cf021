/**
 * §4.2 Network Connections: the transport interface and the in-memory pair.
 * Knows byte streams; refuses to know packets, sockets and runtimes.
 * @module
 */
export type { ClientCertificate, PeerInfo, TransportKind } from "./peer.ts";
export type { Transport, TransportHandler } from "./transport.ts";
export { type MemoryOptions, type MemoryPair, memoryPair } from "./memory.ts";
