/**
 * Reads the tables under `spec/`: tab-separated, one header line, no quoting.
 * Knows rows and columns; refuses to know which tables there are.
 * @module
 */

/** The rows of a table as objects keyed by the header's names. */
export function rows(text: string): Record<string, string>[] {
  const [header = "", ...lines] = text.split("\n").filter((line) => line !== "");
  const names = header.split("\t");
  return lines.map((line) => {
    const cells = line.split("\t");
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]));
  });
}
