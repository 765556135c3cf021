/**
 * Makes certificates: an authority that vouches for itself, and a Server's certificate that it issues (ECDSA, P-256).
 * Knows how they are written (RFC 5280 section 4) and Web Crypto; refuses to know files. Loaded only when a certificate is to be made.
 * @module
 */
import { ipBytes } from "../../transport/ip_address.ts";
import { ascii, der, integer, oid, onlyOf, partsOf, sequence, TAG, time } from "./der.ts";
import { certificateOf, derOfPem, pemOf } from "./x509.ts";

/** A certificate and its key, PEM. */
export interface Made {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Clients whose clock is behind accept a new certificate too. */
const BEFORE_MS = 2 * DAY_MS;
/** For as long as somebody keeps a broker and its Clients: each Client that trusts it would have to be told of another one. */
const AUTHORITY_DAYS = 3650;
/** Some platforms refuse a Server's certificate that is valid longer. */
const SERVER_DAYS = 395;

const P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));

/** Makes an authority. `name` tells the owner which one it is; `now` is ms since the epoch. */
export async function makeAuthority(name: string, now: number): Promise<Made> {
  const { pair, publicKey, key } = await makeKey();
  const own = nameOf(name);
  const cert = await issue(pair.privateKey, {
    issuer: own,
    subject: own,
    publicKey,
    from: now - BEFORE_MS,
    until: now + AUTHORITY_DAYS * DAY_MS,
    extensions: [
      extension("2.5.29.19", sequence(TRUE, integer(Uint8Array.of(0))), true), // an authority, of no other one
      extension("2.5.29.15", der(TAG.bits, Uint8Array.of(1, 0x06)), true), // keyCertSign, cRLSign
      extension("2.5.29.14", der(TAG.octets, await keyIdOf(publicKey))),
    ],
  });
  return { cert, key };
}

/**
 * Makes a Server's certificate for these host names and IP addresses, the first of them its Common Name; behind it in `cert` stands
 * that of the authority.
 */
export async function makeServerCertificate(
  authority: Made,
  names: readonly string[],
  now: number,
): Promise<Made> {
  const { publicKey, key } = await makeKey();
  const issuer = certificateOf(derOfPem(authority.cert, "CERTIFICATE")!);
  const secret = await crypto.subtle.importKey(
    "pkcs8",
    derOfPem(authority.key, "PRIVATE KEY")!,
    P256,
    false,
    [
      "sign",
    ],
  );
  const issuerKey = der(0x80, await keyIdOf(issuer.publicKey));
  const cert = await issue(secret, {
    issuer: issuer.subject,
    subject: nameOf(names[0]!.slice(0, 64)),
    publicKey,
    from: now - BEFORE_MS,
    until: now + SERVER_DAYS * DAY_MS,
    extensions: [
      extension("2.5.29.19", sequence(), true), // no authority
      extension("2.5.29.15", der(TAG.bits, Uint8Array.of(7, 0x80)), true), // digitalSignature
      extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"))), // serverAuth
      extension("2.5.29.17", sequence(...names.map(alternativeName))),
      extension("2.5.29.14", der(TAG.octets, await keyIdOf(publicKey))),
      extension("2.5.29.35", sequence(issuerKey)),
    ],
  });
  return { cert: cert + authority.cert, key };
}

interface Body {
  /** DER of names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly from: number;
  readonly until: number;
  readonly extensions: readonly Uint8Array[];
}

async function issue(secret: CryptoKey, body: Body): Promise<string> {
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0] = serial[0]! & 0x7f | 0x40; // of 16 bytes, and positive
  const signed = sequence(
    der(0xa0, integer(Uint8Array.of(2))), // version 3
    integer(serial),
    ECDSA_SHA256,
    body.issuer,
    sequence(time(body.from), time(body.until)),
    body.subject,
    body.publicKey,
    der(0xa3, sequence(...body.extensions)),
  );
  const raw = new Uint8Array(await crypto.subtle.sign(SIGNATURE, secret, signed));
  const signature = sequence(integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
  return pemOf("CERTIFICATE", sequence(signed, ECDSA_SHA256, der(TAG.bits, Uint8Array.of(0), signature)));
}

async function makeKey(): Promise<{ pair: CryptoKeyPair; publicKey: Uint8Array; key: string }> {
  const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const [publicKey, secret] = await Promise.all([
    crypto.subtle.exportKey("spki", pair.publicKey),
    crypto.subtle.exportKey("pkcs8", pair.privateKey),
  ]);
  return { pair, publicKey: new Uint8Array(publicKey), key: pemOf("PRIVATE KEY", new Uint8Array(secret)) };
}

/** RFC 5280 section 4.2.1.2 (1): SHA-1 of the key's bits. */
async function keyIdOf(publicKey: Uint8Array): Promise<Uint8Array> {
  const bits = partsOf(onlyOf(publicKey, TAG.sequence))[1]!.bytes.slice(1);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", bits));
}

const TRUE = der(TAG.boolean, Uint8Array.of(0xff));

function extension(id: string, value: Uint8Array, isCritical = false): Uint8Array {
  return sequence(oid(id), ...isCritical ? [TRUE] : [], der(TAG.octets, value));
}

/** A name of nothing but a Common Name. */
function nameOf(commonName: string): Uint8Array {
  return sequence(der(TAG.set, sequence(oid("2.5.4.3"), der(TAG.utf8, ascii(commonName)))));
}

function alternativeName(name: string): Uint8Array {
  const address = ipBytes(name);
  return address === undefined ? der(0x82, ascii(name)) : der(0x87, address);
}
