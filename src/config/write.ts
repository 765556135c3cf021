/**
 * Values and tables as TOML text.
 * Knows how values are written; refuses to know what they are for.
 * @module
 */
import type { Setting } from "./setting.ts";

/** A text in quotes, with no character that TOML refuses. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\x7f]|[\ud800-\udfff]/gu,
    (character) => character === "\x7f" ? "\\u007F" : "\\uFFFD",
  );
}

/** The values of a setting, as they are on the command line, in TOML. */
export function tomlValue({ kind }: Pick<Setting, "kind">, values: readonly string[]): string {
  if (kind === "list") return `[${values.map(quoted).join(", ")}]`;
  const value = values.at(-1) ?? "";
  const isBare = kind === "flag" || kind === "switch" || kind === "integer" && /^\d+$/.test(value);
  return isBare ? value : quoted(value);
}

/** The text with no character that acts on what shows it. */
export function escaped(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
