/**
 * The body of a request as JSON.
 * Knows its bound; refuses to know what it means.
 * @module
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { ApiError } from "./error.ts";

/**
 * A body that is too large is read on and thrown away up to so many times what it may have: an answer to a peer that still sends would be
 * lost with the connection.
 */
const DISCARDED_TIMES = 16;

/** @throws {ApiError} for a body that is too large, or no JSON. */
export async function jsonBody(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new ApiError("not-json", "The body is JSON: send it with Content-Type: application/json");
  }
  const isAbove = Number(request.headers["content-length"] ?? 0) > bytesMax;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > bytesMax * DISCARDED_TIMES) break;
      if (!isAbove && bytes <= bytesMax) chunks.push(chunk);
    }
  } catch {
    throw new ApiError("bad-request", "The body has no end: the connection is over, or its form is wrong");
  }
  if (isAbove || bytes > bytesMax) {
    throw new ApiError("too-large", `The body is above ${bytesMax} bytes (api-body-bytes-max)`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError("bad-request", `The body is no JSON: ${(error as Error).message}`);
  }
}
