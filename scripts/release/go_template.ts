/**
 * As much of Go's templates as our chart uses, so that a test sees what `helm template` prints.
 * Knows pipes, conditions and a few functions; refuses, with an error, all that is not among them.
 * @module
 */
import { stringify } from "yaml";

type Values = Readonly<Record<string, unknown>>;
type Call = (...args: readonly unknown[]) => unknown;

const FUNCTIONS: Readonly<Record<string, Call>> = {
  default: (otherwise, value) => isTrue(value) ? value : otherwise,
  ne: (one, other) => one !== other,
  nindent: (by, text) =>
    String(text).split("\n").map((line) => "\n" + " ".repeat(Number(by)) + line).join(""),
  printf: (form, ...args) =>
    args.reduce<string>((text, arg) => text.replace("%s", String(arg)), String(form)),
  quote: (value) => JSON.stringify(String(value)),
  required: (message, value) => {
    if (!isTrue(value)) throw new Error(String(message));
    return value;
  },
  toYaml: (value) => stringify(value).trimEnd(),
};

function isTrue(value: unknown): boolean {
  return !(value === undefined || value === null || value === "" || value === false || value === 0);
}

/**
 * The text for these values.
 * @throws {Error} for what is not known here, and by `required`.
 */
export function rendered(template: string, values: Values): string {
  const parts = template.split(/(\s*\{\{-[^}]*\}\}|\{\{[^}]*\}\})/);
  const isShown: boolean[] = [true];
  let text = "";
  for (const [i, part] of parts.entries()) {
    if (i % 2 === 0) {
      if (isShown.every(Boolean)) text += part;
      continue;
    }
    const action = part.trim().replace(/^\{\{-?\s*|\s*\}\}$/g, "");
    if (action === "end") isShown.pop();
    else if (action.startsWith("if ")) isShown.push(isTrue(evaluated(action.slice(3), values)));
    else if (isShown.every(Boolean)) text += String(evaluated(action, values));
  }
  if (isShown.length !== 1) throw new Error("An if has no end");
  return text;
}

/** The value of a pipeline. */
function evaluated(pipeline: string, values: Values): unknown {
  const stages = splitOutside(pipeline, "|");
  return stages.reduce<unknown>(
    (before, stage, i) => called(stage, values, i === 0 ? [] : [before]),
    undefined,
  );
}

function called(stage: string, values: Values, last: readonly unknown[]): unknown {
  const [head = "", ...words] = splitOutside(stage, " ").filter((word) => word !== "");
  if (words.length === 0 && last.length === 0) return operand(head, values);
  const call = FUNCTIONS[head];
  if (call === undefined) throw new Error(`${head} is no function that is known here`);
  return call(...words.map((word) => operand(word, values)), ...last);
}

function operand(word: string, values: Values): unknown {
  if (word.startsWith("(")) return evaluated(word.slice(1, -1), values);
  if (word.startsWith('"')) return JSON.parse(word);
  if (/^\d+$/.test(word)) return Number(word);
  if (!word.startsWith(".")) throw new Error(`${word} is no value that is known here`);
  return word.slice(1).split(".").reduce<unknown>((value, name) => (value as Values)[name], values);
}

/** Apart at a separator that stands in no quotes and no parentheses. */
function splitOutside(text: string, separator: string): string[] {
  const parts = [""];
  let depth = 0;
  let isQuoted = false;
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    if (!isQuoted && character === "(") depth++;
    if (!isQuoted && character === ")") depth--;
    if (character === separator && depth === 0 && !isQuoted) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}
