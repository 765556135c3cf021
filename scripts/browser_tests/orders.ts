/**
 * How an auditor outside of the page has the page start Clients: by messages through the broker that served the page.
 * Knows topics and forms of messages; refuses to know what is audited.
 * @module
 */
import type { ClientOrder, Heard, Where } from "../../conformance/client/drivers/driver.ts";
import type { Result } from "./report.ts";

/** Retained where there is an auditor. */
export const AUDITOR = "plumb-browser-tests/auditor";
/** Asks it to begin: the payload names the page. */
export const BEGIN = "plumb-browser-tests/begin";

/** What the auditor tells one page. */
export const toPage = (page: string): string => `plumb-browser-tests/page/${page}`;
/** What a page tells the auditor. */
export const fromPage = (page: string): string => `plumb-browser-tests/from/${page}`;

/** To the page. */
export type ToPage =
  | { readonly planned: number }
  | { readonly result: Result }
  | { readonly over: true; readonly error?: string }
  | { readonly start: number; readonly order: ClientOrder; readonly where: Where }
  | { readonly leave: number }
  | { readonly stop: number };

/** From the page, of the Client that was started with this number. */
export interface FromPage {
  readonly client: number;
  /** All that it has handed over so far. */
  readonly heard: readonly Heard[];
  readonly words: string;
  readonly isGone: boolean;
}
