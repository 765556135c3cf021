/**
 * What a report shows for its verdicts: transcripts that are not too long and tell no password, and how to do it again.
 * Knows transcripts; refuses to know verdicts.
 * @module
 */
import { hex, type Level } from "../wire/bytes.ts";
import type { TranscriptLine } from "../wire/peer.ts";

/** How to do it again. */
export interface Reproducer {
  /** One line for a shell. */
  readonly command: string;
  /** What the auditor sent, in order; names and identifiers are new in each run. */
  readonly sent: readonly {
    /** On which connection of the case. */
    readonly peer: string;
    /** Lower-case hex. */
    readonly hex: string;
    /** There was more of it. */
    readonly cut?: true;
  }[];
}

/** Lines at the beginning and at the end of a transcript that a report keeps. */
const KEPT_LINES = 200;

/** The transcript without what stands in its middle, if it is long: `kept` lines at either end. */
export function shorten(
  transcript: readonly TranscriptLine[],
  kept: number = KEPT_LINES,
): readonly TranscriptLine[] {
  const left = transcript.length - 2 * kept;
  if (left <= 1) return transcript;
  const head = transcript.slice(0, kept);
  const text = `${left} lines are left out here`;
  const gap: TranscriptLine = { at: head.at(-1)!.at, peer: "", direction: "event", hex: "", text };
  return [...head, gap, ...transcript.slice(-kept)];
}

/** The transcript with `*` for each byte of a secret field (§1.5.6: the length stands before it). */
export function maskSecrets(
  transcript: readonly TranscriptLine[],
  secrets: readonly string[],
): readonly TranscriptLine[] {
  const fields = secrets.filter((secret) => secret !== "").map((secret) => {
    const data = new TextEncoder().encode(secret);
    const length = data.length.toString(16).padStart(4, "0");
    return { from: length + hex(data), to: length + "2a".repeat(data.length) };
  });
  if (fields.length === 0) return transcript;
  return transcript.map((line) =>
    line.direction === "sent"
      ? { ...line, hex: fields.reduce((text, { from, to }) => text.replaceAll(from, to), line.hex) }
      : line
  );
}

/** How to run the case alone. */
export function commandFor(id: string, level: Level, target: string): string {
  return `plumb audit --level ${level} --only ${id} ${shellWord(target)}`;
}

/** What the auditor sent, in order. */
export function sentOf(transcript: readonly TranscriptLine[]): Reproducer["sent"] {
  return transcript.filter(({ direction }) => direction === "sent").map(({ peer, hex }) => ({
    peer,
    hex: hex.replace("…", ""),
    ...hex.endsWith("…") && { cut: true },
  }));
}

/** The text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
