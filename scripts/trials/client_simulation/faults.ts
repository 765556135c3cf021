/**
 * Faults of a Client that its simulation has to find, each planted by one change of the source.
 * Knows source texts; refuses to know how a fault shows.
 * @module
 */

/** One fault. */
export interface Fault {
  readonly about: string;
  readonly file: string;
  /** A text that stands once in the file... */
  readonly from: string;
  /** ...and what stands there instead. */
  readonly to: string;
}

const OUTBOUND = "src/client/outbound.ts";
const INBOUND = "src/client/inbound.ts";
const SUBSCRIPTIONS = "src/client/subscriptions.ts";

export const FAULTS: readonly Fault[] = [
  {
    about: "PUBLISH is sent again behind PUBREC",
    file: OUTBOUND,
    from: "(step === Step.PUBCOMP ? released : again)",
    to: "again",
  },
  {
    about: "what is sent again is in the order of its identifiers",
    file: OUTBOUND,
    from: "again.sort((a, b) => a.order - b.order);",
    to: "again.sort((a, b) => a.packetId - b.packetId);",
  },
  {
    about: "aliases outlive their connection",
    file: OUTBOUND,
    from: "this.#open = { link, server, topics: new Map(), aliases: 0 };",
    to:
      "this.#open = { link, server, topics: (this as unknown as Record<string, Map<string, KnownTopic>>).kept ??= new Map(), aliases: 0 };",
  },
  {
    about: "one message more than Receive Maximum is in flight",
    file: OUTBOUND,
    from: "this.#sender.inFlight < server.sendLimit",
    to: "this.#sender.inFlight <= server.sendLimit",
  },
  {
    about: "QoS 0 in the outbox is forgotten with its connection",
    file: OUTBOUND,
    from: 'else publication.failed(new OfflineError("The connection was lost before the message left"));',
    to: "",
  },
  {
    about: "what is sent again has DUP 0",
    file: OUTBOUND,
    from: "let bytes = this.#encode(publication, level, isAgain, alias, known !== undefined && alias > 0);",
    to: "let bytes = this.#encode(publication, level, false, alias, known !== undefined && alias > 0);",
  },
  {
    about: "a message that was taken back is sent",
    file: OUTBOUND,
    from: "    publication.isCancelled = true;\n",
    to: "",
  },
  {
    about: "a message whose session was lost keeps its identifier open",
    file: OUTBOUND,
    from:
      "        this.#sender.end(publication.packetId);\n        publication.packetId = 0;\n        this.#journal?.message(publication);",
    to: "        publication.packetId = 0;\n        this.#journal?.message(publication);",
  },
  {
    about: "PUBREL leaves before the store has the step",
    file: OUTBOUND,
    from: "    this.#journal?.released(publication);\n",
    to: "",
  },
  {
    about: "PUBLISH leaves before the store has it",
    file: OUTBOUND,
    from: "    this.#journal?.message(publication);\n    this.#journal?.hold(link);\n",
    to: "",
  },
  {
    about: "a repeat is handed on again",
    file: INBOUND,
    from: "if (before !== undefined && dup) {",
    to: "if (before !== undefined && dup && qos === 1) {",
  },
  {
    about: "identifiers are forgotten with their connection",
    file: INBOUND,
    from: "    if (!isResumed) {\n      for",
    to: "    {\n      for",
  },
  {
    about: "identifiers outlive their session",
    file: INBOUND,
    from: "    if (!isResumed) {\n      for",
    to: "    if (false) {\n      for",
  },
  {
    about: "PUBREC leaves before the store has the identifier",
    file: INBOUND,
    from: "else this.#journal?.opened(packetId);",
    to: "",
  },
  {
    about: "the store has the identifier before its program has the message",
    file: INBOUND,
    from: "if (qos === 2) this.#received.add(packetId);",
    to: "if (qos === 2) this.#journal?.opened(packetId), this.#received.add(packetId);",
  },
  {
    about: "acknowledgements pass each other",
    file: INBOUND,
    from: "const held = this.#held[qos - 1]!;\n    const open = this.#open;",
    to:
      "const held = this.#held[qos - 1]!;\n    held.each((one) => one.isAcknowledged = true);\n    const open = this.#open;",
  },
  {
    about: "a repeated PUBREL is answered only once",
    file: INBOUND,
    from: "    if (isOpen) this.#forget(packetId);",
    to: "    if (isOpen) this.#forget(packetId);\n    else return;",
  },
  {
    about: "subscriptions are not made anew",
    file: SUBSCRIPTIONS,
    from: "if (!isResumed) entry.isMade = false;",
    to: "",
  },
  {
    about: "the second reader of a filter is never answered",
    file: SUBSCRIPTIONS,
    from: "if ((!entry.isMade || entry.waiting.length > 0) && entry.readers.length > 0) {",
    to: "if (!entry.isMade && entry.readers.length > 0) {",
  },
  {
    about: "an UNSUBSCRIBE that was cut is not answered",
    file: SUBSCRIPTIONS,
    from: "if (asking.entry === undefined) this.#leaving.push(asking);",
    to: "if (asking.entry === undefined) continue;",
  },
  {
    about: "a SUBACK is told twice",
    file: SUBSCRIPTIONS,
    from: "for (const { waiter } of waiting) waiter.done(code);",
    to: "for (const { waiter } of [...waiting, ...waiting]) waiter.done(code);",
  },
  {
    about: "PUBREL is not counted against Receive Maximum",
    file: "src/delivery/sender.ts",
    from: "return step === Step.FREE || step >= Step.RESEND_1 ? 0 : 1;",
    to: "return step === Step.FREE || step >= Step.PUBCOMP ? 0 : 1;",
  },
  {
    about: "an identifier is given twice",
    file: "src/delivery/sender.ts",
    from: "while (id === 0 || this.#steps[id & this.#mask] !== Step.FREE) id = (id + 1) & 0xffff;",
    to: "if (id > 12) id = 1;",
  },
  {
    about: "a PUBREC that repeats is not answered",
    file: "src/delivery/exchange.ts",
    from: "if (step === Step.PUBCOMP) return Outcome.REPEATED;",
    to: "",
  },
  {
    about: "a refused QoS 2 message keeps its identifier",
    file: "src/delivery/exchange.ts",
    from: "  if (code >= 0x80) { // [MQTT-4.4.0-2] [MQTT-4.8.2-6]\n    sender.end(id);",
    to: "  if (code >= 0x80) {",
  },
  {
    about: "what the Server does not take any more gives its identifier free",
    file: OUTBOUND,
    from: "if (packetId === 0 || qos === 1) {",
    to: "if (packetId >= 0) {",
  },
  {
    about: "what a crash left in the store is not sent",
    file: OUTBOUND,
    from: "isReleased ? Step.PUBCOMP : stepAgain(publication)",
    to: "isReleased ? Step.RESEND_2 : stepAgain(publication)",
  },
];
