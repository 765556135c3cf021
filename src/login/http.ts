/**
 * §3.1.4 A service that decides by HTTP: the request as JSON, the verdict as JSON. What is no verdict refuses.
 * Knows both bodies; refuses to know how often a service is asked.
 * @module
 */
import { Buffer } from "node:buffer";
import type { AuthenticationRequest, Verdict } from "../broker/mod.ts";
import { checkUrl } from "./fetch.ts";
import { Hook, type HookOptions, NoAnswer, TooMany } from "./hook.ts";
import { KnownSecrets } from "./known_secrets.ts";
import {
  ACCEPTED,
  BAD_CREDENTIALS,
  BUSY,
  LATER,
  type LinkAnswer,
  type LoginLink,
  UNAVAILABLE,
} from "./link.ts";
import { type NumberRow, numbersOf } from "./options.ts";

/** The numbers of the memory of verdicts. */
export const HTTP_NUMBERS: Readonly<Record<"verdictMs" | "verdictsMax", NumberRow>> = {
  verdictMs: {
    default: 0,
    least: 0,
    most: 86_400_000,
    unit: "ms",
    about:
      "how long a Client that was accepted is accepted with the same credentials without a question; 0 is never",
  },
  verdictsMax: {
    default: 10_000,
    least: 0,
    most: 10_000_000,
    unit: "verdicts",
    about: "verdicts that are remembered",
  },
};

/** How a service is asked. */
export interface HttpOptions
  extends HookOptions, Partial<Readonly<Record<keyof typeof HTTP_NUMBERS, number>>> {
  /** Where requests go, by POST: https://, or http:// on this machine. */
  readonly url: string;
}

/** The answer of a service: status 200 and this, or status 401 or 403. */
export interface HttpAnswer extends Pick<Verdict, "username" | "groups" | "claims" | "limits"> {
  /** `pass` asks the next link. */
  readonly result: "accept" | "refuse" | "pass";
  /** The login ends so many seconds from now. */
  readonly expiresInSeconds?: number;
}

/**
 * Asks a service. Without an answer the Client is refused (0x88), whatever other links would say.
 * @throws {UsageError} for options that are wrong.
 */
export function httpLink(options: HttpOptions): LoginLink {
  const url = checkUrl("url", options.url);
  const { verdictMs, verdictsMax } = numbersOf(HTTP_NUMBERS, options);
  const hook = new Hook(options);
  const known = new KnownSecrets<Verdict>(verdictsMax, verdictMs);

  async function decide(request: AuthenticationRequest, key: string): Promise<LinkAnswer> {
    const answer = await outcome(async () => {
      const { status, text } = await hook.ask(url, "application/json", JSON.stringify(bodyOf(request)));
      if (status === 401 || status === 403) return refusal;
      if (status !== 200) throw new NoAnswer(`status ${status}`);
      return verdictOf(text);
    });
    if (typeof answer === "object" && answer.code === ACCEPTED) known.set(key, answer);
    return answer;
  }

  const keyOf = ({ clientId, username, password, peer, level }: AuthenticationRequest): string =>
    known.keyOf(clientId, username, password, peer.address, peer.certificate?.fingerprint, `${level}`);

  /** LATER if the service must be asked. */
  function atOnce(request: AuthenticationRequest): LinkAnswer | typeof LATER {
    if (request.method !== undefined) return undefined;
    const verdict = known.get(keyOf(request));
    return verdict === undefined || (verdict.expiresAt ?? Infinity) <= Date.now() ? LATER : verdict;
  }

  return {
    name: "http",
    atOnce,
    ask(request) {
      const answer = atOnce(request);
      return answer === LATER ? decide(request, keyOf(request)) : answer;
    },
  };
}

const refusal: Verdict = { code: BAD_CREDENTIALS, why: "the service says no" };

/** What a service says, or why it says nothing, as the answer of a link. */
export async function outcome(ask: () => Promise<LinkAnswer>): Promise<LinkAnswer> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof TooMany) return { code: BUSY, why: error.message };
    if (error instanceof NoAnswer) return { code: UNAVAILABLE, why: error.message };
    throw error;
  }
}

/** A password that is no text goes in base64. */
function bodyOf({ clientId, username, password, peer, level }: AuthenticationRequest): unknown {
  const { address, port, transport, certificate } = peer;
  return { clientId, username, ...passwordOf(password), level, address, port, transport, certificate };
}

function passwordOf(password: Uint8Array | undefined): { password?: string; passwordBase64?: string } {
  if (password === undefined) return {};
  try {
    return { password: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(password) };
  } catch {
    return { passwordBase64: Buffer.from(password).toString("base64") };
  }
}

/** Names and types beyond this are checked by the broker, for which nonsense is a no. */
function verdictOf(text: string): LinkAnswer {
  let said: Partial<HttpAnswer> | null;
  try {
    said = JSON.parse(text);
  } catch {
    throw new NoAnswer("the answer is no JSON");
  }
  if (said?.result === "pass") return "the service passes on";
  if (said?.result === "refuse") return refusal;
  if (said?.result !== "accept") throw new NoAnswer("the answer has no result: accept, refuse or pass");
  const { username, groups, claims, limits, expiresInSeconds } = said;
  if (expiresInSeconds !== undefined && typeof expiresInSeconds !== "number") {
    throw new NoAnswer("expiresInSeconds is no number");
  }
  return {
    code: ACCEPTED,
    ...username !== undefined && { username },
    ...groups !== undefined && { groups },
    ...claims !== undefined && { claims },
    ...limits !== undefined && { limits },
    ...expiresInSeconds !== undefined && { expiresAt: Date.now() + expiresInSeconds * 1000 },
  };
}
