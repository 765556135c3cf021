/**
 * One bridge: a session in this broker, a session in another one, and a relay in each direction between them.
 * Knows how the two ends belong together; refuses to know files and the command line.
 * @module
 */
import { ConnectionError, type MqttError, RefusedError } from "../client/error.ts";
import type { Connected } from "../client/options.ts";
import { dialByScheme } from "../client_api/dial.ts";
import type { ClientLoop } from "../client_api/loop.ts";
import type { Dialer, Login, TlsOptions } from "../client_api/options.ts";
import { UsageError } from "../codec/error.ts";
import type { Connect, QoS } from "../codec/packet.ts";
import { inProcess } from "../runtime/in_process.ts";
import type { Transport } from "../transport/transport.ts";
import { End, type EndEvents, type EndOptions } from "./end.ts";
import { BRIDGE_NUMBERS, type BridgeNumber, OWN_PREFIX } from "./numbers.ts";
import { Relay, type Target } from "./relay.ts";
import { type BridgeTopic, filtersOf, type Route, routesOf } from "./routes.ts";
import { type BaseStore, BridgeStore, type Known, LOCAL, REMOTE, type SideIndex } from "./store.ts";

/** How a bridge is made. */
export interface BridgeOptions {
  /** Letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** The other broker: `mqtt://`, `mqtts://`, `ws://`, `wss://` or `unix:`. */
  readonly url: string;
  /** What it carries. */
  readonly topics: readonly BridgeTopic[];
  /** §3.1.3.1 at the other broker; default: `plumb.` and the name. */
  readonly clientId?: string;
  /** §3.1.2.2 default 5. */
  readonly level?: 5 | 4;
  /** At level 4 whether the other broker is told that this is a bridge, by bit 7 of the level; default true. */
  readonly bridgeBit?: boolean;
  /** Asked anew for each connection. */
  readonly login?: () => Login | Promise<Login>;
  /** For `mqtts:` and `wss:`. */
  readonly tls?: TlsOptions;
  /** Nothing is kept while there is no connection; default false. */
  readonly isClean?: boolean;
  /** Where the state is told, retained: `1` or `0`; default `both`. */
  readonly state?: "both" | "local" | "off";
  /** The topic of that; default `$SYS/broker/connection/NAME/state`. */
  readonly stateTopic?: string;
  /** In place of those of `BRIDGE_NUMBERS`. */
  readonly numbers?: Partial<Readonly<Record<BridgeNumber, number>>>;
}

/** What a bridge needs of its broker; a `Server` of `serve()` is one. */
export interface BridgeHost {
  /** Takes a connection of the owner's own. */
  acceptOwn(transport: Transport, username: string): void;
  /** Publishes as the Server itself. */
  publish(
    message: { readonly topic: string; readonly payload: string; readonly qos: 1; readonly retain: true },
  ): void;
  /** To look at. */
  readonly broker: {
    /** One session at present. */
    session(clientId: string): { readonly queued: number; readonly inFlight: number } | undefined;
  };
}

/** What is told of a bridge. */
export interface BridgeEvents {
  /** `begunAt`: when this connection was begun, ms since the epoch. */
  connected?(name: string, event: Connected, begunAt: number): void;
  /** `isNews`: it was connected before, or this is the first attempt. */
  disconnected?(name: string, error: MqttError, isNews: boolean): void;
  /** The other broker refuses a subscription. */
  refused?(name: string, filter: string, error: MqttError): void;
  /** A message does not arrive. */
  dropped?(name: string, topic: string, error: unknown): void;
  /** At level 4 the other broker does not take the bridge bit. */
  plain?(name: string): void;
}

/** How it is made in tests. */
export interface BridgeAround {
  /** Nothing is kept over the end of the process without one. */
  readonly store?: BaseStore | undefined;
  readonly events?: BridgeEvents;
  readonly dial?: Dialer;
  readonly loop?: ClientLoop;
  readonly random?: () => number;
}

/** Its figures at present. */
export interface BridgeFigures {
  /** Of the options. */
  readonly name: string;
  /** The same. */
  readonly url: string;
  /** Whether messages go over. */
  readonly isConnected: boolean;
  /** ms since the epoch of the present connection. */
  readonly since: number | undefined;
  /** Connections so far, but the first. */
  readonly reconnects: number;
  /** Messages that the other broker has. */
  readonly sent: number;
  /** Messages that this one has from there. */
  readonly received: number;
  /** Messages of QoS 1 and 2 that wait to be sent. */
  readonly queuedOut: number;
  /** Those that came and are not in this broker yet. */
  readonly queuedIn: number;
  /** Messages that did not arrive, in both directions. */
  readonly dropped: number;
}

/** ms that an end may take to close. */
const CLOSE_MS = 1_000;
/** Seconds, §3.1.2.11.2: for ever. */
const FOR_EVER = 0xffff_ffff;
/** §3.2.2.3 of a Server that has not said anything yet. */
const UNKNOWN: Pick<Target, "maximumQos" | "retainAvailable"> = { maximumQos: 2, retainAvailable: true };

/** One bridge. */
export class Bridge {
  readonly options: BridgeOptions;
  /** Resolves when its session in this broker is there for the first time. */
  readonly isHere: Promise<void>;
  readonly #host: BridgeHost;
  readonly #events: BridgeEvents;
  readonly #now: () => number;
  readonly #store: BridgeStore | undefined;
  readonly #local: End;
  readonly #remote: End;
  readonly #out: Relay;
  readonly #in: Relay;
  readonly #outFilters: ReadonlyMap<string, QoS>;
  #hasBit: boolean;
  /** At level 4 a session of the past is ended by a connection of its own. */
  #beginsAnew: boolean;
  #connections = 0;
  #attempts = 0;
  #since: number | undefined;
  /** Of the present or the last connection. */
  #begunAt = 0;
  /** The present subscriptions here are so new that all retained messages come by themselves. */
  #isNewHere = false;
  #isOpenThere = false;
  #isOver = false;

  /** Begins at once. @throws {UsageError} for a name, URL, topic or number that cannot be. */
  constructor(host: BridgeHost, options: BridgeOptions, around: BridgeAround = {}) {
    const { name, level = 5, isClean = false } = options;
    const { events = {}, store, loop, random } = around;
    if (!/^[\w.-]+$/.test(name)) throw new UsageError(`${JSON.stringify(name)} is no name of a bridge`);
    const url = urlOf(options.url);
    const routes = routesOf(options.topics);
    const clientId = options.clientId ?? `plumb.${name}`;
    const numbers = numbersOf(options.numbers);
    this.options = options;
    this.#host = host;
    this.#events = events;
    this.#now = () => loop?.now() ?? Date.now();
    this.#hasBit = options.bridgeBit ?? true;
    this.#outFilters = filtersOf(routes.out);
    const inFilters = filtersOf(routes.in);
    const kept = this.#store = store === undefined || isClean ? undefined : new BridgeStore(store);

    const sessions = ["", `${url.protocol}//${url.host}${url.pathname} ${clientId}`] as const;
    const knownOf = (side: SideIndex): Known | undefined => {
      const known = kept?.known(side);
      if (known?.session === sessions[side]) return known;
      kept?.forgetReceived(side);
      return undefined;
    };
    const [knownHere, knownThere] = [knownOf(LOCAL), knownOf(REMOTE)];
    this.#beginsAnew = level === 4 && knownThere === undefined && !isClean;
    const know = (side: SideIndex, filters: ReadonlyMap<string, QoS>): void =>
      kept?.know(side, { session: sessions[side], filters: [...filters.keys()] });

    const around2 = { ...loop && { loop }, ...random && { random } };
    const optionsOf = (side: SideIndex, known: Known | undefined): Omit<EndOptions, "clientId"> => ({
      ...around2,
      ...kept && { store: kept.side(side) },
      cleanStart: isClean || known === undefined,
      sessionExpiry: isClean ? 0 : FOR_EVER,
      receiveMaximum: numbers.receiveMaximum,
      topicAliasMaximum: 0,
    });
    const reconnect = { minMs: numbers.reconnectMsMin, maxMs: numbers.reconnectMsMax };
    const dialHere: Dialer = () => {
      const [theirs, ours] = inProcess(`bridge ${name}`);
      host.acceptOwn(theirs, OWN_PREFIX + name);
      return Promise.resolve(ours);
    };
    let isHere: () => void;
    this.isHere = new Promise((resolve) => isHere = resolve);
    const here: EndEvents = {
      connected: ({ sessionPresent }) => {
        know(LOCAL, this.#outFilters);
        if (!sessionPresent) this.#isNewHere = true;
        this.#out.back();
        this.#in.pump();
      },
      ready: () => {
        isHere();
        if (this.#isOpenThere || this.#isOver) return;
        this.#isOpenThere = true; // what is published from now on goes over
        this.#remote.open(inFilters, this.#in, knownThere?.filters ?? []);
        this.#out.pump();
      },
      disconnected: () => this.#out.lost(),
      refused: (filter, error) => events.refused?.(name, filter, error),
    };
    const there: EndEvents = {
      connected: () => {
        know(REMOTE, inFilters);
        this.#in.back();
        this.#out.pump();
      },
      ready: (event) => this.#connected(event),
      disconnected: (error) => this.#disconnected(error),
      refused: (filter, error) => events.refused?.(name, filter, error),
    };
    const { state = "both" } = options;
    this.#local = new End(
      new URL("memory://broker"),
      dialHere,
      {
        ...optionsOf(LOCAL, knownHere),
        clientId: OWN_PREFIX + name,
        level: 5,
        keepAlive: 0,
        reconnect: { minMs: 10, maxMs: numbers.reconnectMsMax },
      },
      kept?.side(LOCAL).load() as Restored ?? [],
      here,
    );
    this.#remote = new End(
      url,
      (url, how) => {
        this.#begunAt = this.#now();
        return (around.dial ?? dialByScheme)(url, how);
      },
      {
        ...optionsOf(REMOTE, knownThere),
        clientId,
        level,
        keepAlive: numbers.keepAliveSeconds,
        reconnect,
        ...options.tls && { tls: options.tls },
        ...options.login && { credentials: options.login },
        ...state === "both" && { will: { topic: this.#stateTopic, payload: "0", qos: 1, retain: true } },
        ...level === 4 && {
          amend: (connect): Connect => ({
            ...connect,
            cleanStart: isClean || this.#beginsAnew,
            ...this.#hasBit && { bridge: true },
          }),
        },
        refuses: () => this.#endsOld(),
      },
      kept?.side(REMOTE).load() as Restored ?? [],
      there,
    );
    const relay = (own: readonly Route[], from: End, to: End): Relay =>
      new Relay({
        routes: own,
        source: {
          get session() {
            const { status, connected } = from.engine;
            return status === "connected" && connected ? { isPresent: connected.sessionPresent } : undefined;
          },
        },
        target: targetOf(to),
        messagesMax: numbers.messagesMax,
        bytesMax: numbers.bytesMax,
        isClean,
        whenSafe: kept && ((run) => kept.whenSafe(run)),
        dropped: (topic, error) => events.dropped?.(name, topic, error),
      });
    this.#out = relay(routes.out, this.#local, this.#remote);
    this.#in = relay(routes.in, this.#remote, this.#local);
    this.#tell("0");
    this.#local.open(this.#outFilters, this.#out, knownHere?.filters ?? []);
  }

  /** How it is at present. */
  get figures(): BridgeFigures {
    const { name, url } = this.options;
    const session = this.#host.broker.session(OWN_PREFIX + name);
    return {
      name,
      url,
      isConnected: this.#since !== undefined,
      since: this.#since,
      reconnects: Math.max(0, this.#connections - 1),
      sent: this.#out.carried,
      received: this.#in.carried,
      queuedOut: (session?.queued ?? 0) + this.#out.queued,
      queuedIn: this.#in.queued,
      dropped: this.#out.dropped + this.#in.dropped,
    };
  }

  /** Ends it; `isForGood`: the session in this broker ends too, and what waits there. */
  async close(isForGood = false): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#out.end();
    this.#in.end();
    const wasConnected = this.#since !== undefined;
    this.#since = undefined;
    if (wasConnected) this.#tellThere("0");
    this.#tell("0");
    await Promise.all([
      this.#isOpenThere && this.#remote.close({ timeoutMs: wasConnected ? CLOSE_MS : 0 }),
      this.#local.close({ timeoutMs: 0, ...isForGood && { sessionExpiry: 0 } }),
    ]);
    this.#store?.close();
  }

  get #stateTopic(): string {
    return this.options.stateTopic ?? `$SYS/broker/connection/${this.options.name}/state`;
  }

  #tell(payload: "0" | "1"): void {
    if (this.options.state === "off") return;
    this.#host.publish({ topic: this.#stateTopic, payload, qos: 1, retain: true });
  }

  #tellThere(payload: "0" | "1"): void {
    if ((this.options.state ?? "both") !== "both") return;
    // Where a broker keeps topics below $SYS to itself it says so, and that is all.
    this.#remote.publish(this.#stateTopic, payload, { qos: 1, retain: true, offline: "drop" }).catch(
      () => {},
    );
  }

  #connected(event: Connected): void {
    const isFirst = this.#connections++ === 0;
    this.#since = this.#now();
    this.#attempts = 0;
    this.#events.connected?.(this.options.name, event, this.#begunAt);
    this.#tellThere("1");
    this.#tell("1");
    // The other broker knows nothing of what it had, its retained messages perhaps among that.
    if (!event.sessionPresent && !(isFirst && this.#isNewHere)) this.#local.retainedAgain(this.#outFilters);
  }

  #disconnected(error: MqttError): void {
    this.#in.lost();
    const wasConnected = this.#since !== undefined;
    this.#since = undefined;
    if (this.#isOver) return;
    if (wasConnected) this.#tell("0");
    if (this.#hasBit && this.options.level === 4 && isOfVersion(error)) {
      this.#hasBit = false;
      this.#events.plain?.(this.options.name);
    }
    this.#events.disconnected?.(this.options.name, error, wasConnected || this.#attempts === 0);
    this.#attempts++;
  }

  /** 3.1.1 §3.1.2.4 what the other broker has of a process of which nothing is known here ends with a connection of its own. */
  #endsOld(): MqttError | undefined {
    if (!this.#beginsAnew) return undefined;
    this.#beginsAnew = false;
    this.#attempts++; // no news
    return new ConnectionError("An earlier session is ended first");
  }
}

/** @throws {UsageError} */
function urlOf(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new UsageError(`${JSON.stringify(text)} is no URL: write mqtt://HOST:PORT`);
  }
}

type Restored = Iterable<readonly [key: number, record: Uint8Array]> | undefined;

/** 3.1.1 §3.2.2.3 unacceptable protocol version. */
function isOfVersion(error: MqttError): boolean {
  return error instanceof RefusedError && error.packet === "CONNACK" && error.reasonCode === 1;
}

function targetOf(end: End): Target {
  const server = () => end.engine.connected?.server;
  return {
    get isOpen() {
      return end.engine.status !== "closed";
    },
    get isConnected() {
      return end.engine.status === "connected";
    },
    get maximumQos() {
      return server()?.maximumQos ?? UNKNOWN.maximumQos;
    },
    get retainAvailable() {
      return server()?.retainAvailable ?? UNKNOWN.retainAvailable;
    },
    send: (init, over) => end.send(init, over),
  };
}

function numbersOf(given: BridgeOptions["numbers"] = {}): Readonly<Record<BridgeNumber, number>> {
  const all: Record<string, number> = {};
  for (const [name, { default: value, least, most }] of Object.entries(BRIDGE_NUMBERS)) {
    const number = given[name as BridgeNumber] ?? value;
    if (!Number.isInteger(number) || number < least || number > most) {
      throw new UsageError(
        `${name} of a bridge is ${number}: it takes a whole number from ${least} to ${most}`,
      );
    }
    all[name] = number;
  }
  return all as Readonly<Record<BridgeNumber, number>>;
}
