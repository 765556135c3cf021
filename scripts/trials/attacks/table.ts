/**
 * What the brokers do under attack, as Markdown: a table, and how it was measured.
 * Knows the words; refuses to know how it was found.
 * @module
 */
import type { Health } from "./healthy_child.ts";
import type { Result } from "./measure.ts";

const MIB = 1024 * 1024;
const NONE = "–";
/** Round trips that took so long stand out. */
const LONG_MS = 250;
/** Above this part of its core a broker was hardly disturbed. */
const SHARE = 0.8;
const LONG_TERM_MS = 2_000;

const HEAD = [
  "case",
  "broker",
  "clean, worst ms",
  "durable, worst ms",
  "round trips",
  "in the attack",
  "CPU s",
  "RSS MiB",
  "SIGTERM s",
  "attackers ended",
  "seen",
];

/** The table; the rows of one case stand together. */
export function tableOf(results: readonly Result[]): string {
  const lines = [HEAD, HEAD.map(() => "---")];
  let last = "";
  for (const result of results) {
    const { id, title, broker, measured, sigtermMs, failure } = result;
    const name = id === last ? "" : `**${id}** ${title}`;
    last = id;
    const term = sigtermMs === undefined
      ? NONE
      : sigtermMs === null
      ? "**killed**"
      : marked((sigtermMs / 1_000).toFixed(1), sigtermMs > LONG_TERM_MS);
    if (measured === undefined) {
      lines.push([name, broker, ...Array(6).fill(NONE), term, NONE, `FAILED: ${failure}`]);
      continue;
    }
    const {
      clean,
      durable,
      during,
      tookSeconds,
      cpuSeconds,
      waitedSeconds = 0,
      coreShare,
      rss,
      ends,
      notes,
    } = measured;
    const seen = [...notes, ...failure === undefined ? [] : [`FAILED: ${failure}`]];
    const waited = waitedSeconds >= 0.5 ? ` (+${waitedSeconds.toFixed(1)})` : "";
    lines.push([
      name,
      broker,
      healthCell(clean, coreShare),
      healthCell(durable, coreShare),
      `${clean.done} + ${durable.done}`,
      `${during} in ${tookSeconds.toFixed(1)} s`,
      cpuSeconds === undefined ? NONE : cpuSeconds.toFixed(1) + waited,
      rss === undefined
        ? NONE
        : [rss.before, rss.peak, rss.after].map((bytes) => Math.round(bytes / MIB)).join(" / "),
      term,
      Object.entries(ends).map(([reason, count]) => `${reason} ×${count}`).join(", ") || NONE,
      seen.join("; ") || NONE,
    ]);
  }
  return lines.map((cells) => `| ${cells.map(plain).join(" | ")} |`).join("\n");
}

/** How to read it. */
export function howText(about: {
  readonly date: string;
  readonly seconds: number;
  readonly scale: number;
  readonly machine: string;
  readonly areApart: boolean;
  readonly load: readonly [number, number];
  readonly versions: readonly string[];
}): string {
  const { date, seconds, scale, machine, areApart, load, versions } = about;
  return [
    `${date.slice(0, 16).replace("T", " ")}; ${machine}; load average ${load[0].toFixed(1)} before, ${
      load[1].toFixed(1)
    } after.`,
    versions.length > 0 ? `${versions.join("; ")}.` : "",
    areApart
      ? "The broker has a core of its own among ours, attackers and healthy Clients the others."
      : "Broker, attackers and healthy Clients share all cores.",
    `Attacks without an end of their own last ${seconds} s.`,
    scale === 1 ? "" : `All numbers of the cases times ${scale}.`,
    "Worst: of the round trips of a QoS 1 message of a healthy Client to itself, from before the attack until a second after the",
    "attackers have gone; above 250 ms in bold. ≈: the part of it in which the broker's first thread had its core, about what a quiet",
    "machine would show. Round trips: of the clean and the durable Client, all; in the attack: both, from its",
    "first byte to the answer to its last. CPU: all threads; in brackets how long others had the broker's core when it had work.",
    "RSS: before, at most, and a second after the attackers have gone. SIGTERM: in the middle of the attack, on a second process.",
  ].filter((line) => line !== "").join(" ");
}

function healthCell({ worstMs, lost }: Health, coreShare = 1): string {
  const quietMs = worstMs * coreShare;
  const estimate = coreShare < SHARE ? ` (≈ ${msText(quietMs)})` : "";
  const text = msText(worstMs) + estimate;
  return lost === undefined ? marked(text, quietMs > LONG_MS) : `**lost: ${lost}**, before ${text}`;
}

function msText(ms: number): string {
  return ms >= 10 ? ms.toFixed(0) : ms.toFixed(1);
}

function marked(text: string, stands: boolean): string {
  return stands ? `**${text}**` : text;
}

/** Text that ends no cell. */
function plain(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|");
}
