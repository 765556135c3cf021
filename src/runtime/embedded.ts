/**
 * Files inside the compiled program.
 * Knows how Bun keeps them; refuses to know what they are for.
 * @module
 */

/** Bun names a file that is embedded `name-HASH.ext`. */
interface Embedded {
  readonly name: string;
  bytes?(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

const { Bun } = globalThis as unknown as { readonly Bun?: { readonly embeddedFiles?: readonly Embedded[] } };

/** Reads the file that was `name`; undefined if there is none. */
export function embeddedFile(name: string): (() => Promise<Uint8Array>) | undefined {
  const [stem, extension] = name.split(".");
  const found = Bun?.embeddedFiles?.find((one) => {
    const own = one.name.split("/").at(-1)!;
    return own.startsWith(stem!) && own.endsWith(`.${extension}`);
  });
  return found && (async () => new Uint8Array(await found.arrayBuffer()));
}
