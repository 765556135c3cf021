/**
 * §3.3.4 One PUBLISH to 1, 100 and 1,000 receivers, in the forms that a broker knows; an operation is the PUBLISH.
 * Knows publishers and receivers; refuses to know sockets. Acknowledgements are not timed here.
 * @module
 */
import type { BrokerOptions } from "../../../src/broker/mod.ts";
import type { ConnectProperties, ProtocolLevel, Publish } from "../../../src/codec/mod.ts";
import { CHECKED, RULES } from "../rules.ts";
import { type Bench, type MicroCase, must } from "./bench.ts";
import {
  acknowledgements,
  connectBytes,
  idAt,
  publishBytes,
  PUBREL,
  putId,
  Stage,
  type StageClient,
} from "./offline_broker.ts";

interface Form {
  readonly name: string;
  readonly receiverLevel: ProtocolLevel;
  readonly receiver?: ConnectProperties;
  readonly identifier?: number;
  readonly message?: Partial<Publish>;
  /** The publisher uses an alias once it is set. */
  readonly aliasIn?: true;
  readonly options?: BrokerOptions;
}

const FORMS: readonly Form[] = [
  { name: "same layout", receiverLevel: 5 },
  { name: "other level", receiverLevel: 4 },
  { name: "subscription identifier", receiverLevel: 5, identifier: 7 },
  { name: "expiry", receiverLevel: 5, message: { properties: { messageExpiryInterval: 3_600 } } },
  { name: "alias to the receivers", receiverLevel: 5, receiver: { topicAliasMaximum: 10 } },
  { name: "alias of the publisher", receiverLevel: 5, aliasIn: true },
  { name: "1,000 rules", receiverLevel: 5, options: { permissions: RULES } },
  { name: "1,000 rules, each delivery checked", receiverLevel: 5, options: { permissions: CHECKED } },
];

const TOPIC = "site/12/device/345/temperature";
const PAYLOAD_BYTES = 64;
const RECEIVERS = [1, 100, 1_000];

function fanOut(form: Form, qos: 0 | 1 | 2, receivers: number): Bench {
  const stage = new Stage(form.options);
  const publisher = stage.connect(5, "publisher");
  const clients: StageClient[] = [];
  for (let i = 0; i < receivers; i++) {
    const bytes = connectBytes(form.receiverLevel, `receiver-${i}`, {
      ...(form.receiverLevel === 5 && { properties: { receiveMaximum: 65_535, ...form.receiver } }),
    });
    const client = stage.connectWith(bytes, form.receiverLevel);
    stage.subscribe(client, TOPIC, qos, form.identifier);
    clients.push(client);
  }
  const setAlias = form.aliasIn && publishBytes(5, TOPIC, 0, 1, { properties: { topicAlias: 1 } });
  if (setAlias) publisher.connection.received(setAlias, stage.now);
  stage.turn();
  const frame = form.aliasIn
    ? publishBytes(5, "", qos, PAYLOAD_BYTES, { properties: { topicAlias: 1 } })
    : publishBytes(5, TOPIC, qos, PAYLOAD_BYTES, form.message);
  const at = qos === 0 ? 0 : idAt(frame);
  const { broker } = stage;
  const { connection } = publisher;
  let done = 0;
  let before = clients.map(({ transport }) => transport.bytes);
  return {
    most: Math.max(10, Math.min(1_000, Math.floor(20_000 / receivers))),
    run(times) {
      for (let i = 0; i < times; i++) {
        done++;
        if (qos > 0) putId(frame, at, done);
        connection.received(frame, stage.now);
        broker.flush(stage.now);
      }
      return clients[receivers - 1]!.transport.sum + clients[0]!.transport.bytes;
    },
    reset() {
      must(broker.stats.dropped === 0, "nothing is dropped");
      clients.forEach((client, i) => {
        const bytes = client.transport.bytes - before[i]!;
        must(bytes >= done * PAYLOAD_BYTES && bytes <= done * 2 * frame.length, "every message is delivered");
        stage.finish(client, qos, client.ids.take(done));
      });
      if (qos === 2) {
        const ids = Array.from({ length: done }, (_, i) => i + 1);
        connection.received(acknowledgements(PUBREL, ids), stage.now);
        stage.turn();
      }
      done = 0;
      before = clients.map(({ transport }) => transport.bytes);
    },
  };
}

function casesOf(form: Form): MicroCase[] {
  return RECEIVERS.flatMap((receivers) =>
    ([0, 1, 2] as const).map((qos) => ({
      name: `fan-out/${form.name}, QoS ${qos}, to ${receivers.toLocaleString("en")}`,
      make: () => fanOut(form, qos, receivers),
    }))
  );
}

/** All of them. */
export const FAN_OUT_CASES: readonly MicroCase[] = FORMS.flatMap(casesOf);
