/**
 * Settings that are read again while the broker runs: all or nothing.
 * Knows what changed, and what of it needs a restart; refuses to know how settings are read and what they do.
 * @module
 */
import { BRIDGE, LOGIN, SETTINGS, SNI } from "../config/schema.ts";
import type { ReconfigureOptions, Server } from "../server/serve.ts";
import type { Log } from "./log.ts";
import type { Settings } from "./options.ts";

/** What the server is to go on with. */
export interface Prepared {
  /** All options, as at the start: a login chain that is left out lets everybody in. */
  readonly options: ReconfigureOptions;
  /** Called when they hold. */
  applied?(): void;
  /** Called when the server refuses them. */
  refused?(): void;
}

/** What a reload works on. */
export interface ReloadOptions {
  readonly server: Pick<Server, "reconfigure" | "addresses">;
  readonly log: Log;
  /** As they were at the start. */
  readonly settings: Settings;
  /** Reads file, flags and variables again. */
  read(): Promise<Settings>;
  /** Tells of listeners that are open now, and of what others have become. */
  opened(settings: Settings): void;
  /** What the server is to go on with for these settings. */
  prepare(settings: Settings): Promise<Prepared>;
}

/** The settings of a broker that runs. */
export class Reload {
  readonly #options: ReloadOptions;
  #settings: Settings;
  #last: Promise<void> = Promise.resolve();

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#settings = options.settings;
  }

  /** Reads all settings again; `why` stands in the log line. One at a time. */
  run(why: Readonly<Record<string, string>>): Promise<void> {
    return this.#last = this.#last.then(() => this.#run(why));
  }

  /** Resolves when those that were asked for are over. */
  get settled(): Promise<void> {
    return this.#last;
  }

  async #run(why: Readonly<Record<string, string>>): Promise<void> {
    const { server, log, read, opened, prepare } = this.#options;
    try {
      const wanted = await read();
      const keys = changedKeys(this.#settings, wanted);
      const { next, waiting } = withoutRestart(this.#settings, wanted);
      const prepared = await prepare(next);
      const { options } = prepared;
      const { logLevel: level, logFormat: format, logLimits: limits } = next;
      const before = server.addresses;
      await server.reconfigure(options).catch((error) => (prepared.refused?.(), Promise.reject(error)));
      prepared.applied?.();
      log.change({ level, format, limits });
      this.#settings = next;
      const changed = keys.filter((key) => !waiting.includes(key)).join(" ");
      log.info("configuration read again", { ...why, changed: changed === "" ? "nothing" : changed });
      for (const url of before) {
        if (!server.addresses.includes(url)) log.info("not listening any more", { url });
      }
      opened(next);
      const hasTls = options.tls !== undefined ||
        options.listen?.some((one) => typeof one === "object" && one.tls !== undefined);
      if (why["signal"] !== undefined && hasTls) {
        log.info("certificate read again", { cert: next.tls.certificate, key: next.tls.key });
      }
      if (waiting.length > 0) log.warn("changed, and holds after a restart", { settings: waiting.join(" ") });
    } catch (error) {
      const lines = (error as Error).message.split("\n");
      log.error("configuration not read again, the old one stays", { ...why, why: lines.join("; ") });
    }
  }
}

/** The value at the path of an option. */
function valueAt(settings: Settings, path: string): unknown {
  if (path === "listen") return settings.listen.map(({ url, own }) => ({ url, own })); // wherever it was written
  return path.split(".").reduce<unknown>(
    (value, name) => (value as Record<string, unknown>)?.[name],
    settings,
  );
}

/** The keys of the settings whose value is another one; the first of those that decide about one option. */
export function changedKeys(before: Settings, after: Settings): string[] {
  const seen = new Set<string>();
  return SETTINGS.filter(({ option }) => {
    if (seen.has(option)) return false;
    seen.add(option);
    return !isSame(valueAt(before, option), valueAt(after, option));
  }).map(({ key }) => key).concat(
    isSame(before.login, after.login) ? [] : [LOGIN],
    isSame(before.tls.sni, after.tls.sni) ? [] : [`tls.${SNI}`],
    isSame(before.bridges, after.bridges) ? [] : [BRIDGE],
  );
}

/** Whether values are the same, wherever they are written. */
function isSame(one: unknown, other: unknown): boolean {
  const textOf = (value: unknown) =>
    JSON.stringify(value, (key, value) => key === "where" ? undefined : value);
  return textOf(one) === textOf(other);
}

/** The settings that can hold now, and the keys of those that wait for a restart. */
export function withoutRestart(
  before: Settings,
  wanted: Settings,
): { readonly next: Settings; readonly waiting: readonly string[] } {
  const next = structuredClone(wanted) as unknown as Record<string, unknown>;
  const changed = changedKeys(before, wanted);
  const waiting = SETTINGS.filter(({ key, reload }) => reload === "restart" && changed.includes(key));
  for (const { option } of waiting) {
    const names = option.split(".");
    const last = names.pop()!;
    const table = names.reduce((value, name) => value[name] as Record<string, unknown>, next);
    const old = valueAt(before, option);
    if (old === undefined && names.length > 0) delete table[last];
    else table[last] = old;
  }
  return { next: next as unknown as Settings, waiting: waiting.map(({ key }) => key) };
}
