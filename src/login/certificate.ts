/**
 * §4.1 of 3.1.1, §5.4.1 The Client's certificate: a name in it is the user.
 * Knows the names in a certificate; refuses to know how it was checked.
 * @module
 */
import type { PeerInfo } from "../broker/mod.ts";
import { UsageError } from "../codec/error.ts";
import { ACCEPTED, type LoginLink } from "./link.ts";

/** Which name: the Common Name, the Distinguished Name, the SHA-256 fingerprint, or the first Subject Alternative Name of a kind. */
export const IDENTITIES = ["cn", "dn", "fingerprint", "san:DNS", "san:email", "san:URI"] as const;
/** One of them. */
export type Identity = typeof IDENTITIES[number];

/** Accepts Clients with a certificate that the listener has checked; the name becomes the user name, whatever the CONNECT says. */
export function certificateLink(identity: Identity = "cn"): LoginLink {
  if (!IDENTITIES.includes(identity)) {
    throw new UsageError(`An identity is one of ${IDENTITIES.join(", ")}, not ${JSON.stringify(identity)}`);
  }
  return {
    name: "certificate",
    ask({ method, peer }) {
      if (method !== undefined || peer.certificate === undefined) return undefined;
      const username = nameIn(peer.certificate, identity);
      if (username === undefined || username === "") return `the certificate has no ${identity}`;
      return { code: ACCEPTED, username };
    },
  };
}

function nameIn(certificate: NonNullable<PeerInfo["certificate"]>, identity: Identity): string | undefined {
  if (identity === "cn" || identity === "dn" || identity === "fingerprint") return certificate[identity];
  const prefix = identity.slice("san".length + 1) + ":";
  return certificate.san?.find((name) => name.startsWith(prefix))?.slice(prefix.length);
}
