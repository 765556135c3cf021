/**
 * §3.1.2.8, §5.4.1 Clients without credentials: let in from this machine, from anywhere, or not at all.
 * Knows addresses; refuses to know users.
 * @module
 */
import type { AuthenticationRequest, PeerInfo } from "../broker/mod.ts";
import { ACCEPTED, type LinkAnswer, type LoginLink } from "./link.ts";

/** Where Clients without credentials may come from. */
export const ANONYMOUS = ["loopback", "never", "always"] as const;
/** One of them. */
export type Anonymous = typeof ANONYMOUS[number];

/**
 * Lets in Clients without a user name, which then have none. With `credentials` "ignored", where nothing checks them, it lets in Clients
 * that have one too, and takes it away: a name that is not proved is none.
 */
export function anonymousLink(
  from: Anonymous = "loopback",
  credentials: "passed on" | "ignored" = "passed on",
): LoginLink {
  const ask = ({ method, username, password, peer }: AuthenticationRequest): LinkAnswer => {
    if (method !== undefined) return undefined;
    const hasCredentials = username !== undefined || password !== undefined;
    if (hasCredentials && credentials === "passed on") return undefined;
    if (from === "always" || (from === "loopback" && isLocal(peer))) {
      return { code: ACCEPTED, username: null };
    }
    return from === "never"
      ? "anonymous is never"
      : "anonymous is loopback, and the peer is not on this machine";
  };
  return { name: "anonymous", ask, atOnce: ask, unguessable: true };
}

/**
 * Whether the peer is on this machine. A proxy on this machine that does not say for whom it speaks makes all of its peers so; the
 * loopback addresses that a proxy elsewhere names are those of its own machine.
 */
function isLocal({ address, transport, proxy }: PeerInfo): boolean {
  if (transport === "memory" || transport === "unix") return true;
  return isLoopback(address) && (proxy === undefined || isLoopback(proxy.address));
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address);
}
