/**
 * What Deno lets this process do without a question on the terminal; Bun and Node let it do all.
 * Knows permissions of Deno; refuses to know what for.
 * @module
 */

/** A permission, as Deno describes it. */
export type Permission =
  | { readonly name: "read" | "write"; readonly path: string }
  | { readonly name: "env"; readonly variable: string }
  | { readonly name: "net"; readonly host: string }
  | {
    readonly name: "sys";
    readonly kind: "homedir" | "hostname" | "networkInterfaces" | "systemMemoryInfo";
  };

interface DenoSlice {
  readonly permissions: { querySync(what: Permission): { readonly state: string } };
}

const deno = (globalThis as unknown as { Deno?: DenoSlice }).Deno;

/** Whether it may be done, and nobody is asked. */
export function isPermitted(what: Permission): boolean {
  return deno === undefined || deno.permissions.querySync(what).state === "granted";
}
