/**
 * Which parts a listener shows by HTTP.
 * Knows settings; refuses to know the parts.
 * @module
 */
import { DEFAULT_WEB_LISTEN, parseAddress, SCHEMES } from "../server/address.ts";
import type { Listen, Settings } from "./options.ts";

/** The page, which uses the API, and the API: only where there is WebSocket; of the default listeners the one for it shows both. */
export function shownBy(
  { isDefaultListen, webSocket }: Pick<Settings, "isDefaultListen" | "webSocket">,
  { url, own }: Listen,
): { readonly page: boolean; readonly api: boolean } {
  if (!SCHEMES[parseAddress(url).scheme].webSocket) return { page: false, api: false };
  const isDefault = isDefaultListen && url === DEFAULT_WEB_LISTEN;
  const { page = isDefault, api = false } = { ...webSocket, ...own?.webSocket };
  return { page, api: api || page };
}
