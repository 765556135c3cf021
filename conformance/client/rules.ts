/**
 * §2, §3 What a packet of a Client may look like, whatever the occasion.
 * Knows one packet at a time; refuses to know what went before.
 * @module
 */
import { type Level, TYPE } from "../wire/bytes.ts";
import { numberOf, type Seen, strayProperties, textOf } from "../wire/parse.ts";
import { hexCode, nameOf } from "../wire/peer.ts";

/** §2.2.2.2 the properties of each packet that a Client sends. */
export const CLIENT_PROPERTIES: Readonly<Record<number, readonly number[]>> = {
  [TYPE.CONNECT]: [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
  [TYPE.PUBLISH]: [0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
  [TYPE.PUBACK]: [0x1f, 0x26],
  [TYPE.PUBREC]: [0x1f, 0x26],
  [TYPE.PUBREL]: [0x1f, 0x26],
  [TYPE.PUBCOMP]: [0x1f, 0x26],
  [TYPE.SUBSCRIBE]: [0x0b, 0x26],
  [TYPE.UNSUBSCRIBE]: [0x26],
  [TYPE.PINGREQ]: [],
  [TYPE.DISCONNECT]: [0x11, 0x1f, 0x26],
  [TYPE.AUTH]: [0x15, 0x16, 0x1f, 0x26],
};

/** §3.1.3.2 */
export const WILL_PROPERTIES: readonly number[] = [0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26];

const RECEIVED_CODES: readonly number[] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

/** §2.4 the codes that a Client may send. */
export const CLIENT_CODES: Readonly<Record<number, readonly number[]>> = {
  [TYPE.PUBACK]: RECEIVED_CODES,
  [TYPE.PUBREC]: RECEIVED_CODES,
  [TYPE.PUBREL]: [0x00, 0x92],
  [TYPE.PUBCOMP]: [0x00, 0x92],
  [TYPE.DISCONNECT]: [0, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x99],
  [TYPE.AUTH]: [0x18, 0x19],
};

/** The types with a Packet Identifier that must not be 0. */
const WITH_ID: readonly number[] = [
  TYPE.PUBACK,
  TYPE.PUBREC,
  TYPE.PUBREL,
  TYPE.PUBCOMP,
  TYPE.SUBSCRIBE,
  TYPE.UNSUBSCRIBE,
];

/** What is wrong with a packet that a Client has sent; empty for a good one. */
export function faultsOf(seen: Seen, level: Level): string[] {
  const faults = [...seen.faults];
  const { type, id, qos = 0, code } = seen;
  const allowed = CLIENT_PROPERTIES[type];
  if (allowed === undefined || (type === TYPE.AUTH && level === 4)) {
    return [`a Client does not send ${nameOf(type)}`];
  }
  faults.push(...strayProperties(seen, allowed));
  if ((WITH_ID.includes(type) || qos > 0) && id === 0) faults.push("its Packet Identifier is 0");
  if (level === 5 && code !== undefined && CLIENT_CODES[type]?.includes(code) === false) {
    faults.push(`a Client does not send ${nameOf(type)} ${hexCode(code)}`);
  }
  if (type === TYPE.PUBLISH) faults.push(...publishFaults(seen, level));
  if (type === TYPE.SUBSCRIBE || type === TYPE.UNSUBSCRIBE) faults.push(...filterFaults(seen, level));
  return faults;
}

function publishFaults(seen: Seen, level: Level): string[] {
  const { qos, dup, topic = "" } = seen;
  const faults: string[] = [];
  if (qos === 3) faults.push("both QoS bits are set");
  if (qos === 0 && dup === true) faults.push("DUP 1 at QoS 0");
  if (/[#+]/.test(topic)) faults.push(`its topic ${JSON.stringify(topic)} has a wildcard`);
  const alias = numberOf(seen, 0x23);
  if (topic === "" && (level === 4 || alias === undefined)) faults.push("its topic is empty");
  if (alias === 0) faults.push("Topic Alias 0");
  if (/[#+]/.test(textOf(seen, 0x08) ?? "")) faults.push("its Response Topic has a wildcard");
  return faults;
}

function filterFaults({ type, filters = [] }: Seen, level: Level): string[] {
  const faults: string[] = [];
  if (filters.length === 0) faults.push("it has no filter");
  for (const { filter, options = 0 } of filters) {
    faults.push(...filterTextFaults(filter, level));
    if (type !== TYPE.SUBSCRIBE) continue;
    if ((options & 3) === 3) faults.push("QoS 3 is asked for");
    if (level === 4 && options > 3) faults.push("reserved bits of the requested QoS are set");
    if (level === 5 && options > 63) faults.push("reserved bits of the Subscription Options are set");
    if (level === 5 && (options >> 4 & 3) === 3) faults.push("Retain Handling 3");
    if (level === 5 && (options & 4) !== 0 && filter.startsWith("$share/")) {
      faults.push("No Local with a shared subscription");
    }
  }
  return faults;
}

/** §4.7.1, §4.8.2 */
function filterTextFaults(filter: string, level: Level): string[] {
  const quoted = JSON.stringify(filter);
  if (filter === "") return ["a filter is empty"];
  const levels = filter.split("/");
  const faults: string[] = [];
  levels.forEach((one, at) => {
    if (one.includes("#") && (one !== "#" || at < levels.length - 1)) {
      faults.push(`# is misplaced in ${quoted}`);
    }
    if (one.includes("+") && one !== "+") faults.push(`+ is misplaced in ${quoted}`);
  });
  if (level === 5 && levels[0] === "$share") {
    const [, name = "", ...rest] = levels;
    if (name === "" || /[+#]/.test(name)) faults.push(`${quoted} has no right ShareName`);
    else if (rest.join("/") === "") faults.push(`${quoted} has no filter behind its ShareName`);
  }
  return faults;
}
