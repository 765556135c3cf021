/**
 * The body of a request as JSON.
 * Knows its bound; refuses to know what it means.
 * @module
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { ApiError } from "./error.ts";

/** @throws {ApiError} for a body that is too large, or no JSON. */
export async function jsonBody(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const type = request.headers["content-type"]?.split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json") {
    throw new ApiError("not-json", "The body is JSON: send it with Content-Type: application/json");
  }
  const tooLarge = () =>
    new ApiError("too-large", `The body is above ${bytesMax} bytes (api-body-bytes-max)`);
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError("bad-request", `The body is no JSON: ${(error as Error).message}`);
  }
}
