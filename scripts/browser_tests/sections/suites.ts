/**
 * Our own tests, as they are, each suite in a worker of its own.
 * Knows how a worker is asked; refuses to know what is tested.
 * @module
 */
import { startWorker } from "../page/page_broker.ts";
import type { Told } from "../page/worker.ts";
import { NotRun, type Run, type Section } from "../section.ts";
import { noteOf, type Suite } from "../suites.ts";

/** ms: a test that takes longer hangs. */
const SILENCE_MS = 180_000;

function runInWorker(suite: Suite, run: Run): Promise<void> {
  const { chance, signal } = run;
  run.noted(noteOf(suite, chance));
  return new Promise((resolve, reject) => {
    const worker = startWorker();
    let timer: ReturnType<typeof setTimeout>;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      worker.terminate();
      settle();
    };
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(
        () => end(() => reject(new Error(`Nothing came for ${SILENCE_MS / 1_000} seconds`))),
        SILENCE_MS,
      );
    };
    wait();
    signal.addEventListener("abort", () => end(() => reject(signal.reason)), { once: true });
    worker.onerror = ({ message = "" }) =>
      end(() => reject(new NotRun(`The browser cannot start the worker ${message}`.trim())));
    worker.onmessage = ({ data }) => {
      wait();
      const told = data as Told;
      if ("planned" in told) run.planned(told.planned);
      else if ("result" in told) run.told(told.result);
      else end(told.error === undefined ? resolve : () => reject(new Error(told.error)));
    };
    worker.postMessage({ suite, chance });
  });
}

/** In the order of the page. */
export const SUITE_SECTIONS: readonly Section[] = [
  {
    id: "codec",
    title: "Packets to bytes and back",
    about:
      "Makes thousands of MQTT packets by chance, writes them as bytes, reads them again, and feeds the reader broken ones. The seed says where chance begins: the same seed makes the same packets.",
    row: "codec properties",
    run: (run) => runInWorker("codec properties", run),
  },
  {
    id: "broker-simulation",
    title: "The broker, simulated",
    about:
      "Runs a whole broker with several clients in simulated time, with cut connections and slow readers, and checks that every message arrives as often as was promised.",
    row: "broker simulation",
    run: (run) => runInWorker("broker simulation", run),
  },
  {
    id: "client-simulation",
    title: "The client, simulated",
    about:
      "Runs the client in simulated time against two servers, one of them as awkward as the standard allows, and checks that no message is lost, doubled or out of order.",
    row: "client simulation",
    run: (run) => runInWorker("client simulation", run),
  },
  {
    id: "transports",
    title: "Connections inside the browser",
    about:
      "Checks what every connection must do, in memory and through the browser's MessagePort: bytes arrive once and in order, and a slow reader holds the writer back.",
    limits: "The browser's WebSocket is used by the parts below.",
    row: "transport contract",
    run: (run) => runInWorker("transport contract", run),
  },
  {
    id: "stores",
    title: "Storage in the browser",
    about:
      "Checks what every store must keep, with the broker's store in memory and the client's in the browser's IndexedDB.",
    row: "store contract",
    run: (run) => runInWorker("store contract", run),
  },
];
