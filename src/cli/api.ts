/**
 * What the HTTP API of `plumb serve` works on: the settings that hold, the login chain, and the owner's token.
 * Knows where the token is kept; refuses to know requests.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import type { ApiHost, ApiServer, LoginAnswer } from "../api/host.ts";
import { API_NUMBERS, type ApiNumber } from "../api/numbers.ts";
import { apiPart } from "../api/part.ts";
import { Inspector } from "../broker/mod.ts";
import { DEFAULT_WEB_LISTEN, parseAddress, SCHEMES } from "../server/address.ts";
import type { HttpPart } from "../server/http_part.ts";
import type { ProcessFigures } from "../server/open_metrics.ts";
import type { Server } from "../server/serve.ts";
import type { Environment } from "./environment.ts";
import { CallError } from "./error.ts";
import type { Log } from "./log.ts";
import { type LoginSet, loginSettings } from "./login_set.ts";
import type { Listen, Settings } from "./options.ts";

/** The name of the file of the token. */
const TOKEN_FILE = "api-token";
const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{22,200}$/;

/** §2.4 */
const ACCEPTED = 0x00;
const BUSY = 0x89;
const UNAVAILABLE = 0x88;
const RATE_EXCEEDED = 0x9f;

/** Which parts a listener shows by HTTP. */
export function shownBy(
  { isDefaultListen, webSocket }: Settings,
  { url, own }: Listen,
): { readonly page: boolean; readonly api: boolean } {
  if (!SCHEMES[parseAddress(url).scheme].webSocket) return { page: false, api: false };
  const { page = isDefaultListen && url === DEFAULT_WEB_LISTEN, api = false } = {
    ...webSocket,
    ...own?.webSocket,
  };
  return { page, api: api || page };
}

/** Where the token is: a setting says so, or beside the data, or where the system keeps what is the user's own. */
export function tokenFileOf({ web: { tokenFile }, data }: Settings, environment: Environment): string {
  if (tokenFile !== undefined) return tokenFile;
  if (data !== undefined) return join(data, TOKEN_FILE);
  const ofUser = environment("XDG_RUNTIME_DIR");
  return join(ofUser || homedir(), ofUser ? "plumb" : ".plumb", TOKEN_FILE);
}

/**
 * The token in a file, as plumb page reads it.
 * @throws {CallError} if there is none.
 */
export function readToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CallError(
      code === "ENOENT"
        ? `there is no token in ${file}: the broker makes it when it starts with a page`
        : `${file} cannot be read: ${message}`,
    );
  }
  if (TOKEN.test(text)) return text;
  throw new CallError(
    `${file} has no token: 22 letters, digits, - and _ or more; delete it, and the broker makes one`,
  );
}

/**
 * The same, made if it is not there. Nobody but its owner may read it.
 * @throws {CallError} for a file that cannot be read, written or used.
 */
export function tokenIn(file: string): string {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const place = openSync(file, "wx", 0o600);
    try {
      writeSync(place, Buffer.from(`${randomBytes(TOKEN_BYTES).toString("base64url")}\n`));
    } finally {
      closeSync(place);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") {
      throw new CallError(`${file} cannot be written: ${message}; --api-token-file names another`);
    }
    if (process.platform !== "win32") chmodSync(file, 0o600);
  }
  return readToken(file);
}

/** What the API works on, through all reloads. */
export class ApiOfProgram implements ApiHost {
  /** For the listeners that show it. */
  readonly part: (isTls: boolean) => HttpPart = apiPart(this);
  token: string | undefined;
  numbers: Readonly<Record<ApiNumber, number>> = numbersOf({});
  hosts: readonly string[] = [];
  admins: readonly string[] = [];
  readonly process: () => ProcessFigures;
  #settings: Settings | undefined;
  #logins: LoginSet | undefined;
  #server: ApiServer | undefined;
  #log: Log | undefined;

  constructor(process: () => ProcessFigures) {
    this.process = process;
  }

  /**
   * These settings hold from now on; the token is made if a listener needs it.
   * @throws {CallError} for a token that cannot be read or made.
   */
  take(settings: Settings, logins: LoginSet, log: Log, environment: Environment): void {
    const { web: { admins = [], hosts = [] }, apiLimits } = settings;
    this.#settings = settings;
    this.#logins = logins;
    this.#log = log;
    this.admins = admins;
    this.hosts = hosts;
    this.numbers = numbersOf(apiLimits);
    if (this.token !== undefined || !settings.listen.some((one) => shownBy(settings, one).api)) return;
    const file = tokenFileOf(settings, environment);
    try {
      this.token = tokenIn(file);
    } catch (error) {
      if (settings.web.tokenFile !== undefined || !settings.isDefaultListen) throw error;
      log.warn("no token for the page and its API", { why: (error as Error).message });
    }
  }

  /** The broker takes Clients from now on, or (undefined) no more. */
  serve(server: Server | undefined): void {
    if (server === undefined) {
      this.#server = undefined;
      return;
    }
    const { broker } = server;
    this.#server = {
      broker,
      inspector: new Inspector(broker),
      publish: (message) => server.publish(message),
      disconnect: (clientId, reason) => server.disconnect(clientId, reason),
    };
  }

  server(): ApiServer | undefined {
    return this.#server;
  }

  now(): number {
    return Date.now();
  }

  failed(error: unknown): void {
    this.#log?.error("an error of the HTTP API", {
      error: error instanceof Error ? error.stack ?? error.message : `${error}`,
    });
  }

  async login(user: string, password: string, address: string): Promise<LoginAnswer> {
    const { authenticate } = this.#logins!.of(loginSettings(this.#settings!));
    const { code, username = user } = await authenticate({
      kind: "connect",
      peer: { address, port: 0, transport: "ws" },
      level: 5,
      clientId: "",
      username: user,
      password: new Uint8Array(Buffer.from(password)),
      method: undefined,
      data: undefined,
      will: undefined,
      userProperties: [],
      state: undefined,
    });
    // A name that is not proved is none: where everybody may come in, nobody is an administrator for that.
    if (code === ACCEPTED) return username === user ? "let in" : "refused";
    return code === BUSY || code === UNAVAILABLE || code === RATE_EXCEEDED ? "not now" : "refused";
  }
}

function numbersOf(given: Partial<Record<ApiNumber, number>>): Record<ApiNumber, number> {
  const defaults = Object.entries(API_NUMBERS).map(([name, row]) => [name, row.default]);
  return { ...Object.fromEntries(defaults), ...given } as Record<ApiNumber, number>;
}
