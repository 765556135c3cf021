/**
 * What listeners for WebSocket answer to requests that are no upgrade.
 * Knows which part comes before which; refuses to know what they answer.
 * @module
 */
import type { RequestListener } from "node:http";
import type { HttpPart } from "../server/http_part.ts";
import { brokerPagePart } from "./broker_page.ts";
import { docsPart } from "./docs_part.ts";
import { testPagePart } from "./test_page.ts";

/** The parts that a program has, by the settings that show them. */
export interface WebParts {
  /** Of `websocket.metrics`. */
  readonly metrics: HttpPart;
  /** Of `websocket.metrics-names`, in its place. */
  readonly metricsWithNames: HttpPart;
  /** Of `websocket.api` and `websocket.page`, for a listener with TLS or without. */
  api(isTls: boolean): HttpPart;
}

/** Which of them a listener shows. */
export interface WebChoice {
  readonly testPage: boolean;
  readonly metrics: boolean;
  readonly metricsNames: boolean;
  readonly api: boolean;
  readonly page: boolean;
  readonly isTls: boolean;
}

/** Asks one after the other; undefined for a listener that shows nothing. */
export function webOf(parts: WebParts, choice: WebChoice): RequestListener | undefined {
  const shown: HttpPart[] = [];
  if (choice.metricsNames) shown.push(parts.metricsWithNames);
  else if (choice.metrics) shown.push(parts.metrics);
  if (choice.api) shown.push(parts.api(choice.isTls));
  if (choice.page) shown.push(docsPart, brokerPagePart);
  if (choice.testPage) shown.push(testPagePart);
  if (shown.length === 0) return undefined;
  return (request, response) => {
    for (const part of shown) if (part(request, response)) return;
    response.writeHead(404, { "content-type": "text/plain" }).end("There is no such page\n");
  };
}
