/**
 * Lets Node find our stand-ins for packages of JSR, which Deno finds by `links` of deno.json and Bun by `paths` of tsconfig.json:
 * `node --import ./scripts/jsr/node.js`. What is published to npm does not need it.
 * Knows names; refuses to know the packages. Plain JavaScript: an older Node that is handed it goes on without it.
 * @module
 */
import { readFileSync } from "node:fs";
import * as module from "node:module";

/** The file that a name stands for; undefined for a name of another kind. */
function fileOf(specifier) {
  const [, name, path = ""] = /^@std\/([a-z]+)(\/.+)?$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  const { exports } = JSON.parse(readFileSync(new URL(`./${name}/deno.json`, import.meta.url), "utf8"));
  return new URL(`./${name}/${exports[`.${path}`]}`, import.meta.url).href;
}

module.registerHooks?.({
  resolve: (specifier, context, next) => next(fileOf(specifier) ?? specifier, context),
});
