/**
 * The HTTP API: `/api/v1` of a listener for WebSocket.
 * Knows how a request becomes a call, and how answers and errors are written; refuses to know operations.
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpPart } from "../server/http_part.ts";
import { checkAccess, checkHost, checkSite, cookieOf, Logins } from "./access.ts";
import { jsonBody } from "./body.ts";
import { ApiError, ERROR_STATUS } from "./error.ts";
import type { ApiHost } from "./host.ts";
import { type ApiWorkers, type Call, type Operation, Reply } from "./operation.ts";
import { operationsOf } from "./operations.ts";
import { decoded, ROOT, Router } from "./router.ts";
import { check, parameter } from "./schema.ts";

/** What every answer has: nobody keeps it, no page frames it, and it is what it says. */
const HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
} as const;

/** What the API is made of besides its host. */
export interface ApiParts {
  readonly logins?: Logins;
  /** The other processes of the same broker; undefined if there are none. */
  readonly workers?: () => ApiWorkers | undefined;
}

/** Answers requests below `/api`; `isTls` says whether the listener has TLS. */
export function apiPart(host: ApiHost, more: ApiParts = {}): (isTls: boolean) => HttpPart {
  const { logins = new Logins(), workers = () => undefined } = more;
  const parts = [false, true].map((isTls) => {
    const router = new Router(operationsOf({ logins, isTls }));
    return partOf({ host, logins, router, workers, isInside: false });
  });
  return (isTls) => parts[isTls ? 1 : 0]!;
}

/** The same for the other workers of the broker, which need no login: what this one has itself, and these operations besides. */
export function insidePart(host: ApiHost, logins: Logins, more: readonly Operation[]): HttpPart {
  const router = new Router([...operationsOf({ logins, isTls: false }), ...more]);
  return partOf({ host, logins, router, workers: () => undefined, isInside: true });
}

interface Parts {
  readonly host: ApiHost;
  readonly logins: Logins;
  readonly router: Router;
  readonly workers: () => ApiWorkers | undefined;
  readonly isInside: boolean;
}

function partOf(parts: Parts): HttpPart {
  return (request, response) => {
    const [path = ""] = (request.url ?? "").split("?", 1);
    if (path !== "/api" && !path.startsWith("/api/")) return false;
    void answer(request, response, parts);
    return true;
  };
}

/** Bytes of a body that another worker sends: a page of levels, each as long as a topic may be. */
const INSIDE_BODY_BYTES_MAX = 128 * 1024 * 1024;

/** Never rejects. */
async function answer(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const { operation, call } = await read(request, parts, gone.signal);
    const workers = parts.workers();
    const given = await (workers === undefined ? operation.run(call) : workers.run(operation, call));
    const reply = given instanceof Reply ? given : new Reply(given);
    const status = reply.status ??
      (operation.answer === undefined && operation.type === undefined ? 204 : 200);
    await write(request, response, reply, status, operation.type);
  } catch (error) {
    refuse(request, response, error, parts);
  }
  if (!request.complete) request.resume(); // what nobody reads would hold the connection up
}

async function read(
  request: IncomingMessage,
  { host, logins, router, workers, isInside }: Parts,
  signal: AbortSignal,
): Promise<{ operation: Operation; call: Call }> {
  if (!isInside) {
    checkHost(request.headers.host, host.hosts);
    checkSite(request);
  }
  const [path = "", query = ""] = split(request.url ?? "");
  if (path !== ROOT && !path.startsWith(`${ROOT}/`)) {
    throw new ApiError("not-found", `There is no ${path.slice(0, 200)}; ${ROOT} names what there is`);
  }
  const { operation, parts } = router.find(request.method ?? "GET", path.slice(ROOT.length));
  const user = operation.isOpen || isInside ? null : await checkAccess(request, host, logins, workers());
  const given: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(parts)) {
    given[name] = parameter(name, operation.parts?.[name] ?? PART, value);
  }
  Object.assign(given, queryOf(operation, query));
  const bytesMax = isInside ? INSIDE_BODY_BYTES_MAX : host.numbers.apiBodyBytesMax;
  const body = operation.body && await jsonBody(request, bytesMax);
  if (operation.body) check("the body", operation.body, body);
  const now = host.now();
  const address = request.socket.remoteAddress ?? "";
  return { operation, call: { host, given, body, now, address, user, cookie: cookieOf(request), signal } };
}

const PART = { type: "string", minLength: 1, maxLength: 65_535 } as const;

/** The path and the query of a URL as it was sent: nothing in it is resolved. */
function split(url: string): [string, string] {
  const at = url.indexOf("?");
  return at < 0 ? [url, ""] : [url.slice(0, at), url.slice(at + 1)];
}

/** @throws {ApiError} for a name that is unknown or twice, and for a value that it does not take. */
function queryOf(
  { query = {}, needs = [] }: Operation,
  text: string,
): Record<string, string | number | boolean> {
  const given: Record<string, string | number | boolean> = {};
  for (const one of text.split("&")) {
    if (one === "") continue;
    const at = one.indexOf("=");
    const name = decoded((at < 0 ? one : one.slice(0, at)).replaceAll("+", " "));
    const schema = Object.hasOwn(query, name) ? query[name] : undefined;
    if (schema === undefined) {
      const known = Object.keys(query).join(", ") || "none";
      throw new ApiError(
        "bad-request",
        `Unknown parameter ${JSON.stringify(name.slice(0, 100))}; there are: ${known}`,
      );
    }
    if (Object.hasOwn(given, name)) throw new ApiError("bad-request", `${name} is given twice`);
    given[name] = parameter(name, schema, at < 0 ? "" : decoded(one.slice(at + 1).replaceAll("+", " ")));
  }
  for (const name of needs) {
    if (!Object.hasOwn(given, name)) throw new ApiError("bad-request", `The parameter ${name} is needed`);
  }
  for (const [name, { default: value }] of Object.entries(query)) {
    if (value !== undefined) given[name] ??= value;
  }
  return given;
}

async function write(
  request: IncomingMessage,
  response: ServerResponse,
  { body, headers }: Reply,
  status: number,
  type = "application/json",
): Promise<void> {
  const begin = () => {
    const content = body === undefined ? {} : { "content-type": type };
    response.writeHead(status, { ...HEADERS, ...content, ...headers });
  };
  if (request.method === "HEAD" || !isStream(body)) {
    begin();
    const said = request.method === "HEAD" || body === undefined ? undefined : JSON.stringify(body);
    return void response.end(said);
  }
  let isBegun = false;
  for await (const chunk of body) {
    if (!isBegun) begin(); // an error before the first piece is an answer of its own
    isBegun = true;
    if (response.destroyed) return;
    if (!response.write(chunk)) await roomOf(response);
  }
  if (!isBegun) begin();
  response.end();
}

function isStream(body: unknown): body is AsyncIterable<Uint8Array | string> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

/** Resolves when more may be written, or the peer is gone. */
function roomOf(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
  });
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  { host, router }: Parts,
): void {
  const isOurs = error instanceof ApiError;
  if (!isOurs) host.failed(error);
  if (response.headersSent) return void response.destroy();
  const { code, message, details } = isOurs
    ? error
    : { code: "internal" as const, message: "An error of the broker's own; its log says more", details: {} };
  const [path] = split(request.url ?? "");
  response.writeHead(ERROR_STATUS[code], {
    ...HEADERS,
    "content-type": "application/json",
    ...code === "method-not-allowed" && { allow: router.methods(path.slice(ROOT.length)) },
    ...code === "login-needed" && { "www-authenticate": "Bearer" },
  });
  response.end(
    request.method === "HEAD" ? undefined : JSON.stringify({ error: { code, message, ...details } }),
  );
}
