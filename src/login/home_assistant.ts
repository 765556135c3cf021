/**
 * §3.1.4 Users of Home Assistant, whom its Supervisor knows: user name and password as JSON, the verdict as a status.
 * Knows the Supervisor's `/auth`; refuses to know how a service is asked again.
 * @module
 */
import type { AuthenticationRequest } from "../broker/mod.ts";
import { checkUrl } from "./fetch.ts";
import { Hook, type HookOptions, NoAnswer } from "./hook.ts";
import { HTTP_NUMBERS, outcome } from "./http.ts";
import { KnownSecrets } from "./known_secrets.ts";
import { ACCEPTED, BAD_CREDENTIALS, LATER, type LinkAnswer, type LoginLink } from "./link.ts";
import { numbersOf } from "./options.ts";

/** Where an app of Home Assistant finds the Supervisor. */
export const SUPERVISOR_AUTH = "http://supervisor/auth";

/** Users of the Supervisor's own, for Home Assistant and other apps: nobody in Home Assistant comes in by their names. */
export const SUPERVISOR_USERS = ["homeassistant", "addons"] as const;

/** How the Supervisor is asked; its token stands in a header. */
export interface HomeAssistantOptions
  extends HookOptions, Partial<Readonly<Record<keyof typeof HTTP_NUMBERS, number>>> {
  /** Default `http://supervisor/auth`. */
  readonly url?: string;
}

/**
 * Asks the Supervisor. Without an answer the Client is refused (0x88); without user name or password the next link is asked.
 * @throws {UsageError} for options that are wrong.
 */
export function homeAssistantLink(options: HomeAssistantOptions): LoginLink {
  const { url = SUPERVISOR_AUTH } = options;
  if (url !== SUPERVISOR_AUTH) checkUrl("url", url);
  const { verdictMs, verdictsMax } = numbersOf(HTTP_NUMBERS, options);
  const hook = new Hook(options);
  const known = new KnownSecrets<true>(verdictsMax, verdictMs);

  const keyOf = ({ username, password }: AuthenticationRequest) => known.keyOf(username, password);

  function atOnce(request: AuthenticationRequest): LinkAnswer | typeof LATER {
    const { method, username, password } = request;
    if (method !== undefined || username === undefined || password === undefined) return undefined;
    if (SUPERVISOR_USERS.some((own) => own === username)) return "a user of the Supervisor's own";
    return known.get(keyOf(request)) ? { code: ACCEPTED, username } : LATER;
  }

  async function decide(request: AuthenticationRequest): Promise<LinkAnswer> {
    const { username } = request;
    const password = textOf(request.password!);
    if (password === undefined) return refusal;
    return await outcome(async () => {
      const body = JSON.stringify({ username, password });
      const { status } = await hook.ask(url, "application/json", body);
      if (status === 400 || status === 401) return refusal; // 401 from the Supervisor, 400 from older ones
      if (status !== 200) throw new NoAnswer(`status ${status}`);
      known.set(keyOf(request), true);
      return { code: ACCEPTED, username: username! };
    });
  }

  return {
    name: "home-assistant",
    atOnce,
    ask(request) {
      const answer = atOnce(request);
      return answer === LATER ? decide(request) : answer;
    },
  };
}

const refusal = { code: BAD_CREDENTIALS, why: "Home Assistant says no" } as const;

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
