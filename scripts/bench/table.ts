/**
 * Tables of plain text.
 * Knows columns; refuses to know what stands in them.
 * @module
 */

/** Rows below a head: the first column left, the others right. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    widths.map((width, column) => {
      const cell = row[column] ?? "";
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd();
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** A number with three digits that count, and a mark between thousands. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return value.toFixed(size >= 10 ? 1 : 2);
}
