/**
 * MQTT.js by its promises, as async-mqtt has them: one connection that awaits each QoS 1 publish to its own subscription, or many
 * QoS 2 publishes at once. Knows that client; refuses to know which broker. Run: `mqttjs.mjs HOST PORT LEVEL each|burst COUNT`;
 * writes what it found as JSON.
 * @module
 */
import mqtt from "mqtt";
import process from "node:process";

const [host, port, level, what, count] = process.argv.slice(2);
const client = await mqtt.connectAsync({
  host,
  port: Number(port),
  protocolVersion: Number(level) === 5 ? 5 : 4,
  clientId: "mqttjs",
  reconnectPeriod: 0,
});
let closes = 0;
client.on("close", () => closes++);
let came = () => {};
client.on("message", () => came());
const began = performance.now();
if (what === "each") {
  await client.subscribeAsync("mqttjs", { qos: 1 });
  const took = [];
  for (let i = 0; i < Number(count); i++) {
    const at = performance.now();
    const message = new Promise((resolve) => came = resolve);
    await client.publishAsync("mqttjs", "x", { qos: 1 });
    await message;
    took.push(performance.now() - at);
  }
  took.sort((a, b) => a - b);
  console.log(JSON.stringify({ medianMs: took[took.length >> 1], worstMs: took.at(-1) }));
} else {
  await Promise.all(Array.from({ length: Number(count) }, (_, i) => {
    return client.publishAsync("mqttjs/burst", `${i}`, { qos: 2 });
  }));
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000, cuts: closes }));
}
await client.endAsync();
