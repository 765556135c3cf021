/**
 * The owner's file about a target: what cannot be probed, as TOML.
 * Knows its keys; refuses to know where the file is.
 * @module
 */
import type { Declared } from "./profile.ts";
import { AuditCallError } from "../call_error.ts";

/** What a file says. */
export interface DeclaredFile extends Declared {
  /** What the target is, as `mosquitto 2.0.11`. */
  readonly product?: string;
}

type Kind = "text" | "texts";

const KEYS: Readonly<Record<string, { readonly field: keyof DeclaredFile; readonly kind: Kind }>> = {
  "product": { field: "product", kind: "text" },
  "username": { field: "username", kind: "text" },
  "password": { field: "password", kind: "text" },
  "authentication-method": { field: "authenticationMethod", kind: "text" },
  "authentication-data": { field: "authenticationData", kind: "texts" },
  "forbidden-topic": { field: "forbiddenTopic", kind: "text" },
  "tolerates": { field: "tolerates", kind: "texts" },
};

/**
 * Reads the text of a file; the parser comes only now, since few need it.
 * @throws {AuditCallError} for what is no TOML, a key that is not known, or a value of another kind.
 */
export async function parseDeclared(text: string): Promise<DeclaredFile> {
  const { parse } = await import("smol-toml");
  let table: Record<string, unknown>;
  try {
    table = parse(text);
  } catch (error) {
    throw new AuditCallError(`it is not TOML: ${(error as Error).message.split("\n")[0]}`);
  }
  const declared: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) {
    const row = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (row === undefined) {
      throw new AuditCallError(
        `unknown key ${JSON.stringify(key)}; the keys are ${Object.keys(KEYS).join(", ")}`,
      );
    }
    if (!fits(value, row.kind)) {
      throw new AuditCallError(`${key} takes ${row.kind === "text" ? "a text" : "a list of texts"}`);
    }
    declared[row.field] = value;
  }
  return declared as DeclaredFile;
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === "text") return typeof value === "string";
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
