/**
 * The open listeners of a broker, and how they become others: what is not there is opened, what is not wanted is closed, the rest
 * goes on under its new plan. All or nothing.
 * Knows which listener is which by its URL; refuses to know connections, which stay when their listener goes.
 * @module
 */
import type { Policy } from "../broker/mod.ts";
import type { TlsServerOptions, TlsTexts } from "../runtime/tls/options.ts";
import { AddressError, addressUrl, parseAddress } from "./address.ts";
import {
  closeListeners,
  type ListenerEvents,
  type ListenerPlan,
  type OpenListener,
  openListener,
} from "./listeners.ts";

/** The listeners of one plan: two for `localhost`, none where they could not be opened. */
interface Entry {
  plan: ListenerPlan;
  open: readonly OpenListener[];
}

/** The listeners of one broker. */
export class ListenerSet {
  readonly #events: ListenerEvents;
  #entries: readonly Entry[] = [];

  constructor(events: ListenerEvents) {
    this.#events = events;
  }

  /** Of each plan, with the ports that were taken. */
  get addresses(): readonly (readonly string[])[] {
    return this.#entries.map(({ open }) => open.map(({ url }) => url));
  }

  /** Shows these texts to new connections of all listeners that have none of their own, or of the listener with this URL. */
  renewCertificate({ cert, key, sni, ca, crl }: TlsTexts, listener?: string): void {
    const url = listener === undefined ? undefined : addressUrl(parseAddress(listener));
    const meant = this.#entries.filter(({ plan }) =>
      plan.tls !== undefined &&
      (url === undefined ? !plan.isOwn : plan.isOwn && addressUrl(plan.address) === url)
    );
    if (url !== undefined && meant.length === 0) {
      throw new AddressError(`There is no listener ${url} with a certificate of its own`);
    }
    for (const entry of meant) {
      const tls = { ...entry.plan.tls!, cert, key, ...sni && { sni }, ...ca && { ca }, ...crl && { crl } };
      for (const { renew } of entry.open) renew?.(tls);
      entry.plan = { ...entry.plan, tls };
    }
  }

  /**
   * Listens by these plans, each with a policy of its own. Returns which policy takes the place of which at a listener that goes on.
   * @throws {ListenError} or {CertificateError}; then all listeners are as they were.
   */
  async change(plans: readonly ListenerPlan[]): Promise<ReadonlyMap<Policy, Policy>> {
    const left = [...this.#entries];
    const found = plans.map((plan) => {
      const at = left.findIndex((entry) => placeOf(entry.plan) === placeOf(plan));
      const known = at < 0 ? undefined : left.splice(at, 1)[0]!;
      const entry: Entry = known !== undefined && known.open.length > 0 ? known : { plan, open: [] };
      return { plan, before: known?.plan.policy, entry };
    });
    const added = found.map(({ entry }) => entry).filter(({ open }) => open.length === 0);
    // A listener that goes may have the port, or the Unix socket, that another one wants.
    const wanted = new Set(added.map(({ plan }) => portOf(plan)));
    const first = left.filter(({ plan }) => portOf(plan) !== 0 && wanted.has(portOf(plan)));
    for (const { open } of first) await closeListeners(open);
    const renewed: (() => void)[] = [];
    try {
      for (const entry of added) entry.open = await openListener(entry, this.#events);
      for (const { plan: { tls }, entry } of found) {
        const before = entry.plan.tls;
        if (before === undefined || tls === undefined || isSameTls(before, tls)) continue;
        for (const { renew } of entry.open) {
          renew?.(tls);
          renewed.push(() => renew?.(before));
        }
      }
    } catch (error) {
      for (const undo of renewed) undo();
      for (const { open } of added) await closeListeners(open);
      for (const entry of first) await this.#reopen(entry);
      throw error;
    }
    const moved = new Map<Policy, Policy>();
    for (const { plan, before, entry } of found) {
      if (before !== undefined) moved.set(before, plan.policy);
      entry.plan = plan;
    }
    this.#entries = found.map(({ entry }) => entry);
    const gone = left.filter((entry) => !first.includes(entry));
    await Promise.all(gone.map(({ open }) => closeListeners(open)));
    return moved;
  }

  /** Opens a listener again that was closed for one that could not be opened. */
  async #reopen(entry: Entry): Promise<void> {
    entry.open = [];
    try {
      entry.open = await openListener(entry, this.#events);
    } catch (error) {
      this.#events.troubled(error as Error);
    }
  }

  /** Accepts no more. */
  async close(): Promise<void> {
    await closeListeners(this.#entries.flatMap(({ open }) => open));
  }
}

/** The parts of a plan that a listener has from its opening on. */
function placeOf({ address, proxyProtocol, tls }: ListenerPlan): string {
  const { cert: _, key: _k, sni: _s, ca: _a, crl: _c, ...fixed } = tls ?? { cert: "", key: "" };
  return JSON.stringify([addressUrl(address), proxyProtocol, Object.entries(fixed).sort()]);
}

/** A port, 0 if any will do, or the path of a Unix socket. */
function portOf({ address: { scheme, host, port } }: ListenerPlan): number | string {
  return scheme === "unix" ? host : port;
}

function isSameTls(one: TlsServerOptions, other: TlsServerOptions): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
