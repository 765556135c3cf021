/**
 * One setting: its names in the file, on the command line and in the environment, its values, and what they reach.
 * Knows the parts of a row; refuses to know which settings there are.
 * @module
 */

/** What a value holds for. All but those of the broker may be set for one listener. */
export type Scope = "broker" | "listener" | "session" | "Client";

/** When a changed value holds: at once, for new connections, or after a restart. */
export type Reload = "now" | "new connections" | "restart";

/**
 * `flag` and `switch` are true or false; a flag is written without a value on the command line. A `list` may be given more than once, and
 * with blanks between in the environment.
 */
export type Kind = "flag" | "switch" | "text" | "list" | "integer" | "choice";

/** One row of the schema. */
export interface Setting {
  /** The dotted path in the file: `limits.packet-bytes-max`. */
  readonly key: string;
  /** The flag without `--`; its variable is the same in capitals behind `PLUMB_`. */
  readonly name: string;
  /** A letter; a second one is another short name, which the help does not show. */
  readonly short?: string;
  /** Another long name. */
  readonly also?: string;
  readonly kind: Kind;
  /** The placeholder of the value in the help. */
  readonly value?: string;
  /** The values that it takes; of an integer those that it takes besides numbers. */
  readonly choices?: readonly string[];
  /** The lowest value; of a list the fewest that it may have in the file, default 0. */
  readonly least?: number;
  readonly most?: number;
  /** What a text looks like, or each of a list. */
  readonly form?: { readonly pattern: RegExp; readonly takes: string };
  /** As it is written in the environment. */
  readonly default?: string;
  /** In the help in place of the default, if that depends on the machine or is more than one value. */
  readonly defaultIs?: string;
  readonly unit?: string;
  readonly about: string;
  /** Only `--help-all` shows it. */
  readonly rare?: boolean;
  readonly scope: Scope;
  readonly reload: Reload;
  /** The path of the option that it sets, in `Settings` and, unless its scope is the broker, in a listener. */
  readonly option: string;
  /** It names a file or a directory: in `plumb.toml` from the directory of that. */
  readonly isPath?: true;
}

/** A part of the schema, as the help shows it. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Setting[];
}

/** A row with the flag that its key gives: `log.level` is `--log-level`, unless the row names another. */
export function setting(row: Omit<Setting, "name"> & { readonly name?: string }): Setting {
  return { name: row.key.replaceAll(".", "-"), ...row };
}

/** `packet-bytes-max` for `packetBytesMax`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

const YES = ["1", "true", "yes", "on"];
const NO = ["0", "false", "no", "off"];

/** The parts of a row that say which values it takes. */
export type Values = Pick<Setting, "kind" | "choices" | "least" | "most" | "form">;

/** The value as it is kept, or what would be right in its place: behind `takes`. */
export function checkValue(
  row: Values,
  value: string,
): { readonly value: string } | { readonly takes: string } {
  const { kind, choices = [], least = 0, most = Infinity, form } = row;
  switch (kind) {
    case "integer": {
      if (choices.includes(value)) return { value };
      const number = Number(value);
      if (/^\d+$/.test(value) && number >= least && number <= most) return { value };
      return { takes: numbersOf(row) };
    }
    case "flag":
    case "switch":
      if (YES.includes(value)) return { value: "true" };
      if (NO.includes(value)) return { value: "false" };
      return { takes: kind === "flag" ? "1 or 0" : "true or false" };
    default:
      if (choices.length > 0 && !choices.includes(value)) return { takes: choices.join(", ") };
      return form === undefined || form.pattern.test(value) ? { value } : { takes: form.takes };
  }
}

/** The values of an integer, in words. */
export function numbersOf({ choices = [], least = 0, most = Infinity }: Values): string {
  return [`a whole number from ${least} to ${most}`, ...choices].join(", or ");
}
