/**
 * A part of what a listener for WebSocket shows by HTTP.
 * Knows its shape; refuses to know any.
 * @module
 */
import type { RequestListener } from "node:http";

/** Answers a request, now or later; false, and nothing done, for a path that is not its own. */
export type HttpPart = (...call: Parameters<RequestListener>) => boolean;
