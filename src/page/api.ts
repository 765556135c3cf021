/**
 * The broker's HTTP API as the page calls it: who is signed in, and whether the broker answers at all.
 * Knows paths, the token and errors; refuses to know what is shown.
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { About, Part } from "./answers.ts";
import { Store, useStore } from "./store.ts";

const ROOT = "/api/v1";
const TOKEN = "plumb-token";

/** What the API refuses, in its own words. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  /** Of a text that was sent, from 1. */
  readonly line: number | undefined;
  readonly key: string | undefined;

  constructor(status: number, { code, message, line, key }: Partial<ApiError>) {
    super(message ?? `The broker answers with status ${status}`);
    this.status = status;
    this.code = code ?? String(status);
    this.line = line;
    this.key = key;
  }
}

/** The broker did not answer. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** Whether the broker answers; `times` counts how often it has come back. */
export interface Link {
  readonly isUp: boolean;
  /** ms since 1970. */
  readonly since: number;
  readonly times: number;
}

/** The broker as it was reached last. */
export const link: Store<Link> = new Store<Link>({ isUp: true, since: Date.now(), times: 0 });

/** Who is signed in. */
export type Session =
  | { readonly is: "unknown" }
  | { readonly is: "out"; readonly why?: string }
  | { readonly is: "in"; readonly about: About; readonly login?: Login };

/** A login by password: what MQTT asks for too. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

/** The present one. */
export const session: Store<Session> = new Store<Session>({ is: "unknown" });

/** The page of `plumb page` brings the token behind `#`, where no server sees it; it does not stay in the address. */
export function takeToken(): void {
  const found = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
  if (found === undefined) return;
  sessionStorage.setItem(TOKEN, found);
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
}

/** Uses a token that a person has pasted. */
export function useTokenNow(token: string): Promise<void> {
  sessionStorage.setItem(TOKEN, token.trim());
  return begin("The token is not the broker's: look at the end of the line that plumb page prints");
}

/** Sees whether the token, or the cookie of an earlier login, is still good. */
export async function begin(why?: string): Promise<void> {
  try {
    session.set({ is: "in", about: await call<About>("GET", "") });
  } catch (error) {
    if (!(error instanceof ApiError)) return; // `link` tells, and it is tried again
    const isRefused = error.status === 401 || error.status === 403;
    session.set({ is: "out", ...(isRefused ? why !== undefined && { why } : { why: error.message }) });
  }
}

/** Signs in. @throws {ApiError} with why not. */
export async function signIn(user: string, password: string): Promise<void> {
  sessionStorage.removeItem(TOKEN);
  await call("POST", "/login", { user, password });
  const about = await call<About>("GET", "");
  session.set({ is: "in", about, login: { user, password } });
}

/** Signs out, also where the broker no longer knows. */
export async function signOut(): Promise<void> {
  const had = sessionStorage.getItem(TOKEN) !== null;
  sessionStorage.removeItem(TOKEN);
  if (!had) await call("POST", "/logout").catch(() => {});
  session.set({ is: "out", why: "You have signed out" });
}

/** Calls the API. @throws {ApiError} for what it refuses. @throws {NoAnswer} */
export async function call<T = unknown>(
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const token = sessionStorage.getItem(TOKEN);
  let response: Response;
  let text: string;
  try {
    response = await fetch(ROOT + path, {
      method,
      headers: {
        ...token !== null && { authorization: `Bearer ${token}` },
        ...method !== "GET" && { "x-plumb": "1" },
        ...body !== undefined && { "content-type": "application/json" },
      },
      ...body !== undefined && { body: JSON.stringify(body) },
      ...signal && { signal },
      credentials: "same-origin",
      cache: "no-store",
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (link.value.isUp) link.set({ ...link.value, isUp: false, since: Date.now() });
    throw new NoAnswer("The broker does not answer");
  }
  if (!link.value.isUp) link.set({ isUp: true, since: Date.now(), times: link.value.times + 1 });
  if (response.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
  const error = new ApiError(response.status, fault(text));
  if (response.status === 401 && path !== "/login" && session.value.is === "in") {
    session.set({ is: "out", why: "The broker wants to know again who you are" });
  }
  throw error;
}

function fault(text: string): Partial<ApiError> {
  try {
    return (JSON.parse(text) as { error?: Partial<ApiError> }).error ?? {};
  } catch {
    return text === "" || text.length > 300 ? {} : { message: text.trim() };
  }
}

/** One name or topic as a part of a path. */
export function inPath(name: string): string {
  return encodeURIComponent(name);
}

/** `?a=b&c=d` of what is there and not empty. */
export function query(of: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const given = Object.entries(of).filter(([, value]) => value !== undefined && value !== "");
  return given.length === 0
    ? ""
    : `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`;
}

/** What was asked for, as far as it is known. */
export interface Asked<T> {
  readonly data: T | undefined;
  readonly error: Error | undefined;
  readonly isBusy: boolean;
  /** Asks again. */
  again(): void;
}

/** Asks for a path, and again when it changes, when the broker comes back, and every so many ms; `undefined` asks nothing. */
export function useAnswer<T>(path: string | undefined, everyMs?: number): Asked<T> {
  const { times } = useStore(link);
  const [round, setRound] = useState(0);
  const [state, set] = useState<{ path?: string | undefined; data?: T; error?: Error; isBusy: boolean }>({
    isBusy: path !== undefined,
  });
  useEffect(() => {
    if (path === undefined) return;
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      set((old) => ({ ...old, isBusy: true }));
      try {
        const data = await call<T>("GET", path, undefined, controller.signal);
        set({ path, data, isBusy: false });
      } catch (error) {
        if (controller.signal.aborted) return;
        // What was shown stays while the broker is away.
        set((old) =>
          error instanceof NoAnswer && old.path === path
            ? { ...old, isBusy: false }
            : { path, error: error as Error, isBusy: false }
        );
      }
      if (everyMs !== undefined && !controller.signal.aborted) {
        timer = setTimeout(() => document.hidden ? void later() : void ask(), everyMs);
      }
    };
    const later = (): void => {
      timer = setTimeout(() => document.hidden ? later() : void ask(), everyMs);
    };
    void ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [path, round, times, everyMs]);
  const isOwn = state.path === path;
  return {
    data: isOwn ? state.data : undefined,
    error: isOwn ? state.error : undefined,
    isBusy: state.isBusy || !isOwn,
    again: () => setRound((old) => old + 1),
  };
}

/** A list that is read part by part. */
export interface AskedParts<T> {
  readonly items: readonly T[];
  readonly error: Error | undefined;
  readonly isBusy: boolean;
  /** There is another part. */
  readonly hasMore: boolean;
  /** Reads it. */
  more(): void;
  /** Begins anew. */
  again(): void;
}

/** Reads the first part of a list, and one more with each `more()`. */
export function useParts<T>(
  path: string | undefined,
  parameters: Parameters<typeof query>[0] = {},
): AskedParts<T> {
  const { times } = useStore(link);
  const [round, setRound] = useState(0);
  const key = path === undefined ? undefined : path + query(parameters);
  const [list, setList] = useState<
    { key?: string | undefined; items: readonly T[]; next?: string | undefined }
  >({
    items: [],
  });
  const [wanted, setWanted] = useState<{ key?: string | undefined; after?: string }>({});
  const after = wanted.key === key ? wanted.after : undefined;
  const [error, setError] = useState<Error | undefined>();
  const [isBusy, setBusy] = useState(false);
  useEffect(() => setWanted({}), [times]); // from the beginning
  useEffect(() => {
    if (key === undefined) return;
    const controller = new AbortController();
    setBusy(true);
    call<Part<T>>("GET", path + query({ ...parameters, after }), undefined, controller.signal)
      .then(({ items, next }) => {
        setList((old) => ({
          key,
          items: after === undefined || old.key !== key ? items : [...old.items, ...items],
          next: next ?? undefined,
        }));
        setError(undefined);
        // A search in vain through many entries comes as empty parts.
        if (items.length === 0 && typeof next === "string") setWanted({ key, after: next });
        else setBusy(false);
      }, (why: Error) => {
        if (controller.signal.aborted) return;
        if (!(why instanceof NoAnswer)) setError(why);
        setBusy(false);
      });
    return () => controller.abort();
  }, [key, after, round, times]);
  const own = list.key === key ? list : { items: [], next: undefined };
  return {
    items: own.items,
    error,
    isBusy: isBusy || list.key !== key && error === undefined && key !== undefined,
    hasMore: own.next !== undefined,
    more: () => own.next !== undefined && setWanted({ key, after: own.next }),
    again: () => {
      setWanted({});
      setRound((old) => old + 1);
    },
  };
}
