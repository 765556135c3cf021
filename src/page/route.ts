/**
 * Which view is looked at: what stands behind `#` in the address.
 * Knows how it is read and written; refuses to know the views.
 * @module
 */
import { Store } from "./store.ts";

/** The name of a view, and what it is to show. */
export interface Route {
  readonly view: string;
  readonly of: string | undefined;
}

function read(): Route {
  const [view = "", of] = location.hash.replace(/^#\/?/, "").split("/");
  try {
    return { view, of: of === undefined ? undefined : decodeURIComponent(of) };
  } catch {
    return { view, of };
  }
}

/** The present one. */
export const route: Store<Route> = new Store<Route>({ view: "", of: undefined });

/** Follows the address. */
export function followAddress(): void {
  const look = () => route.set(read());
  addEventListener("hashchange", look);
  look();
}

/** An address of the page. */
export function to(view: string, of?: string): string {
  return `#/${view}${of === undefined ? "" : `/${encodeURIComponent(of)}`}`;
}
