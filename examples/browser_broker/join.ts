/**
 * The way of a widget to the broker of this browser.
 * @module
 */
import { type Client, connect } from "../../src/client_api/browser.ts"; // from a package: "@plumb/mqtt/client/browser"
import { dialWorker, type WorkerLike } from "../../src/runtime/in_process.ts"; // "@plumb/mqtt/in-process"

const { SharedWorker, Worker, localStorage, location, navigator } = globalThis as unknown as {
  readonly SharedWorker?: new (
    url: string,
    options: { readonly type: "module" },
  ) => { readonly port: WorkerLike };
  readonly Worker: new (url: string, options: { readonly type: "module" }) => WorkerLike;
  readonly localStorage: Record<string, string>;
  readonly location: { readonly href: string };
  readonly navigator: { readonly storage?: { persist?(): Promise<boolean> } };
  addEventListener(type: "pagehide", listener: () => void): void;
};

// A worker cannot ask the browser to keep what is stored; a page can.
navigator.storage?.persist?.().catch(() => {});

const name = localStorage["name"] ??= crypto.randomUUID();
const remote = new URL(location.href).searchParams.get("remote") ??
  new URL("/mqtt", location.href).href.replace(/^http/, "ws");
const script = `/worker.js?${new URLSearchParams({ name, remote })}`;
const worker = SharedWorker !== undefined
  ? new SharedWorker(script, { type: "module" }).port
  : new Worker(script, { type: "module" }); // then one tab at a time has the broker

/** A Client of its own for each widget. */
export function join(): Promise<Client> {
  return connect("worker://home", { dial: dialWorker(worker), connectTimeoutMs: 60_000 });
}
