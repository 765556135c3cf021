/**
 * `plumb trace`: packets as they pass through the running broker, for people, programs or Wireshark.
 * Knows flags, lines and files; refuses to know how packets are traced.
 * @module
 */
import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { API_ROWS, apiPlace, askApi } from "./api_client.ts";
import { type Environment, NO_VARIABLES } from "./environment.ts";
import { CallError, fileTrouble, STATUS } from "./error.ts";
import { type Flags, flagsHelp, HELP_ROWS, helpAsked, type OptionRow, readFlags } from "./flags.ts";
import { say } from "./terminal.ts";

const WHICH: readonly OptionRow[] = [
  { name: "client", kind: "text", value: "ID", about: "packets of the Client with this identifier" },
  {
    name: "topic",
    kind: "text",
    value: "FILTER",
    about: "messages of these topics, their acknowledgements, and subscriptions to them, of all Clients",
  },
  { name: "address", kind: "text", value: "IP", about: "packets of Clients at this address" },
];

const HOW: readonly OptionRow[] = [
  { name: "seconds", kind: "integer", least: 1, most: 3_600, value: "N", default: "10", about: "how long" },
  {
    name: "packets",
    kind: "integer",
    least: 1,
    most: 100_000,
    value: "N",
    default: "1000",
    about: "ends after so many",
  },
  {
    name: "bytes",
    kind: "integer",
    least: 1,
    most: 64 * 1024 * 1024,
    value: "N",
    default: "1 MiB",
    about: "ends after so many bytes of packets",
  },
  {
    name: "payload-bytes",
    kind: "integer",
    least: 0,
    most: 1024 * 1024,
    value: "N",
    default: "256",
    about: "shows so much of each payload",
  },
  {
    name: "pcap",
    kind: "text",
    value: "FILE",
    about: "writes a capture for Wireshark or tcpdump; - is stdout",
  },
  { name: "json", kind: "flag", about: "a line of JSON for each packet" },
];

const FLAGS: Flags = {
  rows: [...WHICH, ...HOW, ...API_ROWS, ...HELP_ROWS],
  positionals: 1,
  help: "plumb help trace",
};

/** Does it; gives the exit status. @throws {CallError} */
export async function traceMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readFlags(args, NO_VARIABLES, FLAGS);
  if (helpAsked(said) !== undefined) {
    await say(traceHelp());
    return STATUS.good;
  }
  const one = (name: string) => said.given.get(name)?.at(-1);
  if (said.positionals.length > 0) {
    throw new CallError(`say what ${JSON.stringify(said.positionals[0])} is: --client, --topic or --address`);
  }
  const which = WHICH.flatMap(({ name }) => one(name) === undefined ? [] : [[name, one(name)!] as const]);
  if (which.length !== 1) {
    throw new CallError("say what to trace: --client ID, --topic FILTER or --address IP");
  }
  const numbers = { seconds: "seconds", packets: "packets", bytes: "bytes", payloadBytes: "payload-bytes" };
  const asked = Object.fromEntries([
    ...which,
    ...Object.entries(numbers).flatMap(([name, flag]) =>
      one(flag) === undefined ? [] : [[name, Number(one(flag))]]
    ),
  ]);
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  for (const signal of SIGNALS) process.on(signal, stop);
  const file = one("pcap");
  const path = `/trace?format=${file === undefined ? "ndjson" : "pcap"}`;
  try {
    const answer = await askApi(await apiPlace(said, environment), path, asked, stopped.signal);
    if (file !== undefined) return await toFile(answer, file);
    return await toLines(answer, one("json") === "true");
  } catch (error) {
    if (stopped.signal.aborted) return STATUS.good;
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}

/** What has come when the trace is stopped stays in the file. */
async function toFile(answer: Response, path: string): Promise<number> {
  let file = 1;
  try {
    if (path !== "-") file = openSync(path, "w", 0o600);
  } catch (error) {
    await answer.body?.cancel();
    throw new CallError(`${path} cannot be written: ${fileTrouble(error)}`);
  }
  let isHeader = true;
  let hasPackets = false;
  try {
    for await (const chunk of piecesOf(answer)) {
      if (isHeader) await say(BEGUN, process.stderr);
      for (let at = 0; at < chunk.length;) at += writeSync(file, chunk, at);
      hasPackets ||= !isHeader || chunk.length > PCAP_HEADER_BYTES;
      isHeader = false;
    }
  } finally {
    if (path !== "-") closeSync(file);
  }
  return hasPackets ? STATUS.good : STATUS.found;
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const BEGUN = "tracing; Ctrl-C ends it\n";
/** The beginning of a capture file without packets. */
const PCAP_HEADER_BYTES = 24;

async function toLines(answer: Response, isJson: boolean): Promise<number> {
  let packets = 0;
  for await (const line of linesOf(answer)) {
    const value = JSON.parse(line) as Line;
    if (value.begun !== undefined) {
      await say(BEGUN, process.stderr);
      continue;
    }
    if (value.ended !== undefined) {
      const why = ENDS[value.ended];
      if (!isJson && why !== undefined) await say(`ended: ${why}\n`, process.stderr);
      if (!isJson && value.missing !== undefined) {
        const who = value.missing.join(", ");
        await say(`worker ${who} of the broker was away: its packets are missing\n`, process.stderr);
      }
      continue;
    }
    packets++;
    await say(isJson ? `${line}\n` : textOf(value as Packet));
  }
  if (packets === 0 && !isJson) await say("nothing passed\n", process.stderr);
  return packets > 0 ? STATUS.good : STATUS.found;
}

const ENDS: Readonly<Record<string, string>> = {
  packets: "as many packets as --packets says",
  bytes: "as many bytes as --bytes says",
};

/** One packet, as the API has it. */
interface Packet {
  readonly at: number;
  readonly direction: "in" | "out";
  readonly client: string | null;
  readonly address: string;
  readonly port: number;
  readonly type: string;
  readonly bytes: number;
  readonly topic?: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
}

/** A packet, or the first or the last line. */
interface Line extends Partial<Packet> {
  readonly begun?: object;
  readonly ended?: string;
  /** Workers that did not answer, or not all the time. */
  readonly missing?: readonly number[];
}

/** Of every packet, so not shown again. */
const COMMON: ReadonlySet<string> = new Set([
  ..."at direction connection client address port transport type bytes level topic payload payloadBase64"
    .split(" "),
]);

/** `12:00:01.234 "c1" > PUBLISH "a/b" qos=1 … "payload"`: `>` to the broker, `<` from it. */
function textOf(packet: Packet): string {
  const { at, direction, client, address, port, type, bytes, topic, payload, payloadBase64 } = packet;
  const time = new Date(at).toISOString().slice(11, 23);
  const who = client === null || client === "" ? `${address}:${port}` : JSON.stringify(client);
  const fields = Object.entries(packet).flatMap(([name, value]) =>
    COMMON.has(name) || value === false ? [] : [value === true ? name : `${name}=${shown(name, value)}`]
  );
  const content = payload ?? payloadBase64;
  return [
    time,
    who,
    direction === "in" ? ">" : "<",
    type,
    ...topic === undefined ? [] : [JSON.stringify(topic)],
    ...fields,
    ...content === undefined || content === "" ? [] : [JSON.stringify(content)],
    `(${bytes} bytes)`,
  ].join(" ") + "\n";
}

function shown(name: string, value: unknown): string {
  if (name === "reasonCode") return `0x${(value as number).toString(16).toUpperCase().padStart(2, "0")}`;
  return JSON.stringify(value);
}

async function* piecesOf({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function* linesOf(answer: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of piecesOf(answer)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines.filter((line) => line !== "");
  }
}

function traceHelp(): string {
  return [
    "plumb trace [flags] --client ID | --topic FILTER | --address IP",
    "Shows packets of the running broker as they pass, > to the broker and < from it. Passwords and Authentication Data have eight\n" +
    "asterisks instead. Begin it before the Client connects to see the CONNECT.",
    ...flagsHelp([
      { title: "Which packets", rows: WHICH },
      { title: "How many, and where to", rows: HOW },
      { title: "The broker", rows: [...API_ROWS, ...HELP_ROWS] },
    ], true),
    "Exit status: 0 packets have passed, 1 none has, 2 it was called wrong or cannot be done.",
  ].join("\n\n") + "\n";
}
