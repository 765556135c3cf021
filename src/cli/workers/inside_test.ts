/** What workers ask each other, over sockets. @module */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AwayError } from "../../api/workers/channel.ts";
import { patient, until } from "../../testing/patience.ts";
import { InsideChannel, insideSocketOf } from "./inside.ts";

/** Worker 1 asks, worker 2 answers so. */
async function two(
  answer: RequestListener,
  body: (one: InsideChannel, two: InsideChannel) => Promise<void>,
  answerMs?: number,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "plumb-inside-"));
  const channels = [1, 2].map((number) => new InsideChannel({ number, of: 2, directory }, answerMs));
  try {
    writeFileSync(insideSocketOf(directory, 2), ""); // left by a process that was killed
    await channels[1]!.open((request, response) => (answer(request, response), true));
    await body(channels[0]!, channels[1]!);
  } finally {
    for (const channel of channels) channel.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const QUESTION = { method: "GET", path: "/x" };

describe("workers that ask each other", () => {
  test("get status and JSON, and send JSON", patient, () =>
    two((request, response) => {
      let said = "";
      request.setEncoding("utf8").on("data", (text: string) => said += text).on("end", () => {
        const { method, url } = request;
        response.writeHead(said === "" ? 204 : 404).end(
          said === "" ? undefined : JSON.stringify({ method, url, said }),
        );
      });
    }, async (one) => {
      assertEquals(await one.ask(2, QUESTION), { status: 204, json: undefined });
      const asked = { method: "POST", path: "/a%2Fb?c=%20", body: { text: "é\u2028" } };
      const { status, json } = await one.ask(2, asked);
      const said = JSON.stringify(asked.body);
      assertEquals([status, json], [404, { method: "POST", url: "/a%2Fb?c=%20", said }]);
    }));

  test(
    "ask as many at once as are asked",
    patient,
    () =>
      two((request, response) => void response.end(JSON.stringify(request.url)), async (one) => {
        const paths = Array.from({ length: 100 }, (_, i) => `/${i}`);
        const answers = await Promise.all(paths.map((path) => one.ask(2, { method: "GET", path })));
        assertEquals(answers.map(({ json }) => json), paths);
        const many = Array.from({ length: 1_001 }, () => one.ask(2, QUESTION));
        const results = await Promise.allSettled(many);
        assertEquals(
          results.filter(({ status }) => status === "rejected").length,
          1,
          "a thousand wait at most",
        );
      }),
  );

  test(
    "take who is not there, ends in the middle or says no JSON as away",
    patient,
    () =>
      two((request, response) => {
        if (request.url === "/no-json") return void response.end("no JSON");
        response.writeHead(200);
        response.write('{"half":');
        request.socket.destroy();
      }, async (one, other) => {
        await assertRejects(() => one.ask(3, QUESTION), AwayError, "worker 3 does not answer");
        await assertRejects(() => one.ask(2, QUESTION), AwayError);
        await assertRejects(() => one.ask(2, { method: "GET", path: "/no-json" }), AwayError);
        other.close();
        await assertRejects(() => one.ask(2, QUESTION), AwayError);
      }),
  );

  test("take who does not answer in time as away", patient, () =>
    two(
      () => {},
      async (one) => {
        const error = await assertRejects(() => one.ask(2, QUESTION), AwayError);
        assertMatch(error.message, /no answer in time/);
      },
      20,
    ));

  test("read an answer in pieces until they want no more", patient, async () => {
    let isOver = false;
    await two((_, response) => {
      response.on("close", () => isOver = true);
      response.write("piece");
    }, async (one) => {
      const stop = new AbortController();
      const { status, pieces } = await one.read(2, QUESTION, stop.signal);
      assertEquals(status, 200);
      for await (const piece of pieces) {
        assertEquals(new TextDecoder().decode(piece), "piece");
        stop.abort();
      }
      await until(() => isOver, "the other one knows");
    });
  });
});
