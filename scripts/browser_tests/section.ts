/**
 * What a part of the page is: something that is run, tells results as they come, and may show figures.
 * Knows how a part speaks to the page; refuses to know how the page looks.
 * @module
 */
import type { Dialer } from "../../src/client_api/browser.ts";
import type { El } from "./page/dom.ts";
import type { Result, Row } from "./report.ts";
import type { Chance } from "./suites.ts";

/** The broker that a part may use. */
export interface Reach {
  /** `ws:` or `wss:`, or one that only names the broker inside the page. */
  readonly url: string;
  readonly dial: Dialer;
  /** Whether it is reached by the browser's WebSocket. */
  readonly isWebSocket: boolean;
  /** Hands a port of a frame to the broker inside the page. */
  readonly give?: (port: unknown) => void;
}

/** What a run is given, and how it tells. */
export interface Run {
  readonly chance: Chance;
  readonly reach: Reach;
  /** s that the tab is to be hidden. */
  readonly hiddenSeconds: number;
  readonly signal: AbortSignal;
  /** So many results will come. */
  planned(count: number): void;
  told(result: Result): void;
  /** What goes on, or what the person is to do. */
  says(text: string): void;
  /** Puts something behind the results. */
  shows(...elements: El[]): void;
  /** Figures for the report. */
  figures(figures: Readonly<Record<string, number>>): void;
  /** What was run, in a few words. */
  noted(note: string): void;
}

/** One part of the page. */
export interface Section {
  readonly id: string;
  readonly title: string;
  /** What it does, for somebody who has never heard of MQTT. */
  readonly about: string;
  /** What it does not show. */
  readonly limits?: string;
  /** Where it stands in the matrix of engines. */
  readonly row?: Row;
  /** A person has to do something: it is not run with all the others. */
  readonly isByHand?: true;
  run(run: Run): Promise<void>;
}

/** It could not be run here: why, in words. */
export class NotRun extends Error {
  override readonly name = "NotRun";
}

/** Runs one check and tells how it came out. */
export async function check(run: Run, name: string, body: () => unknown): Promise<void> {
  try {
    await body();
    run.told({ name, verdict: "passed" });
  } catch (error) {
    if (run.signal.aborted) throw error;
    run.told({ name, verdict: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}

/** @throws {NotRun} without a broker that is reached by WebSocket. */
export function needsWebSocket({ reach }: Run): void {
  if (!reach.isWebSocket) {
    throw new NotRun(
      "No broker answers at the address above; this part needs one that is reached by WebSocket",
    );
  }
}
