/**
 * §5.4.2 An authorizer whose answers are remembered for a time: for one that asks another service.
 * Knows answers and their lifetime; refuses to know how an answer is found.
 * @module
 */
import type { AuthorizationRequest, ClientInfo, PolicyOptions } from "../broker/options.ts";
import type { ReasonCode } from "../codec/reason_code.ts";

/** `PolicyOptions.authorize` */
export type Authorize = NonNullable<PolicyOptions["authorize"]>;

/** How long, and how many. */
export interface RememberOptions {
  /** ms that an answer holds, from when it came; 1 or more. */
  readonly lifetimeMs: number;
  /** Answers for one connection, 1 or more; when there are so many, all of them are forgotten. Default 256. */
  readonly answersMax?: number;
  /** ms; default `Date.now`. */
  readonly now?: () => number;
}

interface Answer {
  readonly code: ReasonCode;
  readonly until: number;
}

/**
 * The same authorizer, which is asked again for the same action, topic, QoS and RETAIN of a connection only when its answer has grown
 * old. An answer that failed is not remembered.
 */
export function remember(
  authorize: Authorize,
  { lifetimeMs, answersMax = 256, now = Date.now }: RememberOptions,
): Authorize {
  const byClient = new WeakMap<ClientInfo, Map<string, Answer>>();
  return (request: AuthorizationRequest) => {
    const { client, action, topic, qos, retain } = request;
    const key = `${action} ${qos} ${retain} ${topic}`;
    const known = byClient.get(client)?.get(key);
    if (known !== undefined && known.until > now()) return known.code;
    const keep = (code: ReasonCode): ReasonCode => {
      let answers = byClient.get(client);
      if (answers === undefined) byClient.set(client, answers = new Map());
      if (answers.size >= answersMax) answers.clear();
      answers.set(key, { code, until: now() + lifetimeMs });
      return code;
    };
    const answer = authorize(request);
    return typeof answer === "number" ? keep(answer) : Promise.resolve(answer).then(keep);
  };
}
