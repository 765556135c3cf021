/**
 * A broker in a worker, a SharedWorker or a tab, whose Clients come by ports.
 * Knows ports, a broker and the loop between them; refuses to know stores and pages.
 * @module
 */
import {
  Broker,
  type BrokerOptions,
  type MessageInit,
  type Redirection,
  type Refusal,
  type SessionStore,
  type Tap,
  type TappedMessage,
} from "../broker/mod.ts";
import type { Dialer } from "../client_api/options.ts";
import { inProcess } from "../runtime/in_process.ts";
import type { Loop } from "../runtime/loop.ts";
import { messagePortTransport, type PortLike } from "../runtime/message_port.ts";
import { systemRandom } from "../runtime/random.ts";
import { type PortOffer, watchLock } from "../runtime/worker_port.ts";
import { Driver } from "../server/driver.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { browserLoop } from "./loop.ts";

/** The options of a broker, and how it is reached. */
export interface ServePortsOptions extends Omit<BrokerOptions, "store"> {
  /** What outlives the worker: `openBrowserStore("home")`. It is closed with the server. */
  readonly store?: ClosableStore | Promise<ClosableStore>;
  /**
   * Whether the connections are taken that pages offer this worker by `dialWorker()`, in a SharedWorker those of every page that joins it.
   * They are heard from the call on, while the store is still being opened. Default: in a worker they are, in a tab they are not.
   */
  readonly listen?: boolean;
  /** In place of the browser's own, for tests. */
  readonly loop?: Loop;
}

/** A store that may want to be closed. */
export type ClosableStore = SessionStore & { close?(): Promise<void> };

/** A broker that Clients reach by ports. Its methods may be called anywhere, also in hooks and taps. */
export interface PortServer extends AsyncDisposable {
  /** For reading only: `stats`, `session()`. The methods below change it, and end the turn. */
  readonly broker: Broker;
  /** Takes one connection: a port whose other end is a `messagePortTransport()`, or a transport that is not started yet. */
  accept(from: PortLike | Transport, peer?: PeerInfo): void;
  /** The way for Clients beside it: `connect("worker://here", { dial: server.dial })`. */
  readonly dial: Dialer;
  /**
   * Publishes as the Server itself.
   * @throws {UsageError} for a topic, payload, QoS, flag or property that cannot be sent; then nothing has happened.
   */
  publish(message: MessageInit): void;
  /**
   * Has `received` called for each message that `filter` matches, at once and inside the engine's turn; the result ends that.
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
  /** Sends every Client DISCONNECT (0x8B); resolves when all connections are over and all facts are safe. */
  close(): Promise<void>;
}

const OF_THIS_BROWSER: PeerInfo = { address: "", port: 0, transport: "memory" };

/**
 * Starts a broker. It has to be called before its script awaits anything, or what pages offer meanwhile is lost.
 * Rejects as the store does, and with a `UsageError` for options that no broker can have.
 */
export async function servePorts(options: ServePortsOptions = {}): Promise<PortServer> {
  const { loop: given, store: opening, listen = "WorkerGlobalScope" in globalThis, ...rest } = options;
  const heard = new AbortController();
  const waiting: PortOffer[] = [];
  let offered = (offer: PortOffer): void => void waiting.push(offer);
  if (listen) hear(heard.signal, (offer) => offered(offer));
  try {
    const store = await opening;
    return started(store);
  } catch (error) {
    heard.abort();
    for (const { plumbPort } of waiting) messagePortTransport(plumbPort).abort();
    throw error;
  }

  function started(store: ClosableStore | undefined): PortServer {
    const own = given === undefined ? browserLoop() : undefined;
    const loop = given ?? own!;
    const broker = new Broker({ random: systemRandom(), ...rest, ...store !== undefined && { store } });
    const driver = new Driver(broker, loop);
    const take = (transport: Transport, peer: PeerInfo, over?: () => void) =>
      void driver.accept(transport, peer, undefined, over);
    offered = ({ plumbPort, lock }) => {
      const transport = messagePortTransport(plumbPort, "page");
      const gone = (): void => loop.afterLook(1, () => transport.abort()); // a DISCONNECT may be on its way
      take(transport, OF_THIS_BROWSER, watchLock(lock, gone));
    };
    for (const offer of waiting.splice(0)) offered(offer);
    return serverOf(driver, take, async () => {
      heard.abort();
      await driver.close();
      own?.close();
      await store?.close?.();
    });
  }
}

function serverOf(
  driver: Driver,
  take: (transport: Transport, peer: PeerInfo) => void,
  end: () => Promise<void>,
): PortServer {
  const { broker } = driver;
  let ended: Promise<void> | undefined;
  const close = (): Promise<void> => ended ??= end();
  return {
    broker,
    accept: (from, peer = OF_THIS_BROWSER) =>
      take("start" in from && "write" in from ? from : messagePortTransport(from as PortLike), peer),
    dial() {
      const [here, there] = inProcess("worker");
      take(here, OF_THIS_BROWSER);
      return Promise.resolve(there);
    },
    publish: (message) => driver.run((broker, now) => broker.publish(message, now)),
    tap: (filter, received) => broker.tap(filter, received),
    untap: (tap) => broker.untap(tap),
    inject: (frame, origin) => driver.run((broker, now) => broker.inject(frame, now, origin)),
    disconnect: (clientId, reason) => driver.run((broker, now) => broker.disconnect(clientId, reason, now)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Calls `offered` for each connection that a page offers this worker. */
function hear(signal: AbortSignal, offered: (offer: PortOffer) => void): void {
  const told = ({ data }: { readonly data?: unknown }): void => {
    const { plumbPort, lock } = (data ?? {}) as Partial<PortOffer>;
    if (plumbPort !== undefined) offered({ plumbPort, lock }); // or else it is a message of the page's own
  };
  worker.addEventListener("message", told, { signal });
  worker.addEventListener("connect", ({ ports: [port] = [] }) => {
    port!.addEventListener("message", told, { signal });
    port!.start();
  }, { signal });
}

interface Listening {
  addEventListener(
    type: "message" | "connect",
    listener: (event: { readonly data?: unknown; readonly ports?: readonly ListeningPort[] }) => void,
    options: { readonly signal: AbortSignal },
  ): void;
}

interface ListeningPort extends Listening {
  start(): void;
}

const worker = globalThis as unknown as Listening;
