/**
 * A broker that listens: `await serve()` and Clients may come.
 * Knows listeners, a broker and the loop between them; refuses to know command lines and files.
 *
 * On Deno it needs `--allow-net` for its addresses, with the defaults `--allow-net=127.0.0.1:1883,[::1]:1883`, and nothing
 * else. The command line needs `--allow-env=PLUMB_*,NO_COLOR` besides.
 *
 * @example
 * ```ts
 * import { serve } from "@plumb/mqtt/serve";
 *
 * await using server = await serve({ listen: ["mqtt://localhost:1883"] });
 * server.publish({ topic: "greetings", payload: "hello", retain: true });
 * ```
 * @module
 */
import {
  type AuthenticationRequest,
  Broker,
  type BrokerHooks,
  type BrokerOptions,
  Busiest,
  type BusiestStats,
  type BusyName,
  type MessageInit,
  type PeerInfo,
  type PermissionSource,
  type Policy,
  type PolicyOptions,
  type Redirection,
  type Refusal,
  seededRandom,
  systemTopics,
  type SystemTopicsOptions,
  type SystemTopicsPart,
  type Tap,
  type TappedMessage,
  type Verdict,
} from "../broker/mod.ts";
import { watch } from "../broker/observer.ts";
import { policyOf } from "../broker/policy.ts";
import { UsageError } from "../codec/error.ts";
import type { NodeStats, OneOfNodes } from "../nodes/mod.ts";
import { ListenError } from "../runtime/listen.ts";
import { type Loop, systemLoop } from "../runtime/loop.ts";
import { systemRandom } from "../runtime/random.ts";
import {
  type CertificateAndKey,
  CertificateError,
  type CertificatePart,
  type ClientCertificateMode,
  type Identity,
  type TlsServerOptions,
  type TlsTexts,
} from "../runtime/tls/options.ts";
import type { ClientCertificate } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { WebSocketError } from "../transport/websocket_frames.ts";
import { UpgradeError } from "../transport/websocket_upgrade.ts";
import { type Admit, isAdmitted } from "./admit.ts";
import { AddressError, addressUrl, DEFAULT_LISTEN } from "./address.ts";
import { AddressLimits } from "./address_limits.ts";
import { Driver, type DriverMeter } from "./driver.ts";
import { BUCKET_BOUNDS, type HistogramStats } from "./histogram.ts";
import { ListenerCounts, type ListenerStats } from "./listener_counts.ts";
import {
  type HttpListener,
  type HttpRequest,
  type HttpResponse,
  type ListenerEvents,
  type ListenerOptions,
  type ListenerPlan,
  planListeners,
  type WebSocketListenOptions,
} from "./listeners.ts";
import { ListenerSet } from "./listener_set.ts";
import { type FinishedSpan, Spans, type SpanSink } from "./spans.ts";
import { type Latencies, Meter } from "./meter.ts";

export { AddressError, BUCKET_BOUNDS, CertificateError, Driver, ListenError, systemTopics };
export type {
  Admit,
  AuthenticationRequest,
  BrokerHooks,
  BrokerOptions,
  BusiestStats,
  BusyName,
  CertificateAndKey,
  CertificatePart,
  ClientCertificate,
  ClientCertificateMode,
  DriverMeter,
  FinishedSpan,
  HistogramStats,
  HttpListener,
  HttpRequest,
  HttpResponse,
  Identity,
  Latencies,
  ListenerOptions,
  ListenerStats,
  Loop,
  MessageInit,
  NodeStats,
  PeerInfo,
  PolicyOptions,
  Redirection,
  Refusal,
  SpanSink,
  SystemTopicsOptions,
  SystemTopicsPart,
  Tap,
  TappedMessage,
  TlsServerOptions,
  TlsTexts,
  Verdict,
  WebSocketListenOptions,
};

/** §6 an upgrade that was refused, bytes that are none, or frames that no Client may send. */
function upgradeRefusal(error: Error): Refusal {
  const isKnown = error instanceof UpgradeError || error instanceof WebSocketError;
  const rule = isKnown ? error.rule : "policy/websocket-upgrade";
  return { code: 0x80, rule, message: error.message };
}

const OF_THIS_PROCESS: PeerInfo = { address: "", port: 0, transport: "memory" };

/** The hooks of the engine, and one for listeners. */
export interface ServeHooks extends BrokerHooks {
  /** A connection to a TLS listener ended before its handshake was done; `code` of the error is `ECONNRESET` if the peer just left. */
  handshakeFailed?(peer: PeerInfo, error: Error): void;
}

/** The options of a broker, and its listeners. */
export interface ServeOptions extends Omit<BrokerOptions, "hooks" | "nodes"> {
  /**
   * URLs as `mqtt://HOST:PORT` and, with TLS, `mqtts://HOST:PORT`. The default is `mqtt://localhost:1883`, which is 127.0.0.1 and,
   * where there is one, ::1.
   */
  readonly listen?: readonly (string | ListenerOptions)[];
  /** The certificates that listeners with TLS show and ask for, if they have none of their own. */
  readonly tls?: TlsServerOptions;
  /** How `ws` and `wss` listeners take WebSockets, if they have nothing of their own. */
  readonly webSocket?: WebSocketListenOptions;
  /** Asked for each connection when it is accepted, before TLS and before a byte is read; a listener may have its own. */
  readonly admit?: Admit;
  /** Functions to be called on events. */
  readonly hooks?: ServeHooks;
  /** Called for each connect, subscription, commit and question that is over: for a tracer. Without it nothing is done for that. */
  readonly spans?: SpanSink;
  /** In place of the runtime's own, for tests and measurements. */
  readonly loop?: Loop;
  /** This Server is one of several nodes; `Server.link()` joins them. */
  readonly nodes?: ServeNodes;
}

/** How a Server is one of several nodes, which together are one for Clients. */
export interface ServeNodes {
  /** Its own name. */
  readonly name: string;
  /** The names of all nodes, its own among them, in the same order at each. */
  readonly all: readonly string[];
  /**
   * The way to another node for a Client whose session lives there, not started yet; it may begin to take bytes later. What comes out there is
   * handed to `acceptRelayed()`.
   */
  relay(to: string, client: RelayHead): Transport;
  /** Called when a node to which there is a link has told all of its routes and retained messages. */
  inStep?(name: string): void;
}

/** A Client whose session lives at another node. */
export interface RelayHead {
  /** The place in `listen` of the listener that it came by. */
  readonly listener: number;
  /** Where it comes from. */
  readonly peer: PeerInfo;
}

/** The options that can change while the broker runs. */
export type ReconfigureOptions = Omit<ServeOptions, "store" | "random" | "spans" | "loop" | "nodes">;

/**
 * A broker that listens. Its methods may be called anywhere, also in hooks, authenticators, authorizers and taps: there they are checked
 * at once, and done in their order as soon as the broker has dealt with what it is telling of.
 */
export interface Server extends AsyncDisposable {
  /** For reading only. The methods below change it, and end the turn. */
  readonly broker: Broker;
  /** URLs, with the ports that were taken. */
  readonly addresses: readonly string[];
  /** The same of each listener in `listen`, in its order: two for `localhost`, none for one that is `missing`. */
  readonly addressesOf: readonly (readonly string[])[];
  /** The connections of each listener. */
  readonly listeners: readonly ListenerStats[];
  /**
   * How long things take. They are measured from the first call on, until five minutes behind the last one: so that it costs nothing while
   * nothing reads it.
   */
  latencies(): Latencies;
  /** Which Clients publish most, and below which topics: estimated while `latencies()` are measured, and begun with this call too. */
  busiest(): BusiestStats;
  /**
   * A connection that comes another way than through a listener: from this process, or through a port of a worker. The transport is not
   * started yet. `peer` is what hooks and logins see; by default one of this process.
   */
  accept(transport: Transport, peer?: PeerInfo): void;
  /** The same for a Client of the owner's own: it needs no login, may do everything, and has this user name. */
  acceptOwn(transport: Transport, username: string): void;
  /**
   * A link to another node (`BrokerOptions.nodes`) begins on this transport, which is not started yet, in place of another link to it.
   * `incarnation` is another one each time that node starts; `over` is called when the link is over.
   * @throws {UsageError} if there is no such node.
   */
  link(transport: Transport, node: string, incarnation: string, over?: () => void): void;
  /**
   * A connection of a Client that another node relays: as one that came in here, through the listener in that place of `listen`.
   * @throws {UsageError} if there is none in that place.
   */
  acceptRelayed(transport: Transport, head: RelayHead): void;
  /** How the other nodes are at present; none without `ServeOptions.nodes`. */
  readonly nodes: readonly NodeStats[];
  /**
   * Publishes as the Server itself.
   * @throws {UsageError} for a topic, payload, QoS, flag or property that cannot be sent; then nothing has happened.
   */
  publish(message: MessageInit): void;
  /**
   * Has `received` called for each message that `filter` matches, at once and inside the engine's turn.
   * @throws {UsageError} for what is no Topic Filter, or a Shared Subscription.
   */
  tap(filter: string, received: (message: TappedMessage) => void): Tap;
  /** Ends a tap. */
  untap(tap: Tap): void;
  /**
   * Publishes a PUBLISH frame of level 5, as one that a tap of another Server got; `origin` does not get it back.
   * @throws {PeerError} if it is no well-formed PUBLISH.
   */
  inject(frame: Uint8Array, origin?: Tap): void;
  /**
   * Ends the connection that a Client has now with this reason, or sends it elsewhere (§4.11); false if it has none.
   * @throws {UsageError} for a reason that DISCONNECT cannot carry.
   */
  disconnect(clientId: string, reason: Refusal | Redirection): boolean;
  /**
   * Ends the session of a Client, and its connection before, with this reason; false if it has none.
   * @throws {UsageError} for a reason that DISCONNECT cannot carry.
   */
  endSession(clientId: string, reason: Refusal): boolean;
  /**
   * Shows these certificates to new connections of all TLS listeners that have none of their own, or of the listener whose own they are,
   * with its URL as it was given; connections that are there keep theirs. Texts that are not given stay as they are.
   * @throws {CertificateError} for a text that cannot be used; then all stays as it is.
   * @throws {AddressError} if there is no such listener.
   */
  renewCertificate(tls: TlsTexts, listener?: string): void;
  /**
   * Goes on with these options, as if `serve()` had been called with them: what is not given has its default. All or nothing, and nobody
   * is dropped: a listener that is not named any more accepts nobody, and its connections stay. New connections get everything that
   * is new; open ones keep features, authorizer and the limits that CONNACK announced, and get other permissions, the authenticator (for
   * a CONNECT that has not come yet, and when they authenticate anew) and the limits of which `RELOAD_OF_LIMITS` says "now". Two limits stay as they were at the start: `knownTopicsMax`, `batchMessagesMax`.
   * A call waits for the one before it.
   * @throws {AddressError}, {CertificateError}, {ListenError} as `serve()` does, {UsageError} for a limit; then all stays as it is.
   */
  reconfigure(options: ReconfigureOptions): Promise<void>;
  /** Accepts no Client any more, sends every Client DISCONNECT (0x8B), and resolves when all connections are over. */
  close(): Promise<void>;
}

/** What makes a broker one of several; loaded only where that is wanted. */
async function nodesOf(
  { name, all, relay, inStep }: ServeNodes,
  { keeps, placeOf }: { readonly keeps: boolean; placeOf(policy: Policy): number },
): Promise<OneOfNodes> {
  const { nodesPart } = await import("../nodes/mod.ts");
  return nodesPart({
    name,
    all,
    keeps,
    relay: (to, { peer, policy }) => relay(to, { peer, listener: placeOf(policy) }),
    ...inStep && { inStep },
  });
}

/**
 * Starts a broker.
 * @throws {AddressError} for a URL that cannot be listened on, for TLS without a certificate, and for a certificate without TLS.
 * @throws {CertificateError} for a text that is no certificate or not its key.
 * @throws {ListenError} when a port is in use, say; then nothing is left open.
 */
export async function serve(options: ServeOptions = {}): Promise<Server> {
  const { listen = [DEFAULT_LISTEN], tls, loop = systemLoop, admit: _, webSocket, nodes: among, ...rest } =
    options;
  let planned: readonly ListenerPlan[] = [];
  const nodes = among && await nodesOf(among, {
    keeps: options.store !== undefined,
    placeOf: (policy) => planned.findIndex((plan) => plan.policy === policy),
  });
  const spans = options.spans && new Spans(options.spans);
  const heard = (hooks: ServeHooks): ServeHooks => spans === undefined ? hooks : spans.around(hooks);
  const broker = new Broker({
    random: systemRandom(),
    ...rest,
    ...nodes && { nodes },
    hooks: heard(options.hooks ?? {}),
  });
  const driver = new Driver(broker, loop);
  driver.meter = spans;
  let busiest: Busiest | undefined;
  const meter = new Meter((isOn) => {
    const measuring = isOn ? meter : undefined;
    if (spans === undefined) driver.meter = measuring;
    else spans.meter = measuring;
    busiest = isOn ? new Busiest(loop.now(), seededRandom(0)) : undefined;
    broker.observe(busiest);
  });
  const counts = new ListenerCounts();
  const addresses = new AddressLimits();
  let { admit, hooks = {} } = options;
  const failed = (error: unknown): void => broker.failed(error);
  /** An exception of an owner's function, or the rejection of its promise, ends nothing. */
  const tell = (call: () => unknown): void => {
    try {
      watch(call(), failed);
    } catch (error) {
      failed(error);
    }
  };
  const refused = (peer: PeerInfo, refusal: Refusal) => broker.refused(peer, refusal);
  const events: ListenerEvents = {
    admit(peer, plan) {
      if (!isAdmitted(plan.admit ?? admit, peer, { refused, failed })) return undefined;
      const place = addresses.take(peer, plan.policy.limits, loop.now());
      if (typeof place === "function") return () => place(loop.now());
      const { limit, who, refusal, isNews } = place;
      if (isNews) broker.limited(limit, who);
      refused(peer, refusal);
      return undefined;
    },
    accept(transport, peer, plan, place) {
      spans?.opened(peer);
      const over = counts.accepted(addressUrl(plan.address));
      driver.accept(transport, peer, plan.policy, () => {
        over();
        place?.();
      });
    },
    troubled: failed,
    proxyRefused: (peer, { message }) => refused(peer, { code: 0x81, rule: "policy/proxy-header", message }),
    upgradeRefused: (peer, error) => refused(peer, upgradeRefusal(error)),
    handshakeFailed: (peer, error) => tell(() => hooks.handshakeFailed?.(peer, error)),
  };
  const listeners = new ListenerSet(events);
  const watched = new WeakSet<PermissionSource>();
  const change = async (plans: readonly ListenerPlan[]): Promise<ReadonlyMap<Policy, Policy>> => {
    const moved = await listeners.change(plans);
    planned = plans;
    counts.listen(plans.map(({ address }) => addressUrl(address)));
    for (const { policy } of plans) {
      const source = policy.permissions;
      if (source === undefined || watched.has(source)) continue;
      watched.add(source);
      source.watch?.(() => driver.run((broker, now) => broker.permissionsChanged(now)));
    }
    return moved;
  };

  try {
    await change(planListeners(listen, tls, (given) => broker.policy(given), webSocket));
  } catch (error) {
    await driver.close();
    throw error;
  }

  let lastChange: Promise<void> = Promise.resolve();
  let isClosing = false;

  async function reconfigure(next: ReconfigureOptions): Promise<void> {
    const { listen = [DEFAULT_LISTEN], tls, admit: nextAdmit, hooks: nextHooks = {}, webSocket, ...given } =
      next;
    if (isClosing) return;
    const policy = broker.nextPolicy(given);
    const moved = await change(planListeners(listen, tls, (own) => policyOf(own, policy), webSocket));
    [admit, hooks] = [nextAdmit, nextHooks];
    driver.run((broker, now) => broker.reconfigure(policy, moved, heard(hooks), now));
  }
  async function close(): Promise<void> {
    isClosing = true;
    await lastChange.catch(() => {});
    await listeners.close();
    meter.close();
    await driver.close();
  }
  return {
    broker,
    get addresses() {
      return listeners.addresses.flat();
    },
    get addressesOf() {
      return listeners.addresses;
    },
    get listeners() {
      return counts.stats;
    },
    latencies: () => meter.read(),
    busiest() {
      meter.read();
      return busiest?.stats(loop.now()) ?? { clients: [], prefixes: [] };
    },
    accept: (transport, peer = OF_THIS_PROCESS) => void driver.accept(transport, peer),
    acceptOwn: (transport, username) =>
      void driver.accept(transport, OF_THIS_PROCESS, broker.ownPolicy(username)),
    link: (transport, node, incarnation, over) => driver.link(transport, node, incarnation, over),
    acceptRelayed(transport, { peer, listener }) {
      const plan = planned[listener];
      if (plan === undefined) throw new UsageError(`There is no listener in place ${listener}`);
      driver.accept(transport, peer, plan.policy);
    },
    get nodes() {
      return nodes?.stats ?? [];
    },
    publish: (message) => driver.run((broker, now) => broker.publish(message, now)),
    tap: (filter, received) => driver.run((broker) => broker.tap(filter, received)),
    untap: (tap) => broker.untap(tap),
    inject: (frame, origin) => driver.run((broker, now) => broker.inject(frame, now, origin)),
    disconnect: (clientId, reason) => driver.run((broker, now) => broker.disconnect(clientId, reason, now)),
    endSession: (clientId, reason) => driver.run((broker, now) => broker.endSession(clientId, reason, now)),
    renewCertificate: (tls, listener) => listeners.renewCertificate(tls, listener),
    reconfigure: (next) => lastChange = lastChange.catch(() => {}).then(() => reconfigure(next)),
    close,
    [Symbol.asyncDispose]: close,
  };
}
