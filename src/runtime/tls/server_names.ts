/**
 * Which certificate a Client is shown that asks for a name (SNI, RFC 6066 section 3).
 * Knows DNS names of certificates and wildcards; refuses to know what is kept for each.
 * @module
 */
import { certificateOf, derOfPem } from "./x509.ts";

/** The DNS names of the first certificate in a PEM text, in small letters. */
export function dnsNamesOf(cert: string): string[] {
  return certificateOf(derOfPem(cert, "CERTIFICATE")!).names
    .filter(({ kind }) => kind === "dns").map(({ value }) => value.toLowerCase());
}

/** A value for each name. */
export class ServerNames<Value> {
  readonly #values: ReadonlyMap<string, Value>;

  /** Where two certificates have the same name, the first one is taken. */
  constructor(named: readonly (readonly [cert: string, Value])[]) {
    const values = new Map<string, Value>();
    for (const [cert, value] of named) {
      for (const name of dnsNamesOf(cert)) if (!values.has(name)) values.set(name, value);
    }
    this.#values = values;
  }

  /** The value for a name that a Client asks for; undefined if there is none. A wildcard stands for one label, the first one. */
  of(name: string): Value | undefined {
    const small = name.toLowerCase();
    return this.#values.get(small) ?? this.#values.get(`*${small.slice(Math.max(0, small.indexOf(".")))}`);
  }
}
