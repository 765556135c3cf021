/**
 * Permissions as the text of a TOML file.
 * Knows how the keys are laid out; refuses to know where the permissions come from.
 * @module
 */
import { type HolderData, keyed, type PermissionsData, type UserData } from "./rules.ts";

/** The text; each of the comments is a line of its own at the top. */
export function writePermissions(data: PermissionsData, comments: readonly string[] = []): string {
  const parts: string[] = [];
  if (comments.length > 0) parts.push(comments.map((comment) => `# ${comment}`).join("\n"));
  if (data["wide-filters"] !== undefined) parts.push(`wide-filters = ${text(data["wide-filters"])}`);
  for (const key of ["everyone", "anonymous"] as const) {
    const holder = data[key];
    if (holder !== undefined && Object.keys(holder).length > 0) parts.push(table(key, holder));
  }
  for (const key of ["user", "group", "role"] as const) {
    for (const [name, holder] of Object.entries(data[key] ?? {})) {
      parts.push(table(`${key}.${keyed(name)}`, holder));
    }
  }
  return parts.join("\n\n") + "\n";
}

function table(header: string, holder: HolderData & UserData): string {
  const lines = [`[${header}]`];
  for (const key of ["roles", "groups"] as const) {
    if (holder[key] !== undefined) lines.push(`${key} = ${value(holder[key])}`);
  }
  for (const key of ["allow", "deny"] as const) {
    const rules = holder[key];
    if (rules === undefined) continue;
    lines.push(`${key} = [`);
    for (const rule of rules) {
      const pairs = Object.entries(rule).map(([name, each]) => `${name} = ${value(each)}`);
      lines.push(`  { ${pairs.join(", ")} },`);
    }
    lines.push("]");
  }
  return lines.join("\n");
}

function value(some: unknown): string {
  if (Array.isArray(some)) return `[${some.map(value).join(", ")}]`;
  return typeof some === "string" ? text(some) : String(some);
}

/** A basic string; the escapes of JSON are among those of TOML, but U+007F must be one too. */
function text(some: string): string {
  return JSON.stringify(some).replaceAll("\x7f", "\\u007f");
}
