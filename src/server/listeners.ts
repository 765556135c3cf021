/**
 * The listeners of a broker: the address and policy of each, and how each scheme is opened.
 * Knows which function opens a scheme; refuses to know connections.
 * @module
 */
import type { Policy, PolicyOptions } from "../broker/mod.ts";
import { type Accept, type Listener, ListenError, type ListenOptions, listenTcp } from "../runtime/listen.ts";
import type { ProxyOptions } from "../runtime/proxied.ts";
import { HandshakeSlots } from "../runtime/tls/slots.ts";
import type { WebSocketOptions } from "../runtime/websocket/acceptor.ts";
import { CertificateError, type TlsListener, type TlsServerOptions } from "../runtime/tls/options.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import type { Admit } from "./admit.ts";
import { type Address, AddressError, addressUrl, isLoopback, parseAddress, SCHEMES } from "./address.ts";
import { AddressList } from "./address_list.ts";

/** As much of a request as most listeners look at; it is an `IncomingMessage` of `node:http`, whose types a program need not have. */
export interface HttpRequest {
  /** GET, POST … */
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** As much of an answer; it is a `ServerResponse` of `node:http`. */
export interface HttpResponse {
  /** The status and fields of the answer. */
  writeHead(status: number, headers?: Record<string, string>): this;
  /** The body, and no more behind it. */
  end(body?: string | Uint8Array): this;
}

/** Takes requests. */
export type HttpListener = {
  // A method: a function that takes an `IncomingMessage` fits.
  take(request: HttpRequest, response: HttpResponse): unknown;
}["take"];

/** How a listener takes WebSockets. */
export interface WebSocketListenOptions {
  /**
   * Origins of pages that may connect (`https://example.org`), besides pages of the broker's own host; `*` for all. Without it a page that
   * a person opens anywhere could use what this machine's broker lets in without a login.
   */
  readonly origins?: readonly string[];
  /** Addresses and networks of HTTP proxies in front: the Client's address is the one that their `X-Forwarded-For` names. */
  readonly proxies?: readonly string[];
  /** Takes requests that are no upgrade, on the same port: a `RequestListener` of `node:http` is one. */
  readonly http?: HttpListener;
}

/** One listener, with a policy for its connections: limits, features, authenticator and authorizer in place of the broker's. */
export interface ListenerOptions extends PolicyOptions {
  /** `mqtt://HOST:PORT` or, with TLS, `mqtts://HOST:PORT`; over WebSocket (§6) `ws://HOST:PORT/PATH` and `wss://HOST:PORT/PATH`; `unix:/PATH`. */
  readonly url: string;
  /** The certificates that this listener shows and asks for, in place of `ServeOptions.tls`. */
  readonly tls?: TlsServerOptions;
  /**
   * Addresses and networks of proxies (`192.0.2.1`, `2001:db8::/32`): each connection from there must begin with a PROXY header, version 1 or
   * 2, and counts as one of the peer that it names; time for it is `connectTimeoutMs`. From elsewhere no header is taken.
   */
  readonly proxyProtocol?: readonly string[];
  /** In place of `ServeOptions.webSocket`. */
  readonly webSocket?: WebSocketListenOptions;
  /** In place of `ServeOptions.admit`. */
  readonly admit?: Admit;
  /**
   * Other processes of this user may listen on the same port if they say so too: Linux spreads new connections over them. Deno needs
   * `--unstable-net` for it.
   */
  readonly reusePort?: boolean;
  /** Another node listens there, not this one: Clients that it hands on have this policy. */
  readonly elsewhere?: boolean;
  /** Called if the listener cannot be opened; the broker starts without it then. */
  readonly missing?: (error: ListenError) => void;
}

/** A listener as it was asked for, checked. */
export interface ListenerPlan {
  readonly address: Address;
  /** The policy for its connections, by which they are told from those of other listeners. */
  readonly policy: Policy;
  /** Given where the scheme needs it. */
  readonly tls: TlsServerOptions | undefined;
  /** Whether that is the listener's own. */
  readonly isOwn: boolean;
  /** The listener's own. */
  readonly admit: Admit | undefined;
  /** Whether others may listen on the same port. */
  readonly reusePort: boolean;
  /** Whether it is not opened here. */
  readonly elsewhere: boolean;
  /** Called if it cannot be opened. */
  readonly missing: ((error: ListenError) => void) | undefined;
  /** Where connections may begin with a PROXY header. */
  readonly proxies: AddressList | undefined;
  /** Given for `ws` and `wss`. */
  readonly webSocket: WebSocketPlan | undefined;
  /** The same as it was given. */
  readonly proxyProtocol: readonly string[];
  /** Whether all its Clients run on this machine: it listens on a loopback address, for no proxy. */
  readonly isLocal: boolean;
}

/** How WebSockets are taken, checked. */
export interface WebSocketPlan {
  readonly origins: readonly string[];
  readonly proxies: AddressList;
  readonly http: HttpListener | undefined;
}

/** A listener, and the plan that holds for the next of its connections. */
export interface Planned {
  readonly plan: ListenerPlan;
}

/** A listener that is open. */
export interface OpenListener {
  /** With the address and the port that were taken. */
  readonly url: string;
  /** Shows other certificates to new connections; undefined without TLS. */
  readonly renew: TlsListener["renew"] | undefined;
  /** Accepts no more. */
  close(): Promise<void>;
}

/** Events of listeners. */
export interface ListenerEvents {
  /** Whether a peer may connect at all, asked before a byte is read: gives what gives its place back, or undefined. */
  admit(peer: PeerInfo, plan: ListenerPlan): (() => void) | undefined;
  /** `over` gives the place back when the connection is over, if that is still to be done. */
  accept(transport: Transport, peer: PeerInfo, plan: ListenerPlan, over?: () => void): void;
  /** Connections cannot be accepted for a while, or the owner's HTTP server has failed. */
  troubled(error: Error): void;
  /** A connection ended before its TLS handshake was done. */
  handshakeFailed(peer: PeerInfo, error: Error): void;
  /** A proxy sent no PROXY header. */
  proxyRefused(peer: PeerInfo, error: Error): void;
  /** A connection to a WebSocket listener began with something else than a rightful upgrade. */
  upgradeRefused(peer: PeerInfo, error: Error): void;
}

/**
 * Checks all listeners before one is opened. `tls` is for the listeners that have none of their own; `policyOf` puts the values
 * of a listener over the values of its broker.
 * @throws {AddressError} for a URL that cannot be listened on, for TLS without a certificate, for a certificate without TLS, and for
 * proxies that are no addresses.
 * @throws {UsageError} as `policyOf` does.
 */
export function planListeners(
  listen: readonly (string | ListenerOptions)[],
  tls: TlsServerOptions | undefined,
  policyOf: (given: PolicyOptions) => Policy,
  web: WebSocketListenOptions = {},
): ListenerPlan[] {
  return listen.map((one) => {
    const {
      url,
      tls: own,
      admit,
      missing,
      reusePort = false,
      elsewhere = false,
      proxyProtocol = [],
      webSocket: ownWeb = web,
      ...given
    }: ListenerOptions = typeof one === "string" ? { url: one } : one;
    const address = parseAddress(url);
    const webSocket = SCHEMES[address.scheme].webSocket ? webSocketPlan(ownWeb) : undefined;
    const isOwn = own !== undefined;
    const policy = policyOf(given);
    const proxies = proxyProtocol.length === 0 ? undefined : new AddressList(proxyProtocol);
    const isProxied = proxies !== undefined || (webSocket && (ownWeb.proxies ?? []).length > 0) === true;
    const isLocal = !isProxied && isLoopback(address.host);
    const plan = {
      address,
      policy,
      isOwn,
      admit,
      reusePort,
      elsewhere,
      missing,
      proxies,
      proxyProtocol,
      isLocal,
      webSocket,
    };
    if (!SCHEMES[address.scheme].tls) {
      if (!isOwn) return { ...plan, tls: undefined };
      throw new AddressError(
        `${addressUrl(address)} shows no certificate: write ${address.scheme}s://, or leave out its tls`,
      );
    }
    if (own ?? tls) return { ...plan, tls: own ?? tls };
    throw new AddressError(`${addressUrl(address)} needs a certificate and its key: give tls: { cert, key }`);
  });
}

/** @throws {AddressError} for an origin or a proxy that is none. */
function webSocketPlan({ origins = [], proxies = [], http }: WebSocketListenOptions): WebSocketPlan {
  return { origins: originsOf(origins), proxies: new AddressList(proxies), http };
}

/**
 * Origins as browsers write them.
 * @throws {AddressError} for what is none.
 */
function originsOf(origins: readonly string[]): string[] {
  const wrong = origins.find((one) => one !== "*" && !/^https?:\/\/[^/\s]+$/i.test(one));
  if (wrong === undefined) return origins.map((one) => one.toLowerCase());
  throw new AddressError(`${JSON.stringify(wrong)} is no origin: write https://HOST, https://HOST:PORT or *`);
}

/** Opens a listener at one address. */
type Open = (
  where: ListenOptions,
  asked: Planned,
  accept: Accept,
  events: ListenerEvents,
) => Promise<Listener | TlsListener>;

const overTcp: Open = async (where, asked, accept, events) => {
  const proxy = proxyOf(asked, events);
  if (proxy === undefined) return await listenTcp(where, accept);
  const { proxied } = await import("../runtime/proxied.ts");
  return await listenTcp(where, proxied(proxy, accept));
};

const overTls: Open = async (where, asked, accept, events) => {
  const { listenTls } = await import("../runtime/tls/tls.ts");
  const { handshakeFailed } = events;
  const proxy = proxyOf(asked, events);
  return await listenTls({ ...where, tls: asked.plan.tls!, handshakeFailed, ...proxy && { proxy } }, accept);
};

/** How connections are accepted: at once, or when they have become WebSockets. What is rare is loaded only then. */
async function acceptor(asked: Planned, events: ListenerEvents): Promise<Accept> {
  const admit = (peer: PeerInfo) => events.admit(peer, asked.plan);
  if (asked.plan.webSocket === undefined) {
    return (transport, peer) => {
      const over = admit(peer);
      if (over === undefined) transport.abort();
      else events.accept(transport, peer, asked.plan, over);
    };
  }
  const { upgraded } = await import("../runtime/websocket/acceptor.ts");
  const slots = new HandshakeSlots();
  const http = new HttpAcceptors(events.troubled);
  const optionsOf = ({ policy, isLocal, address: { path }, webSocket }: ListenerPlan): WebSocketOptions => {
    const { origins, proxies, http: listener } = webSocket!;
    return {
      paths: path === undefined ? [] : [path],
      origins,
      isLocal,
      timeoutMs: policy.limits.connectTimeoutMs,
      slots,
      admit,
      isProxy: (address) => proxies.has(address),
      refused: events.upgradeRefused,
      ...listener && { http: http.of(listener) },
    };
  };
  let known = { plan: asked.plan, options: optionsOf(asked.plan) };
  return upgraded(() => {
    const { plan } = asked;
    if (plan !== known.plan) known = { plan, options: optionsOf(plan) };
    return known.options;
  }, (transport, peer) => events.accept(transport, peer, asked.plan));
}

/** Servers for requests that are no upgrade: one for each function of an owner, made with its first request. */
class HttpAcceptors {
  readonly #all = new WeakMap<HttpListener, Accept>();
  readonly #failed: (error: Error) => void;

  constructor(failed: (error: Error) => void) {
    this.#failed = failed;
  }

  of(listener: HttpListener): Accept {
    return (transport, peer) => {
      const known = this.#all.get(listener);
      if (known !== undefined) return known(transport, peer);
      import("../runtime/websocket/http.ts").then(({ httpAcceptor }) => {
        const accept = this.#all.get(listener) ?? httpAcceptor(listener, this.#failed);
        this.#all.set(listener, accept);
        accept(transport, peer);
      }).catch((error) => {
        transport.abort();
        this.#failed(error);
      });
    };
  }
}

function proxyOf(asked: Planned, events: ListenerEvents): ProxyOptions | undefined {
  const { proxies } = asked.plan;
  if (proxies === undefined) return undefined;
  return {
    expects: (address) => proxies.has(address),
    get timeoutMs() {
      return asked.plan.policy.limits.connectTimeoutMs;
    },
    slots: new HandshakeSlots(),
    refused: events.proxyRefused,
  };
}

/** Opens the listeners of one plan, all or none: two for `localhost`, none if the broker starts without them. */
export async function openListener(asked: Planned, events: ListenerEvents): Promise<OpenListener[]> {
  const { plan } = asked;
  if (plan.elsewhere) return [];
  const listeners = await openAll(asked, events).catch((error) => withoutIt(plan, error));
  return listeners.map((listener) => {
    const { host, port, close } = listener;
    const renew = "renew" in listener ? listener.renew : undefined;
    return { url: addressUrl({ ...plan.address, host, port }), close, renew };
  });
}

/** No listener if the broker starts without it; else throws the error, which says which listener's certificate it is about. */
function withoutIt({ address, isOwn, missing }: ListenerPlan, error: unknown): [] {
  if (error instanceof ListenError && missing !== undefined) {
    missing(error);
    return [];
  }
  if (!(error instanceof CertificateError && isOwn)) throw error;
  throw new CertificateError(error.of, error.what, `${addressUrl(address)}: tls`, error.sni);
}

/** Closes all of them. */
export async function closeListeners(listeners: readonly OpenListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}

async function openAll(asked: Planned, events: ListenerEvents): Promise<(Listener | TlsListener)[]> {
  const { address: { scheme, host, port, mode }, reusePort } = asked.plan;
  const accept = await acceptor(asked, events);
  const open = SCHEMES[scheme].tls ? overTls : overTcp;
  const at = (host: string, port: number): Promise<Listener | TlsListener> =>
    open(
      { host, port, reusePort, ...mode !== undefined && { mode }, troubled: events.troubled },
      asked,
      accept,
      events,
    );
  if (host === "::") {
    return [await at(host, port).catch((error) => withoutIpv6(error, () => at("0.0.0.0", port)))];
  }
  if (host !== "localhost") return [await at(host, port)];
  const first = await at("127.0.0.1", port);
  try {
    return [first, await at("::1", first.port)];
  } catch (error) {
    // A machine without IPv6; and where any port will do, one that only 127.0.0.1 has free.
    const busy = error instanceof ListenError && error.code === "EADDRINUSE";
    if (!busy || port === 0) return [first];
    await first.close();
    throw error;
  }
}

/** On a machine without IPv6 every address is every IPv4 address. */
function withoutIpv6<T>(error: unknown, again: () => Promise<T>): Promise<T> {
  const isOther = !(error instanceof ListenError) || error.code === "EADDRINUSE" || error.code === "EACCES";
  if (isOther) throw error;
  return again();
}
