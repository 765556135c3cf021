/**
 * Symbols that WebKit does not have yet: tests put objects away by them. It has to be loaded before every class that has a method of that
 * name.
 * Knows the two symbols; refuses to know what is put away.
 * @module
 */
for (const name of ["dispose", "asyncDispose"] as const) {
  if (Symbol[name] === undefined) {
    Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) }); // as esbuild asks for it
  }
}
