/**
 * A Client that a person starts: the auditor prints what it should do, and waits on one port.
 * Knows words; refuses to know their reader.
 * @module
 */
import { type ClientOrder, type Driver, type RunningClient, SKILLS, type Where } from "./driver.ts";

/** How long somebody may take. */
const CONNECT_MS = 300_000;

/** `say` takes one order at a time, as text that ends with a line break. */
export function manualDriver(port: number, say: (text: string) => void): Driver {
  return {
    name: "manual",
    skills: new Set(SKILLS),
    port,
    connectMs: CONNECT_MS,
    flags: `--client --port ${port}`,
    start(order, where) {
      say(orderText(order, where));
      const running: RunningClient = {
        heard: undefined,
        gone: new Promise(() => {}),
        words: "",
        leave: () => say("  Now disconnect it.\n"),
        stop: () => Promise.resolve(say("  That is all; it may be stopped.\n")),
      };
      return Promise.resolve(running);
    },
  };
}

/** The order in words, one thing a line. */
export function orderText(order: ClientOrder, { url }: Where): string {
  const quote = (text: string) => JSON.stringify(text);
  const lines = [
    `Connect to ${url} with MQTT ${order.level === 5 ? "5.0" : "3.1.1"}`,
    `  Client Identifier ${quote(order.clientId)}, Clean ${order.level === 5 ? "Start" : "Session"} ${
      order.cleanStart ? 1 : 0
    }, Keep Alive ${order.keepAlive} s`,
  ];
  const add = (text: string, there: boolean) => there && lines.push(`  ${text}`);
  const { will, username = "", password = "", authenticationMethod = "" } = order;
  add(`User Name ${quote(username)}`, order.username !== undefined);
  add(`Password ${quote(password)}`, order.password !== undefined);
  if (will !== undefined) {
    const { topic, payload, qos, retain } = will;
    lines.push(`  Will ${quote(payload)} on ${quote(topic)}, QoS ${qos}, RETAIN ${retain ? 1 : 0}`);
  }
  add(`Session Expiry Interval ${order.sessionExpiry}`, order.sessionExpiry !== undefined);
  add(`Receive Maximum ${order.receiveMaximum}`, order.receiveMaximum !== undefined);
  add(`Topic Alias Maximum ${order.topicAliasMaximum}`, order.topicAliasMaximum !== undefined);
  add(`Maximum Packet Size ${order.maximumPacketSize}`, order.maximumPacketSize !== undefined);
  add(`Authentication Method ${quote(authenticationMethod)}`, order.authenticationMethod !== undefined);
  add("authenticate again when it is accepted", order.reauthenticate === true);
  for (const { filter, qos, noLocal } of order.subscribe ?? []) {
    lines.push(`  subscribe to ${quote(filter)} with QoS ${qos}${noLocal === true ? " and No Local" : ""}`);
  }
  for (const { topic, payload, qos, retain, properties = {} } of order.publish ?? []) {
    const more = Object.entries(properties).map(([name, value]) => `, ${name} ${value}`).join("");
    const shown = payload.length > 60 ? `${payload.length} characters` : quote(payload);
    lines.push(
      `  publish ${shown} to ${quote(topic)} with QoS ${qos}${retain === true ? ", RETAIN 1" : ""}${more}`,
    );
  }
  for (const filter of order.unsubscribe ?? []) lines.push(`  unsubscribe from ${quote(filter)}`);
  add("come back when the connection is lost", order.reconnect);
  return `${lines.join("\n")}\n`;
}
