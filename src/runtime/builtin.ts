/**
 * Modules of Node, fetched when they are needed.
 * Knows that bundlers for browsers look at our runtime files too, and refuse imports whose names their stand-ins do not have; refuses to
 * know their use.
 * @module
 */

/** Modules of this runtime. */
interface Builtins {
  readonly "node:crypto": typeof import("node:crypto");
  readonly "node:fs": typeof import("node:fs");
  readonly "node:net": typeof import("node:net");
  readonly "node:process": typeof import("node:process");
  readonly "node:tls": typeof import("node:tls");
}

/** A module of Node, as this runtime has it. */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const { process } = globalThis as unknown as {
    readonly process: { getBuiltinModule(name: Name): Builtins[Name] };
  };
  return process.getBuiltinModule(name);
}

/** Whether there are any: on Node, Bun and Deno. */
export function hasBuiltins(): boolean {
  const { process } = globalThis as { readonly process?: { readonly getBuiltinModule?: unknown } };
  return typeof process?.getBuiltinModule === "function";
}
