/**
 * §4.7 Topic Names: when one is valid.
 * Knows characters and levels; refuses to know filters and publishers.
 * @module
 */
import { hasWildcard } from "../codec/field.ts";

export { hasWildcard };

/** §4.7.1.1 the character between levels. */
export const SEPARATOR = "/";

/** Whether `name` may be published to: one character or more, no wildcard, no U+0000 [MQTT-4.7.0-1] [MQTT-4.7.3-1]. */
export function isTopicName(name: string): boolean {
  return name.length > 0 && !hasWildcard(name) && !name.includes("\0");
}

/** §4.7.1.1 how many levels a name or filter has; the empty ones count. */
export function levelCount(text: string): number {
  let count = 1;
  for (let at = text.indexOf(SEPARATOR); at >= 0; at = text.indexOf(SEPARATOR, at + 1)) count++;
  return count;
}
