/**
 * Audit cases that do not pass at a broker that is closed to strangers, and are no faults.
 * Knows names and reasons; refuses to know cases.
 * @module
 */

/** By the name of the case: why it shows nothing of this broker. */
export const NOT_SHOWN: Readonly<Record<string, string>> = {
  "3.1.2/password-alone": "it is refused",
  "3.1.3/client-id-that-is-refused": "every Client Identifier is taken",
  "3.2.2.3/maximum-qos-and-subscribe": "QoS 2 is offered",
  "3.2.2.3/maximum-qos-and-will": "QoS 2 is offered",
  "3.2.2.3/retain-not-available-and-will": "retained messages are offered",
  "3.2.2.3/wildcards-not-available": "wildcards are offered",
  "3.2.2.3/identifiers-not-available": "Subscription Identifiers are offered",
  "3.2.2.3/shared-not-available": "Shared Subscriptions are offered",
  "3.3.4/identifiers-in-several-copies": "one copy comes for all subscriptions",
  "4.7/dollar-topic-of-client": "Clients do not publish to topics that begin with $",
  "4.12/rejected": "a token is no exchange of several steps",
  "4.12.1/too-early": "a token is no exchange of several steps",
};
