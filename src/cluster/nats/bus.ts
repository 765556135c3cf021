/**
 * A bus on NATS: subjects of its core, with no memory.
 * Knows what the client says of its connection; refuses to know streams, which ask through it.
 * @module
 */
import type { Answer, Bus, RequestTrouble } from "../bus.ts";
import type { Cancel } from "../clock.ts";
import { CLUSTER } from "../limits.ts";
import { type Client, type ClientHeaders, type ClientMessage, type Connected, firstLine } from "./client.ts";
import type { NatsOptions } from "./options.ts";

/** Why a question has no answer; `denied`: the user has no permission for the subject. */
export type AskTrouble = RequestTrouble | "denied";

/** See `Bus`. */
export class NatsBus implements Bus {
  readonly #client: Client;
  readonly #connected: Connected;
  readonly #troubled: (line: string) => void;
  readonly #watchers: Set<(isConnected: boolean) => void> = new Set();
  /** The client leaves questions open when the connection breaks. */
  readonly #questions: Set<(trouble: AskTrouble) => void> = new Set();
  #isConnected = true;
  #isClosed = false;
  #bytesMax = 0;
  #lastTold = "";
  /** Resolves when the connection is closed. */
  closed: Promise<void> = Promise.resolve();
  /** ms: how long an answer of a server is awaited. */
  readonly answerMs: number;

  constructor(connected: Connected, { troubled, silenceMs }: NatsOptions) {
    this.answerMs = silenceMs ?? CLUSTER.answerMs;
    this.#client = connected.client;
    this.#connected = connected;
    this.#bytesMax = this.bytesMax;
    this.#troubled = troubled ?? (() => {});
    void this.#follow();
  }

  get bytesMax(): number {
    // While it connects again the client knows no server.
    return this.#bytesMax = this.#client.info?.max_payload ?? this.#bytesMax;
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#isClosed;
  }

  publish(subject: string, bytes: Uint8Array, reply?: string): boolean {
    this.#check(bytes);
    if (!this.isConnected) return false;
    // The client keeps the bytes until the end of the turn: that is why they are given away.
    this.#client.publish(subject, bytes, ...(reply === undefined ? [] : [{ reply }]));
    return true;
  }

  subscribe(subject: string, received: (bytes: Uint8Array, answer?: Answer) => void): Cancel {
    return this.listen(subject, ({ data, reply }) => {
      if (!reply) received(data);
      else received(data, (bytes) => void this.publish(reply, bytes));
    });
  }

  request(
    subject: string,
    bytes: Uint8Array,
    ms: number,
    answered: (answer: Uint8Array | RequestTrouble) => void,
  ): void {
    this.ask(
      subject,
      bytes,
      ms,
      undefined,
      (answer) =>
        answered(typeof answer !== "string" ? answer.data : answer === "denied" ? "nobody" : answer),
    );
  }

  watch(changed: (isConnected: boolean) => void): Cancel {
    this.#watchers.add(changed);
    return () => void this.#watchers.delete(changed);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watchers.clear();
    this.#questions.clear();
    this.closed = this.#client.close().catch(() => {});
  }

  /** Listens to whole messages. */
  listen(subject: string, received: (message: ClientMessage) => void): Cancel {
    const subscription = this.#client.subscribe(subject, {
      callback: (error, message) => {
        if (this.#isClosed || error !== null) return; // the status tells errors
        this.#call(subject, () => received(message));
      },
    });
    return () => {
      if (!this.#isClosed) subscription.unsubscribe();
    };
  }

  /** Asks with headers, and is told the whole answer. */
  ask(
    subject: string,
    bytes: Uint8Array,
    ms: number,
    headers: ClientHeaders | undefined,
    answered: (answer: ClientMessage | AskTrouble) => void,
  ): void {
    this.#check(bytes);
    const end = (answer: ClientMessage | AskTrouble): void => {
      if (this.#questions.delete(end)) this.#call(subject, () => answered(answer));
    };
    this.#questions.add(end);
    if (!this.isConnected) return queueMicrotask(() => end("disconnected"));
    this.#client.request(subject, bytes, {
      timeout: ms,
      ...(headers !== undefined && { headers: headers as never }),
    })
      .then(end, (error) => end(troubleOf(error)));
  }

  /** Headers for `ask()`. */
  headers(): ClientHeaders {
    return this.#connected.headers();
  }

  /** A subject that nobody else has. */
  inbox(): string {
    return this.#connected.inbox();
  }

  /** The version of the server, and whether it says that it has JetStream. */
  get server(): { readonly version: string; readonly hasJetStream: boolean } {
    const { info } = this.#client;
    return { version: info?.version ?? "", hasJetStream: info?.jetstream === true };
  }

  async #follow(): Promise<void> {
    for await (const { type, error } of this.#client.status()) {
      if (this.#isClosed) return;
      if (type === "disconnect" || type === "close") this.#change(false);
      else if (type === "reconnect") this.#change(true);
      else if (type === "error") this.#tell(`NATS: ${firstLine(error)}`);
    }
  }

  /** Once for what happens at each try. */
  #tell(line: string): void {
    if (line === this.#lastTold) return;
    this.#lastTold = line;
    this.#troubled(line);
  }

  #change(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    if (isConnected) this.#lastTold = "";
    if (!isConnected) { for (const end of [...this.#questions]) end("disconnected"); }
    for (const changed of [...this.#watchers]) this.#call("a watcher", () => changed(isConnected));
  }

  #check({ length }: Uint8Array): void {
    if (length > this.bytesMax) {
      throw new RangeError(`A message has at most ${this.bytesMax} bytes, not ${length}`);
    }
  }

  /** An error that is thrown into the client would end its reading. */
  #call(where: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#troubled(`NATS: what listens at ${where} failed: ${firstLine(error)}`);
    }
  }
}

function troubleOf(error: unknown): AskTrouble {
  const names = [error, (error as Error | undefined)?.cause].map((it) => (it as Error | undefined)?.name);
  if (names.includes("NoResponders")) return "nobody";
  if (names.includes("PermissionViolationError")) return "denied";
  return names.includes("TimeoutError") ? "silent" : "disconnected";
}
