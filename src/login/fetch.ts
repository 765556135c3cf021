/**
 * A request by HTTP that ends: in bounded time, with a bounded answer, and nowhere but where it was sent.
 * Knows HTTP; refuses to know what is asked.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import { UsageError } from "../codec/error.ts";

/** What to ask. */
export interface FetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole of it. */
  readonly timeoutMs: number;
  /** Of the answer. */
  readonly bytesMax: number;
}

/** An answer. */
export interface Fetched {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks once.
 * @throws {Error} when there is no answer in time, or none that may be read; its message has nothing of the request or the answer.
 */
export async function fetchBounded(url: string, options: FetchOptions): Promise<Fetched> {
  const { timeoutMs, bytesMax, ...init } = options;
  const ended = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer in ${timeoutMs} ms`));
      ended.abort();
    }, timeoutMs);
  });
  const asked = ask(url, { ...init, redirect: "manual", signal: ended.signal }, bytesMax);
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
    asked.catch(() => {}); // when it is too late for it
    ended.abort();
  }
}

async function ask(url: string, init: RequestInit, bytesMax: number): Promise<Fetched> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    throw new Error(`no connection${codeOf(error)}`);
  }
  const { status, body } = response;
  if (status === 0 || (status >= 300 && status < 400)) {
    throw new Error("the answer is a redirection, which is not followed");
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the answer is above ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return { status, text: new TextDecoder().decode(whole) };
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  const said = code ?? cause?.code;
  return typeof said === "string" ? ` (${said})` : "";
}

/**
 * An address to ask: HTTPS, or HTTP on this machine, without a password in it.
 * @throws {UsageError}
 */
export function checkUrl(name: string, text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`${name} is no URL: it begins with https://`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageError(`${name} has a password in it: give it as a header`);
  }
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol === "https:" || (url.protocol === "http:" && isHere)) return text;
  throw new UsageError(
    `${name} is ${url.protocol}//${url.host}: it takes https://, and http:// on this machine alone`,
  );
}
