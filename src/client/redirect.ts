/**
 * A Server that sends its Clients to another one: Use another server, Server moved.
 * Knows which refusal is one; refuses to know addresses.
 * @module
 */
import { type MqttError, RefusedError } from "./error.ts";

/** §4.11 whether the Server says that another one is to be used, and which. */
export function isRedirect(error: MqttError): boolean {
  return error instanceof RefusedError && (error.reasonCode === 0x9c || error.reasonCode === 0x9d) &&
    error.serverReference !== undefined;
}
