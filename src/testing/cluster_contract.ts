/**
 * What every bus and every stream must do, and the logs on them: suites with many subjects (in memory, over NATS).
 * Knows the interfaces; refuses to know what is behind them.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import type { Answer, Bus, RequestTrouble } from "../cluster/bus.ts";
import type { Clock } from "../cluster/clock.ts";
import { CLUSTER } from "../cluster/limits.ts";
import type { Appended, Entry, Log, LogPage, ReadTrouble } from "../cluster/log.ts";
import { cutBatch } from "../cluster/part.ts";
import { StreamLog } from "../cluster/stream_log.ts";
import type { NotAdded, Stream, StreamPage } from "../cluster/stream.ts";
import { pattern, utf8 } from "./transport_contract.ts";
import { patient } from "./patience.ts";

/** What lets things happen, until it has come to something; and ends what was opened. */
interface Subject {
  until(condition: () => boolean, what: string): Promise<void>;
  done(): Promise<void>;
}

/** Two places on one bus. */
export interface Buses extends Subject {
  readonly left: Bus;
  readonly right: Bus;
}

/** One stream as two nodes see it, with nothing in it. */
export interface Streams extends Subject {
  readonly left: Stream;
  readonly right: Stream;
  readonly clock: Clock;
}

/** Its messages are all kept, or the last one of each key. */
export type StreamKind = "all" | "last";

/** The answer of one call. */
async function answer<T>(
  { until }: Pick<Subject, "until">,
  call: (answered: (value: T) => void) => void,
): Promise<T> {
  let value: { readonly is: T } | undefined;
  let isInside = true;
  call((is) => {
    assert(!isInside, "the answer came from inside the call");
    assertEquals(value, undefined, "a second answer");
    value = { is };
  });
  isInside = false;
  await until(() => value !== undefined, "an answer");
  return value!.is;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The suite of `Bus`. */
export function busContract(name: string, open: () => Promise<Buses>): void {
  async function opened(body: (buses: Buses) => Promise<void>): Promise<void> {
    const buses = await open();
    try {
      await body(buses);
    } finally {
      await buses.done();
    }
  }

  /** Listens, and waits until what `from` publishes comes. */
  async function listen(
    { until }: Buses,
    from: Bus,
    to: Bus,
    subject: string,
    received: (bytes: Uint8Array, answer?: Answer) => void,
  ): Promise<() => void> {
    let isHeard = false;
    const cancel = to.subscribe(subject, (bytes, answer) => {
      if (bytes.length > 0) received(bytes, answer);
      else isHeard = true;
    });
    await until(() => {
      if (!isHeard) from.publish(subject, new Uint8Array());
      return isHeard;
    }, "what is published is heard");
    return cancel;
  }

  describe(`Bus: ${name}`, () => {
    test(
      "messages on a subject come once, in order and whole, to all that listen there",
      patient,
      () =>
        opened(async (buses) => {
          const { left, right, until } = buses;
          const heard: string[][] = [[], [], []];
          await listen(buses, left, right, "a.b", (bytes) => heard[0]!.push(text(bytes)));
          await listen(buses, left, right, "a.b", (bytes) => heard[1]!.push(text(bytes)));
          await listen(buses, left, left, "a.b", (bytes) => heard[2]!.push(text(bytes)));
          await listen(buses, left, right, "a.c", () => assert(false, "another subject"));
          const sent = Array.from({ length: 500 }, (_, i) => `message ${i}`);
          for (const message of sent) assert(left.publish("a.b", utf8(message)));
          await until(() => heard.every(({ length }) => length >= sent.length), "all of them come");
          assertEquals(heard, [sent, sent, sent]);
        }),
    );

    test("the largest message comes whole", patient, () =>
      opened(async (buses) => {
        const { left, right, until } = buses;
        let came: Uint8Array | undefined;
        await listen(buses, left, right, "large", (bytes) => came = bytes.slice());
        const bytes = pattern(left.bytesMax);
        assert(left.publish("large", bytes.slice()));
        await until(() => came !== undefined, "it comes");
        assertEquals(came!.length, bytes.length);
        const more = new Uint8Array(left.bytesMax + 1);
        assertThrows(() => left.publish("large", more), RangeError);
        assertThrows(() => left.request("large", more, 1, () => {}), RangeError);
        assert(came!.every((byte, i) => byte === bytes[i]));
      }));

    test("what is not listened to any more does not come", patient, () =>
      opened(async (buses) => {
        const { left, right, until } = buses;
        let first = 0;
        let second = 0;
        const cancel = await listen(buses, left, right, "a", () => first++);
        await listen(buses, left, right, "a", () => second++);
        cancel();
        left.publish("a", utf8("x"));
        await until(() => second === 1, "the other one hears it");
        assertEquals(first, 0);
      }));

    test(
      "a question is answered; and when nobody listens, or nobody answers, that is said",
      patient,
      () =>
        opened(async (buses) => {
          const { left, right } = buses;
          const ask = (subject: string, ms: number) =>
            answer<Uint8Array | RequestTrouble>(
              buses,
              (answered) => left.request(subject, utf8("how much?"), ms, answered),
            );
          assertEquals(await ask("none", CLUSTER.answerMs), "nobody");
          const questions: string[] = [];
          await listen(buses, left, right, "q", (bytes, answer) => {
            questions.push(text(bytes));
            answer!(utf8("42"));
            answer!(utf8("a second answer is for nobody"));
          });
          await listen(buses, left, right, "mute", () => {});
          let said = await ask("q", 60_000);
          while (said === "nobody") said = await ask("q", 60_000);
          assertEquals(text(said as Uint8Array), "42");
          assertEquals(questions, ["how much?"]);
          assertEquals(await ask("mute", 50), "silent");
        }),
    );

    test("who has left is told nothing, and says nothing", patient, () =>
      opened(async (buses) => {
        const { left, right, until } = buses;
        let closed = 0;
        let heard = 0;
        await listen(buses, left, right, "a", () => closed++);
        await listen(buses, left, left, "a", () => heard++);
        right.request("a", utf8("q"), 60_000, () => closed++);
        await until(() => heard === 1, "the question comes");
        const before = closed;
        right.close();
        assertEquals([right.isConnected, right.publish("a", utf8("x"))], [false, false]);
        left.publish("a", utf8("y"));
        await until(() => heard === 2, "the other one hears it");
        assertEquals(closed, before);
      }));
  });
}

/** The suite of `Stream`. */
export function streamContract(name: string, open: (kind: StreamKind) => Promise<Streams>): void {
  const added = (streams: Streams, stream: Stream, message: string, expectedLast?: number, key?: string) =>
    answer<number | NotAdded>(
      streams,
      (answered) => stream.add(utf8(message), key, expectedLast, answered),
    );
  const page = async (streams: Streams, stream: Stream, from: number, waitMs = 0): Promise<StreamPage> => {
    const read = await answer<StreamPage | string>(
      streams,
      (answered) => stream.read(from, waitMs, answered),
    );
    assert(typeof read !== "string", String(read));
    return read;
  };
  const texts = ({ messages }: StreamPage) => messages.map(({ sequence, bytes }) => [sequence, text(bytes)]);

  describe(`Stream: ${name}`, () => {
    test("is empty at first", patient, () =>
      opened(open, "all", async (streams) => {
        assertEquals(await page(streams, streams.left, 1), { messages: [], first: 1, last: 0 });
      }));

    test(
      "numbers what is added from 1, and everybody reads it in that order",
      patient,
      () =>
        opened(open, "all", async (streams) => {
          assertEquals(await added(streams, streams.left, "a"), 1);
          assertEquals(await added(streams, streams.right, "b"), 2);
          assertEquals(await added(streams, streams.left, ""), 3);
          for (const stream of [streams.left, streams.right]) {
            const read = await page(streams, stream, 2);
            assertEquals([texts(read), read.first, read.last], [[[2, "b"], [3, ""]], 1, 3]);
          }
          assertEquals(await page(streams, streams.left, 4), { messages: [], first: 1, last: 3 });
          assertEquals(await page(streams, streams.left, Number.MAX_SAFE_INTEGER), {
            messages: [],
            first: 1,
            last: 3,
          });
        }),
    );

    test(
      "refuses what expects another last message than there is",
      patient,
      () =>
        opened(open, "all", async (streams) => {
          assertEquals(await added(streams, streams.left, "a", 0), 1);
          for (const expected of [0, 2]) {
            assertEquals((await added(streams, streams.right, "b", expected) as NotAdded).why, "refused");
          }
          assertEquals(await added(streams, streams.right, "b", 1), 2);
          assertEquals(texts(await page(streams, streams.left, 1)), [[1, "a"], [2, "b"]]);
        }),
    );

    test(
      "of two that expect the same one alone is added",
      patient,
      () =>
        opened(open, "all", async (streams) => {
          for (let last = 0; last < 20; last++) {
            const outcomes: (number | NotAdded)[] = [];
            streams.left.add(utf8("left"), undefined, last, (outcome) => outcomes.push(outcome));
            streams.right.add(utf8("right"), undefined, last, (outcome) => outcomes.push(outcome));
            await streams.until(() => outcomes.length === 2, "two answers");
            const said = outcomes.map((outcome) => typeof outcome === "number" ? outcome : outcome.why)
              .sort();
            assertEquals(said, [last + 1, "refused"]);
          }
        }),
    );

    test(
      "adds what is sent without waiting, in the order of the calls",
      patient,
      () =>
        opened(open, "all", async (streams) => {
          const outcomes: (number | NotAdded)[] = [];
          const sequences = Array.from({ length: 100 }, (_, i) => i + 1);
          for (const at of sequences) {
            streams.left.add(utf8(`${at}`), undefined, at - 1, (outcome) => outcomes.push(outcome));
          }
          await streams.until(() => outcomes.length === sequences.length, "all answers");
          assertEquals(outcomes, sequences);
          assertEquals(
            texts(await page(streams, streams.right, 1)),
            sequences.map((at) => [at, `${at}`] as (string | number)[]),
          );
        }),
    );

    test(
      "is read in pages, and messages as large as may be are among them",
      patient,
      () =>
        opened(open, "all", async (streams) => {
          const sent: Uint8Array[] = [];
          for (let i = 0; i < 12; i++) {
            const bytes = pattern(i === 5 ? streams.left.bytesMax : 300_000, i);
            sent.push(bytes);
            const outcome = await answer<number | NotAdded>(
              streams,
              (answered) => streams.left.add(bytes, undefined, undefined, answered),
            );
            assertEquals(outcome, i + 1);
          }
          const more = new Uint8Array(streams.left.bytesMax + 1);
          assertThrows(() => streams.left.add(more, undefined, undefined, () => {}), RangeError);
          const got: Uint8Array[] = [];
          while (got.length < sent.length) {
            const { messages } = await page(streams, streams.right, got.length + 1);
            const bytes = messages.reduce((sum, message) => sum + message.bytes.length, 0);
            assert(bytes <= CLUSTER.pageBytes + streams.left.bytesMax, `${bytes} bytes in a page`);
            for (const message of messages) {
              assertEquals(message.sequence, got.length + 1);
              got.push(message.bytes);
            }
          }
          assert(
            got.every((bytes, i) =>
              bytes.length === sent[i]!.length && bytes.every((b, j) => b === sent[i]![j])
            ),
          );
        }),
    );

    test(
      "what is purged is gone, and its numbers are not given again",
      patient,
      () =>
        opened(open, "all", async (streams) => {
          for (let i = 1; i <= 5; i++) await added(streams, streams.left, `${i}`);
          const purge = (through: number) =>
            answer<string | undefined>(streams, (answered) => streams.left.purge(through, answered));
          assertEquals(await purge(2), undefined);
          assertEquals(await purge(2), undefined);
          let read = await page(streams, streams.right, 1);
          assertEquals([texts(read), read.first, read.last], [[[3, "3"], [4, "4"], [5, "5"]], 3, 5]);
          assertEquals(await purge(6), "6 is beyond the last message, 5");
          assertEquals(await purge(5), undefined);
          read = await page(streams, streams.right, 1);
          assertEquals([texts(read), read.first, read.last], [[], 6, 5]);
          assertEquals(await added(streams, streams.right, "6", 5), 6);
        }),
    );

    test(
      "who waits is answered when something comes, and at the end of the time with nothing",
      patient,
      () =>
        opened(open, "all", async (streams) => {
          await added(streams, streams.left, "a");
          assertEquals((await page(streams, streams.right, 2, 30)).messages, []);
          let read: StreamPage | string | undefined;
          streams.right.read(2, CLUSTER.waitMs, (page) => read = page);
          await added(streams, streams.left, "b");
          await streams.until(() => read !== undefined, "the reader is answered");
          assertEquals(texts(read as StreamPage), [[2, "b"]]);
          assertEquals(texts(await page(streams, streams.right, 1, CLUSTER.waitMs)), [[1, "a"], [2, "b"]]);
        }),
    );

    test("keeps the last message of each key", patient, () =>
      opened(open, "last", async (streams) => {
        const keys = ["a/b", "a.b", "a b", "*", ">", "ä", "$SYS/x", "", "%", "=", "~", "x".repeat(5_000)];
        for (const [i, key] of keys.entries()) {
          assertEquals(await added(streams, streams.left, `${i}`, undefined, key), i + 1);
        }
        assertEquals(await added(streams, streams.left, "new", undefined, "a.b"), keys.length + 1);
        const read = await page(streams, streams.right, 1);
        const expected = keys.map((_, i) => [i + 1, `${i}`] as (string | number)[]);
        expected.splice(1, 1);
        assertEquals(texts(read), [...expected, [keys.length + 1, "new"]]);
      }));
  });
}

async function opened(
  open: (kind: StreamKind) => Promise<Streams>,
  kind: StreamKind,
  body: (streams: Streams) => Promise<void>,
): Promise<void> {
  const streams = await open(kind);
  try {
    await body(streams);
  } finally {
    await streams.done();
  }
}

const writerOf = (name: string): Uint8Array => utf8(name.padEnd(8));

/** Appends, and waits for the outcome. */
function appended(
  subject: Pick<Subject, "until">,
  log: Log,
  batch: Uint8Array,
  expectedLast: number,
): Promise<Appended> {
  return answer(subject, (answered) => log.append(batch, expectedLast, answered));
}

/** Reads to the end. */
export async function readAll(
  subject: Pick<Subject, "until">,
  log: Log,
  after = 0,
): Promise<{ readonly entries: Entry[]; readonly last: number }> {
  const reading = log.read(after);
  const entries: Entry[] = [];
  for (;;) {
    const page = await answer<LogPage | ReadTrouble>(subject, (answered) => reading.next(answered));
    if ("trouble" in page) throw new Error(`${page.trouble}: ${page.reason}`);
    entries.push(...page.entries);
    if (page.isEnd) return { entries, last: page.last };
  }
}

/** The suite of `Log` on a stream. */
export function logContract(name: string, open: (kind: StreamKind) => Promise<Streams>): void {
  function logs(body: (streams: Streams, left: StreamLog, right: StreamLog) => Promise<void>): Promise<void> {
    return opened(open, "all", (streams) => {
      const { left, right, clock } = streams;
      const near = new StreamLog(left, writerOf("left"), clock);
      return body(streams, near, new StreamLog(right, writerOf("right"), clock));
    });
  }

  const texts = (entries: readonly Entry[]) => entries.map(({ batch }) => text(batch));

  describe(`Log: ${name}`, () => {
    test("an empty one begins at 0", patient, () =>
      logs(async (streams, left) => {
        assertEquals(await readAll(streams, left), { entries: [], last: 0 });
        assertEquals(await answer(streams, (answered) => left.last(answered)), 0);
      }));

    test(
      "batches are read in the order of their appends",
      patient,
      () =>
        logs(async (streams, left, right) => {
          let last = 0;
          for (const batch of ["one", "", "three"]) {
            const outcome = await appended(streams, left, utf8(batch), last);
            assert(outcome.kind === "appended", JSON.stringify(outcome));
            assert(outcome.last > last);
            last = outcome.last;
          }
          const read = await readAll(streams, right);
          assertEquals([texts(read.entries), read.last], [["one", "", "three"], last]);
          assertEquals(texts((await readAll(streams, right, read.entries[0]!.position)).entries), [
            "",
            "three",
          ]);
          assertEquals(await readAll(streams, right, last), { entries: [], last });
          assertEquals(await answer(streams, (answered) => right.last(answered)), last);
        }),
    );

    test("a batch larger than any message is whole", patient, () =>
      logs(async (streams, left, right) => {
        const batch = pattern(3 * streams.left.bytesMax + 17);
        const first = await appended(streams, left, batch, 0);
        assert(first.kind === "appended", JSON.stringify(first));
        const second = await appended(streams, left, utf8("small"), first.last);
        assert(second.kind === "appended", JSON.stringify(second));
        const { entries, last } = await readAll(streams, right);
        assertEquals(last, second.last);
        assertEquals(entries.map(({ position }) => position), [first.last, second.last]);
        assertEquals(entries[0]!.batch.length, batch.length);
        assert(entries[0]!.batch.every((byte, i) => byte === batch[i]));
      }));

    test(
      "who has not seen the last entry is fenced, and its batch is not there",
      patient,
      () =>
        logs(async (streams, left, right) => {
          const first = await appended(streams, left, utf8("a"), 0);
          assert(first.kind === "appended");
          assertEquals(await appended(streams, right, utf8("b"), 0), { kind: "fenced" });
          const taken = await appended(streams, right, utf8("epoch 2"), first.last);
          assert(taken.kind === "appended");
          const large = pattern(2 * streams.left.bytesMax);
          assertEquals(await appended(streams, left, large, first.last), { kind: "fenced" });
          assertEquals(texts((await readAll(streams, left)).entries), ["a", "epoch 2"]);
        }),
    );

    test(
      "a batch of which the last part is missing is none, and whoever read so far writes on",
      patient,
      () =>
        logs(async (streams, left, right) => {
          const first = await appended(streams, left, utf8("a"), 0);
          assert(first.kind === "appended");
          const parts = cutBatch(
            writerOf("dead"),
            7,
            pattern(2 * streams.left.bytesMax),
            streams.left.bytesMax,
          );
          for (const part of parts.slice(0, 2)) {
            await answer<number | NotAdded>(
              streams,
              (answered) => streams.left.add(part, undefined, undefined, answered),
            );
          }
          const { entries, last } = await readAll(streams, right);
          assertEquals([texts(entries), last], [["a"], first.last + 2]);
          assert((await appended(streams, right, utf8("b"), last)).kind === "appended");
          // The last part of the dead one comes late.
          const late = await answer<number | NotAdded>(
            streams,
            (answered) => streams.left.add(parts[2]!, undefined, last, answered),
          );
          assertEquals((late as NotAdded).why, "refused");
          assertEquals(texts((await readAll(streams, left)).entries), ["a", "b"]);
        }),
    );

    test(
      "what is purged is gone, and who stood before it is told",
      patient,
      () =>
        logs(async (streams, left, right) => {
          const at: number[] = [];
          for (const batch of ["a", "b", "checkpoint", "c"]) {
            const outcome = await appended(streams, left, utf8(batch), at.at(-1) ?? 0);
            assert(outcome.kind === "appended");
            at.push(outcome.last);
          }
          const purged = await answer<ReadTrouble | undefined>(
            streams,
            (answered) => left.purge(at[1]!, answered),
          );
          assertEquals(purged, undefined);
          assertEquals(texts((await readAll(streams, right)).entries), ["checkpoint", "c"]);
          assertEquals(texts((await readAll(streams, right, at[1])).entries), ["checkpoint", "c"]);
          const page = await answer<LogPage | ReadTrouble>(
            streams,
            (answered) => right.read(at[0]!).next(answered),
          );
          assert("trouble" in page && page.trouble === "purged");
          assert((await appended(streams, left, utf8("d"), at[3]!)).kind === "appended");
        }),
    );

    test(
      "a long one is read in pages, by whoever asks for them",
      patient,
      () =>
        logs(async (streams, left, right) => {
          let last = 0;
          const batch = pattern(200_000);
          for (let i = 0; i < 20; i++) {
            const outcome = await appended(streams, left, batch, last);
            assert(outcome.kind === "appended");
            last = outcome.last;
          }
          const reading = right.read(0);
          let pages = 0;
          let entries = 0;
          for (let isEnd = false; !isEnd; pages++) {
            const page = await answer<LogPage | ReadTrouble>(streams, (answered) => reading.next(answered));
            assert("entries" in page);
            entries += page.entries.length;
            isEnd = page.isEnd;
          }
          assertEquals(entries, 20);
          assert(pages > 1, `${pages} pages`);
        }),
    );
  });
}
