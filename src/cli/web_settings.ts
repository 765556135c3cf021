/**
 * Settings and listeners as the HTTP API shows them.
 * Knows rows and secrets; refuses to know requests.
 * @module
 */
import type { ListenerView, SettingView } from "../api/host.ts";
import { SETTINGS } from "../config/schema.ts";
import type { Setting } from "../config/setting.ts";
import { parseAddress, SCHEMES } from "../server/address.ts";
import type { Server } from "../server/serve.ts";
import { linksOf } from "./login.ts";
import { loginSettings } from "./login_set.ts";
import type { Settings } from "./options.ts";
import { shownBy } from "./shown_by.ts";

const MASK = "***";
/** A key of which the value, unless it is a path, is a secret. */
const SECRET = /(?:^|[.-])(?:password|passphrase|secret|token|psk)$/;

/** Takes secrets out of a value: of a secret key all of it, of a URL user and password and the values of its query. */
export function masked({ key, isPath }: Pick<Setting, "key" | "isPath">, value: string): string {
  if (SECRET.test(key) && isPath !== true) return MASK;
  return value.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, `$1${MASK}@`)
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^?]*)\?.*$/i, `$1?${MASK}`);
}

/** The settings that hold, but for those of a single listener and the links of a login chain. */
export function settingViews(settings: Settings): SettingView[] {
  const seen = new Set<string>();
  return SETTINGS.flatMap((row): SettingView[] => {
    if (seen.has(row.option)) return []; // in short, beside the one that has all
    seen.add(row.option);
    const values = valuesOf(settings, row);
    const { key, unit = null, about, reload } = row;
    const usual = row.default === undefined
      ? row.defaultIs === undefined ? [] : [row.defaultIs]
      : [row.default];
    const shown = values ?? usual;
    const isDefault = values === undefined || (row.option === "listen" && settings.isDefaultListen) ||
      (usual.length === 1 && values.length === 1 && values[0] === usual[0]);
    return [{ key, values: shown.map((one) => masked(row, one)), isDefault, unit, about, reload }];
  });
}

/** As in the environment; undefined for what is not set. */
function valuesOf(settings: Settings, { option }: Setting): string[] | undefined {
  if (option === "listen") return settings.listen.map(({ url }) => url);
  let value: unknown = settings;
  for (const name of option.split(".")) value = (value as Record<string, unknown> | undefined)?.[name];
  if (value === undefined) return undefined;
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

/** The listeners that were asked for, and where they are open. */
export function listenerViews(
  settings: Settings,
  server: Pick<Server, "addressesOf"> | undefined,
): ListenerView[] {
  return settings.listen.map((one, i): ListenerView => {
    const { url, own } = one;
    const { metrics = false } = { ...settings.webSocket, ...own?.webSocket };
    const { tls, webSocket } = SCHEMES[parseAddress(url).scheme];
    return {
      url,
      addresses: server?.addressesOf[i] ?? [],
      tls,
      ...shownBy(settings, one),
      metrics: webSocket && metrics,
      login: linksOf(loginSettings(settings, own)).map(({ kind }) => kind),
    };
  });
}
