/**
 * Requests that are no upgrade, handed to an owner's function.
 * @module
 */
import { assertEquals } from "@std/assert";
import type { RequestListener } from "node:http";
import { describe, test } from "node:test";
import { patient, until } from "../../testing/patience.ts";
import { Recorder } from "../../testing/transport_contract.ts";
import { inProcess } from "../in_process.ts";
import { httpAcceptor } from "./http.ts";

/** Sends this request; gives the answer's first line when the connection is over, and what failed. */
async function asked(
  text: string,
  listener: RequestListener,
  requestTimeoutMs?: number,
): Promise<readonly [line: string, failures: readonly string[]]> {
  const failures: string[] = [];
  const [theirs, ours] = inProcess();
  const accept = httpAcceptor(listener, ({ message }) => failures.push(message), requestTimeoutMs);
  accept(theirs, { address: "192.0.2.1", port: 4711, transport: "ws" });
  const peer = new Recorder(ours);
  ours.write(new TextEncoder().encode(text));
  await until(() => peer.closes.length > 0, "the connection ends");
  return [new TextDecoder().decode(peer.bytes).split("\r\n")[0]!, failures];
}

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const HALF = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";

describe("a request on a port for WebSocket", () => {
  test("whose listener throws, or rejects, is answered by 500; the owner is told", patient, async () => {
    const failing: readonly RequestListener[] = [
      () => {
        throw new Error("fault");
      },
      () => Promise.reject(new Error("fault")),
    ];
    for (const listener of failing) {
      assertEquals(await asked(GET, listener), ["HTTP/1.1 500 Internal Server Error", ["fault"]]);
    }
  });

  test("that is not whole in time is ended; an answer may take longer", patient, async () => {
    const onEnd: RequestListener = (request, response) => {
      request.on("error", () => {}).resume().on("end", () => response.end());
    };
    assertEquals(await asked(HALF, onEnd, 50), ["", []]);
    const late: RequestListener = (_request, response) => void setTimeout(() => response.end(), 200);
    assertEquals(await asked(GET, late, 50), ["HTTP/1.1 200 OK", []]);
  });
});
