/**
 * What a worker answers the others, and how it asks them: HTTP on Unix sockets in their private directory.
 * Knows sockets and bounds; refuses to know what is asked. Nobody logs in here: only the owner of the directory gets to it.
 * @module
 */
import { Buffer } from "node:buffer";
import { rmSync } from "node:fs";
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
} from "node:http";
import { join } from "node:path";
import { clearTimeout, setTimeout } from "node:timers";
import {
  AwayError,
  type Channel,
  type WorkerAnswer,
  type WorkerQuestion,
  type WorkerStream,
} from "../../api/workers/channel.ts";
import type { HttpPart } from "../../server/http_part.ts";
import type { Worker } from "./worker.ts";

/** Who does not answer for so long is away, ms. */
const ANSWER_MS = 5_000;
/** A change of a file, whose password is hashed, may wait for others. */
const CHANGE_MS = 30_000;
/** Bytes of an answer in one piece. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
/** Connections to each other worker, and questions to all that are under way or wait for one. */
const CONNECTIONS_MAX = 8;
const QUESTIONS_MAX = 1_000;

/** The socket of a worker. */
export function insideSocketOf(directory: string, number: number): string {
  return join(directory, `worker-${number}.http`);
}

/** Of one worker. */
export class InsideChannel implements Channel {
  readonly number: number;
  readonly of: number;
  readonly #directory: string;
  readonly #answerMs: number;
  readonly #agent: Agent = new Agent({ maxSockets: CONNECTIONS_MAX });
  #server: Server | undefined;
  #questions = 0;

  /** `answerMs` in place of its own, for tests. */
  constructor({ number, of, directory }: Worker, answerMs: number = ANSWER_MS) {
    this.number = number;
    this.of = of;
    this.#directory = directory;
    this.#answerMs = answerMs;
  }

  /** Answers others by this part. @throws {Error} if the socket cannot be made. */
  async open(part: HttpPart): Promise<void> {
    const path = insideSocketOf(this.#directory, this.number);
    rmSync(path, { force: true }); // of a process that was killed
    const server = this.#server = createServer((request, response) => {
      if (!part(request, response)) response.writeHead(404).end();
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, () => resolve());
    });
    server.on("error", () => {}); // whoever asks gets no answer
  }

  /** Answers and asks no more. */
  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#agent.destroy();
  }

  ask(worker: number, question: WorkerQuestion): Promise<WorkerAnswer> {
    return this.#counted(worker, async () => {
      const ms = question.method === "GET" || question.method === "POST" ? this.#answerMs : CHANGE_MS;
      const { response, end } = await this.#send(worker, question, ms);
      try {
        const pieces: Uint8Array[] = [];
        let bytes = 0;
        for await (const piece of response as AsyncIterable<Uint8Array>) {
          bytes += piece.length;
          if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer above ${ANSWER_BYTES_MAX} bytes`);
          pieces.push(piece);
        }
        const text = Buffer.concat(pieces).toString("utf8");
        return { status: response.statusCode!, json: text === "" ? undefined : JSON.parse(text) };
      } catch (error) {
        throw awayOf(worker, error);
      } finally {
        end();
      }
    });
  }

  async read(worker: number, question: WorkerQuestion, signal: AbortSignal): Promise<WorkerStream> {
    const { response, request, end } = await this.#send(worker, question, this.#answerMs, false);
    end();
    const stop = () => request.destroy();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      try {
        yield* response as AsyncIterable<Uint8Array>;
      } catch (error) {
        if (!signal.aborted) throw awayOf(worker, error);
      } finally {
        signal.removeEventListener("abort", stop);
        request.destroy();
      }
    }
    return { status: response.statusCode!, pieces: pieces() };
  }

  async #counted<T>(worker: number, ask: () => Promise<T>): Promise<T> {
    if (this.#questions >= QUESTIONS_MAX) {
      throw new AwayError(`worker ${worker}: ${QUESTIONS_MAX} questions are under way already`);
    }
    this.#questions++;
    try {
      return await ask();
    } finally {
      this.#questions--;
    }
  }

  /** Resolves with the head of the answer; `end` stops the clock. @throws {AwayError} */
  #send(
    worker: number,
    { method, path, body }: WorkerQuestion,
    ms: number,
    isShared = true,
  ): Promise<{ response: IncomingMessage; request: ClientRequest; end: () => void }> {
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const sent = request({
        socketPath: insideSocketOf(this.#directory, worker),
        method,
        path,
        agent: isShared ? this.#agent : false,
        headers: {
          host: "worker",
          ...text && { "content-type": "application/json", "content-length": text.length },
        },
      });
      const timer = setTimeout(() => sent.destroy(new Error("no answer in time")), ms);
      const end = () => clearTimeout(timer);
      sent.once("response", (response) => resolve({ response, request: sent, end }));
      sent.on("error", (error) => {
        end();
        reject(awayOf(worker, error));
      });
      sent.end(text);
    });
  }
}

function awayOf(worker: number, error: unknown): AwayError {
  return new AwayError(`worker ${worker} does not answer: ${(error as Error).message}`);
}
