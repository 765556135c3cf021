/**
 * §5.4.1 The Client's certificate: the name in it that the listener takes for an identity is the user.
 * Knows the identity; refuses to know how the certificate was checked.
 * @module
 */
import type { AuthenticationRequest } from "../broker/mod.ts";
import { ACCEPTED, type LinkAnswer, type LoginLink } from "./link.ts";

/** Accepts Clients with a certificate that the listener has checked; its identity becomes the user name, whatever the CONNECT says. */
export function certificateLink(): LoginLink {
  const ask = ({ method, peer: { certificate } }: AuthenticationRequest): LinkAnswer => {
    if (method !== undefined || certificate === undefined) return undefined;
    const { identity } = certificate;
    if (identity === undefined || identity === "") return "the certificate has no identity";
    return { code: ACCEPTED, username: identity };
  };
  return { name: "certificate", ask, atOnce: ask, unguessable: true };
}
