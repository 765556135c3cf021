/**
 * Every limit of the broker: its name, unit, default and meaning, in one table. Those of addresses and of new connections are for
 * whoever accepts connections (src/server/address_limits.ts), all others for the engine.
 * Knows the numbers; refuses to know where they are enforced.
 * @module
 */

/** One row of the table. */
export interface LimitRow {
  /** The value that holds if none is given. */
  readonly default: number;
  /** The smallest value taken. */
  readonly least: number;
  /** The largest value taken. */
  readonly most: number;
  /** The unit of the number. */
  readonly unit: string;
  /** The meaning, for `plumb --help`. */
  readonly about: string;
  /** The scope: a listener may set all limits but limits of scope "broker". */
  readonly scope: "broker" | "listener" | "connection" | "session";
}

function row(
  scope: LimitRow["scope"],
  value: number,
  least: number,
  most: number,
  unit: string,
  about: string,
): LimitRow {
  return { default: value, least, most, unit, about, scope };
}

const COUNT = 0xffff_ffff;
const KIB = 1024;
const MIB = 1024 * KIB;

/** The names are the names of the options; on the command line `packetBytesMax` is `--packet-bytes-max`. */
export const LIMITS: Readonly<Record<LimitName, LimitRow>> = /* @__PURE__ */ table();

/** A function, so that a bundle without the broker can leave the table out. */
function table(): Record<LimitName, LimitRow> {
  return {
    connectionsMax: row(
      "broker",
      1_000_000,
      1,
      COUNT,
      "connections",
      "Network Connections with an accepted CONNECT; a Client that connects again takes its own place",
    ),
    connectingMax: row(
      "broker",
      10_000,
      1,
      COUNT,
      "connections",
      "Network Connections without an accepted CONNECT; above it the oldest ends, a refused or closing one first",
    ),
    addressConnectionsMax: row(
      "listener",
      2_000,
      0,
      COUNT,
      "connections",
      "Network Connections from one address (IPv6: a /64) at all listeners, never more than half of connectionsMax; 0 is no limit",
    ),
    addressConnectRateMax: row(
      "listener",
      100,
      0,
      COUNT,
      "connections per second",
      "new Network Connections from one address; as many as ten seconds allow may come at once; 0 is no limit",
    ),
    addressesKeptMax: row(
      "broker",
      10_000,
      2,
      16_777_216,
      "addresses",
      "addresses that are remembered for ten seconds or more when their last connection is over, for addressConnectRateMax; above it half of them are forgotten",
    ),
    connectRateMax: row(
      "broker",
      500,
      0,
      COUNT,
      "connections per second",
      "new Network Connections from all addresses of other machines; as many as ten seconds allow may come at once, half of them from addresses that had one just now; 0 is no limit",
    ),
    sessionsMax: row("broker", 1_000_000, 1, COUNT, "sessions", "sessions, connected or not"),
    userSessionsMax: row(
      "session",
      100_000,
      0,
      COUNT,
      "sessions",
      "sessions of all Clients with one user name, connected or not; 0 is no limit",
    ),
    connectTimeoutMs: row(
      "connection",
      10_000,
      1,
      3_600_000,
      "ms",
      "time for a connection to send its CONNECT and to authenticate",
    ),
    closeTimeoutMs: row(
      "connection",
      5_000,
      1,
      3_600_000,
      "ms",
      "time for a peer to read the last packet and to close its half of the connection",
    ),
    packetBytesMax: row(
      "connection",
      16 * MIB,
      64,
      268_435_460,
      "bytes",
      "largest packet that the Server takes, announced as Maximum Packet Size",
    ),
    connectBytesMax: row(
      "connection",
      64 * KIB,
      64,
      268_435_460,
      "bytes",
      "largest packet of a connection whose CONNECT is not accepted yet: a CONNECT with its Will, or an AUTH",
    ),
    controlBytesMax: row(
      "connection",
      256 * KIB,
      64,
      268_435_460,
      "bytes",
      "largest packet other than PUBLISH: SUBSCRIBE and UNSUBSCRIBE with all of their filters, say",
    ),
    filtersPerPacketMax: row(
      "connection",
      10_000,
      1,
      COUNT,
      "filters",
      "Topic Filters in one SUBSCRIBE or UNSUBSCRIBE",
    ),
    nameBytesMax: row(
      "connection",
      4 * KIB,
      16,
      65_535,
      "bytes",
      "Topic Name, Topic Filter, Client Identifier or user name",
    ),
    keepAliveSecondsMax: row(
      "connection",
      65_535,
      1,
      65_535,
      "s",
      "longest Keep Alive, announced as Server Keep Alive if the Client asks for a longer one",
    ),
    sessionExpirySecondsMax: row(
      "connection",
      0xffff_ffff,
      0,
      0xffff_ffff,
      "s",
      "longest Session Expiry Interval, announced in CONNACK if the Client asks for a longer one; 4294967295 is no limit",
    ),
    receiveMaximum: row(
      "connection",
      1_000,
      1,
      65_535,
      "messages",
      "QoS 1 and 2 messages that a Client may have in flight to the Server, announced as Receive Maximum",
    ),
    inFlightMax: row(
      "connection",
      1_000,
      1,
      65_535,
      "messages",
      "QoS 1 and 2 messages in flight to one Client; its Receive Maximum may allow fewer",
    ),
    inFlightMaxLevel4: row(
      "connection",
      20,
      1,
      65_535,
      "messages",
      "the same for a Client of MQTT 3.1.1 or 3.1, which cannot say how many it takes: many take no more than 20",
    ),
    topicAliasMaximum: row(
      "connection",
      256,
      0,
      65_535,
      "aliases",
      "Topic Aliases that a Client may set, announced as Topic Alias Maximum",
    ),
    topicAliasesOutMax: row(
      "connection",
      64,
      0,
      65_535,
      "aliases",
      "Topic Aliases that the Server sets at a Client that allows them",
    ),
    queuedMessagesMax: row(
      "session",
      100_000,
      0,
      COUNT,
      "messages",
      "QoS 1 and 2 messages that wait in one session",
    ),
    queuedBytesMax: row(
      "session",
      64 * MIB,
      0,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "size of all messages that wait in one session",
    ),
    userQueuedBytesMax: row(
      "session",
      1024 * MIB,
      0,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "size of all messages that wait in the sessions of all Clients with one user name; a connected Client that keeps up is spared; 0 is no limit",
    ),
    residentMessagesMax: row(
      "session",
      1_000,
      2,
      COUNT,
      "messages",
      "messages waiting in one connected durable session that memory holds; the rest is in the store alone",
    ),
    residentBytesMax: row(
      "session",
      1 * MIB,
      1,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "size of the messages that memory holds of one connected durable session; the rest is in the store alone",
    ),
    outboundBytesMax: row(
      "connection",
      8 * MIB,
      4 * KIB,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "size of the packets that wait for one Client to read them; above it QoS 0 messages are dropped, QoS 1 and 2 wait in the session",
    ),
    pendingBytesMax: row(
      "connection",
      1 * MIB,
      1,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "size of the packets behind a CONNECT or AUTH that is not yet answered; above it the connection is not read",
    ),
    publishRateMax: row(
      "connection",
      0,
      0,
      COUNT,
      "messages per second",
      "PUBLISH packets of one Client; above it the connection is read less, as much as one second allows may come at once; 0 is no limit",
    ),
    bytesRateMax: row(
      "connection",
      0,
      0,
      Number.MAX_SAFE_INTEGER,
      "bytes per second",
      "size of all packets of one Client, the same way; 0 is no limit",
    ),
    overRateTimeoutMs: row(
      "connection",
      300_000,
      0,
      86_400_000,
      "ms",
      "time that a Client may be above its rate without a break, a second's worth that it has not used; then it is ended (0x96); 0 is never",
    ),
    subscriptionsPerSessionMax: row(
      "session",
      100_000,
      1,
      COUNT,
      "subscriptions",
      "subscriptions of one session",
    ),
    subscriptionBytesMax: row(
      "session",
      16 * MIB,
      64,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "Topic Filters of all subscriptions of one session",
    ),
    topicLevelsMax: row("connection", 200, 1, 1_000, "levels", "levels of a Topic Name or Topic Filter"),
    knownTopicsMax: row(
      "broker",
      65_536,
      16,
      16_777_216,
      "topics",
      "Topic Names whose subscribers are remembered",
    ),
    batchMessagesMax: row(
      "broker",
      1_024,
      0,
      1_024,
      "messages",
      "PUBLISH packets that arrive together and are passed on together; 0 passes each on alone, for comparison",
    ),
    retainedMessagesMax: row("broker", 1_000_000, 0, COUNT, "messages", "retained messages"),
    retainedBytesMax: row(
      "broker",
      1024 * MIB,
      0,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "size of all retained messages together",
    ),
    memoryBytesMax: row(
      "broker",
      2048 * MIB,
      1 * MIB,
      Number.MAX_SAFE_INTEGER,
      "bytes",
      "memory for everything that peers cause to be held; above it nothing more is kept, and the greediest connections are not read, then ended",
    ),
  };
}

/** The name of a limit. */
export type LimitName =
  | "connectionsMax"
  | "connectingMax"
  | "addressConnectionsMax"
  | "addressConnectRateMax"
  | "addressesKeptMax"
  | "connectRateMax"
  | "sessionsMax"
  | "userSessionsMax"
  | "connectTimeoutMs"
  | "closeTimeoutMs"
  | "packetBytesMax"
  | "connectBytesMax"
  | "controlBytesMax"
  | "filtersPerPacketMax"
  | "nameBytesMax"
  | "keepAliveSecondsMax"
  | "sessionExpirySecondsMax"
  | "receiveMaximum"
  | "inFlightMax"
  | "inFlightMaxLevel4"
  | "topicAliasMaximum"
  | "topicAliasesOutMax"
  | "queuedMessagesMax"
  | "queuedBytesMax"
  | "userQueuedBytesMax"
  | "residentMessagesMax"
  | "residentBytesMax"
  | "outboundBytesMax"
  | "pendingBytesMax"
  | "publishRateMax"
  | "bytesRateMax"
  | "overRateTimeoutMs"
  | "subscriptionsPerSessionMax"
  | "subscriptionBytesMax"
  | "topicLevelsMax"
  | "knownTopicsMax"
  | "batchMessagesMax"
  | "retainedMessagesMax"
  | "retainedBytesMax"
  | "memoryBytesMax";

/** A value for every limit. */
export type Limits = Readonly<Record<LimitName, number>>;
