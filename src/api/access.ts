/**
 * Who may use the API: the owner by a token, administrators by a cookie, and no page of another site.
 * Knows headers; refuses to know passwords.
 *
 * Browsers send cookies along with whatever request a page makes, so what changes something needs a header that no form of another site
 * can send. A name that an attacker has pointed at this machine (DNS rebinding) makes his page one of the same origin: so the host must be
 * a known one. Addresses cannot be pointed elsewhere, and are let through.
 * @module
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { ApiError } from "./error.ts";
import type { ApiHost } from "./host.ts";
import type { ApiWorkers } from "./operation.ts";

/** The header that a request by cookie has if it changes something; its value is 1. */
export const CSRF_HEADER = "x-plumb";
/** The name of the cookie. */
export const COOKIE = "plumb";

/** A name is a host's, with or without a port. */
const HOST = /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/i;
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** @throws {ApiError} for a host that is none of the broker's. */
export function checkHost(host: string | undefined, hosts: readonly string[]): void {
  const name = HOST.exec(host ?? "")?.[1]?.toLowerCase().replace(/\.$/, "");
  if (name !== undefined) {
    const isOurs = name === "localhost" || name.endsWith(".localhost") || name.startsWith("[") ||
      IPV4.test(name) ||
      hosts.some((one) => one.toLowerCase() === name);
    if (isOurs) return;
  }
  throw new ApiError(
    "forbidden",
    `The host ${
      JSON.stringify((host ?? "").slice(0, 200))
    } is none of this broker's: use an address or localhost, or name it by --web-hosts`,
  );
}

/** One login by password. */
interface Login {
  readonly user: string;
  usedAt: number;
}

/** Logins by password: the cookies that are good. */
export class Logins {
  /** By the hash of the cookie's value, the one that was used longest ago first. */
  readonly #all: Map<string, Login> = new Map();

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** A new one; gives the value of its cookie. */
  begin(user: string, now: number, most: number): string {
    const value = randomBytes(32).toString("base64url");
    this.#all.set(digest(value), { user, usedAt: now });
    for (const [oldest] of this.#all) {
      if (this.#all.size <= most) break;
      this.#all.delete(oldest);
    }
    return value;
  }

  /** The user of a login that is not over; it is used now. */
  user(value: string, now: number, idleMs: number): string | undefined {
    const key = digest(value);
    const login = this.#all.get(key);
    if (login === undefined) return undefined;
    this.#all.delete(key);
    if (login.usedAt + idleMs < now) return undefined;
    login.usedAt = now;
    this.#all.set(key, login);
    return login.user;
  }

  /** Ends one. */
  end(value: string): void {
    this.#all.delete(digest(value));
  }

  /** Ends those of a user, whose password is another one, or none any more. */
  endAllOf(user: string): void {
    for (const [key, login] of this.#all) if (login.user === user) this.#all.delete(key);
  }
}

function digest(value: string): string {
  return createHash("sha256").update(value).digest("base64");
}

/** Whether two secrets are the same, in a time that says nothing of where they differ. */
function isSame(one: string, other: string): boolean {
  const hash = (value: string) => createHash("sha256").update(value).digest();
  return timingSafeEqual(hash(one), hash(other));
}

/** The value of our cookie. */
export function cookieOf({ headers }: Pick<IncomingMessage, "headers">): string | undefined {
  for (const one of (headers.cookie ?? "").split(";")) {
    const [name, value] = one.trim().split("=");
    if (name === COOKIE && value) return value;
  }
  return undefined;
}

/**
 * Whether a page of another site has sent it, as far as its browser says.
 * @throws {ApiError} if one has.
 */
export function checkSite({ headers }: Pick<IncomingMessage, "headers">): void {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    throw new ApiError("forbidden", "A page of another site may not use this API");
  }
}

/** @throws {ApiError} for a request without the header that no page of another site can send. */
function checkHeader({ headers }: Pick<IncomingMessage, "headers">): void {
  if (headers[CSRF_HEADER] === "1") return;
  throw new ApiError(
    "forbidden",
    "With a cookie the header X-Plumb: 1 is needed, so that no page of another site can send this",
  );
}

/** What logins need. */
export interface LoginParts {
  readonly logins: Logins;
  /** Whether the listener has TLS. */
  readonly isTls: boolean;
}

/** Who asks: the owner by the token (null), or an administrator. @throws {ApiError} for others. */
export async function checkAccess(
  request: IncomingMessage,
  host: ApiHost,
  logins: Logins,
  workers: Pick<ApiWorkers, "userOf"> | undefined,
): Promise<string | null> {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const given = /^Bearer +([\w-]{1,200})$/i.exec(authorization)?.[1];
    if (given !== undefined && host.token !== undefined && isSame(given, host.token)) return null;
    throw new ApiError("login-needed", "This is not the token of this broker; plumb page prints it");
  }
  const cookie = cookieOf(request);
  const user = cookie &&
    (logins.user(cookie, host.now(), host.numbers.apiLoginIdleMs) ?? await workers?.userOf(cookie));
  if (user === undefined || !host.admins.includes(user)) {
    throw new ApiError(
      "login-needed",
      "Log in: with Authorization: Bearer TOKEN, which plumb page prints, or by POST /api/v1/login",
    );
  }
  if (request.method !== "GET" && request.method !== "HEAD") checkHeader(request);
  return user;
}
