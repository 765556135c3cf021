/**
 * The contract of all transports, for those that need no socket: in memory, in one process, and `MessagePort`. Frames of WebSocket are the
 * browser's own in a page.
 * Knows how each is made; refuses to know what a transport must do.
 * @module
 */
import "../../../src/transport/memory_test.ts";
import { inProcess, messagePortTransport, type PortLike } from "../../../src/runtime/in_process.ts";
import { until } from "../../../src/testing/patience.ts";
import { transportContract } from "../../../src/testing/transport_contract.ts";
import type { Transport } from "../../../src/transport/transport.ts";

const { MessageChannel } = globalThis as unknown as {
  readonly MessageChannel?: new () => Record<"port1" | "port2", PortLike>;
};

function contract(name: string, make: () => readonly [Transport, Transport]): void {
  transportContract(name, () => {
    const [left, right] = make();
    return Promise.resolve({
      left,
      right,
      until,
      done(): Promise<void> {
        left.abort();
        right.abort();
        return Promise.resolve();
      },
    });
  });
}

contract("in one process", inProcess);
if (MessageChannel !== undefined) {
  contract("MessagePort", () => {
    const { port1, port2 } = new MessageChannel();
    return [messagePortTransport(port1), messagePortTransport(port2)];
  });
}
