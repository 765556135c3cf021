/**
 * A badge: how many statements the target keeps, as an SVG for a page of its project.
 * Knows a report; refuses to know where the picture is shown.
 * @module
 */
import { escapeMarkup } from "./escape.ts";
import type { AuditReport } from "./json.ts";

const GOOD = "#2a7e3b";
const FAIR = "#8a6d00";
const BAD = "#b3261e";
const NONE = "#5f6368";

/** Average width of a character of 11 px Verdana, and the space around a text. */
const CHARACTER = 6.6;
const MARGIN = 12;

/** The badge: `MQTT 5.0, 3.1.1` and `312 of 318 kept`. */
export function badge({ levels }: AuditReport): string {
  const reached = levels.filter(({ unreachable }) => unreachable === undefined);
  const versions = reached.map(({ version }) => version).sort().reverse();
  const label = `MQTT${versions.length === 0 ? "" : ` ${versions.join(", ")}`}`;
  let [kept, broken, looked] = [0, 0, 0];
  for (const { totals: { statements } } of reached) {
    const { pass, lenient, fail } = statements;
    kept += pass;
    broken += fail;
    looked += pass + lenient + fail;
  }
  const value = looked === 0 ? "not audited" : `${kept} of ${looked} kept`;
  const colour = looked === 0 ? NONE : broken > 0 ? BAD : kept < looked ? FAIR : GOOD;
  const [left, right] = [label, value].map((text) => Math.round(text.length * CHARACTER + MARGIN)) as [
    number,
    number,
  ];
  const width = left + right;
  const text = (content: string, middle: number) =>
    `<text x="${middle}" y="14" textLength="${
      Math.round(content.length * CHARACTER)
    }" lengthAdjust="spacingAndGlyphs">${escapeMarkup(content)}</text>`;
  const title = escapeMarkup(`${label}: ${value}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="${title}">
<title>${title}</title>
<clipPath id="r"><rect width="${width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="${left}" height="20" fill="#3c4043"/><rect x="${left}" width="${right}" height="20" fill="${colour}"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
${text(label, left / 2)}
${text(value, left + right / 2)}
</g>
</svg>
`;
}
