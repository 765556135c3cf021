/**
 * The contract of all transports, for those that need no socket: in memory, in one process, and `MessagePort`. Frames of WebSocket are the
 * browser's own in a page.
 * Knows how each is made; refuses to know what a transport must do.
 * @module
 */
import "../../../src/transport/memory_test.ts";
import { inProcess, messagePortTransport, type PortLike } from "../../../src/runtime/in_process.ts";
import { pairContract } from "../../../src/testing/transport_contract.ts";

const { MessageChannel } = globalThis as unknown as {
  readonly MessageChannel?: new () => Record<"port1" | "port2", PortLike>;
};

pairContract("in one process", inProcess);
if (MessageChannel !== undefined) {
  pairContract("MessagePort", () => {
    const { port1, port2 } = new MessageChannel();
    return [messagePortTransport(port1), messagePortTransport(port2)];
  });
}
