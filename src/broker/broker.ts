/**
 * The Server as a pure machine: bytes, time and answers in; bytes, closes and questions out.
 * Knows the order of inputs and of the steps that end a turn; refuses to know sockets, clocks and files.
 * @module
 */
import { UsageError } from "../codec/error.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { Reader } from "../codec/reader.ts";
import { expiryOf } from "../delivery/message.ts";
import { seededRandom } from "../engine/random.ts";
import { parseFilter } from "../topic/filter.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { Batch } from "./batch.ts";
import type { Busiest } from "./busiest.ts";
import { Connection } from "./connection.ts";
import { Connections } from "./connections.ts";
import { Deliverer, type Outgoing } from "./deliver.ts";
import { Inputs } from "./inputs.ts";
import type { Inside } from "./inspect.ts";
import { Journal } from "./journal.ts";
import type { NodesMaker } from "./nodes_part.ts";
import { assertCounted } from "./ledger_check.ts";
import { Tap, type TappedMessage } from "./match.ts";
import type { LimitName, Limits } from "./limits.ts";
import { MemoryLimit } from "./memory_limit.ts";
import { Observer } from "./observer.ts";
import type { BrokerHooks, BrokerOptions, PolicyOptions, Redirection } from "./options.ts";
import { checkReason, injectedMessage, type MessageInit, ownMessage } from "./owner.ts";
import type { Parts } from "./parts.ts";
import { ownPolicy, type Policy, policyOf } from "./policy.ts";
import type { Question } from "./question.ts";
import { Succession, successor } from "./reconfigure.ts";
import type { Refusal } from "./refusal.ts";
import { restore } from "./restore.ts";
import { Router } from "./router.ts";
import type { SessionStats } from "./session.ts";
import { Sessions } from "./sessions.ts";
import type { SystemTopicsMaker } from "./system_topics.ts";
import type { BrokerStats } from "./stats.ts";
import { Turn } from "./turn.ts";

/** The work for `flush()`: nothing; something that a peer waits for; or only work that may take many turns, and comes after all input. */
export type Work = "none" | "soon" | "later";

const NO_QUESTIONS: readonly Question[] = [];
/** A Server that stops gives its peers this long to read their last packets, if `closeTimeoutMs` is not less: ms. */
const STOP_MS = 1_000;

const SHUTTING_DOWN: Refusal = {
  code: 0x8b,
  rule: "limit/unavailable",
  message: "The Server is shutting down",
};

/**
 * One Server. Two of them share nothing. All times are ms since the epoch, and never go back.
 *
 * An embedder (`Driver` of the server folder, tests) calls four kinds of methods:
 *
 * - **Inputs**, each with the time: `opened()` for a new transport, then `received()`, `drained()` and `closed()` of the connection it
 *   returns; `ticked()` when `nextDeadline()` is reached; `answered()` or `rejected()` for each question.
 * - **The end of a turn**: after inputs, as soon as the sockets that were readable together are read, `flush()` if `work` is not
 *   "none". Only then bytes leave, and only then a commit begins. It returns the questions that take time: a commit, a
 *   page of messages, a verdict, a permission. When the promise of one resolves, hand its answer in by `answered()`.
 * - **The owner's calls**: `publish()`, `inject()`, `tap()`, `disconnect()`, `endSession()`, `permissionsChanged()`, `shutdown()`, `policy()`,
 *   `reconfigure()`. They count as inputs:
 *   `flush()` follows.
 * - **Looks**: `stats`, `received`, `session()`, `clientIds()`, `work`, `nextDeadline()`. They change nothing.
 *
 * No call waits for anything, and none throws but for a caller's mistake (`UsageError`).
 *
 * A hook, an authenticator, an authorizer, a tap and a store are called in the middle of an input. They may call any method: looks
 * answer at once, everything else is checked at once and done at the end of that input, in the order of the calls.
 */
export class Broker {
  readonly #turn: Turn = new Turn();
  readonly #observer: Observer;
  readonly #inputs: Inputs;
  readonly #journal: Journal;
  readonly #router: Router;
  readonly #sessions: Sessions;
  #policy: Policy;
  readonly #succession: Succession = new Succession();
  readonly #connections: Connections<Connection> = new Connections();
  readonly #memory: MemoryLimit<Connection>;
  readonly #host: ConstructorParameters<typeof Connection>[0];
  #isStopping = false;
  /** @internal Called for each new connection while one is watched for (trace.ts). */
  onOpened: ((connection: Connection) => void) | undefined;

  /**
   * A Server with these options; without a store it begins empty.
   * @throws {UsageError} for a limit that does not exist or is out of range.
   */
  constructor(options: BrokerOptions = {}) {
    const { store, hooks = {}, random = seededRandom(0), systemTopics, nodes, ...policy } = options;
    const { limits } = this.#policy = policyOf(policy);
    const turn = this.#turn;
    const observer = this.#observer = new Observer(hooks);
    const inputs = this.#inputs = new Inputs(turn, observer);
    const journal = this.#journal = new Journal(store, turn, observer, () => this.#recovered());
    const deliverer = new Deliverer(turn, journal, observer);
    const router = this.#router = new Router({ turn, journal, observer, deliverer, limits, random });
    const parts: Parts = { turn, journal, observer, deliverer, router };
    const sessions = this.#sessions = new Sessions(parts, random);
    if (systemTopics !== undefined) {
      const host = {
        stats: () => this.stats,
        publish: (outgoing: Outgoing) => sessions.route(outgoing),
      };
      parts.systemTopics = (systemTopics as SystemTopicsMaker).make(turn, router, host);
    }
    if (nodes !== undefined) {
      const others = (nodes as NodesMaker).make({ parts, sessions, policy: this.#policy, random });
      parts.nodes = router.nodes = journal.nodes = others;
    }
    this.#memory = new MemoryLimit(
      limits.memoryBytesMax,
      turn,
      () => [...this.#connections.living(), ...this.#connections.closing()],
      () => {
        turn.pool.empty();
        router.forgetTopics();
      },
    );
    this.#host = {
      parts,
      inputs,
      sessions,
      batch: new Batch(parts, limits.batchMessagesMax),
      budget: turn.budget,
      connections: this.#connections,
      memory: this.#memory,
      reader: new Reader(),
      isStopping: () => this.#isStopping,
    };
    if (store !== undefined) restore(store, parts, sessions, limits);
  }

  // Inputs.

  /** A new connection, under the broker's own policy or that of a listener; the caller then hands in the events of the transport. */
  opened(transport: Transport, peer: PeerInfo, now: number, policy: Policy = this.#policy): Connection {
    const { connectingMax } = policy.limits;
    this.#turn.begin(now);
    const connection = new Connection(this.#host, transport, peer, policy);
    this.#connections.began(connection);
    this.#turn.traffic.connectionsOpened++;
    this.onOpened?.(connection);
    this.#host.parts.systemTopics?.begin(now);
    this.#inputs.run(now, () => this.#connections.makeRoom(connectingMax + 1)); // it is one of them already
    return connection;
  }

  /**
   * A connection to another node; the caller starts its transport, calls `join()`, and then hands in the events of the transport, as of
   * any connection.
   */
  linked(transport: Transport, now: number): Connection {
    this.#turn.begin(now);
    const peer: PeerInfo = { address: "", port: 0, transport: "memory" };
    return new Connection(this.#host, transport, peer, this.#host.parts.nodes?.policy ?? this.#policy);
  }

  /**
   * The connection is a link to that node from now on, in place of another one; `incarnation` is another one each time the node starts.
   * @throws {UsageError} if there is no such node.
   */
  join(connection: Connection, node: string, incarnation: string, now: number): void {
    const { nodes } = this.#host.parts;
    if (nodes?.isOther(node) !== true) throw new UsageError(`There is no other node ${JSON.stringify(node)}`);
    this.#inputs.run(now, () => connection.join(nodes.join(node, incarnation)));
  }

  /** Runs every deadline up to `now`. */
  ticked(now: number): void {
    this.#inputs.run(now, () => this.#turn.tick(now));
  }

  /** The promise of a question has resolved. */
  answered(question: Question, answer: unknown, now: number): void {
    this.#inputs.run(now, () => question.answered(answer as never));
  }

  /** The promise of a question is rejected. */
  rejected(question: Question, error: unknown, now: number): void {
    this.#inputs.run(now, () => question.rejected(error));
  }

  // The end of a turn.

  /** The work for `flush()`. */
  get work(): Work {
    const { nodes } = this.#host.parts;
    if (this.#inputs.isBehind) return "later";
    if (this.#turn.isUrgent || this.#journal.isDue || this.#memory.isDue) return "soon";
    if (nodes !== undefined && nodes.isDue) return "soon";
    return this.#turn.isBehind || nodes?.isBehind === true ? "later" : "none";
  }

  /** The end of a turn: writes every connection's bytes that wait for no commit. Returns the questions that take time. */
  flush(now: number): readonly Question[] {
    if (this.#inputs.isInside) return NO_QUESTIONS; // a hook calls: this turn ends when its input has ended
    const turn = this.#turn;
    this.#inputs.begin(now);
    try {
      if (turn.budget.waiting > 0) this.#write(); // no answer waits for what goes on now
      turn.budget.goOn();
      do {
        turn.endFailed();
        this.#router.retainedDeliveries.endTurn();
        this.#write();
      } while (this.#inputs.callWaiting()); // the turn of what its hooks have called ends with it
      turn.end();
      this.#memory.endTurn();
    } finally {
      this.#inputs.end();
    }
    return turn.takeQuestions();
  }

  #write(): void {
    this.#host.parts.nodes?.endTurn();
    if (this.#journal.isDue) this.#journal.commit();
    this.#turn.write();
  }

  /** When `ticked()` should be called next: ms since the epoch, Infinity if never. */
  nextDeadline(): number {
    return this.#turn.timers.next();
  }

  // The owner's calls.

  /**
   * The policy for the connections of one listener: the given values over the broker's own.
   * @throws {UsageError} for a limit that does not exist, is out of range, or holds for the whole broker.
   */
  policy(given: PolicyOptions): Policy {
    return policyOf(given, this.#policy);
  }

  /** The policy for a Client of the owner's own, a bridge, say: it needs no login and may do everything; its user name is this one. */
  ownPolicy(username: string): Policy {
    return ownPolicy(this.#policy, username);
  }

  /**
   * The broker's own policy as `reconfigure()` will have it.
   * @throws {UsageError} as the constructor does.
   */
  nextPolicy(given: PolicyOptions): Policy {
    return successor(this.#policy, policyOf(given));
  }

  /**
   * Other policies and other hooks from now on: `policy` of `nextPolicy()` in place of the broker's own, and of each listener the one
   * that `moved` has for it. Nobody is dropped. Open connections keep what CONNACK told them, and their authorizer; they take over other
   * rules, the authenticator, and the limits of which `RELOAD_OF_LIMITS` says "now".
   */
  reconfigure(
    policy: Policy,
    moved: ReadonlyMap<Policy, Policy>,
    hooks: BrokerHooks,
    now: number,
  ): void {
    this.#inputs.run(now, () => {
      const change = this.#succession.change(new Map([...moved, [this.#policy, policy]]));
      this.#policy = policy;
      this.#observer.hear(hooks);
      this.#router.limit(policy.limits);
      this.#memory.limit(policy.limits.memoryBytesMax);
      for (const connection of this.#connections.living()) connection.follow(change);
      this.#sessions.limit(change.limitsOf);
    });
  }

  /**
   * Publishes as the Server itself; `$`-topics are allowed.
   * @throws {UsageError} for a topic, payload, QoS, flag or property that cannot be sent; then nothing has happened.
   */
  publish(message: MessageInit, now: number): void {
    const { topic, view } = ownMessage(message);
    this.#publish(topic, view, undefined, now);
  }

  /**
   * Publishes a PUBLISH frame of level 5 as it is, as the Server itself: for a message that comes from another Server. It does not come
   * back to the tap it is from.
   * @throws {PeerError} if it is no well-formed PUBLISH.
   * @throws {UsageError} if it has a Topic Alias or a Subscription Identifier: both belong to one connection.
   */
  inject(frame: Uint8Array, now: number, origin?: Tap): void {
    const { topic, view } = injectedMessage(frame);
    this.#publish(topic, this.#inputs.isFree ? view : view.copy(), origin, now);
  }

  #publish(topic: string, view: PublishView, origin: Tap | undefined, now: number): void {
    this.#inputs.run(now, () => {
      const outgoing = {
        view,
        topic,
        publisher: undefined,
        expiresAt: expiryOf(view, this.#turn.now),
        message: undefined,
      };
      this.#sessions.publish(outgoing, origin);
    });
  }

  /**
   * Has `received` called for each message that `filter` matches, behind the sessions.
   * @throws {UsageError} if `filter` is no Topic Filter, or a Shared Subscription, or `received` no function.
   */
  tap(filter: string, received: (message: TappedMessage) => void): Tap {
    if (typeof received !== "function") throw new UsageError("A tap needs a function to be called");
    const parsed = typeof filter === "string" ? parseFilter(filter) : "MQTT-4.7.3-1";
    if (typeof parsed === "string" || parsed.share !== undefined) {
      throw new UsageError(`${JSON.stringify(filter)} is not a Topic Filter for a tap`);
    }
    const tap = new Tap(filter, received);
    this.#inputs.run(this.#turn.now, () => {
      this.#router.tap(tap);
      this.#host.parts.systemTopics?.isReadBy(filter);
    });
    return tap;
  }

  /**
   * Ends a tap; one that has ended stays so.
   * @throws {UsageError} if it is none.
   */
  untap(tap: Tap): void {
    if (!(tap instanceof Tap)) throw new UsageError("Only a tap can be ended by untap()");
    this.#inputs.run(this.#turn.now, () => this.#router.untap(tap));
  }

  /**
   * Ends the connection that a Client has now; false if it has none.
   * @throws {UsageError} for a reason that DISCONNECT cannot carry.
   */
  disconnect(clientId: string, reason: Refusal | Redirection, now: number): boolean {
    const { refusal, serverReference } = checkReason(reason);
    const connection = this.#sessions.get(clientId)?.connection;
    if (connection === undefined) return false;
    this.#inputs.run(now, () => connection.end(refusal, serverReference));
    return true;
  }

  /**
   * Ends the session of a Client, and its connection before, with this reason; false if it has none. A Will that waits is published.
   * @throws {UsageError} for a reason that DISCONNECT cannot carry.
   */
  endSession(clientId: string, reason: Refusal, now: number): boolean {
    const { refusal } = checkReason(reason);
    if (this.#sessions.get(clientId) === undefined) return false;
    this.#inputs.run(now, () => {
      this.#sessions.get(clientId)?.connection?.end(refusal);
      const session = this.#sessions.get(clientId); // without an expiry interval it has ended with its connection
      if (session !== undefined) this.#sessions.end(session);
    });
    return true;
  }

  /** §5.4.2 A `PermissionSource` has other answers from now on: subscriptions that it grants no more end, in portions. */
  permissionsChanged(now: number): void {
    this.#inputs.run(now, () => this.#sessions.regrant());
  }

  /** Accepts no Client any more, and sends every Client DISCONNECT (0x8B). The transports are over within a second: when `stats.connections` is 0. */
  shutdown(now: number): void {
    this.#inputs.run(now, () => {
      this.#isStopping = true;
      this.#journal.close();
      for (const connection of this.#connections.living()) connection.shutDown(SHUTTING_DOWN);
      for (const connection of this.#connections.closing()) connection.closeBy(now + STOP_MS);
    });
  }

  /** Counts and reports a connection that a listener has refused. */
  refused(peer: PeerInfo, refusal: Refusal): void {
    this.#observer.refused(peer, refusal, undefined);
  }

  /** Counts and reports a limit that a listener enforces. */
  limited(limit: LimitName, who: string): void {
    this.#observer.limited(limit, who);
  }

  /** Reports an error that a driver or a listener met. */
  failed(error: unknown): void {
    this.#observer.failed(error);
  }

  /** Messages of a backlog may be readable again. */
  #recovered(): void {
    for (const connection of this.#connections.opens()) connection.retry();
  }

  // Looks.

  /** @internal The parts, for what looks at a broker as a whole (inspect.ts, explain.ts, trace.ts) and is loaded only where that is wanted. */
  get inside(): Inside & { readonly parts: Parts; readonly inputs: Inputs } {
    const { sessions, connections, parts, inputs } = this.#host;
    const { turn, router } = parts;
    return { turn, sessions, router, connections, parts, inputs };
  }

  /** How it is at present. */
  get stats(): BrokerStats {
    const { received, dropped, limits, refusals } = this.#observer;
    const traffic = this.#turn.traffic.stats;
    return {
      received,
      dropped,
      limits: limits.all,
      refusals: refusals.all,
      connections: this.#connections.size,
      connected: this.#connections.open,
      sessions: this.#sessions.size,
      subscriptions: this.#router.subscriptions - (this.#host.parts.nodes?.subscriptions ?? 0),
      sharedSubscriptions: this.#router.groups,
      retainedMessages: this.#router.retainedMessages,
      retainedBytes: this.#router.retainedBytes,
      queuedMessages: this.#turn.ledger.queuedMessages,
      retainedDeliveries: this.#router.retainedDeliveries.standing,
      traffic: { ...traffic, packetsReceived: traffic.packetsReceived + received },
      memory: this.#turn.ledger.stats,
      facts: this.#journal.facts,
      commits: this.#journal.commits,
      failedCommits: this.#journal.failedCommits,
      deadlines: this.#turn.timers.size,
      isFailing: this.#journal.failing,
      isUnsafe: this.#journal.isUnsafe,
    };
  }

  /** PUBLISH packets from Clients, since the start: a look that costs nothing. */
  get received(): number {
    return this.#observer.received;
  }

  /** Tells this of each run of PUBLISH packets, from Clients; or nothing any more. */
  observe(busiest: Busiest | undefined): void {
    this.#host.parts.busiest = busiest;
  }

  /** One session at present; undefined if the Client has none. */
  session(clientId: string): SessionStats | undefined {
    return this.#sessions.get(clientId)?.stats;
  }

  /** The Client Identifiers of all sessions, connected or not. */
  clientIds(): Iterable<string> {
    return this.#sessions.clientIds();
  }

  /** The broker's own limits; a listener may have others. */
  get limits(): Limits {
    return this.#policy.limits;
  }

  /** Connections that are not over: a look that costs nothing. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Counts everything anew and compares the counters, after `flush()`: throws if one is wrong. Takes time; for tests and simulations. */
  assertInvariants(): void {
    this.#turn.assertInvariants();
    this.#inputs.assertInvariants();
    this.#journal.assertInvariants();
    this.#sessions.assertInvariants();
    this.#router.assertInvariants(this.#sessions.all());
    this.#connections.assertInvariants();
    const links = this.#host.parts.nodes?.links ?? [];
    this.#host.parts.nodes?.assertInvariants();
    const connections = [...this.#connections.living(), ...this.#connections.closing(), ...links];
    assertCounted(this.#turn, connections, this.#sessions.all(), this.#router, this.#host.parts.nodes);
  }
}
