/**
 * §3.1.4, §5.4.2 Services made for the HTTP backend of mosquitto-go-auth: who it is, who may do everything, and who may do what.
 * Knows its three questions and its forms of an answer; refuses to know how often a service is asked.
 * @module
 */
import type { AuthenticationRequest, AuthorizationRequest, PolicyOptions } from "../broker/mod.ts";
import { checkUrl, type Fetched } from "./fetch.ts";
import { Hook, type HookOptions, NoAnswer, TooMany } from "./hook.ts";
import { outcome } from "./http.ts";
import { KnownSecrets } from "./known_secrets.ts";
import { ACCEPTED, LATER, type LinkAnswer, type LoginLink, NOT_AUTHORIZED } from "./link.ts";
import { type NumberRow, numbersOf } from "./options.ts";

/** The numbers of the memory of answers. */
export const GO_AUTH_NUMBERS: Readonly<Record<"userMs" | "permissionMs" | "answersMax", NumberRow>> = {
  userMs: {
    default: 0,
    least: 0,
    most: 86_400_000,
    unit: "ms",
    about: "how long a right password is remembered, as its `auth_cache_seconds`; 0 is never",
  },
  permissionMs: {
    default: 30_000,
    least: 0,
    most: 86_400_000,
    unit: "ms",
    about: "how long a permission is remembered, granted or not, as its `acl_cache_seconds`; 0 is never",
  },
  answersMax: {
    default: 100_000,
    least: 0,
    most: 10_000_000,
    unit: "answers",
    about: "answers of each kind that are remembered",
  },
};

/** What the service is like, in the words of mosquitto-go-auth. */
export interface GoAuthOptions
  extends HookOptions, Partial<Readonly<Record<keyof typeof GO_AUTH_NUMBERS, number>>> {
  /** `http_getuser_uri`, as a whole URL. */
  readonly userUrl: string;
  /** `http_superuser_uri`, as a whole URL; without one nobody may do everything. */
  readonly superuserUrl?: string;
  /** `http_aclcheck_uri`, as a whole URL. */
  readonly aclUrl: string;
  /** `http_params_mode`; default json. */
  readonly params?: "json" | "form";
  /** `http_response_mode`; default status. */
  readonly response?: "status" | "json" | "text";
  /** `http_method`; default POST. */
  readonly method?: "POST" | "PUT";
}

/** A link, and the authorizer that belongs to it. */
export interface GoAuth {
  /** For the chain. */
  readonly link: LoginLink;
  /** §5.4.2 for `PolicyOptions.authorize`. A subscription needs both of the rights that mosquitto asks for: subscribe and read. */
  readonly authorize: NonNullable<PolicyOptions["authorize"]>;
}

/** Its numbers for what a Client wants. */
const READ = 1;
const WRITE = 2;
const SUBSCRIBE = 4;

type Params = Readonly<Record<string, string | number>>;

/**
 * Asks such a service; without an answer the answer is no.
 * @throws {UsageError} for options that are wrong.
 */
export function goAuth(options: GoAuthOptions): GoAuth {
  const { params = "json", response = "status", method = "POST", superuserUrl: superuser } = options;
  const userUrl = checkUrl("userUrl", options.userUrl);
  const aclUrl = checkUrl("aclUrl", options.aclUrl);
  const superuserUrl = superuser === undefined ? undefined : checkUrl("superuserUrl", superuser);
  const { userMs, permissionMs, answersMax } = numbersOf(GO_AUTH_NUMBERS, options);
  const hook = new Hook(options);
  const users = new KnownSecrets<true>(answersMax, userMs);
  const rights = new KnownSecrets<boolean>(answersMax, permissionMs);

  async function isYes(url: string, said: Params): Promise<boolean> {
    const isForm = params === "form";
    const body = isForm
      ? new URLSearchParams(Object.entries(said).map(([name, value]) => [name, `${value}`])).toString()
      : JSON.stringify(said);
    const type = isForm ? "application/x-www-form-urlencoded" : "application/json";
    return saysYes(await hook.ask(url, type, body, method), response);
  }

  async function remembered(key: string, ask: () => Promise<boolean>): Promise<boolean> {
    const known = rights.get(key);
    if (known !== undefined) return known;
    const answer = await ask();
    rights.set(key, answer);
    return answer;
  }

  const keyOf = ({ username, password, clientId }: AuthenticationRequest) =>
    users.keyOf(username, password, clientId);

  async function login(request: AuthenticationRequest): Promise<LinkAnswer> {
    const { clientId, username = "" } = request;
    const password = new TextDecoder().decode(request.password);
    return await outcome(async () => {
      if (!await isYes(userUrl, { username, password, clientid: clientId })) return "the service says no";
      users.set(keyOf(request), true);
      return { code: ACCEPTED, username };
    });
  }

  /** LATER if the service must be asked. */
  function atOnce(request: AuthenticationRequest): LinkAnswer | typeof LATER {
    const { method, username, password } = request;
    if (method !== undefined || username === undefined || password === undefined) return undefined;
    return users.get(keyOf(request)) ? { code: ACCEPTED, username } : LATER;
  }

  async function mayDo({ action, client, topic }: AuthorizationRequest): Promise<0 | typeof NOT_AUTHORIZED> {
    const { clientId: clientid, username = "" } = client;
    const has = (acc: number) =>
      remembered(
        rights.keyOf("acl", clientid, username, topic, `${acc}`),
        () => isYes(aclUrl, { username, clientid, topic, acc }),
      );
    try {
      const isSuper = superuserUrl !== undefined &&
        await remembered(rights.keyOf("superuser", username), () => isYes(superuserUrl, { username }));
      const isGranted = isSuper ||
        (action === "publish" ? await has(WRITE) : await has(SUBSCRIBE) && await has(READ));
      return isGranted ? 0 : NOT_AUTHORIZED;
    } catch (error) {
      if (error instanceof NoAnswer || error instanceof TooMany) return NOT_AUTHORIZED;
      throw error;
    }
  }

  const link: LoginLink = {
    name: "go-auth",
    atOnce,
    ask(request) {
      const answer = atOnce(request);
      return answer === LATER ? login(request) : answer;
    },
  };
  return { link, authorize: mayDo };
}

function saysYes({ status, text }: Fetched, response: "status" | "json" | "text"): boolean {
  if (status < 200 || status > 299) return false;
  if (response === "status") return true;
  if (response === "text") return text.trim() === "ok";
  try {
    const said = JSON.parse(text) as { ok?: unknown; Ok?: unknown } | null;
    return (said?.ok ?? said?.Ok) === true;
  } catch {
    return false;
  }
}
