/**
 * §3.3 64 PUBLISH frames of one topic in one chunk, in every form in which they can come and go on; an operation is a message.
 * Each is compared with the plain one: QoS 0, one filter, no identifier, alias, authorizer or hook.
 * Knows what a Client and an owner can ask for; refuses to know how the broker does it: it uses what an owner may use.
 * @module
 */
import type { BrokerHooks, BrokerOptions } from "../../../src/broker/mod.ts";
import type { ConnectProperties, ProtocolLevel, Publish } from "../../../src/codec/mod.ts";
import { CHECKED, RULES } from "../rules.ts";
import { type Bench, type MicroCase, must, sink } from "./bench.ts";
import {
  acknowledgements,
  connectBytes,
  idAt,
  publishBytes,
  PUBREL,
  putId,
  Stage,
} from "./offline_broker.ts";

interface Form {
  readonly name: string;
  readonly qos?: 1 | 2;
  readonly message?: Partial<Publish>;
  /** The publisher sets a Topic Alias once and uses it from then on. */
  readonly aliasIn?: true;
  readonly receiverLevel?: ProtocolLevel;
  readonly receiver?: ConnectProperties;
  /** The filters of each receiver; all of them match. */
  readonly filters?: readonly string[];
  /** §3.8.2.1.2 of each subscription. */
  readonly identifier?: number;
  /** §4.8.2 receivers that share one subscription: one of them gets each message. */
  readonly members?: number;
  readonly options?: BrokerOptions;
}

const TOPIC = "site/12/device/345/temperature";
const WILDCARD = "site/12/device/+/temperature";
const FRAMES = 64;
const PAYLOAD_BYTES = 64;
const RECEIVERS = [1, 10, 100];

const authorize: NonNullable<BrokerOptions["authorize"]> = () => 0;
const SELDOM: BrokerHooks = {
  connected: (client) => void (sink.value = client),
  dropped: (message) => void (sink.value = message),
};
const EACH_MESSAGE: BrokerHooks = {
  published: (message) => void (sink.value = message),
  delivered: (message) => void (sink.value = message),
};

const PLAIN: Form = { name: "plain" };
const FORMS: readonly Form[] = [
  PLAIN,
  { name: "RETAIN 1", message: { retain: true } },
  { name: "two filters of each receiver match", filters: [TOPIC, WILDCARD] },
  { name: "shared by 3", filters: [`$share/group/${TOPIC}`], members: 3 },
  { name: "Subscription Identifier", identifier: 7 },
  { name: "Topic Alias to the receivers", receiver: { topicAliasMaximum: 10 } },
  { name: "Topic Alias of the publisher", aliasIn: true },
  { name: "Message Expiry", message: { properties: { messageExpiryInterval: 3_600 } } },
  { name: "3.1.1 receivers", receiverLevel: 4 },
  { name: "QoS 1", qos: 1 },
  { name: "QoS 2", qos: 2 },
  { name: "authorize says yes", options: { authorize } },
  { name: "hooks connected, dropped", options: { hooks: SELDOM } },
  { name: "authorize, hooks connected, dropped", options: { authorize, hooks: SELDOM } },
  { name: "1,000 rules", options: { permissions: RULES } },
  { name: "1,000 rules, each delivery checked", options: { permissions: CHECKED } },
  { name: "hooks published, delivered", options: { hooks: EACH_MESSAGE } },
];

function batch(form: Form, copies: number): Bench {
  const { qos = 0, filters = [TOPIC], receiverLevel = 5, identifier, members, options, aliasIn } = form;
  const stage = new Stage(options);
  const { broker } = stage;
  const publisher = stage.connect(5, "publisher").connection;
  const clients = Array.from({ length: members ?? copies }, (_, i) => {
    const properties = receiverLevel === 5 && { properties: { receiveMaximum: 65_535, ...form.receiver } };
    const hello = connectBytes(receiverLevel, `receiver-${i}`, { ...properties });
    const client = stage.connectWith(hello, receiverLevel);
    for (const filter of filters) stage.subscribe(client, filter, qos, identifier);
    return client;
  });
  const aliased = { properties: { topicAlias: 1 } };
  if (aliasIn) {
    publisher.received(publishBytes(5, TOPIC, 0, PAYLOAD_BYTES, aliased), stage.now);
    stage.turn();
  }
  const frame = aliasIn
    ? publishBytes(5, "", qos, PAYLOAD_BYTES, aliased)
    : publishBytes(5, TOPIC, qos, PAYLOAD_BYTES, form.message);
  const chunk = new Uint8Array(frame.length * FRAMES);
  for (let i = 0; i < FRAMES; i++) chunk.set(frame, i * frame.length);
  const at = qos === 0 ? 0 : idAt(frame);
  const bytesNow = () => clients.reduce((sum, { transport }) => sum + transport.bytes, 0);
  let done = 0;
  let before = bytesNow();
  return {
    together: FRAMES,
    most: qos === 0 ? FRAMES * 1_024 : FRAMES * 128, // identifiers are used once between two resets
    run(times) {
      for (let i = 0; i < times; i += FRAMES) {
        if (qos > 0) { for (let k = 0; k < FRAMES; k++) putId(chunk, k * frame.length + at, done + k + 1); }
        publisher.received(chunk, stage.now);
        broker.flush(stage.now);
        done += FRAMES;
      }
      return clients[0]!.transport.sum + clients[0]!.transport.bytes;
    },
    reset() {
      const bytes = bytesNow() - before;
      const least = done * copies * PAYLOAD_BYTES;
      must(bytes >= least && bytes <= least * 3, "every message is delivered, and once");
      must(broker.stats.dropped === 0, "nothing is dropped");
      for (const client of clients) stage.finish(client, qos, client.ids.take(done));
      if (qos === 2) {
        publisher.received(
          acknowledgements(PUBREL, Array.from({ length: done }, (_, i) => i + 1)),
          stage.now,
        );
        stage.turn();
      }
      done = 0;
      before = bytesNow();
    },
  };
}

/** All of them. */
export const BATCH_CASES: readonly MicroCase[] = RECEIVERS.flatMap((copies) =>
  FORMS.filter(({ members }) => members === undefined || copies === 1).map((form) => ({
    name: `batch/${form.name}, to ${copies}`,
    make: () => batch(form, copies),
    ...(form !== PLAIN && { base: () => batch(PLAIN, copies) }),
  }))
);
