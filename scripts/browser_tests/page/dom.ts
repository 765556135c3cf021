/**
 * The parts of a browser's page that are used here, and how elements are made.
 * Knows the document; refuses to know what it shows.
 * @module
 */

/** An element. */
export interface El {
  textContent: string | null;
  value: string;
  hidden: boolean;
  disabled: boolean;
  open: boolean;
  max: number;
  readonly dataset: Record<string, string>;
  readonly contentWindow: FrameWindow | null;
  append(...children: (El | string)[]): void;
  replaceChildren(...children: (El | string)[]): void;
  setAttribute(name: string, value: string): void;
  addEventListener(type: string, run: (event: { preventDefault(): void }) => void, options?: unknown): void;
  querySelector(selector: string): El | null;
  remove(): void;
  click(): void;
  select(): void;
}

/** What is in a frame. */
export interface FrameWindow {
  readonly location: { reload(): void };
  postMessage(message: unknown, origin: string): void;
}

/** A message of a frame, a worker or a port. */
export interface MessageOf {
  readonly data: unknown;
  readonly ports: readonly unknown[];
  readonly source?: unknown;
}

interface World {
  readonly document: {
    title: string;
    readonly body: El;
    readonly documentElement: { readonly clientWidth: number };
    readonly visibilityState: "visible" | "hidden";
    createElement(tag: string): El;
    createElementNS(namespace: string, tag: string): El;
    querySelector(selector: string): El | null;
    addEventListener(type: string, run: () => void): void;
    removeEventListener(type: string, run: () => void): void;
  };
  readonly location: {
    readonly href: string;
    readonly origin: string;
    readonly protocol: string;
    readonly host: string;
    readonly pathname: string;
    readonly search: string;
    readonly hash: string;
  };
  readonly navigator: {
    readonly userAgent: string;
    readonly clipboard?: { writeText(text: string): Promise<void> };
  };
  readonly parent: { postMessage(message: unknown, origin: string, transfer?: unknown[]): void };
  addEventListener(type: string, run: (event: MessageOf) => void): void;
  removeEventListener(type: string, run: (event: MessageOf) => void): void;
}

/** Of the page; in a worker there is no document. */
export const world: World = globalThis as unknown as World;

/** Whether this is a page, or a frame of one, and no worker. */
export const isPage: boolean = (globalThis as unknown as { document?: unknown }).document !== undefined;

/** Makes an element. */
export function el(
  tag: string,
  attributes: Readonly<Record<string, string>> = {},
  ...children: (El | string)[]
): El {
  return filled(world.document.createElement(tag), attributes, children);
}

/** Makes an element of a drawing. */
export function svg(
  tag: string,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: (El | string)[]
): El {
  return filled(world.document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(
  made: El,
  attributes: Readonly<Record<string, string | number>>,
  children: readonly (El | string)[],
): El {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** The element of the page with this id, which is there. */
export function byId(id: string): El {
  return world.document.querySelector(`#${id}`)!;
}

/** Resolves after `ms`, or rejects when `signal` is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** Looks until it is so; rejects with `what` when it never comes to it. */
export async function until(
  condition: () => boolean,
  what: string,
  { signal, ms = 20_000 }: { readonly signal?: AbortSignal; readonly ms?: number } = {},
): Promise<void> {
  for (const end = performance.now() + ms; !condition();) {
    if (performance.now() > end) throw new Error(`It never came to this: ${what}`);
    await pause(10, signal);
  }
}
