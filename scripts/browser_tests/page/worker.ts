/**
 * The program in a worker: it runs a suite of tests and tells the page of each, or it is a broker.
 * Knows the page's messages; refuses to know what is tested.
 * @module
 */
import { Broker } from "../../../src/broker/mod.ts";
import { messagePortTransport, type PortLike } from "../../../src/runtime/in_process.ts";
import { systemLoop } from "../../../src/runtime/loop.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { Driver } from "../../../src/server/driver.ts";
import { runTests, wordsOf } from "../runner.ts";
import type { Result } from "../report.ts";
import { type Chance, loadSuite, type Suite } from "../suites.ts";

/** What a page asks for. */
export type Asked =
  | { readonly suite: Suite; readonly chance: Chance }
  | { readonly port: PortLike }
  | { readonly stats: true };

/** What is told of a suite. */
export type Told = { readonly planned: number } | { readonly result: Result } | {
  readonly over: true;
  readonly error?: string;
};

interface Scope {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
}

/** Takes the page's messages. */
export function beginWorker(): void {
  const scope = globalThis as unknown as Scope;
  let driver: Driver | undefined;
  scope.onmessage = ({ data }) => {
    const asked = data as Asked;
    if ("suite" in asked) void runSuite(asked.suite, asked.chance, (told) => scope.postMessage(told));
    else if ("port" in asked) {
      driver ??= new Driver(new Broker({ random: systemRandom() }), systemLoop);
      driver.accept(messagePortTransport(asked.port), { address: "", port: 0, transport: "memory" });
    } else {
      const { connections = 0, sessions = 0 } = driver?.broker.stats ?? {};
      scope.postMessage({ connections, sessions });
    }
  };
}

async function runSuite(suite: Suite, chance: Chance, tell: (told: Told) => void): Promise<void> {
  try {
    const tests = await loadSuite(suite, chance);
    tell({ planned: tests.length });
    await runTests(tests, (result) => tell({ result }));
    tell({ over: true });
  } catch (error) {
    tell({ over: true, error: wordsOf(error) });
  }
}
