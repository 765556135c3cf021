/**
 * How we read the fails of other brokers, where more is to be said than the case does: each was looked at by hand.
 * Knows brokers and cases; refuses to judge what it does not name.
 * @module
 */

/** Of a broker: by case, or by the beginning of what was found. */
export interface Reading {
  /** Ids of cases, or a regular expression for the reason of a case. */
  readonly of: readonly string[] | RegExp;
  readonly text: string;
}

/** By broker. The first that fits is printed. */
export const READINGS: Readonly<Record<string, readonly Reading[]>> = {
  "nats-server": [
    {
      of: /^PUBREC was expected|^PUBCOMP was expected/,
      text:
        "This version has no QoS 2: it closes the connection, since 3.1.1 has no way to say no. Versions from 2.10 on have it.",
    },
    {
      of: ["4.7/dollar-topics-of-server"],
      text:
        "`#` brings its own topics `$MQTT/…` and `$JS/…`, among them one that holds the ill-formed name of a case before; that is what the auditor stumbled over.",
    },
    { of: ["4.13/malformed-packets"], text: "Follows from `3.3.2/topic-not-utf-8`." },
    { of: ["3.2.2/no-code-applies"], text: "Follows from `2.1.3/flags-of-connect`." },
  ],
  "RabbitMQ": [
    {
      of: /^PUBREC was expected|^PUBCOMP was expected/,
      text: "It treats QoS 2 as QoS 1, as its manual says, and answers PUBACK to a PUBLISH of QoS 2.",
    },
    {
      of: ["3.1.2/session-goes-on", "3.1.2/session-survives-a-reset", "3.1.3/client-id-is-the-key"],
      text:
        "Subscriptions of QoS 0 are not kept; a session with one of QoS 1 is, and Session Present is 1 then.",
    },
    {
      of: ["4.3.1/plain", "3.3.1/dup-is-not-passed-on-at-qos-0"],
      text: "A message of QoS 1 that comes with DUP 1 does not reach subscriptions of QoS 0.",
    },
    {
      of: ["4.3.2/first-transmission", "3.3.1/dup-is-not-passed-on"],
      text: "DUP of the publisher is passed on.",
    },
    {
      of: ["4.7/wildcards-match-retained"],
      text: "Retained messages come for filters without wildcards only, as its manual says.",
    },
    {
      of: ["4.13/malformed-packets", "4.13/protocol-errors", "4.13/others-stay"],
      text: "Follows from packets that it takes and should not, each a case of its own above.",
    },
  ],
  "ejabberd": [
    {
      of: ["3.1.2/password-alone"],
      text:
        "It closes without a CONNACK, as a Server may, and has no users without names; that the packet counts as malformed cannot be told from outside.",
    },
    {
      of: ["3.14/known-codes", "3.14/within-maximum-packet-size", "3.14/last-packet", "4.13/protocol-errors"],
      text: "Follows from `3.8/no-filter`: a SUBSCRIBE without a filter gets an empty SUBACK.",
    },
    { of: ["4.13/malformed-packets"], text: "Follows from `2.2.2/not-allowed-in-publish`." },
    {
      of: ["3.1.2.11.4/no-place-is-blocked"],
      text:
        "Follows from `3.1.2.11.4/nothing-larger`: Maximum Packet Size is not looked at, and the large message came.",
    },
    {
      of: ["3.3.2/expires-while-away"],
      text: "The message comes after its time, with an interval of 1 s.",
    },
    {
      of: ["4.7/wildcards-match-retained"],
      text: "A retained message on a topic that ends with `/` is not found again.",
    },
  ],
  "mosquitto": [
    {
      of: ["3.1.2.11.4/no-place-is-blocked"],
      text: "At Receive Maximum 1 a small message does not come behind one that is too large to be sent.",
    },
    {
      of: ["3.3.4/overlapping-highest-qos"],
      text: "One copy comes, at the QoS of one of the subscriptions that match, here 0.",
    },
    {
      of: ["3.3.2/time-unread-is-counted"],
      text: "What the Client has not read for a while still says the whole interval when it is written.",
    },
    {
      of: ["4.3.3/sent-does-not-expire"],
      text: "A message that was sent once, and whose exchange is open, is dropped when its interval is over.",
    },
  ],
  "aedes": [
    {
      of: ["4.7/wildcards-match-retained"],
      text: "`+` finds no retained message whose level is empty.",
    },
    {
      of: ["4.13/malformed-packets", "4.13/protocol-errors"],
      text: "Follows from packets that it takes and should not, each a case of its own above.",
    },
    {
      of: [
        "4.3.1/plain",
        "4.3.2/first-transmission",
        "4.3.3/first-transmission",
        "3.3.1/dup-is-not-passed-on",
      ],
      text: "DUP of the publisher is passed on.",
    },
  ],
};

/** What we have to say of a fail; undefined if the case says it all. */
export function readingOf(product: string, id: string, reason: string): string | undefined {
  return READINGS[product.split(" ")[0]!]?.find(({ of }) =>
    of instanceof RegExp ? of.test(reason) : of.includes(id)
  )?.text;
}
