/**
 * The listeners of a broker: the address and policy of each, and how each scheme is opened.
 * Knows which function opens a scheme; refuses to know connections.
 * @module
 */
import type { Policy, PolicyOptions } from "../broker/mod.ts";
import { type Accept, type Listener, ListenError, type ListenOptions, listenTcp } from "../runtime/listen.ts";
import { CertificateError, type TlsListener, type TlsServerOptions } from "../runtime/tls/options.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import type { Admit } from "./admit.ts";
import { type Address, AddressError, addressUrl, parseAddress, type Scheme, SCHEMES } from "./address.ts";

/** One listener, with a policy for its connections: limits, features, authenticator and authorizer in place of the broker's. */
export interface ListenerOptions extends PolicyOptions {
  /** `mqtt://HOST:PORT` or, with TLS, `mqtts://HOST:PORT`. */
  readonly url: string;
  /** The certificate and its key that this listener shows, in place of `ServeOptions.tls`. */
  readonly tls?: TlsServerOptions;
  /** In place of `ServeOptions.admit`. */
  readonly admit?: Admit;
}

/** A listener as it was asked for, checked. */
export interface ListenerPlan {
  readonly address: Address;
  /** The policy for its connections; undefined is the broker's own. */
  readonly policy: Policy | undefined;
  /** Given where the scheme needs it. */
  readonly tls: TlsServerOptions | undefined;
  /** Whether that is the listener's own. */
  readonly isOwn: boolean;
  /** The listener's own. */
  readonly admit: Admit | undefined;
}

/** A listener that is open. */
export interface OpenListener {
  /** With the address and the port that were taken. */
  readonly url: string;
  /** Shows another certificate to new connections; undefined without TLS. */
  readonly renew: ((tls: TlsServerOptions) => void) | undefined;
  /** Accepts no more. */
  close(): Promise<void>;
}

/** Events of listeners. */
export interface ListenerEvents {
  accept(transport: Transport, peer: PeerInfo, plan: ListenerPlan): void;
  /** Connections cannot be accepted for a while. */
  troubled(error: Error): void;
  /** A connection ended before its TLS handshake was done. */
  handshakeFailed(peer: PeerInfo, error: Error): void;
}

/**
 * Checks all listeners before one is opened. `tls` is for the listeners that have none of their own; `policyOf` puts the values
 * of a listener over the values of its broker.
 * @throws {AddressError} for a URL that cannot be listened on, for TLS without a certificate, and for a certificate without TLS.
 * @throws {UsageError} as `policyOf` does.
 */
export function planListeners(
  listen: readonly (string | ListenerOptions)[],
  tls: TlsServerOptions | undefined,
  policyOf: (given: PolicyOptions) => Policy,
): ListenerPlan[] {
  return listen.map((one) => {
    const { url, tls: own, admit, ...given }: ListenerOptions = typeof one === "string" ? { url: one } : one;
    const address = parseAddress(url);
    const isOwn = own !== undefined;
    const policy = Object.keys(given).length === 0 ? undefined : policyOf(given);
    if (!SCHEMES[address.scheme].tls) {
      if (!isOwn) return { address, policy, tls: undefined, isOwn, admit };
      throw new AddressError(
        `${addressUrl(address)} shows no certificate: write mqtts://, or leave out its tls`,
      );
    }
    if (own ?? tls) return { address, policy, tls: own ?? tls, isOwn, admit };
    throw new AddressError(`${addressUrl(address)} needs a certificate and its key: give tls: { cert, key }`);
  });
}

/** Opens a listener at one address. */
type Open = (
  where: ListenOptions,
  plan: ListenerPlan,
  accept: Accept,
  events: ListenerEvents,
) => Promise<Listener | TlsListener>;

/** How each scheme is opened. A rare scheme is loaded only then. */
const OPENERS: Readonly<Record<Scheme, Open>> = {
  mqtt: (where, _plan, accept) => listenTcp(where, accept),
  mqtts: async (where, { tls }, accept, { handshakeFailed }) => {
    const { listenTls } = await import("../runtime/tls/tls.ts");
    return await listenTls({ ...where, tls: tls!, handshakeFailed }, accept);
  },
};

/** Opens all of them; if one cannot be opened, none stays open. */
export async function openListeners(
  plans: readonly ListenerPlan[],
  events: ListenerEvents,
): Promise<OpenListener[]> {
  const open: OpenListener[] = [];
  try {
    for (const plan of plans) {
      for (const listener of await openOne(plan, events).catch((error) => saying(plan, error))) {
        const { host, port, close } = listener;
        const renew = "renew" in listener ? listener.renew : undefined;
        open.push({ url: addressUrl({ ...plan.address, host, port }), close, renew });
      }
    }
    return open;
  } catch (error) {
    await closeListeners(open);
    throw error;
  }
}

/** Throws the error, which says which listener's certificate it is about. */
function saying({ address, isOwn }: ListenerPlan, error: unknown): never {
  if (!(error instanceof CertificateError && isOwn)) throw error;
  throw new CertificateError(error.of, error.what, `${addressUrl(address)}: tls`);
}

/** Closes all of them. */
export async function closeListeners(listeners: readonly OpenListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}

/** The listeners of one address: two for `localhost`. */
async function openOne(plan: ListenerPlan, events: ListenerEvents): Promise<(Listener | TlsListener)[]> {
  const { scheme, host, port } = plan.address;
  const accept: Accept = (transport, peer) => events.accept(transport, peer, plan);
  const at = (host: string, port: number): Promise<Listener | TlsListener> =>
    OPENERS[scheme]({ host, port, troubled: events.troubled }, plan, accept, events);
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
