/**
 * The options of `serve()` for settings.
 * Knows which option each setting is; refuses to know where a setting was written.
 * @module
 */
import { DEFAULT_TLS_LISTEN, DEFAULT_WEB_LISTEN, parseAddress, SCHEMES } from "../server/address.ts";
import type { ListenerOptions, ServeOptions } from "../server/serve.ts";
import type { Log } from "./log.ts";
import { hasOwnLogin, type LoginSet, loginSettings } from "./login_set.ts";
import type { Listen, Settings } from "./options.ts";
import { permissionFiles, type PermissionSet } from "./permission_set.ts";
import type { TlsOfListeners } from "./tls_set.ts";
import { shownBy } from "./shown_by.ts";
import { webOf, type WebParts } from "./web.ts";

/** What the files say that settings name. */
export interface OptionParts {
  readonly tls: TlsOfListeners;
  readonly logins: Pick<LoginSet, "of">;
  readonly permissions: Pick<PermissionSet, "of">;
  readonly web: WebParts;
}

/** In place of the authorizer of the broker's chain, which knows nothing of the users of another one. */
const GRANTED = (): 0 => 0;

/** Everything that files and flags say about listeners, limits and features, with the texts of the certificates. */
export function serveOptionsOf(
  settings: Settings,
  { tls: { shared, own }, logins, permissions, web }: OptionParts,
  log: Log,
): Omit<ServeOptions, "store" | "random" | "loop" | "hooks"> {
  const login = logins.of(loginSettings(settings));
  const listen = settings.listen.map((one): ListenerOptions => {
    const tls = own.get(one);
    const ownLogin = hasOwnLogin(one)
      ? { ...login.authorize && { authorize: GRANTED }, ...logins.of(loginSettings(settings, one.own)) }
      : {};
    const rules = permissions.of(permissionFiles(settings, one.own));
    return { ...listenerOf(one, settings, web, log), ...ownLogin, ...rules, ...tls && { tls } };
  });
  const rules = permissions.of(permissionFiles(settings));
  return {
    listen,
    limits: settings.limits,
    ...settings.features,
    ...settings.tolerate.length > 0 && { tolerate: settings.tolerate },
    ...login,
    ...rules,
    ...shared && { tls: shared },
  };
}

/** A listener with its own settings in place of those of the broker. */
function listenerOf(
  one: Listen,
  settings: Settings,
  parts: WebParts,
  log: Log,
): ListenerOptions {
  const { url, own = {} } = one;
  const { limits, features, tolerate, proxyProtocol = settings.proxyProtocol } = own;
  const all = { ...settings.webSocket, ...own.webSocket };
  const { testPage = false, metrics = false, metricsNames = false, page: _, api: __, ...given } = all;
  const { api, page } = shownBy(settings, one);
  const isTls = SCHEMES[parseAddress(url).scheme].tls;
  const http = webOf(parts, { testPage, metrics, metricsNames, api, page, isTls });
  const webSocket = { ...given, ...http && { http } };
  // It was not asked for by name: a broker that has the port already must not keep this one from its plain port.
  const missing = missingOf(url, settings, log);
  return {
    url,
    ...limits && { limits },
    ...features,
    ...tolerate && { tolerate },
    ...proxyProtocol.length > 0 && { proxyProtocol },
    ...Object.keys(webSocket).length > 0 && { webSocket },
    ...settings.sharers !== undefined && { reusePort: true },
    ...one.isElsewhere && { elsewhere: true },
    ...missing && { missing },
  };
}

/** What is said of a listener without which the broker starts, if it cannot be opened; undefined for one that it needs. */
export function missingOf(
  url: string,
  { isDefaultListen }: Pick<Settings, "isDefaultListen">,
  log: Log,
): ((error: { readonly message: string }) => void) | undefined {
  if (!isDefaultListen) return undefined;
  if (url === DEFAULT_TLS_LISTEN) {
    return ({ message }) => log.warn("no TLS: its listener cannot be opened", { why: message, url });
  }
  if (url !== DEFAULT_WEB_LISTEN) return undefined;
  const advice = "--listen ws://HOST:PORT --websocket-page";
  return ({ message }) => log.warn("no page: its listener cannot be opened", { why: message, url, advice });
}
