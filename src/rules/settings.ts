/**
 * A webhook as settings have it.
 * Knows their names; refuses to know files and defaults.
 * @module
 */
import type { WebhookNumbers } from "./numbers.ts";

/** What a webhook is told, without the numbers. */
export interface WebhookSettings extends Partial<WebhookNumbers> {
  readonly url?: string;
  readonly events?: readonly string[];
  readonly topics?: readonly string[];
  readonly secretFile?: string;
  readonly payload?: "text" | "base64";
}
