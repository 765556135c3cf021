/**
 * Fails when `deno.json`, `package.json` and `tsconfig.json` say different things.
 * Knows which of their fields mean the same; refuses to know what the right values are.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { pathOf } from "./lib/tree.ts";

type Json = Record<string, unknown>;

function json(path: string): Json {
  return JSON.parse(readFileSync(pathOf(path), "utf8"));
}

function record(value: unknown): Json {
  return (value ?? {}) as Json;
}

const faults: string[] = [];

function same(what: string, ours: unknown, theirs: unknown): void {
  const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
  if (a !== b) faults.push(`${what}: deno.json says ${a}, the other ${b}`);
}

const deno = json("deno.json");
const npm = json("package.json");
const ts = record(json("tsconfig.json").compilerOptions);

for (const field of ["name", "version", "description", "license"]) {
  same(`package.json ${field}`, deno[field], npm[field]);
}
const built = Object.entries(record(deno.exports)).map(([door, file]) => {
  const stem = `./dist/npm/${String(file).slice(2, -".ts".length)}`; // by scripts/build.ts
  return [door, { types: `${stem}.d.ts`, default: `${stem}.js` }];
});
same("package.json exports", Object.fromEntries(built), npm["exports"]);

const imports = Object.entries(record(deno.imports)) as [string, string][];
const installed = { ...record(npm.dependencies), ...record(npm.devDependencies) };
for (const [name, target] of imports) {
  if (target.startsWith("npm:")) {
    same(`package.json ${name}`, target.slice(`npm:${name}@`.length), installed[name]);
  }
}
for (const name of Object.keys(installed)) {
  if (!imports.some(([own]) => own === name)) faults.push(`package.json ${name}: deno.json does not have it`);
}

const links = deno.links as string[];
for (const [name, target] of imports) {
  if (!target.startsWith("jsr:")) continue;
  const link = links.find((path) => json(`${path}/deno.json`).name === name);
  if (link === undefined) {
    faults.push(`deno.json links: no package for ${name}`);
    continue;
  }
  for (
    const [door, file] of Object.entries(record(json(`${link}/deno.json`).exports)) as [string, string][]
  ) {
    const path = `${link}/${file.slice(2)}`;
    same(`tsconfig.json paths ${name}${door.slice(1)}`, [path], record(ts.paths)[name + door.slice(1)]);
    if (!existsSync(pathOf(path))) faults.push(`${path} is not there`);
  }
}
for (const [option, value] of Object.entries(record(deno.compilerOptions))) {
  same(`tsconfig.json ${option}`, value, ts[option]);
}
for (const file of Object.values(record(deno.exports)) as string[]) {
  if (!existsSync(pathOf(file))) faults.push(`deno.json exports: ${file} is not there`);
}

for (const fault of faults) console.log(fault);
console.log(`Agree: ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
