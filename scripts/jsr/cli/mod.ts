/**
 * The functions of JSR's `@std/cli` that Plumb uses, with the same names and signatures, for clones that cannot
 * reach JSR (`links` in `deno.json`, `paths` in `tsconfig.json`).
 * @module
 */
export * from "./parse_args.ts";
export * from "./prompt_secret.ts";
