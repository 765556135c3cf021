/**
 * The lines of keys and list items in a TOML text, which the parser does not tell.
 * Knows how far a key and a value reach; refuses to know what they mean. The text has been parsed before: it is valid.
 * @module
 */

/** A key and the places in lists on the way to it, from the outermost one inwards. */
type Path = readonly (string | number)[];

/** The lines of one text. */
export class TomlPlaces {
  readonly #text: string;
  #at = 0;
  /** Offsets by path. */
  readonly #places: Map<string, number> = new Map();
  /** Tables that `[[…]]` has begun so far, by path. */
  readonly #counts: Map<string, number> = new Map();
  /** Offsets at which lines begin. */
  readonly #lines: number[] = [0];

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#lines.push(at + 1);
    this.#document();
  }

  /** The line of a key or of an item of a list, from 1; of the nearest key around it if it is not there. */
  line(path: Path): number {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#places.get(keyOf(path.slice(0, length)));
      if (offset !== undefined) return this.#lineAt(offset);
    }
    return 1;
  }

  #lineAt(offset: number): number {
    let [low, high] = [0, this.#lines.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#lines[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  #document(): void {
    let base: Path = [];
    for (this.#skip(); this.#at < this.#text.length; this.#skip()) {
      if (this.#text[this.#at] === "[") base = this.#header();
      else this.#pair(base);
    }
  }

  /** `[table]` or `[[list of tables]]`. */
  #header(): Path {
    const from = this.#at;
    const isList = this.#text.startsWith("[[", this.#at);
    this.#at += isList ? 2 : 1;
    let path: Path = [];
    const keys = this.#keys();
    keys.forEach((key, i) => {
      path = [...path, key];
      const name = keyOf(path);
      if (isList && i === keys.length - 1) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
      const count = this.#counts.get(name);
      this.#note(path, from);
      if (count !== undefined) path = [...path, count - 1];
    });
    this.#note(path, from);
    this.#at += isList ? 2 : 1;
    return path;
  }

  /** `key = value` */
  #pair(base: Path): void {
    const from = this.#at;
    let path = base;
    for (const key of this.#keys()) this.#note(path = [...path, key], from);
    this.#at++; // =
    this.#skip();
    this.#value(path);
  }

  #keys(): string[] {
    const keys: string[] = [];
    for (;;) {
      this.#skip();
      const quote = this.#text[this.#at];
      if (quote === '"' || quote === "'") keys.push(this.#string());
      else {
        const from = this.#at;
        while (/[A-Za-z0-9_-]/.test(this.#text[this.#at] ?? "")) this.#at++;
        keys.push(this.#text.slice(from, this.#at));
      }
      this.#skip();
      if (this.#text[this.#at] !== ".") return keys;
      this.#at++;
    }
  }

  #value(path: Path): void {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") this.#string();
    else if (first === "[") this.#list(path);
    else if (first === "{") this.#inline(path);
    else while (this.#at < this.#text.length && !/[,\]}#\n]/.test(this.#text[this.#at]!)) this.#at++;
  }

  #list(path: Path): void {
    this.#at++;
    for (let i = 0;; i++) {
      this.#skip();
      if (this.#text[this.#at] === "]") break;
      this.#note([...path, i], this.#at);
      this.#value([...path, i]);
      this.#skip();
      if (this.#text[this.#at] === ",") this.#at++;
    }
    this.#at++;
  }

  #inline(path: Path): void {
    this.#at++;
    for (;;) {
      this.#skip();
      if (this.#text[this.#at] === "}") break;
      this.#pair(path);
      this.#skip();
      if (this.#text[this.#at] === ",") this.#at++;
    }
    this.#at++;
  }

  /** Returns the text between the quotes; escapes only of a basic string of one line are read, as a key may have them. */
  #string(): string {
    const text = this.#text;
    const quote = text[this.#at]!;
    const isLong = text.startsWith(quote.repeat(3), this.#at);
    const from = this.#at + (isLong ? 3 : 1);
    const end = isLong ? quote.repeat(3) : quote;
    let at = from;
    while (at < text.length && !text.startsWith(end, at)) at += quote === '"' && text[at] === "\\" ? 2 : 1;
    this.#at = at + end.length;
    if (isLong) { while (text[this.#at] === quote) this.#at++; }
    const inner = text.slice(from, at);
    return quote === '"' && inner.includes("\\") ? unescaped(inner) : inner;
  }

  /** Blanks, line ends and comments. */
  #skip(): void {
    for (;;) {
      const code = this.#text[this.#at];
      if (code === "#") { while (this.#at < this.#text.length && this.#text[this.#at] !== "\n") this.#at++; }
      else if (code === " " || code === "\t" || code === "\r" || code === "\n") this.#at++;
      else return;
    }
  }

  #note(path: Path, offset: number): void {
    const key = keyOf(path);
    if (!this.#places.has(key)) this.#places.set(key, offset);
  }
}

function keyOf(path: Path): string {
  return JSON.stringify(path);
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\x1b",
};

function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))/g,
    (_all, four?: string, eight?: string, two?: string, letter?: string) => {
      const hex = four ?? eight ?? two;
      return hex !== undefined ? String.fromCodePoint(parseInt(hex, 16)) : ESCAPES[letter!] ?? letter!;
    },
  );
}
