/**
 * RFC 7519, §4.12 Signed tokens, in the password or by AUTH: who it is, until when, and what is known of the user.
 * Knows claims; refuses to know where keys come from.
 *
 * The key decides which algorithms may be used, never the token: a public key is no secret for HMAC, and `none` is no algorithm.
 * @module
 */
import type { AuthenticationRequest, Verdict } from "../broker/mod.ts";
import { UsageError } from "../codec/error.ts";
import type { Jwk } from "./jwk.ts";
import { ACCEPTED, CONTINUE, LATER, type LinkAnswer, type LoginLink } from "./link.ts";
import { type NumberRow, numbersOf } from "./options.ts";

/** The numbers of tokens. */
export const TOKEN_NUMBERS: Readonly<Record<"leewaySeconds", NumberRow>> = {
  leewaySeconds: {
    default: 30,
    least: 0,
    most: 3_600,
    unit: "s",
    about: "how far the clock of a token's issuer may differ",
  },
};

/** What a token must say, and what is taken from it. */
export interface TokenOptions extends Partial<Readonly<Record<keyof typeof TOKEN_NUMBERS, number>>> {
  /** `iss`: one of these. */
  readonly issuer?: string | readonly string[];
  /** `aud`: one of these. */
  readonly audience?: string | readonly string[];
  /** Algorithms that may be used, among those of the keys; default all of them. */
  readonly algorithms?: readonly string[];
  /** The claim that is the user name; default `sub`. Dots lead into objects: `realm_access.roles`. */
  readonly usernameClaim?: string;
  /** The claim that has the groups, an array or a text with blanks between; default `groups`. */
  readonly groupsClaim?: string;
  /** The claims that are kept for permissions; default all that are texts, numbers or booleans. */
  readonly claims?: readonly string[];
  /** The claim that the Client Identifier must be equal to; default none. */
  readonly clientIdClaim?: string;
  /** §4.12 the Authentication Method by which tokens come; default `JWT`. */
  readonly method?: string;
}

/** Keys for a token with this identifier and algorithm; a secret is a `Uint8Array`. */
export type TokenKeys = (
  kid: string | undefined,
) => Promise<readonly (Jwk | Uint8Array)[]> | readonly (Jwk | Uint8Array)[];

const SECRET_ALGORITHMS = ["HS256", "HS384", "HS512"];
const RSA_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const CURVE_ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  "P-256": ["ES256"],
  "P-384": ["ES384"],
  "P-521": ["ES512"],
  Ed25519: ["EdDSA", "Ed25519"],
};
const ALL = [...SECRET_ALGORITHMS, ...RSA_ALGORITHMS, ...Object.values(CURVE_ALGORITHMS).flat()];

const KEYS_TRIED_MAX = 4;
const CLAIMS_MAX = 32;
const CLAIM_CHARACTERS_MAX = 1_024;

/** RFC 7519 §4: claims by name. Types of `jose` would be needed by each program that checks its own. */
interface Payload {
  readonly exp?: number;
  readonly [claim: string]: unknown;
}

/** The algorithms of a key. */
function algorithmsOf(key: Jwk | Uint8Array): readonly string[] {
  if (key instanceof Uint8Array) return SECRET_ALGORITHMS;
  const all = key.kty === "RSA" ? RSA_ALGORITHMS : CURVE_ALGORITHMS[key.crv ?? ""] ?? [];
  return key.alg === undefined ? all : all.filter((one) => one === key.alg);
}

/**
 * Lets in Clients with a token that one of the keys has signed.
 * @throws {UsageError} for an option that is wrong.
 */
export async function tokenLink(keys: TokenKeys, options: TokenOptions = {}): Promise<LoginLink> {
  const { method = "JWT", algorithms = ALL } = options;
  const { leewaySeconds } = numbersOf(TOKEN_NUMBERS, options);
  const unknown = algorithms.find((one) => !ALL.includes(one));
  if (unknown !== undefined) {
    throw new UsageError(`There is no algorithm ${JSON.stringify(unknown)} for tokens: ${ALL.join(", ")}`);
  }
  const { decodeProtectedHeader, errors, jwtVerify } = await import("jose");
  const required = {
    clockTolerance: leewaySeconds,
    requiredClaims: ["exp"],
    ...options.issuer !== undefined && { issuer: [options.issuer].flat() },
    ...options.audience !== undefined && { audience: [options.audience].flat() },
  };

  async function verify(token: string, request: AuthenticationRequest): Promise<LinkAnswer> {
    const { alg = "none", kid } = decodeProtectedHeader(token);
    if (!algorithms.includes(alg)) return "the algorithm of the token is not allowed";
    const fitting = (await keys(kid)).filter((key) =>
      algorithmsOf(key).includes(alg) && (kid === undefined || !("kid" in key) || key.kid === kid)
    );
    for (const key of fitting.slice(0, KEYS_TRIED_MAX)) {
      try {
        const { payload } = await jwtVerify(token, key, { ...required, algorithms: [alg] });
        return verdictOf(payload, request);
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    return fitting.length === 0 ? "no key for the token" : "the token is signed by another key";
  }

  function verdictOf(payload: Payload, request: AuthenticationRequest): LinkAnswer {
    const { usernameClaim = "sub", groupsClaim = "groups", clientIdClaim } = options;
    const username = claimIn(payload, usernameClaim);
    if (typeof username !== "string" || username === "") return `the token has no ${usernameClaim}`;
    if (clientIdClaim !== undefined && claimIn(payload, clientIdClaim) !== request.clientId) {
      return `the Client Identifier is not the token's ${clientIdClaim}`;
    }
    return {
      code: ACCEPTED,
      username,
      groups: groupsIn(claimIn(payload, groupsClaim)),
      claims: claimsIn(payload, options.claims),
      expiresAt: (payload.exp! + leewaySeconds) * 1000,
    } satisfies Verdict;
  }

  const isByAuth = (request: AuthenticationRequest) => request.method === method;
  const tokenOf = (request: AuthenticationRequest) =>
    tokenIn(isByAuth(request) ? request.data : request.password);

  /** LATER if there is a token. */
  function atOnce(request: AuthenticationRequest): LinkAnswer | typeof LATER {
    const { kind, data } = request;
    if (tokenOf(request) !== undefined) return LATER;
    if (!isByAuth(request)) return undefined;
    return kind !== "continue" && (data?.length ?? 0) === 0 ? { code: CONTINUE } : "no token"; // it comes by AUTH
  }

  const ask = (request: AuthenticationRequest): LinkAnswer | Promise<LinkAnswer> => {
    const answer = atOnce(request);
    if (answer !== LATER) return answer;
    return verify(tokenOf(request)!, request).catch((error: unknown) => {
      if (error instanceof errors.JOSEError) {
        return WHY[(error as { readonly code: string }).code] ?? "the token is not valid";
      }
      if (error instanceof TypeError) return "the token is not valid"; // its header is no JSON, or its key no key
      throw error;
    });
  };
  return { name: "token", methods: [method], ask, atOnce, unguessable: true };
}

/** For the log; `jose` puts claims into some of its messages. */
const WHY: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: "the token has expired",
  ERR_JWT_CLAIM_VALIDATION_FAILED: "a claim of the token is missing, or not what it must be",
};

/** A text that has the form of a signed token. */
function tokenIn(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const text = new TextDecoder("latin1").decode(bytes);
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text) ? text : undefined;
}

function claimIn(payload: Payload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  let at: unknown = payload;
  for (const name of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

function groupsIn(claim: unknown): readonly string[] {
  const groups = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  return groups.filter((group): group is string => typeof group === "string" && group !== "");
}

function claimsIn(payload: Payload, names?: readonly string[]): Readonly<Record<string, string>> {
  const claims: [string, string][] = [];
  for (const name of names ?? Object.keys(payload)) {
    const value = claimIn(payload, name);
    if (
      !["string", "number", "boolean"].includes(typeof value) || String(value).length > CLAIM_CHARACTERS_MAX
    ) continue;
    claims.push([name, String(value)]);
  }
  return Object.fromEntries(claims.slice(0, CLAIMS_MAX));
}
