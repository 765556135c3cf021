/**
 * §5.4.1 The Client's certificate: the name in it that the listener takes for an identity is the user.
 * Knows the identity; refuses to know how the certificate was checked.
 * @module
 */
import { ACCEPTED, type LoginLink } from "./link.ts";

/** Accepts Clients with a certificate that the listener has checked; its identity becomes the user name, whatever the CONNECT says. */
export function certificateLink(): LoginLink {
  return {
    name: "certificate",
    ask({ method, peer: { certificate } }) {
      if (method !== undefined || certificate === undefined) return undefined;
      const { identity } = certificate;
      if (identity === undefined || identity === "") return "the certificate has no identity";
      return { code: ACCEPTED, username: identity };
    },
  };
}
