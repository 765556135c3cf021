/**
 * The HTTP API of the broker that runs, as commands ask it.
 * Knows where it is, and the token of the owner; refuses to know what is asked.
 * @module
 */
import { MISSING_HEADER } from "../api/operation.ts";
import { readToken, tokenFileOf } from "./api_token.ts";
import { configFileOf } from "./config_file.ts";
import type { Environment } from "./environment.ts";
import { CallError } from "./error.ts";
import type { OptionRow, Said } from "./flags.ts";
import { callOf, CONFIG_ROW, settingsOfCall } from "./options.ts";
import { addressOf } from "./page.ts";
import { complain } from "./terminal.ts";

/** The flags by which a command finds the broker. */
export const API_ROWS: readonly OptionRow[] = [
  {
    name: "url",
    kind: "text",
    value: "URL",
    defaultIs: "by the settings, or http://localhost:8080",
    about: "the broker's HTTP API",
  },
  {
    name: "token-file",
    kind: "text",
    value: "FILE",
    defaultIs: "api-token beside the broker's data",
    about: "the token of the broker's owner",
  },
  { name: "data", kind: "text", value: "DIR", about: "the broker's data, for the token in it" },
  { ...CONFIG_ROW, about: "the broker's settings, for its address and data" },
];

/** Where to ask. */
export interface ApiPlace {
  /** Ends with a slash. */
  readonly url: string;
  readonly token: string;
}

/**
 * By the flags of a call, else as the broker's own settings say.
 * @throws {CallError}
 */
export async function apiPlace(said: Said, environment: Environment): Promise<ApiPlace> {
  const one = (name: string) => said.given.get(name)?.at(-1);
  const given = ["config", "data"].flatMap((name) =>
    one(name) === undefined ? [] : [`--${name}`, one(name)!]
  );
  const call = callOf(given, environment);
  const settings = settingsOfCall(call, await configFileOf(call));
  const url = one("url") ?? addressOf(settings);
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new CallError(`--url takes a URL such as http://localhost:8080, not ${JSON.stringify(url)}`);
  }
  const token = readToken(one("token-file") ?? tokenFileOf(settings, environment));
  return { url: url.endsWith("/") ? url : `${url}/`, token };
}

/**
 * Asks; gives an answer that is good.
 * @throws {CallError} with what the broker says, or why it cannot be asked.
 */
export async function askApi(
  { url, token }: ApiPlace,
  path: string,
  body?: object,
  signal?: AbortSignal,
): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`${url}api/v1${path}`, {
      headers: {
        authorization: `Bearer ${token}`,
        ...body !== undefined && { "content-type": "application/json" },
      },
      ...body !== undefined && { method: "POST", body: JSON.stringify(body) },
      ...signal && { signal },
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallError(
      `no broker answers at ${url}: ${reasonOf(error)}; does it run with --websocket-page?`,
    );
  }
  const missing = answer.headers.get(MISSING_HEADER);
  if (missing !== null) {
    await complain(`plumb: worker ${missing} of the broker did not answer: what it has is missing\n`);
  }
  if (answer.ok) return answer;
  const said = await answer.text();
  let message = `status ${answer.status}`;
  try {
    message = (JSON.parse(said) as { error: { message: string } }).error.message;
  } catch { // another server
    if (answer.status === 404) message = "there is no such API here; is that the broker's page?";
  }
  throw new CallError(`${url}: ${message}`);
}

/** What runtimes say of a connection that fails differs; some say it in the cause alone. */
function reasonOf(error: unknown): string {
  const { message, cause, code } = error as {
    message: string;
    cause?: { message?: string; code?: string };
    code?: string;
  };
  const known = cause?.code ?? code;
  if (known === "ECONNREFUSED" || known === "ConnectionRefused" || /refused/i.test(message)) {
    return "the connection is refused";
  }
  return (cause?.message ?? message).split("\n")[0]!;
}
