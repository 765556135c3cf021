/**
 * Our broker as it is audited: as it comes, guarded, and with everything switched off that the standard makes optional.
 * Knows options; refuses to know cases. Imports types only, so that a copy of it runs over a copy of the source.
 * @module
 */
import type { Declared } from "../../conformance/server/profile.ts";
import type { AuthenticationRequest, ServeOptions, Verdict } from "../../src/server/serve.ts";

/** One of them. */
export interface AuditedBroker {
  readonly name: string;
  readonly options: Omit<ServeOptions, "listen">;
  /** What an owner would tell the auditor. */
  readonly declared: Declared;
}

const GUARD = {
  username: "plumb",
  password: "pass word",
  authenticationMethod: "PLUMB-AUDIT",
  authenticationData: ["hello", "secret"],
  forbiddenTopic: "forbidden/topic",
} as const satisfies Declared;

/** User name and password; or a method whose first step is answered by a question and whose second by the decision. */
function authenticate(request: AuthenticationRequest): Verdict {
  const { kind, clientId, username, password, method, data } = request;
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
  if (/[/+#$]/.test(clientId)) return { code: 0x85 };
  if (method === undefined) {
    return { code: username === GUARD.username && text(password) === GUARD.password ? 0x00 : 0x86 };
  }
  const [hello, secret] = GUARD.authenticationData;
  const authenticationData = new TextEncoder().encode("and?");
  if (kind !== "continue") return text(data) === hello ? { code: 0x18, authenticationData } : { code: 0x87 };
  return text(data) === secret ? { code: 0x00, username: GUARD.username } : { code: 0x87 };
}

/** Cases that our broker gives no occasion for, in any of its forms, with the reason. */
export const NO_OCCASION: Readonly<Record<string, string>> = {
  "4.7/dollar-topic-of-client": "What Clients publish to $ topics is not passed on.",
  "3.3.4/identifiers-in-several-copies": "One copy comes for overlapping subscriptions (decision 0004).",
};

/** The first comes first: a case is run on the first that it can be run on. */
export const AUDITED_BROKERS: readonly AuditedBroker[] = [
  { name: "as it comes", options: {}, declared: {} },
  {
    name: "guarded",
    options: {
      authenticate,
      authenticationMethods: [GUARD.authenticationMethod],
      authorize: ({ action, topic }) =>
        action === "publish" && topic.startsWith(GUARD.forbiddenTopic) ? 0x87 : 0x00,
    },
    declared: GUARD,
  },
  {
    name: "reduced",
    options: {
      maximumQos: 0,
      retainAvailable: false,
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
    },
    declared: {},
  },
];
