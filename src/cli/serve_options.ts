/**
 * The options of `serve()` for settings.
 * Knows which option each setting is; refuses to know where a setting was written.
 * @module
 */
import type { ListenerOptions, ServeOptions } from "../server/serve.ts";
import { CallError } from "./error.ts";
import type { Log } from "./log.ts";
import type { Listen, Settings } from "./options.ts";
import { tlsOf } from "./tls.ts";

/**
 * Everything that files and flags say about listeners, limits and features, with the texts of the certificates.
 * @throws {CallError} for a file that cannot be read or used.
 */
export async function serveOptionsOf(
  settings: Settings,
  log: Log,
): Promise<Omit<ServeOptions, "store" | "random" | "loop" | "hooks">> {
  const shared = settings.listen.filter((one) => !hasOwnTls(one));
  const tls = await tlsOf({ ...settings, listen: shared }, log);
  const listen: (string | ListenerOptions)[] = [];
  for (const one of settings.listen) {
    listen.push(one.own === undefined ? one.url : await listenerOf(one, settings, log));
  }
  return { listen, limits: settings.limits, ...settings.features, ...(tls && { tls }) };
}

function hasOwnTls({ own }: Listen): boolean {
  return own?.tls !== undefined;
}

/** A listener with settings of its own. */
async function listenerOf(one: Listen, settings: Settings, log: Log): Promise<ListenerOptions> {
  const { url, own = {}, flag } = one;
  const { limits, features } = own;
  const options = { url, ...(limits && { limits }), ...features };
  if (!hasOwnTls(one)) return options;
  try {
    const tls = await tlsOf({ ...settings, listen: [one], tls: { ...settings.tls, ...own.tls } }, log);
    return { ...options, ...(tls && { tls }) };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    throw new CallError(`${flag.replace(/: url$/, "")}: ${error.message}`);
  }
}
