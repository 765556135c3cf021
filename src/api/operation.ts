/**
 * An operation of the API: where it is asked for, what it takes and answers, and what does it. Routes and the OpenAPI document are made of
 * the same rows.
 * Knows the parts of a row; refuses to know which operations there are.
 * @module
 */
import type { Inspector } from "../broker/mod.ts";
import { ApiError } from "./error.ts";
import type { ApiHost, ApiServer } from "./host.ts";
import { integer, type Schema, text } from "./schema.ts";

/** A request, read and checked. */
export interface Call {
  readonly host: ApiHost;
  /** The values of the path and of the query; those that were not given and have no default are left out. */
  readonly given: Readonly<Record<string, string | number | boolean>>;
  /** The JSON of the body, if the operation takes one. */
  readonly body: unknown;
  /** ms since the epoch. */
  readonly now: number;
  /** Where the request comes from. */
  readonly address: string;
  /** The administrator who asks; null for the owner, by the token, and where no login is needed. */
  readonly user: string | null;
  /** The cookie of its login, if it has one. */
  readonly cookie: string | undefined;
  /** Aborted when the one who asks is gone. */
  readonly signal: AbortSignal;
}

/** An answer that is more than JSON with the status of its operation. */
export class Reply {
  /** JSON, or bytes as they come. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number | undefined;

  /** A body: `undefined` for none, an async iterable for bytes, else JSON. */
  constructor(body: unknown, headers: Readonly<Record<string, string>> = {}, status?: number) {
    this.body = body;
    this.headers = headers;
    this.status = status;
  }
}

/** The header of an answer in which something of workers is missing: their numbers. */
export const MISSING_HEADER = "plumb-missing";

/** Which of the workers of one broker answer, and how their answers become one; who does that is in src/api/workers. */
export type Among =
  /** Whoever is asked: all would answer the same. */
  | "any"
  /** A list that all have the same: one of them, whose number is in the cursor. */
  | "any list"
  /** A list of which each has a part: one after the other. */
  | "parts"
  /** The one that has what the path names. */
  | "holder"
  /** The first one, so that no two change a file at once; the others read it again. */
  | "files"
  /** In a way of its own. */
  | "merged";

/** One operation. */
export interface Operation {
  readonly method: "get" | "post" | "put" | "delete";
  /** Below `/api/v1`, with `{name}` for a part that is a parameter: `/sessions/{id}/queue`. */
  readonly path: string;
  /** `operationId` of the document. */
  readonly id: string;
  readonly about: string;
  /** Of `{name}` in the path; a text if it is not here. */
  readonly parts?: Readonly<Record<string, Schema>>;
  readonly query?: Readonly<Record<string, Schema>>;
  /** Of the query, those that must be given. */
  readonly needs?: readonly string[];
  readonly body?: Schema;
  /** Of the answer; undefined for none (204). */
  readonly answer?: Schema;
  /** `Content-Type` of an answer that is no JSON. */
  readonly type?: string;
  /** Needs no login. */
  readonly isOpen?: true;
  readonly among: Among;
  /** Gives the answer, a `Reply` or what becomes JSON. @throws {ApiError} */
  run(call: Call): unknown;
}

/** The other processes of the same broker. */
export interface ApiWorkers {
  /** Does an operation at those that it is for, and makes one answer of theirs, as `Operation.run()` gives it. @throws {ApiError} */
  run(operation: Operation, call: Call): unknown;
  /** The user of a login that another one has begun; undefined if none knows it. */
  userOf(cookie: string): Promise<string | undefined>;
}

/** The most items of a page. */
export const PAGE_ITEMS_MAX = 1_000;

/** The query of a list. */
export const PAGING: Readonly<Record<string, Schema>> = {
  limit: integer("the most items", { minimum: 1, maximum: PAGE_ITEMS_MAX, default: 100 }),
  after: text("next of the page before; good once, and for two minutes", { maxLength: 40 }),
};

/** The running broker. @throws {ApiError} */
export function serverOf({ host }: Call): ApiServer {
  const server = host.server();
  if (server === undefined) {
    throw new ApiError("not-running", "The broker does not take Clients: it starts or stops");
  }
  return server;
}

/** Looks at the running broker. @throws {ApiError} */
export function inspectorOf(call: Call): Inspector {
  return serverOf(call).inspector;
}

/** Which page a call asks for. */
export function askOf({ given, host }: Call): { limit: number; looks: number; after: string | undefined } {
  return {
    limit: given["limit"] as number,
    looks: host.numbers.apiLooksMax,
    after: given["after"] as string | undefined,
  };
}

/** What there is. @throws {ApiError} if there is nothing. */
export function found<T>(what: T | undefined, message: string): T {
  if (what === undefined) throw new ApiError("not-found", message);
  return what;
}

/** The page that a cursor has. @throws {ApiError} if that is over. */
export function paged<T>(what: T | undefined): T {
  if (what !== undefined) return what;
  throw new ApiError(
    "cursor-over",
    "after is no cursor any more: each is good once and for two minutes; begin without it",
  );
}
