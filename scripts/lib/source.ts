/**
 * Reads TypeScript text just far enough for the checks: comments, strings, imports.
 * Knows the lexical rules; refuses to know types.
 * @module
 */

/** One import or re-export of a module. */
export interface Import {
  readonly specifier: string;
  /** Nothing of it is there at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** The code with every comment blanked, and every string's content too unless `keepStrings`. Lines stay where they are. */
export function codeOf(text: string, keepStrings = false): string {
  let out = "";
  let at = 0;
  /** For each open `${` the depth of braces in it. */
  const templates: number[] = [];
  const blank = (end: number): void => {
    out += text.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  const keep = (end: number): void => {
    out += text.slice(at, end);
    at = end;
  };
  const content = (end: number): void => keepStrings ? keep(end) : blank(end);
  const template = (): void => {
    let end = at;
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end)) {
      end += text[end] === "\\" ? 2 : 1;
    }
    content(end);
    if (text[end] === "`") keep(end + 1);
    else {
      keep(end + 2);
      templates.push(0);
    }
  };
  while (at < text.length) {
    const c = text[at] ?? "";
    if (text.startsWith("//", at)) blank(indexOr(text, "\n", at));
    else if (text.startsWith("/*", at)) blank(indexOr(text, "*/", at + 2) + 2);
    else if (c === '"' || c === "'") {
      keep(at + 1);
      let end = at;
      while (end < text.length && text[end] !== c && text[end] !== "\n") end += text[end] === "\\" ? 2 : 1;
      content(end);
      keep(end + 1);
    } else if (c === "`") {
      keep(at + 1);
      template();
    } else if (c === "/" && regexMayStart(out)) {
      content(regexEnd(text, at));
    } else if (templates.length > 0 && c === "{") {
      templates.push((templates.pop() ?? 0) + 1);
      keep(at + 1);
    } else if (templates.length > 0 && c === "}") {
      const depth = templates.pop() ?? 0;
      keep(at + 1);
      if (depth > 0) templates.push(depth - 1);
      else template();
    } else keep(at + 1);
  }
  return out;
}

/** Every module that the text imports, in whatever way. */
export function importsOf(text: string): Import[] {
  const code = codeOf(text, true);
  const bare = codeOf(text);
  /** A string may hold the text of an import. */
  const isInString = (index: number): boolean => /\s/.test(bare[index]!);
  const found: Import[] = [];
  const from = /\b(?:import|export)\s+(type\s+)?((?:[\w$*{},\s]|\bas\b)*?)\bfrom\s*["']([^"']+)["']/g;
  for (const match of code.matchAll(from)) {
    const [, type, names = "", specifier = ""] = match;
    if (isInString(match.index)) continue;
    const listed = /\{([^}]*)\}/.exec(names)?.[1]?.split(",").map((name) => name.trim()).filter((name) =>
      name !== ""
    );
    const onlyTypes = listed !== undefined && names.trim().startsWith("{") && listed.length > 0 &&
      listed.every((name) => name.startsWith("type "));
    found.push({ specifier, typeOnly: type !== undefined || onlyTypes, line: lineAt(code, match.index) });
  }
  for (const match of code.matchAll(/\bimport\s*\(?\s*["']([^"']+)["']/g)) {
    if (isInString(match.index)) continue;
    const typeOnly = /(?:typeof\s+|[:<|&=]\s*)$/.test(code.slice(0, match.index)) && match[0].includes("(");
    found.push({ specifier: match[1] ?? "", typeOnly, line: lineAt(code, match.index) });
  }
  return found;
}

/** The number of the line, from 1, on which an index stands. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function indexOr(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? text.length : at;
}

function regexMayStart(before: string): boolean {
  const code = before.trimEnd();
  return code === "" || /[(,=:[!&|?{};+\-*%~^<>]$/.test(code) || /\b(?:return|typeof|case|in|of)$/.test(code);
}

function regexEnd(text: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < text.length; at++) {
    const c = text[at];
    if (c === "\n") return start + 1;
    if (c === "\\") at++;
    else if (c === "[") inClass = true;
    else if (c === "]") inClass = false;
    else if (c === "/" && !inClass) return at + 1;
  }
  return text.length;
}
