/**
 * `promptSecret()` as in JSR's `@std/cli`, on Deno, Bun and Node.
 * Knows the terminal; refuses to know what the secret is for.
 * @module
 */
import { readSync, writeSync } from "node:fs";
import process, { stdin } from "node:process";

/** How to ask. */
export interface PromptSecretOptions {
  /** What is shown for each character; empty for nothing. */
  mask?: string;
  /** Wipe the question when it is answered. */
  clear?: boolean;
}

/** On Node a terminal does not wait for keys: it is asked again. */
const AGAIN_MS = 20;

function readKeys(bytes: Uint8Array): number {
  while (true) {
    try {
      return readSync(0, bytes);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS);
    }
  }
}

/** Asks on the terminal without showing the answer; null if there is no terminal. */
export function promptSecret(
  message = "Secret",
  options: PromptSecretOptions = {},
): string | null {
  if (!stdin.isTTY) return null;
  const { mask = "*", clear = false } = options;
  const answer: string[] = [];
  const bytes = new Uint8Array(256);
  const decoder = new TextDecoder(); // a character may come in two reads, and many in one
  const show = (text: string): void => void writeSync(2, text);
  stdin.setRawMode(true); // before the question: what is typed at once is not shown either
  try {
    show(`${message} `);
    while (true) {
      const read = readKeys(bytes);
      if (read === 0) return answer.join("");
      for (
        const key of decoder.decode(bytes.subarray(0, read), { stream: true })
      ) {
        if (key === "\r" || key === "\n" || key === "\x04") {
          return answer.join("");
        }
        if (key === "\x03") process.exit(130);
        if (key === "\x7f" || key === "\b") {
          if (answer.pop() !== undefined) show("\b \b".repeat(mask.length));
        } else if (key >= " ") {
          answer.push(key);
          show(mask);
        }
      }
    }
  } finally {
    stdin.setRawMode(false);
    show(clear ? "\r\x1b[K" : "\n");
  }
}
