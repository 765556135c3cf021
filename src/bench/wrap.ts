/**
 * A text in lines that fit.
 * Knows blanks between words; refuses to know where the lines are shown.
 * @module
 */

/** Lines of at most `columns` characters, broken at blanks; a longer word stands alone. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
