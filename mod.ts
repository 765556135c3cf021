/**
 * Plumb: an MQTT 5.0, 3.1.1 and 3.1 broker and codec for Deno and Bun.
 * Run directly (`deno run -A mod.ts`, `bun mod.ts`) it is the broker's command line; imported it has no effects.
 *
 * @example
 * ```ts
 * import { serve } from "@plumb/mqtt";
 *
 * const server = await serve();
 * server.publish({ topic: "greetings", payload: "hello", retain: true });
 * ```
 * @module
 */
export {
  type AuthenticationRequest,
  type AuthorizationRequest,
  Broker,
  type BrokerHooks,
  type BrokerOptions,
  type BrokerStats,
  type ClientInfo,
  type Commit,
  type Connection,
  type DeliveryRecord,
  type DropReason,
  type Later,
  type LimitName,
  type LimitReload,
  type LimitRow,
  LIMITS,
  type Limits,
  MemoryStore,
  type Message,
  type MessageInfo,
  type MessageInit,
  type PeerInfo,
  type PolicyOptions,
  type PublishView,
  type Redirection,
  type Refusal,
  type RefusedClient,
  RELOAD_OF_LIMITS,
  type SessionKey,
  type SessionRecord,
  type SessionStats,
  type SessionStore,
  type StoredSession,
  type StoredWill,
  type SubscriptionRecord,
  type Tap,
  type TappedMessage,
  type Verdict,
} from "./src/broker/mod.ts";
export {
  decodePacket,
  encodePacket,
  type Packet,
  PacketType,
  PeerError,
  type ProtocolLevel,
  type QoS,
  ReasonCode,
  reasonName,
  UsageError,
} from "./src/codec/mod.ts";
export {
  AddressError,
  BUCKET_BOUNDS,
  type BusiestStats,
  type BusyName,
  type CertificateAndKey,
  CertificateError,
  type CertificatePart,
  type ClientCertificate,
  type ClientCertificateMode,
  type FinishedSpan,
  type HistogramStats,
  type Identity,
  type Latencies,
  type ListenerOptions,
  ListenError,
  type ListenerStats,
  type ReconfigureOptions,
  serve,
  type ServeHooks,
  type ServeOptions,
  type Server,
  type SpanSink,
  systemTopics,
  type SystemTopicsOptions,
  type SystemTopicsPart,
  type TlsServerOptions,
  type TlsTexts,
} from "./src/server/serve.ts";
export {
  type MemoryOptions,
  type MemoryPair,
  memoryPair,
  type Transport,
  type TransportHandler,
} from "./src/transport/mod.ts";

if (import.meta.main) runDirectly();

/**
 * The command line, by a path that no compiler and no bundler follows: its types and bytes are not for those who import this
 * module. In a bundle, where this file has another name, there is no command line.
 */
function runDirectly(): void {
  const main = import.meta.url.replace(/\/mod(\.[jt]s)$/, "/src/cli/main$1");
  if (main !== import.meta.url) void import(main);
}
