/**
 * The topics of a rule: a Topic Filter (§4.7) with variables for the Client that asks.
 * Knows how a variable is written and filled in; refuses to know what a rule allows.
 *
 * `%c` is the Client Identifier, `%u` the user name, `%{name}` a claim of the login, `%%` a percent sign.
 * @module
 */
import { parseFilter } from "../topic/filter.ts";
import { SEPARATOR } from "../topic/name.ts";

/** The Client that rules are filled in for. */
export interface Subject {
  /** §3.1.3.1 */
  readonly clientId: string;
  /** §3.1.3.5 undefined for a Client without one. */
  readonly username: string | undefined;
  /** The groups that the login names. */
  readonly groups?: readonly string[];
  /** What else the login says of the Client. */
  readonly claims?: Readonly<Record<string, string>>;
}

/** A variable: the Client Identifier, the user name, or the claim of this name. */
export type Variable = { readonly of: "client" | "user" | "claim"; readonly name: string };

/** A part of a level. */
export type Part = string | Variable;

/** A pattern taken apart. */
export interface Pattern {
  /** As it was written. */
  readonly text: string;
  /** With `+` for each level that has a variable: matches all that the pattern matches for any Client. */
  readonly skeleton: string;
  /** Undefined if it has no variable: then the skeleton is the pattern. */
  readonly levels: readonly (readonly Part[])[] | undefined;
}

const VARIABLE = /%(?:%|c|u|\{([^}]*)\}|)/g;

/** Takes `text` apart, or says what is wrong with it and what would be right. */
export function parsePattern(text: string): Pattern | { readonly fault: string } {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(VARIABLE)) {
    parts.push(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[0] === "%%") parts.push("%");
    else if (match[0] === "%c") parts.push({ of: "client", name: "" });
    else if (match[0] === "%u") parts.push({ of: "user", name: "" });
    else if (match[1]) parts.push({ of: "claim", name: match[1] });
    else return { fault: "a % begins %c, %u or %{claim}; write %% for the character itself" };
  }
  parts.push(text.slice(from));
  const levels = levelsOf(parts);
  const skeleton = levels.map((level) => level.every(isText) ? level.join("") : "+").join(SEPARATOR);
  const whole = levels.map((level) => level.map((part) => isText(part) ? part : "x").join("")).join(
    SEPARATOR,
  );
  if (whole.startsWith("$share/")) {
    return { fault: "write the filter without $share/NAME/, and share = [NAME] beside it" };
  }
  const broken = typeof parseFilter(whole) === "string" || whole.includes("\0");
  if (broken) return { fault: "not a Topic Filter: + is a whole level, # is the whole last level" };
  if (whole.startsWith("$") && !levels[0]!.every(isText)) { // of the skeleton it is `+`, which matches no such level [MQTT-4.7.2-1]
    return { fault: "a first level that begins with $ has no variable; write it in full" };
  }
  return { text, skeleton, levels: levels.flat().every(isText) ? undefined : levels };
}

function levelsOf(parts: readonly Part[]): Part[][] {
  const levels: Part[][] = [[]];
  for (const part of parts) {
    if (!isText(part)) {
      levels.at(-1)!.push(part);
      continue;
    }
    const [first, ...more] = part.split(SEPARATOR);
    levels.at(-1)!.push(first!);
    for (const text of more) levels.push([text]);
  }
  return levels;
}

function isText(part: Part): part is string {
  return typeof part === "string";
}

/** The value of a variable; undefined if the Client has none. */
function valueOf(variable: Variable, client: Subject): string | undefined {
  if (variable.of === "client") return client.clientId;
  if (variable.of === "user") return client.username;
  const { claims } = client;
  if (claims === undefined || !Object.hasOwn(claims, variable.name)) return undefined;
  return String(claims[variable.name]);
}

/** A value that is more than a part of one level would change what the rule matches. */
function isUsable(value: string): boolean {
  return !/[/+#\0]/.test(value);
}

/** Whether a value of this Client would change what a pattern matches: see `fillAllow()` and `fillDeny()`. */
export function isOdd({ clientId, username = clientId, claims = {} }: Subject): boolean {
  return [clientId, username, ...Object.values(claims)].map(String).some((value) =>
    !isUsable(value) || value === "" || value.startsWith("$") // of an empty one the level may begin with a $ behind it
  );
}

/**
 * The Topic Filter that the pattern is for this Client. Undefined if a value is missing or is not usable, or if it would open
 * topics that begin with `$` (§4.7.2): such a rule allows the Client nothing.
 */
export function fillAllow({ skeleton, levels }: Pattern, client: Subject): string | undefined {
  if (levels === undefined) return skeleton;
  const filled = fill(levels, client);
  if (filled === "missing" || filled.length < levels.length) return undefined;
  const text = filled.join(SEPARATOR);
  return text === "" || (text.startsWith("$") && !skeleton.startsWith("$")) ? undefined : text;
}

/**
 * The same for a rule that denies. Where a value is not usable, everything from that level on is denied: to leave the rule out would
 * allow what it forbids. Undefined if a value is missing.
 */
export function fillDeny({ skeleton, levels }: Pattern, client: Subject): string | undefined {
  if (levels === undefined) return skeleton;
  const filled = fill(levels, client);
  if (filled === "missing") return undefined;
  if (filled.length < levels.length) filled.push("#");
  const text = filled.join(SEPARATOR);
  return text === "" ? undefined : text;
}

/** The levels up to the first one with a value that is not usable. */
function fill(levels: readonly (readonly Part[])[], client: Subject): string[] | "missing" {
  const filled: string[] = [];
  let isWhole = true;
  for (const level of levels) {
    let text = "";
    for (const part of level) {
      const value = isText(part) ? part : valueOf(part, client);
      if (value === undefined) return "missing";
      if (!isText(part) && !isUsable(value)) isWhole = false;
      text += value;
    }
    if (isWhole) filled.push(text);
  }
  return filled;
}

/** Whether a text with variables, the name of a shared group say, is `text` for this Client. */
export function fillsTo(pattern: string, client: Subject, text: string): boolean {
  if (!pattern.includes("%")) return pattern === text;
  const parsed = parsePattern(pattern);
  return !("fault" in parsed) && fillAllow(parsed, client) === text;
}
