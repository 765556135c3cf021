/**
 * Every limit of the client engine: its name, unit, default and meaning, in one table.
 * Knows the numbers; refuses to know where they are enforced.
 * @module
 */

/** What a Client bounds, and by how much. */
export interface ClientLimits {
  /** Messages that wait to be sent, for a connection or for the Server's Receive Maximum. */
  readonly waitingMessagesMax: number;
  /** Bytes of them: topics and payloads. */
  readonly waitingBytesMax: number;
  /** QoS 1 and 2 messages in flight towards the Server, whatever more it allows. */
  readonly inFlightMax: number;
  /** The same below level 5, where a Server cannot say how many it takes: mosquitto takes 20. */
  readonly inFlightBelow5Max: number;
  /** Bytes that may wait for the transport before messages wait. */
  readonly outboundBytesMax: number;
  /** §3.3.2.3.4 Topic Aliases towards the Server, whatever more it allows. */
  readonly aliasesMax: number;
  /** §3.1.2.11.3 Receive Maximum in CONNECT, if the option says nothing. */
  readonly receiveMaximum: number;
  /** §3.1.2.11.5 Topic Alias Maximum in CONNECT, if the option says nothing. */
  readonly topicAliasMaximum: number;
  /** Messages that wait for the reader of a subscription, if its option says nothing. */
  readonly bufferedMessages: number;
  /** Messages of an earlier process's session that wait for `subscribe()`. */
  readonly strayMessagesMax: number;
  /** ms after the connection that they wait; then they are acknowledged and dropped. */
  readonly strayMs: number;
  /** Topic Names that are remembered: those that came with their subscriptions, and for one connection those that were sent. */
  readonly knownTopicsMax: number;
  /** ms from CONNECT to CONNACK. */
  readonly connackTimeoutMs: number;
  /** ms from PINGREQ to the next bytes. */
  readonly pingTimeoutMs: number;
  /** ms from our DISCONNECT to the end of the connection, and that a commit of the store may take then. */
  readonly closeTimeoutMs: number;
  /** ms that the first new attempt waits at most; each failure doubles it. */
  readonly retryMinMs: number;
  /** ms that any new attempt waits at most. */
  readonly retryMaxMs: number;
  /** ms of a connection from which on the next attempt counts as the first again. */
  readonly stableMs: number;
  /** §4.11 redirections that are followed one behind the other. */
  readonly redirectsMax: number;
}

/** The values that hold where none is given. */
export const CLIENT_LIMITS: ClientLimits = {
  waitingMessagesMax: 10_000,
  waitingBytesMax: 16_777_216,
  inFlightMax: 1_000,
  inFlightBelow5Max: 20,
  outboundBytesMax: 1_048_576,
  aliasesMax: 64,
  receiveMaximum: 1_000,
  topicAliasMaximum: 32,
  bufferedMessages: 1_000,
  strayMessagesMax: 1_000,
  strayMs: 30_000,
  knownTopicsMax: 1_000,
  connackTimeoutMs: 30_000,
  pingTimeoutMs: 10_000,
  closeTimeoutMs: 5_000,
  retryMinMs: 250,
  retryMaxMs: 30_000,
  stableMs: 5_000,
  redirectsMax: 3,
};
