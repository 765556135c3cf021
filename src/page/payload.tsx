/**
 * A payload for people: text, JSON with its lines, or bytes.
 * Knows how it is told apart; refuses to know where it comes from.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { bytes, hex, readable, textOf } from "./format.ts";

/** Bytes that are shown at first. */
const SHOWN = 2_048;

/** The view of one payload. */
export function Payload({ of }: { readonly of: Uint8Array }): VNode {
  const [isWhole, setWhole] = useState(false);
  if (of.length === 0) return <p class="muted">The payload is empty.</p>;
  const text = textOf(of);
  const shown = isWhole ? of : of.subarray(0, SHOWN);
  const body = text === undefined
    ? hex(shown)
    : isWhole || of.length <= SHOWN
    ? readable(text)
    : text.slice(0, SHOWN);
  return (
    <>
      <pre tabIndex={0} aria-label="Payload">{body}</pre>
      <p class="hint">
        {text === undefined ? "No text: the bytes are shown in hexadecimal. " : ""}
        {of.length > SHOWN && !isWhole && (
          <>
            The first {bytes(SHOWN)} of {bytes(of.length)}.{" "}
            <button type="button" class="small" onClick={() => setWhole(true)}>Show all</button>
          </>
        )}
      </p>
    </>
  );
}
