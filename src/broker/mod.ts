/**
 * The MQTT Server as a pure engine: bytes, time and answers in, bytes and questions out. Runs on any JavaScript runtime;
 * a driver gives it transports and a clock (see `serve`).
 * @module
 */
export type {
  MessageProperties,
  ProtocolLevel,
  QoS,
  SubscriptionOptions,
  UserProperties,
  Will,
} from "../codec/packet.ts";
export type { Rule } from "../codec/error.ts";
export type { PublishView } from "../codec/publish_view.ts";
export type { ReasonCode } from "../codec/reason_code.ts";
export { type Random, seededRandom } from "../engine/random.ts";
export type { Message } from "../delivery/message.ts";
export type { Deadline } from "../engine/timers.ts";
export { Broker, type Work } from "./broker.ts";
export { Busiest, type BusiestStats, type BusyName } from "./busiest.ts";
export { systemTopics, type SystemTopicsOptions, type WholeStats } from "./system_topics.ts";
export {
  explain,
  type ExplainedCopy,
  type ExplainedPast,
  type ExplainQuestion,
  type ExplainStep,
  type ExplainSubject,
  type Explanation,
} from "./explain.ts";
export type { BrokerStats } from "./stats.ts";
export type { TrafficStats } from "./traffic.ts";
export type { MessageInit } from "./owner.ts";
export type { Connection, ConnectionStats } from "./connection.ts";
export type { Tap, TappedMessage } from "./match.ts";
export type { Policy } from "./policy.ts";
export type { Question } from "./question.ts";
export { type LimitReload, RELOAD_OF_LIMITS } from "./reconfigure.ts";
export type { MemoryStats } from "./ledger.ts";
export { type ToleranceName, type ToleranceRow, TOLERANCES } from "../codec/mend.ts";
export { type LimitName, type LimitRow, LIMITS, type Limits } from "./limits.ts";
export type {
  AuthenticationRequest,
  AuthorizationRequest,
  BrokerHooks,
  BrokerOptions,
  ClientInfo,
  ClientPermissions,
  DropReason,
  MessageInfo,
  NodesPart,
  PeerInfo,
  PermissionSource,
  PolicyOptions,
  Redirection,
  Refusal,
  RefusedClient,
  SystemTopicsPart,
  Verdict,
} from "./options.ts";
export {
  type ClientView,
  Inspector,
  type LevelKnown,
  type Page,
  type PageAsk,
  type QueuedMessageView,
  type QueuedState,
  type QueuedView,
  type Receivers,
  type RetainedMessageView,
  type RetainedView,
  type SessionView,
  type SubscriptionView,
  type TopicLevelView,
  TOPICS_COUNTED_MAX,
} from "./inspect.ts";
export {
  Trace,
  trace,
  type TracedPacket,
  type TraceEnd,
  type TraceEvents,
  type TraceOptions,
} from "./trace.ts";
export type { SessionStats } from "./session.ts";
export { MemoryStore } from "./memory_store.ts";
export type {
  Commit,
  DeliveryRecord,
  Later,
  SessionKey,
  SessionRecord,
  SessionStore,
  StoredSession,
  StoredWaiting,
  StoredWill,
  SubscriptionRecord,
} from "./store.ts";
