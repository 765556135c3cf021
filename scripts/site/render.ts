/**
 * Markdown files of the project as pages of one site.
 * Knows Markdown, links between files and the frame of a page; refuses to know which files are pages.
 * @module
 */
import { Marked, type Token, type Tokens } from "marked";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { Anchors } from "../lib/anchors.ts";
import { pathOf } from "../lib/tree.ts";

/** What the site is made from. */
export interface SiteInit {
  /** Pages by the files that they are made from. */
  readonly pages: ReadonlyMap<string, string>;
  /** What leads through the site: files and names. */
  readonly main: readonly (readonly [file: string, name: string])[];
  /** The text of a file of the project. */
  readonly read: (file: string) => string;
  /** Whether the project has a file or folder. */
  readonly has: (path: string) => boolean;
}

/** The pages, and links that lead nowhere. */
export interface Site {
  readonly files: ReadonlyMap<string, string>;
  readonly faults: readonly string[];
}

/** Of the working copy. */
export const WORKING_COPY: Pick<SiteInit, "read" | "has"> = {
  read: (file) => readFileSync(pathOf(file), "utf8"),
  has: (path) => existsSync(pathOf(path)),
};

interface Heading {
  readonly depth: number;
  readonly text: string;
  readonly anchor: string;
}

interface Parsed {
  readonly tokens: Token[];
  readonly headings: readonly Heading[];
}

/** Makes all pages. */
export function renderSite(init: SiteInit): Site {
  const faults: string[] = [];
  const parsed = new Map([...init.pages.keys()].map((file) => [file, parse(init.read(file))]));
  const files = new Map<string, string>();
  for (const [file, path] of init.pages) files.set(path, new Page(file, init, parsed, faults).html());
  return { files, faults };
}

function parse(text: string): Parsed {
  const marked = new Marked({ gfm: true });
  const tokens = marked.lexer(text.replace(/<!--[\s\S]*?-->\n?/g, ""));
  const anchors = new Anchors();
  const headings: Heading[] = [];
  marked.walkTokens(tokens, (token) => {
    if (token.type !== "heading") return;
    const { depth, tokens: inside } = token as Tokens.Heading;
    const own = textOf(inside);
    headings.push({ depth, text: own, anchor: anchors.next(own) });
  });
  return { tokens, headings };
}

/** What is read of inline tokens. */
function textOf(tokens: readonly Token[]): string {
  return tokens.map((token) => {
    const { tokens: inside, text } = token as { tokens?: Token[]; text?: string };
    return inside !== undefined && inside.length > 0 ? textOf(inside) : unescaped(text ?? "");
  }).join("");
}

class Page {
  readonly #file: string;
  readonly #init: SiteInit;
  readonly #parsed: ReadonlyMap<string, Parsed>;
  readonly #faults: string[];

  constructor(file: string, init: SiteInit, parsed: ReadonlyMap<string, Parsed>, faults: string[]) {
    this.#file = file;
    this.#init = init;
    this.#parsed = parsed;
    this.#faults = faults;
  }

  html(): string {
    const { tokens, headings } = this.#parsed.get(this.#file)!;
    let next = 0;
    const marked = new Marked({ gfm: true });
    // deno-lint-ignore no-this-alias
    const page = this;
    marked.use({
      renderer: {
        heading({ tokens, depth }) {
          const { anchor } = headings[next++]!;
          return `<h${depth} id="${anchor}"><a href="#${anchor}">${
            this.parser.parseInline(tokens)
          }</a></h${depth}>\n`;
        },
        link({ href, tokens }) {
          return page.#link(href, this.parser.parseInline(tokens));
        },
        image({ href, text }) {
          return page.#image(href, text);
        },
        table(token) {
          const row = (cells: readonly Tokens.TableCell[]) =>
            cells.map(({ tokens, header, align }) => {
              const isHead = header && tokens.length > 0;
              const name = isHead ? "th" : "td";
              const side = align === null ? "" : ` class="${align}"`;
              return `<${name}${isHead ? ' scope="col"' : ""}${side}>${
                this.parser.parseInline(tokens)
              }</${name}>`;
            }).join("");
          const head = `<thead><tr>${row(token.header)}</tr></thead>`;
          const body = token.rows.map((cells) => `<tr>${row(cells)}</tr>`).join("\n");
          return `<div class="table" tabindex="0" role="group" aria-label="Table"><table>${head}<tbody>${body}</tbody></table></div>\n`;
        },
        code({ text }) {
          return `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`;
        },
        html({ text }) {
          page.#fault(`HTML is not taken: ${text.trim().slice(0, 40)}`);
          return "";
        },
      },
    });
    return this.#frame(marked.parser(tokens), headings);
  }

  /** From this page to a file of the site. */
  #to(path: string): string {
    return posix.relative(posix.dirname(this.#init.pages.get(this.#file)!), path);
  }

  #link(href: string, inside: string): string {
    if (/^(?:https?|mailto):/.test(href)) return `<a href="${escaped(href)}" rel="noreferrer">${inside}</a>`;
    const [path = "", anchor] = href.split("#");
    const target = path === "" ? this.#file : posix.join(posix.dirname(this.#file), path);
    const page = this.#init.pages.get(target) ?? this.#init.pages.get(posix.join(target, "README.md"));
    if (page === undefined) {
      if (target === "README.md") return `<a href="${this.#to("index.html")}">${inside}</a>`;
      if (target.startsWith("..") || !this.#init.has(target)) this.#fault(`${href} leads nowhere`);
      return `<span class="file" title="${escaped(target)}, in the source">${inside}</span>`;
    }
    const file = this.#init.pages.has(target) ? target : posix.join(target, "README.md");
    if (anchor !== undefined && !this.#parsed.get(file)!.headings.some((one) => one.anchor === anchor)) {
      this.#fault(`${href}: there is no such heading`);
    }
    const own = path === "" ? "" : this.#to(page);
    return `<a href="${own}${anchor === undefined ? "" : `#${anchor}`}">${inside}</a>`;
  }

  #image(href: string, text: string): string {
    const path = posix.join(posix.dirname(this.#file), href);
    if (!this.#init.has(path) || !path.endsWith(".svg")) {
      this.#fault(`${href} is no picture that can be taken in`);
      return escaped(text);
    }
    const bytes = Buffer.from(this.#init.read(path)).toString("base64");
    return `<img alt="${escaped(text)}" src="data:image/svg+xml;base64,${bytes}">`;
  }

  #fault(text: string): void {
    this.#faults.push(`${this.#file}: ${text}`);
  }

  #frame(body: string, headings: readonly Heading[]): string {
    const title = headings[0]?.text ?? this.#file;
    const parts = headings.filter(({ depth }) => depth === 2);
    const items = parts.map(({ text, anchor }) => `<li><a href="#${anchor}">${escaped(text)}</a></li>`).join(
      "\n",
    );
    const nav = this.#init.main.map(([file, name]) => {
      const current = file === this.#file ? ' aria-current="page"' : "";
      return `<li><a href="${
        this.#to(this.#init.pages.get(file) ?? "index.html")
      }"${current}>${name}</a></li>`;
    }).join("\n");
    const contents = parts.length < 2 ? "" : `<nav class="contents" aria-label="On this page">
<details open><summary>On this page</summary><ul>
${items}
</ul></details></nav>`;
    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} – Plumb</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${this.#to("style.css")}">
</head>
<body>
<a class="skip" href="#main">To the text</a>
<header><a class="brand" href="${this.#to("index.html")}">Plumb</a>
<nav aria-label="Documentation"><ul>
${nav}
</ul></nav></header>
<div class="columns${contents === "" ? " single" : ""}">
${contents}
<main id="main" tabindex="-1">
${body}</main>
</div>
</body>
</html>
`;
  }
}

function escaped(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (found) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[found]!,
  );
}

/** Without the escapes that marked leaves in texts. */
function unescaped(text: string): string {
  return text.replace(
    /&(amp|lt|gt|quot|#39);/g,
    (_, name: string) => ({ amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" })[name]!,
  );
}
