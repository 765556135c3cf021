/**
 * The line and column of every key of a TOML document, which its parser does not tell.
 * Knows where keys, values and comments end; refuses to know what is valid: the parser has read the document before.
 * @module
 */

/** Where a key stands; both count from 1, the column in UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The way to a value: names of keys, and the places in lists and in arrays of tables. */
export type Path = readonly (string | number)[];

/** The position of each key by its path; of a table also where a longer key or header names it first. */
export class KeyPositions {
  readonly #positions = new Map<string, Position>();

  /** The first place that names this path. */
  get(path: Path): Position | undefined {
    return this.#positions.get(JSON.stringify(path));
  }

  /** The line of a path, else of the nearest one around it; 1 if there is none. */
  line(path: Path): number {
    for (let length = path.length; length > 0; length--) {
      const position = this.get(path.slice(0, length));
      if (position !== undefined) return position.line;
    }
    return 1;
  }

  /** Of a path that is named more than once, the first place counts. */
  add(path: Path, position: Position): void {
    const name = JSON.stringify(path);
    if (!this.#positions.has(name)) this.#positions.set(name, position);
  }
}

/** Finds all keys of a document that a TOML parser has accepted. */
export function keyPositions(text: string): KeyPositions {
  const scanner = new Scanner(text);
  scanner.document();
  return scanner.found;
}

const BARE = /[A-Za-z0-9_-]+/y;
const BLANK = /[ \t]*/y;
/** Blanks, breaks of lines and comments. */
const SPACE = /(?:[ \t\r\n]|#[^\n]*)*/y;
/** A number, a date or a word: dates may have a blank before the time. */
const SCALAR = /[^,\]}#\r\n]*/y;
/** One name of a key, and strings; the longer quotes first. */
const BASIC = /"(?:[^"\\]|\\[^])*"/y;
const LITERAL = /'[^']*'/y;
const LONG_BASIC = /"""(?:[^\\]|\\[^])*?"{3,5}(?!")/y;
const LONG_LITERAL = /'''[^]*?'{3,5}(?!')/y;

class Scanner {
  readonly found: KeyPositions = new KeyPositions();
  readonly #text: string;
  #at = 0;
  /** How many tables each array of tables has so far. */
  readonly #tables = new Map<string, number>();
  #line = 1;
  #lineAt = 0;
  /** Breaks of lines are counted up to here. */
  #countedTo = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith("\ufeff")) this.#at = 1;
  }

  document(): void {
    let table: Path = [];
    this.#skip(SPACE);
    while (this.#at < this.#text.length) {
      if (this.#text.startsWith("[[", this.#at)) table = this.#header(2);
      else if (this.#text[this.#at] === "[") table = this.#header(1);
      else this.#pair(table);
      this.#skip(SPACE);
    }
  }

  /** `[a.b]`, or with two brackets `[[a.b]]`; gives the path of the table. */
  #header(brackets: 1 | 2): Path {
    this.#at += brackets;
    this.#skip(BLANK);
    const position = this.#position();
    const names = this.#key();
    this.#at += brackets;
    const path: (string | number)[] = [];
    for (const [i, name] of names.entries()) {
      path.push(name);
      this.found.add(path, position);
      const array = JSON.stringify(path);
      const isNew = brackets === 2 && i === names.length - 1;
      const count = (this.#tables.get(array) ?? 0) + (isNew ? 1 : 0);
      if (count === 0) continue;
      this.#tables.set(array, count);
      path.push(count - 1);
      this.found.add(path, position);
    }
    return path;
  }

  /** `a.b = value` in this table. */
  #pair(table: Path): void {
    const position = this.#position();
    const path = [...table];
    for (const name of this.#key()) {
      path.push(name);
      this.found.add(path, position);
    }
    this.#at++; // =
    this.#skip(BLANK);
    this.#value(path);
  }

  /** The names of a dotted key. */
  #key(): string[] {
    const names: string[] = [];
    for (;;) {
      this.#skip(BLANK);
      const quote = this.#text[this.#at];
      const name = this.#skip(quote === '"' ? BASIC : quote === "'" ? LITERAL : BARE);
      names.push(quote === '"' ? unescaped(name.slice(1, -1)) : quote === "'" ? name.slice(1, -1) : name);
      this.#skip(BLANK);
      if (this.#text[this.#at] !== ".") return names;
      this.#at++;
    }
  }

  #value(path: Path): void {
    const { found } = this;
    switch (this.#text[this.#at]) {
      case "[":
        return this.#items("]", (i) => {
          const item = [...path, i];
          found.add(item, this.#position());
          this.#value(item);
        });
      case "{":
        return this.#items("}", () => this.#pair(path));
      case '"':
        return void this.#skip(this.#text.startsWith('"""', this.#at) ? LONG_BASIC : BASIC);
      case "'":
        return void this.#skip(this.#text.startsWith("'''", this.#at) ? LONG_LITERAL : LITERAL);
      default:
        this.#skip(SCALAR);
    }
  }

  /** The items of a list or an inline table, up to the bracket that ends it. */
  #items(end: string, item: (i: number) => void): void {
    this.#at++;
    for (let i = 0; this.#at < this.#text.length; i++) {
      this.#skip(SPACE);
      if (this.#text[this.#at] === end) break;
      const before = this.#at;
      item(i);
      if (this.#at === before) this.#at++; // no item: this is not TOML
      this.#skip(SPACE);
      if (this.#text[this.#at] === ",") this.#at++;
    }
    this.#at++;
  }

  /** Goes behind what matches here. What matches nothing is passed over, so that no document is without end. */
  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    this.#at = match === undefined ? this.#at + 1 : pattern.lastIndex;
    return match ?? "";
  }

  #position(): Position {
    for (;;) {
      const end = this.#text.indexOf("\n", this.#countedTo);
      if (end < 0 || end >= this.#at) break;
      this.#countedTo = this.#lineAt = end + 1;
      this.#line++;
    }
    return { line: this.#line, column: this.#at - this.#lineAt + 1 };
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\x1b",
};

/** The text of a basic string. */
function unescaped(text: string): string {
  return text.replace(/\\(?:x(..)|u(.{4})|U(.{8})|([^]))/g, (_, x, u, long, one: string | undefined) => {
    if (one !== undefined) return ESCAPES[one] ?? one;
    return String.fromCodePoint(Number.parseInt(x ?? u ?? long, 16));
  });
}
