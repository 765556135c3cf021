/**
 * Keys for tokens: of a file that may change, of a URL, or of an OpenID provider.
 * Knows sources; refuses to know tokens.
 * @module
 */
import { Buffer } from "node:buffer";
import { createPublicKey } from "node:crypto";
import { UsageError } from "../codec/error.ts";
import { checkUrl, fetchBounded } from "./fetch.ts";
import { KEY_NUMBERS, KeySet, type KeySetOptions, publicKeysOf } from "./key_set.ts";
import type { Jwk } from "./jwk.ts";
import type { LoginLink } from "./link.ts";
import { numbersOf } from "./options.ts";
import { type TokenKeys, tokenLink, type TokenOptions } from "./token.ts";
import { WatchedFile, type WatchOptions } from "./watched_file.ts";

/** Where the keys are: exactly one of the four. */
export interface TokenSource {
  /** A file of public keys or certificates in PEM, of a JWK, or of a set of them. */
  readonly keyFile?: string;
  /** A file with a secret for HS256, HS384 and HS512: 32 bytes and more. A line feed at its end does not count. */
  readonly secretFile?: string;
  /** The URL of a set of keys (JWKS). */
  readonly keysUrl?: string;
  /** An OpenID provider, whose `issuer` says where its keys are. */
  readonly openId?: boolean;
}

/** A link for tokens. */
export type TokenLinkOptions = TokenSource & TokenOptions & KeySetOptions & WatchOptions;

const SECRET_BYTES_MIN = 32;
const DISCOVERY_BYTES_MAX = 64 * 1024;

/**
 * Lets in Clients with a token that such a key has signed. Keys at a URL are fetched with the first token.
 * @throws {UsageError} for options that are wrong, for a file without keys, and for keys at a URL without `issuer` and `audience`.
 * @throws what reading a file throws.
 */
export async function openTokenLink(options: TokenLinkOptions): Promise<LoginLink> {
  const { keyFile, secretFile, keysUrl, openId = false } = options;
  const sources = [keyFile, secretFile, keysUrl, openId || undefined].filter((one) => one !== undefined);
  if (sources.length !== 1) {
    throw new UsageError("Tokens need one of keyFile, secretFile, keysUrl and openId");
  }
  if (keysUrl !== undefined || openId) return await tokenLink(keysAtUrl(options), options);
  let keys: readonly (Jwk | Uint8Array)[] = [];
  const link = await tokenLink(() => keys, options);
  const file = await WatchedFile.open(keyFile ?? secretFile!, (text) => {
    keys = keyFile === undefined ? [secretOf(text)] : keysOf(text);
  }, { ...options, isSecret: keyFile === undefined });
  return { ...link, reload: () => file.reload(), close: () => file.close() };
}

function keysAtUrl(options: TokenLinkOptions): TokenKeys {
  const { keysUrl, issuer, audience } = options;
  if (issuer === undefined || audience === undefined) {
    throw new UsageError("Keys at a URL sign tokens for others too: say issuer and audience");
  }
  if (keysUrl === undefined && typeof issuer !== "string") {
    throw new UsageError("openId needs one issuer, a URL");
  }
  const at = checkUrl(keysUrl === undefined ? "issuer" : "keysUrl", keysUrl ?? issuer as string);
  const { keysTimeoutMs } = numbersOf(KEY_NUMBERS, options);
  const url = keysUrl === undefined ? () => discover(at, keysTimeoutMs) : () => Promise.resolve(at);
  const set = new KeySet(url, options);
  return (kid) => set.keysFor(kid);
}

/** OpenID Connect Discovery 1.0: where an issuer has its keys. */
async function discover(issuer: string, timeoutMs: number): Promise<string> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const { status, text } = await fetchBounded(url, { timeoutMs, bytesMax: DISCOVERY_BYTES_MAX });
  if (status !== 200) throw new Error(`${url} answers with status ${status}`);
  const said = JSON.parse(text) as { issuer?: unknown; jwks_uri?: unknown };
  if (said.issuer !== issuer) throw new Error(`${url} is of another issuer`);
  if (typeof said.jwks_uri !== "string") throw new Error(`${url} has no jwks_uri`);
  return checkUrl("jwks_uri", said.jwks_uri);
}

function secretOf(text: string): Uint8Array {
  const secret = new Uint8Array(Buffer.from(text.replace(/\r?\n$/, "")));
  if (text.includes("-----BEGIN")) {
    throw new UsageError("secretFile has a key in PEM, which is no secret: give it as keyFile");
  }
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  throw new UsageError(
    `secretFile has ${secret.length} bytes: a secret for tokens has ${SECRET_BYTES_MIN} and more`,
  );
}

function keysOf(text: string): readonly Jwk[] {
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g) ?? [];
  if (blocks.some((block) => block.includes("PRIVATE KEY"))) {
    throw new UsageError("keyFile has a private key: a broker needs the public one alone");
  }
  const keys = blocks.length === 0
    ? publicKeysOf(text)
    : blocks.map((block) => createPublicKey(block).export({ format: "jwk" }) as Jwk);
  if (keys.length === 0) throw new UsageError("keyFile has no public keys: PEM, a JWK, or a set of them");
  return keys;
}
