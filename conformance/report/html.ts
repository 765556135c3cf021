/**
 * The report as one HTML page that needs nothing else: totals, sections, statements, cases with their bytes.
 * Knows a report; refuses to know how the page is styled.
 * @module
 */
import type { TranscriptLine } from "../wire/peer.ts";
import { escapeMarkup as safe } from "./escape.ts";
import { shorten } from "./evidence.ts";
import { SCRIPT, STYLE } from "./html_style.ts";
import {
  type AuditReport,
  type ReportCase,
  type ReportLevel,
  type ReportStatement,
  type StatementVerdict,
  type Totals,
  VERDICTS,
  worstOf,
} from "./json.ts";

/** The page. It can be read without its script, and names no resource outside itself. */
export function htmlReport(report: AuditReport): string {
  const { target, product, levels } = report;
  const title = `MQTT audit of ${product === "" ? target : product}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${safe(title)}</h1>
${head(report)}
</header>
${filter(levels)}
${levels.map(levelPart).join("\n")}
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function head({ target, date, auditor, settings, levels }: AuditReport): string {
  const runtime = auditor.runtime === "" ? "" : ` on ${auditor.runtime}`;
  const facts = [
    `<code>${safe(target)}</code>`,
    safe(date),
    safe(`plumb ${auditor.version}${runtime}`),
    settings.timing ? "with the cases that wait" : "without the cases that wait",
    ...settings.tolerates === undefined ? [] : [`lenient by option: ${safe(settings.tolerates.join(", "))}`],
    ...settings.only.length === 0
      ? []
      : [`only ${settings.only.map((one) => `<code>${safe(one)}</code>`).join(", ")}`],
  ];
  const links = levels.map(({ level, version }) => `<a href="#l${level}">MQTT ${version}</a>`);
  return `<p class="head">${facts.join(" · ")}</p>\n<p class="head">${links.join("")}</p>`;
}

function filter(levels: readonly ReportLevel[]): string {
  const present = VERDICTS.filter((verdict) =>
    levels.some(({ statements, cases }) => [...statements, ...cases].some((one) => one.verdict === verdict))
  );
  const boxes = present.map((verdict) =>
    `<label><input type="checkbox" value="${verdict}" checked> <span class="badge ${verdict}">${verdict}</span></label>`
  );
  return `<form id="filter" hidden><input type="search" placeholder="Statement, section, packet, word …" aria-label="Filter">` +
    `${boxes.join("")}<output></output></form>`;
}

function levelPart(level: ReportLevel): string {
  const { version, unreachable, stopped, totals, cases } = level;
  const trouble = unreachable?.reason ?? stopped;
  const open = `<section id="l${level.level}">\n<h2>MQTT ${version}</h2>`;
  const warning = trouble === undefined ? "" : `<p class="trouble">${safe(trouble)}.</p>`;
  return [
    open,
    warning,
    cards(totals.statements),
    `<p class="soft">${counted(totals.duties)} duties without a number, ${counted(totals.cases)} cases.</p>`,
    facts(level),
    strip(level),
    ...groups(level),
    `<h3>Cases</h3>\n<div class="group">`,
    ...cases.map((one) => caseItem(one, level)),
    `</div>\n</section>`,
  ].join("\n");
}

function counted(totals: Totals): number {
  return VERDICTS.reduce((sum, verdict) => sum + totals[verdict], 0);
}

function cards(totals: Totals): string {
  const items = VERDICTS.map((verdict) =>
    `<li class="${verdict}${totals[verdict] === 0 ? " zero" : ""}"><b>${
      totals[verdict]
    }</b><span>${verdict}</span></li>`
  );
  return `<ul class="cards" aria-label="Numbered statements">${items.join("")}</ul>`;
}

function facts({ capabilities }: ReportLevel): string {
  if (capabilities === undefined) return "";
  const { offered, ...numbers } = capabilities;
  const rows = [
    ...Object.entries(offered).map(([name, has]) => [name, has ? "offered" : "not offered"]),
    ...Object.entries(numbers).map(([name, value]) => [words(name), value === null ? "none" : String(value)]),
  ].map(([name, value]) => `<tr><td>${safe(name!)}<td>${safe(value!)}`);
  return `<details class="facts"><summary>What the target offers</summary><table>${
    rows.join("")
  }</table></details>`;
}

function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** A block for each section, in it a cell for each statement. */
function strip({ level, sections, statements }: ReportLevel): string {
  const legend = VERDICTS.filter((verdict) => statements.some((one) => one.verdict === verdict))
    .map((verdict) => `<span class="${verdict}"><i></i>${verdict}</span>`);
  const blocks = sections.map(({ section, title, totals }) => {
    const cells = statements.filter((one) => one.group === section).map(({ id, verdict }) =>
      `<a class="${verdict}" href="#${statementAnchor(level, id)}" title="${safe(`${id}: ${verdict}`)}"></a>`
    );
    const name = `<b>${section}</b> ${safe(title)}`;
    const label = safe(`${section} ${title}: ${spoken(totals)}`);
    return `<li class="${worstOf(totals)}" title="${label}"><a href="#g${level}-${section}">${name}</a>` +
      `<div class="cells">${cells.join("")}</div></li>`;
  });
  return `<p class="legend">${legend.join("")}</p>\n<ol class="strip">${blocks.join("\n")}</ol>`;
}

function spoken(totals: Totals): string {
  return VERDICTS.filter((verdict) => totals[verdict] > 0).map((verdict) => `${totals[verdict]} ${verdict}`)
    .join(", ");
}

function groups(level: ReportLevel): string[] {
  const byId = new Map(level.cases.map((one) => [one.id, one]));
  return level.sections.map(({ section, title, totals }) => {
    const all = level.statements.filter((one) => one.group === section);
    return `<div class="group" id="g${level.level}-${section}"><h3>${section} ${safe(title)}<small>${
      spoken(totals)
    }</small></h3>\n${all.map((one) => statementItem(one, level, byId)).join("\n")}\n</div>`;
  });
}

function statementItem(
  statement: ReportStatement,
  { level }: ReportLevel,
  byId: ReadonlyMap<string, ReportCase>,
): string {
  const { id, section, title, text, verdict, why, binds } = statement;
  const cases = statement.cases.map((one) => byId.get(one)).filter((one) => one !== undefined);
  const worst = cases.find((one) => one.verdict === verdict && one.reason !== "");
  const because = why !== "" ? why : worst?.reason ?? "";
  const kind = statement.kind === "duty"
    ? "a duty without a number"
    : `${statement.level}, binds ${bound(binds)}`;
  return `<details class="item statement ${verdict}" id="${
    statementAnchor(level, id)
  }" data-v="${verdict}" data-t="${
    safe([`${section} ${title}`, ...statement.cases].join(" ").toLowerCase())
  }"><summary>${badge(verdict)}<code>${safe(id)}</code><span>${safe(text)}</span>${
    because === "" ? "" : `<span class="why">${safe(because)}</span>`
  }</summary><div class="inside"><p class="soft">${safe(`§${section} ${title} · ${kind}`)}</p>${
    cases.map((one) => caseLine(one, level)).join("")
  }</div></details>`;
}

function bound(binds: string): string {
  return binds === "both" ? "Server and Client" : binds === "server" ? "the Server" : "the Client";
}

function badge(verdict: StatementVerdict): string {
  return `<span class="badge ${verdict}">${verdict}</span>`;
}

function caseLine({ id, verdict, does, transcript }: ReportCase, level: number): string {
  const name = `<code>${safe(id)}</code>`;
  const linked = transcript.length === 0 ? name : `<a href="#${caseAnchor(level, id)}">${name}</a>`;
  return `<p>${badge(verdict)} ${linked} ${safe(does)}</p>`;
}

function caseItem(one: ReportCase, { level }: ReportLevel): string {
  const { id, verdict, does, reason, statements } = one;
  return `<details class="item ${verdict}" id="${caseAnchor(level, id)}" data-v="${verdict}" data-t="${
    safe(statements.join(" ").toLowerCase())
  }"><summary>${badge(verdict)}<code>${safe(id)}</code><span>${safe(does)}</span>${
    reason === "" ? "" : `<span class="why">${safe(reason)}</span>`
  }</summary><div class="inside">${caseBody(one)}</div></details>`;
}

/** What was done, required and found, the bytes, and how to do it again. */
function caseBody(one: ReportCase): string {
  const { verdict, statements, does, requires, reason, endings, ms, transcript, reproducer } = one;
  const rows: [string, string][] = [
    ["Does", safe(does)],
    ["Requires", safe(requires)],
    ...reason === "" ? [] : [["Found", safe(reason)] as [string, string]],
    ...endings.length === 0 ? [] : [["Ended by", safe([...new Set(endings)].join(", "))] as [string, string]],
    ["Shows", statements.map((each) => `<code>${safe(each)}</code>`).join(" ")],
    ["Took", `${ms} ms`],
  ];
  const list = rows.map(([term, text]) => `<dt>${term}<dd>${text}`).join("");
  const lines = verdict === "pass" ? shorten(transcript, PASS_LINES) : transcript;
  const bytes = lines.length === 0
    ? ""
    : `<table class="log">${lines.map(logLine).join("")}</table><pre><code>${
      safe(reproducer.command)
    }</code></pre>`;
  return `<dl>${list}</dl>${bytes}`;
}

/** Lines at the beginning and at the end of the transcript of a case that passed; the JSON report has all of them. */
const PASS_LINES = 6;

const DIRECTIONS = {
  sent: ["s", "→ sent"],
  received: ["r", "← received"],
  event: ["e", "event"],
} as const;

function logLine({ at, peer, direction, text, hex }: TranscriptLine): string {
  const [name, word] = DIRECTIONS[direction];
  const bytes = hex === "" ? "" : `<i>${safe(hex)}</i>`;
  return `<tr class="${name}"><td>${at} ms<td>${safe(peer)}<td>${word}<td>${safe(text)}${bytes}`;
}

function statementAnchor(level: number, id: string): string {
  return safe(`s${level}-${id}`);
}

function caseAnchor(level: number, id: string): string {
  return safe(`c${level}-${id}`);
}
