/**
 * The Client of one tab: it connects to the broker in the SharedWorker, and has all that a Client has.
 * @module
 */
import { type Client, connect } from "../../src/client_api/browser.ts"; // from a package: "@plumb/mqtt/client/browser"
import { dialWorker, type WorkerLike } from "../../src/runtime/in_process.ts"; // "@plumb/mqtt/in-process"

const { SharedWorker, localStorage } = globalThis as unknown as {
  readonly SharedWorker: new (
    url: string,
    options: { readonly type: "module"; readonly name: string },
  ) => { readonly port: WorkerLike };
  readonly localStorage: Record<string, string>;
};

/** Joins the other tabs. All give the worker one name, by which they share it: the Client Identifier of this browser. */
export function join(): Promise<Client> {
  const name = localStorage["name"] ??= `tabs-${crypto.randomUUID()}`;
  const { port } = new SharedWorker("/worker.js", { type: "module", name });
  return connect("worker://tabs", { dial: dialWorker(port) });
}
