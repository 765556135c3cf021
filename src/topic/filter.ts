/**
 * §4.7 Topic Filters and §4.8.2 shared ones: when one is valid, and which names it matches.
 * Knows the text of a filter; refuses to know subscribers.
 * @module
 */
import { hasWildcard, SEPARATOR } from "./name.ts";

/** §4.8.2 the prefix of a Shared Subscription. */
export const SHARE_PREFIX = "$share/";

/** A Topic Filter taken apart. */
export interface TopicFilter {
  /** As the Client wrote it, `$share/…` included. */
  readonly text: string;
  /** §4.8.2 the ShareName, or undefined for an ordinary subscription. */
  readonly share: string | undefined;
  /** The part that Topic Names are matched against. */
  readonly match: string;
  /** Whether `match` has a wildcard. */
  readonly wildcard: boolean;
}

/** The rule that a filter breaks, or undefined if it is well formed. */
export type FilterRule =
  | "MQTT-4.7.1-1"
  | "MQTT-4.7.1-2"
  | "MQTT-4.7.3-1"
  | "MQTT-4.7.3-2"
  | "MQTT-4.8.2-1"
  | "MQTT-4.8.2-2";

/** Takes `text` apart, or names the rule it breaks. */
export function parseFilter(text: string): TopicFilter | FilterRule {
  let share: string | undefined;
  let match = text;
  if (text.startsWith(SHARE_PREFIX)) {
    const end = text.indexOf(SEPARATOR, SHARE_PREFIX.length);
    share = text.slice(SHARE_PREFIX.length, end < 0 ? text.length : end);
    if (share === "") return "MQTT-4.8.2-1";
    if (end < 0 || end + 1 === text.length || hasWildcard(share)) return "MQTT-4.8.2-2";
    match = text.slice(end + 1);
  }
  const wildcard = hasWildcard(match);
  const broken = brokenRule(match, wildcard);
  return broken ?? { text, share, match, wildcard };
}

function brokenRule(match: string, wildcard: boolean): FilterRule | undefined {
  if (match === "") return "MQTT-4.7.3-1";
  if (match.includes("\0")) return "MQTT-4.7.3-2";
  if (!wildcard) return undefined;
  const hash = match.indexOf("#");
  if (hash >= 0 && (hash !== match.length - 1 || (hash > 0 && match[hash - 1] !== SEPARATOR))) {
    return "MQTT-4.7.1-1";
  }
  for (let at = match.indexOf("+"); at >= 0; at = match.indexOf("+", at + 1)) {
    const left = at === 0 || match[at - 1] === SEPARATOR;
    const right = at === match.length - 1 || match[at + 1] === SEPARATOR;
    if (!left || !right) return "MQTT-4.7.1-2";
  }
  return undefined;
}

/** §4.7 whether `filter` (the part after any `$share/…/`) matches the Topic Name. The slow, plain definition. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split(SEPARATOR);
  const levels = topic.split(SEPARATOR);
  if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false; // [MQTT-4.7.2-1]
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === "#") return true;
    if (i >= levels.length || (wanted[i] !== "+" && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
