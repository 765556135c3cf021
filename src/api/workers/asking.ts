/**
 * What is asked of workers for one answer.
 * Knows who does not answer, and how an operation is asked for; refuses to know how answers become one.
 * @module
 */
import { ApiError, ERROR_STATUS, type ErrorCode } from "../error.ts";
import { type Call, MISSING_HEADER, type Operation, Reply } from "../operation.ts";
import { ROOT } from "../router.ts";
import { AwayError, type Channel, type WorkerAnswer, type WorkerQuestion } from "./channel.ts";

/** What is asked of workers for one answer, and which of them do not answer. */
export class Asking {
  readonly #channel: Channel;
  readonly #missing: Set<number> = new Set();

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Those that do not answer, in the order of their numbers. */
  get missing(): readonly number[] {
    return [...this.#missing].sort((one, other) => one - other);
  }

  /** Which worker this is. */
  get number(): number {
    return this.#channel.number;
  }

  get channel(): Channel {
    return this.#channel;
  }

  /** The numbers of all, this one first. */
  get all(): readonly number[] {
    const { number, of } = this.#channel;
    return [number, ...Array.from({ length: of }, (_, i) => i + 1).filter((one) => one !== number)];
  }

  /** The numbers of the others. */
  get others(): readonly number[] {
    return this.all.slice(1);
  }

  isMissing(worker: number): void {
    this.#missing.add(worker);
  }

  /** What a worker answers; undefined if it is missing. @throws {ApiError} as it refuses. */
  async ask(worker: number, question: WorkerQuestion): Promise<unknown> {
    try {
      return jsonOf(await this.#channel.ask(worker, question));
    } catch (error) {
      if (!isAway(error)) throw error;
      this.#missing.add(worker);
      return undefined;
    }
  }

  /** The pieces of an operation's answer; undefined if the worker is missing. @throws {ApiError} as it refuses. */
  async read(
    worker: number,
    operation: Operation,
    call: Call,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    try {
      const { status, pieces } = await this.#channel.read(worker, questionOf(operation, call), signal);
      if (status < 400) return pieces;
      let said = "";
      const decoder = new TextDecoder();
      for await (const piece of pieces) said += decoder.decode(piece, { stream: true });
      jsonOf({ status, json: JSON.parse(said) });
    } catch (error) {
      if (!isAway(error)) throw error;
    }
    this.#missing.add(worker);
    return undefined;
  }

  /** What all others answer that do. */
  async askOthers(question: WorkerQuestion): Promise<Map<number, unknown>> {
    const answers = await Promise.all(
      this.others.map(async (worker) => [worker, await this.ask(worker, question)] as const),
    );
    return new Map(answers.filter(([worker]) => !this.#missing.has(worker)));
  }

  /** An operation at one of them, this one too; undefined if it is missing. @throws {ApiError} */
  async at(worker: number, operation: Operation, call: Call): Promise<unknown> {
    if (worker !== this.#channel.number) return await this.ask(worker, questionOf(operation, call));
    const given = await operation.run(call);
    return given instanceof Reply ? given.body : given;
  }

  /** What all say that can; the own answer first. @throws {ApiError} */
  async each(operation: Operation, call: Call): Promise<Map<number, unknown>> {
    const answers = await Promise.all(
      this.all.map(async (worker) => [worker, await this.at(worker, operation, call)] as const),
    );
    return new Map(answers.filter(([worker]) => !this.#missing.has(worker)));
  }

  /** With the numbers of those that are missing. */
  reply(body: unknown): unknown {
    const { missing } = this;
    return missing.length === 0 ? body : new Reply(body, { [MISSING_HEADER]: missing.join(", ") });
  }
}

function isAway(error: unknown): boolean {
  return error instanceof AwayError || (error instanceof ApiError && error.code === "not-running");
}

/** The JSON of an answer. @throws {ApiError} for a refusal. */
export function jsonOf({ status, json }: WorkerAnswer): unknown {
  if (status < 400) return json;
  const { code, message, ...details } = (json as { error?: { code: string; message: string } })?.error ??
    { code: "internal", message: `A worker answers with status ${status}` };
  throw new ApiError(Object.hasOwn(ERROR_STATUS, code) ? code as ErrorCode : "internal", message, details);
}

/** What another worker is asked for an operation. */
export function questionOf(
  { method, path }: Operation,
  { given, body }: Pick<Call, "given" | "body">,
): WorkerQuestion {
  const rest = new Map(Object.entries(given));
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(rest.get(name));
    rest.delete(name);
    return encodeURIComponent(value);
  });
  const query = [...rest].filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&");
  return { method: method.toUpperCase(), path: `${ROOT}${filled}${query && `?${query}`}`, body };
}

/** What another worker is asked besides operations. */
export function inside(id: string, body: object): WorkerQuestion {
  return { method: "POST", path: `${ROOT}/inside/${id}`, body };
}
