/**
 * The Client of one tab: it connects to the broker in the SharedWorker, and has all that a Client has.
 * @module
 */
import { type Client, connect } from "../../src/client_api/browser.ts"; // from a package: "@plumb/mqtt/client/browser"
import { messagePortTransport, type PortLike } from "../../src/runtime/in_process.ts"; // "@plumb/mqtt/in-process"

const { SharedWorker, localStorage, addEventListener } = globalThis as unknown as {
  readonly SharedWorker: new (
    url: string,
    options: { readonly type: "module"; readonly name: string },
  ) => { readonly port: PortLike };
  readonly localStorage: Record<string, string>;
  addEventListener(type: "pagehide", listener: () => void): void;
};

/** Joins the other tabs. All give the worker one name, by which they share it: the Client Identifier of this browser. */
export async function join(): Promise<Client> {
  const name = localStorage["name"] ??= `tabs-${crypto.randomUUID()}`;
  const client = await connect("worker://tabs", {
    dial: () =>
      Promise.resolve(messagePortTransport(new SharedWorker("/worker.js", { type: "module", name }).port)),
  });
  addEventListener("pagehide", () => void client.close({ timeoutMs: 0 })); // not every browser tells the worker
  return client;
}
