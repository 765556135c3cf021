/**
 * X.509 certificates as bytes (RFC 5280 section 4): names, serial number, issuer.
 * Knows the structure and how names are written (RFC 4514); refuses to judge whom to trust, which the runtime's TLS does.
 * @module
 */
import { Buffer } from "node:buffer";
import { ipText } from "../../transport/ip_address.ts";
import { type Der, DerError, firstOf, hexOf, oidOf, onlyOf, partsOf, TAG, timeOf } from "./der.ts";

/** One of the names in the extension Subject Alternative Name (RFC 5280 section 4.2.1.6). */
export interface AlternativeName {
  readonly kind: "dns" | "email" | "uri" | "ip";
  readonly value: string;
}

/** The parts of a certificate that are used here. */
export interface Certificate {
  /** Hexadecimal digits. */
  readonly serialNumber: string;
  /** DER of the issuer's name. */
  readonly issuer: Uint8Array;
  /** From when to when it is valid, ms since the epoch. */
  readonly from: number;
  readonly until: number;
  /** DER of its own name. */
  readonly subject: Uint8Array;
  /** DER of its public key (SubjectPublicKeyInfo). */
  readonly publicKey: Uint8Array;
  /** In the certificate's order. */
  readonly names: readonly AlternativeName[];
}

const SUBJECT_ALT_NAME = "2.5.29.17";
const COMMON_NAME = "2.5.4.3";

/**
 * Reads the DER of a certificate.
 * @throws {DerError}
 */
export function certificateOf(bytes: Uint8Array): Certificate {
  const [signed] = partsOf(onlyOf(bytes, TAG.sequence));
  if (signed === undefined) throw new DerError("no certificate");
  const parts = partsOf(signed);
  const at = parts[0]?.tag === VERSION ? 1 : 0;
  const [serial, , issuer, validity, subject, key, ...more] = parts.slice(at);
  if (serial === undefined || issuer === undefined || subject === undefined || key === undefined) {
    throw new DerError("no certificate");
  }
  const [from, until] = partsOf(validity!);
  if (from === undefined || until === undefined) throw new DerError("a certificate without dates");
  const extensions = more.find(({ tag }) => tag === EXTENSIONS);
  return {
    serialNumber: hexOf(serial.bytes),
    issuer: issuer.whole,
    from: timeOf(from),
    until: timeOf(until),
    subject: subject.whole,
    publicKey: key.whole,
    names: extensions === undefined ? [] : alternativeNames(extensions),
  };
}

const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

function alternativeNames(extensions: Der): AlternativeName[] {
  for (const extension of partsOf(firstOf(extensions.bytes))) {
    const [id, ...rest] = partsOf(extension);
    if (id === undefined || oidOf(id) !== SUBJECT_ALT_NAME) continue;
    const value = rest.at(-1);
    if (value?.tag !== TAG.octets) throw new DerError("an extension without a value");
    return partsOf(onlyOf(value.bytes, TAG.sequence)).flatMap(({ tag, bytes }): AlternativeName[] => {
      if (tag === 0x87) {
        if (bytes.length !== 4 && bytes.length !== 16) throw new DerError("an address that is none");
        return [{ kind: "ip", value: ipText(bytes) }];
      }
      const kind = NAME_KINDS[tag];
      return kind === undefined ? [] : [{ kind, value: new TextDecoder("latin1").decode(bytes) }];
    });
  }
  return [];
}

const NAME_KINDS: Readonly<Record<number, "dns" | "email" | "uri">> = {
  0x81: "email",
  0x82: "dns",
  0x86: "uri",
};

/** The attributes of a name, the most specific last; each set of attributes has one, nearly always. */
function attributesOf(name: Uint8Array): (readonly [id: string, value: Der])[][] {
  return partsOf(onlyOf(name, TAG.sequence)).map((set) =>
    partsOf(set).map((attribute) => {
      const [id, value] = partsOf(attribute);
      if (id === undefined || value === undefined) throw new DerError("a name without a value");
      return [oidOf(id), value] as const;
    })
  );
}

/** The Common Name in a name; undefined if there is none, or more than one, or one that is no text. */
export function commonNameOf(name: Uint8Array): string | undefined {
  const found = attributesOf(name).flat().filter(([id]) => id === COMMON_NAME);
  return found.length === 1 ? textOf(found[0]![1]) : undefined;
}

/** A name as RFC 4514 writes it: the most specific attribute first, `CN=pump,O=Example`. */
export function nameText(name: Uint8Array): string {
  return attributesOf(name).reverse().map((set) =>
    set.map(([id, value]) => {
      const short = SHORT_NAMES[id];
      const text = textOf(value);
      return short === undefined || text === undefined
        ? `${short ?? id}=#${[...value.whole].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`
        : `${short}=${escaped(text)}`;
    }).join("+")
  ).join(",");
}

/** RFC 4514 section 3 and those that OpenSSL writes besides. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  [COMMON_NAME]: "CN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
};

/** RFC 4514 section 2.4. Control characters are written in hexadecimal digits, so that they cannot forge a line. */
function escaped(text: string): string {
  return text
    .replace(/[\\,+"<>;]|^[ #]| $/g, "\\$&")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x1f\x7f]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** The text of a string type; undefined for another type, and for bytes that are no text of it. */
function textOf({ tag, bytes }: Der): string | undefined {
  const encoding = ENCODINGS[tag];
  if (encoding === undefined) return undefined;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** UTF8String, PrintableString, T61String, IA5String, BMPString. */
const ENCODINGS: Readonly<Record<number, string>> = {
  [TAG.utf8]: "utf-8",
  0x13: "utf-8",
  0x14: "latin1",
  0x16: "utf-8",
  0x1e: "utf-16be",
};

/** The DER in the first block of a PEM text with this label; undefined if there is none. */
export function derOfPem(text: string, label: string): Uint8Array<ArrayBuffer> | undefined {
  return dersOfPem(text, label)[0];
}

/** The DER in each block of a PEM text with this label; a block that is no base64 has too few bytes. */
export function dersOfPem(text: string, label: string): Uint8Array<ArrayBuffer>[] {
  const blocks = text.matchAll(new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`, "g"));
  return [...blocks].map(([, base64]) => new Uint8Array(Buffer.from(base64!, "base64")));
}

/** A PEM text. */
export function pemOf(label: string, bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes)).replace(/.{1,64}/g, "$&\n");
  return `-----BEGIN ${label}-----\n${base64}-----END ${label}-----\n`;
}
