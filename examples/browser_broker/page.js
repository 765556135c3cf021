/**
 * Three widgets that know nothing of each other: they meet at the broker of this browser.
 * @module
 */
import { join } from "./join.ts";

const LAST = 30;
const $ = (id) => document.getElementById(id);
const retained = { qos: 1, retain: true };

/** Calls `show` with the text of each message. */
async function follow(client, filter, show) {
  for await (const { topic, bytes } of await client.subscribe(filter, { qos: 1 })) {
    show(new TextDecoder().decode(bytes), topic);
  }
}

async function heating() {
  const client = await join();
  const input = $("target");
  const show = (text) => {
    input.value = text;
    $("target-is").textContent = `${text} °C`;
  };
  input.addEventListener("input", () => $("target-is").textContent = `${input.value} °C`);
  input.addEventListener("change", () => client.publish("home/heating/target", input.value, retained));
  await follow(client, "home/heating/target", show);
}

async function lamp() {
  const client = await join();
  const button = $("lamp");
  const show = (text) => {
    button.setAttribute("aria-pressed", String(text === "on"));
    $("lamp-is").textContent = text;
  };
  button.addEventListener("click", () => {
    const isOn = button.getAttribute("aria-pressed") === "true";
    client.publish("home/lamp", isOn ? "off" : "on", retained);
  });
  await follow(client, "home/lamp", show);
}

async function log() {
  const client = await join();
  const list = $("messages");
  await follow(client, "home/#", (text, topic) => {
    const item = document.createElement("li");
    const [where, what] = ["code", "span"].map((name) => document.createElement(name));
    where.textContent = topic;
    what.textContent = text;
    item.append(where, what);
    list.prepend(item);
    list.children[LAST]?.remove();
  });
}

async function bridge() {
  const client = await join();
  await follow(client, "bridge/state", (text) => {
    const { isConnected, waiting } = JSON.parse(text);
    const messages = `${waiting} message${waiting === 1 ? "" : "s"}`;
    $("bridge").dataset.connected = isConnected;
    $("bridge").textContent = isConnected
      ? waiting === 0
        ? "Connected to the broker outside."
        : `Connected to the broker outside; ${messages} on their way.`
      : waiting === 0
      ? "Not connected. All goes on here."
      : `Not connected. All goes on here; ${messages} wait${waiting === 1 ? "s" : ""} for the network.`;
  });
}

for (const widget of [heating, lamp, log, bridge]) {
  widget().catch((error) => {
    $("bridge").textContent = `The broker of this browser does not run: ${error.message}`;
  });
}
