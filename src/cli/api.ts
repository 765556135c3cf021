/**
 * What the HTTP API of `plumb serve` works on: the settings that hold, their files, and the login chain.
 * Knows which of them is which; refuses to know requests.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { createReadStream, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Logins } from "../api/access.ts";
import { ApiError } from "../api/error.ts";
import type {
  ApiHost,
  ApiServer,
  ListenerView,
  LoginAnswer,
  PermissionFile,
  SettingView,
  UserFile,
} from "../api/host.ts";
import { API_NUMBERS, type ApiNumber } from "../api/numbers.ts";
import type { ApiWorkers } from "../api/operation.ts";
import { apiPart } from "../api/part.ts";
import { explain, Inspector, trace } from "../broker/mod.ts";
import type { HttpPart } from "../server/http_part.ts";
import type { Figures } from "../server/open_metrics.ts";
import type { Server } from "../server/serve.ts";
import { StoreError } from "../store/error.ts";
import { STORE_FILE } from "../store/files.ts";
import type { SnapshotJob } from "../store/snapshot_thread.ts";
import { tokenFileOf, tokenIn } from "./api_token.ts";
import { environment } from "./environment.ts";
import type { Log } from "./log.ts";
import { type LoginSet, loginSettings } from "./login_set.ts";
import type { Settings } from "./options.ts";
import { permissionFiles, type PermissionSet } from "./permission_set.ts";
import { shownBy } from "./shown_by.ts";
import { VERSION } from "./version.ts";
import { permissionFileOf, userFileOf } from "./web_files.ts";
import { listenerViews, settingViews } from "./web_settings.ts";

/** §2.4 */
const ACCEPTED = 0x00;
const BUSY = 0x89;
const UNAVAILABLE = 0x88;
const RATE_EXCEEDED = 0x9f;

/** What holds at present. */
interface Present {
  readonly settings: Settings;
  /** Those of the whole broker, where `settings` are a worker's. */
  readonly asked?: Settings | undefined;
  readonly logins: LoginSet;
  readonly permissions: PermissionSet;
  readonly log: Log;
}

/** What the API works on, through all reloads. */
export class ApiOfProgram implements ApiHost {
  /** Logins by password that have begun here. */
  readonly logins: Logins = new Logins();
  /** For the listeners that show it. */
  readonly part: (isTls: boolean) => HttpPart = apiPart(this, {
    logins: this.logins,
    workers: () => this.workers,
  });
  /** The other processes of the same broker; undefined if there are none. */
  workers: ApiWorkers | undefined;
  /** It has a part of the data of a cluster. */
  isShard = false;
  /** The directories of the stores of all workers, in their order, and of this one; undefined for the data directory. */
  stores: { readonly own: string; readonly all: readonly string[] } | undefined;
  token: string | undefined;
  numbers: Readonly<Record<ApiNumber, number>> = numbersOf({});
  hosts: readonly string[] = [];
  admins: readonly string[] = [];
  readonly version: string = VERSION;
  readonly figures: () => Figures | undefined;
  #present: Present | undefined;
  #running: { readonly server: Server; readonly api: ApiServer } | undefined;
  #isExporting = false;

  constructor(figures: () => Figures | undefined) {
    this.figures = figures;
  }

  /**
   * This holds from now on; the token is made if a listener needs it.
   * @throws {CallError} at the start for a token that cannot be read or made, unless its listener was not asked for.
   */
  take(present: Present): void {
    const { settings, log } = present;
    const { web: { admins = [], hosts = [] }, apiLimits } = settings;
    const isStart = this.#present === undefined;
    this.#present = present;
    this.admins = admins;
    this.hosts = hosts;
    this.numbers = numbersOf(apiLimits);
    if (this.token !== undefined || !settings.listen.some((one) => shownBy(settings, one).api)) return;
    try {
      this.token = tokenIn(tokenFileOf(settings, environment));
    } catch (error) {
      if (isStart && (!settings.isDefaultListen || settings.web.tokenFile !== undefined)) throw error;
      log.warn("no token for the page and its API", { why: (error as Error).message });
    }
  }

  /** The broker takes Clients from now on, or (undefined) no more. */
  serve(server: Server | undefined): void {
    this.#running = server && {
      server,
      api: {
        broker: server.broker,
        inspector: new Inspector(server.broker),
        publish: (message) => server.publish(message),
        disconnect: (clientId, reason) => server.disconnect(clientId, reason),
        endSession: (clientId, reason) => server.endSession(clientId, reason),
        explain: (question, now) => explain(server.broker, question, now),
        trace: (options, events, now) => trace(server.broker, options, events, now),
      },
    };
  }

  server(): ApiServer | undefined {
    return this.#running?.api;
  }

  now(): number {
    return Date.now();
  }

  failed(error: unknown): void {
    const said = error instanceof Error ? error.stack ?? error.message : `${error}`;
    this.#present?.log.error("an error of the HTTP API", { error: said });
  }

  async login(user: string, password: string, address: string): Promise<LoginAnswer> {
    const { logins, settings } = this.#present!;
    const { authenticate } = logins.of(loginSettings(settings));
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

  settings(): readonly SettingView[] {
    const { settings, asked = settings } = this.#present!;
    return settingViews(asked);
  }

  listeners(): readonly ListenerView[] {
    return listenerViews(this.#present!.settings, this.#running?.server);
  }

  users(): UserFile | undefined {
    const { settings, logins } = this.#present!;
    return userFileOf(loginSettings(settings), () => logins.reload());
  }

  permissions(): PermissionFile | undefined {
    const { settings, permissions } = this.#present!;
    return permissionFileOf(permissionFiles(settings), () => permissions.reload());
  }

  async readAgain(): Promise<void> {
    const { logins, permissions } = this.#present!;
    await Promise.all([logins.reload(), permissions.reload()]);
  }

  async untilSafe(): Promise<void> {
    const end = performance.now() + SAFE_MS;
    while (this.#running?.api.broker.stats.isUnsafe === true && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async *snapshot(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { data } = this.#present!.settings;
    if (data === undefined) {
      throw new ApiError("conflict", "The broker keeps nothing (--memory): there are no data to export");
    }
    if (this.isShard) {
      throw new ApiError(
        "conflict",
        "The data of a cluster are in its logs: no machine has all of them to export",
      );
    }
    if (this.#isExporting) {
      throw new ApiError("too-many", "A snapshot is being made: try again when it is there");
    }
    const directory = this.stores?.own ?? data;
    const file = join(directory, `export-${randomBytes(6).toString("hex")}`);
    this.#isExporting = true;
    try {
      removeLeft(directory);
      await this.untilSafe();
      const directories = this.stores?.all ?? [data];
      await inThread({ paths: directories.map((one) => join(one, STORE_FILE)), to: file });
      if (!signal.aborted) yield* createReadStream(file) as AsyncIterable<Uint8Array>;
    } finally {
      this.#isExporting = false;
      rmSync(file, { force: true });
    }
  }
}

/** @throws {ApiError} */
async function inThread(job: SnapshotJob): Promise<void> {
  const { snapshotInThread } = await import("../store/snapshot_thread.ts");
  const own = new URL(import.meta.url);
  const isBundled = !/\/cli\/api\.[jt]s$/.test(own.pathname);
  try {
    await snapshotInThread(job, ...isBundled ? [own] : []);
  } catch (error) {
    throw error instanceof StoreError ? new ApiError("conflict", error.message) : error;
  }
}

/** Removes snapshots that a process left behind which ended in the middle of one. */
function removeLeft(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (/^export-[0-9a-f]{12}/.test(name)) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

/** Facts that no peer waits for are on the disk so much later, and a little more: ms. */
const SAFE_MS = 1_500;
const LOOK_MS = 20;

function numbersOf(given: Partial<Record<ApiNumber, number>>): Record<ApiNumber, number> {
  const defaults = Object.entries(API_NUMBERS).map(([name, row]) => [name, row.default]);
  return { ...Object.fromEntries(defaults), ...given } as Record<ApiNumber, number>;
}
