/**
 * Every view of the page with something in it, one behind the other.
 * Knows how a person comes to see it; refuses to know what is done with what is seen.
 * @module
 */
import type { Person } from "./person.ts";
import { ADMIN, AWAY, SLOW } from "./scene.ts";

/** One thing that is seen. */
export interface Sight {
  readonly name: string;
  /** Leaves the page so that it is seen. */
  show(person: Person): Promise<void>;
}

/** Before anyone has signed in. */
export const LOGIN: Sight = {
  name: "login",
  show: (person) => person.sees("Sign in", "plumb page"),
};

/** Leaves the console with a connection. */
export async function connectConsole(person: Person): Promise<void> {
  await person.goes("#/console", "Console");
  if ((await person.reads()).includes("Connected as")) return;
  await person.presses("Connect");
  await person.sees("Connected as");
}

/** Signed in. */
export const SIGHTS: readonly Sight[] = [
  {
    name: "overview",
    async show(person) {
      await person.goes("#/", "Overview");
      await person.sees("Messages each second", "What the memory is for", "queuedMessagesMax");
    },
  },
  {
    name: "clients",
    async show(person) {
      await person.goes("#/clients", "Clients");
      await person.sees("kitchen-sensor", "hub");
    },
  },
  {
    name: "client",
    async show(person) {
      await person.goes(`#/clients/${SLOW}`, "Clients");
      await person.sees("home/#", "of at most 2", "sent");
    },
  },
  {
    name: "away",
    async show(person) {
      await person.goes(`#/clients/${AWAY}`, "Clients");
      await person.sees("away; its session ends", "messages on the disk alone");
    },
  },
  {
    name: "kick",
    async show(person) {
      await person.goes("#/clients/hub", "Clients");
      await person.sees("home/+/set");
      await person.presses("Disconnect …");
      await person.sees("Disconnect hub?");
    },
  },
  {
    name: "topics",
    async show(person) {
      await person.keys("Escape");
      await person.goes("#/topics", "Topics");
      await person.presses("Levels below home");
      await person.presses("Levels below home/kitchen");
      await person.presses("temperature");
      await person.sees("celsius", "Expires in");
    },
  },
  {
    name: "console",
    async show(person) {
      await connectConsole(person);
      await person.writes("Topic Filter", "home/+/temperature");
      await person.presses("Subscribe");
      await person.sees("subscribed to home/+/temperature", "celsius");
    },
  },
  {
    name: "explain",
    async show(person) {
      await person.goes("#/explain", "Explain");
      await person.writes("Client", AWAY);
      await person.writes("Topic", "home/kitchen/temperature");
      await person.presses("Explain");
      await person.sees("The answer", "Sessions that get a copy");
    },
  },
  {
    name: "users",
    async show(person) {
      await person.goes("#/users", "Users and permissions");
      await person.sees(ADMIN.user);
      await person.writes(
        "What Clients may publish and subscribe to",
        '[everyone]\nallow = [{ publsh = "#" }]\n',
      );
      await person.presses("Check and save");
      await person.sees("Line 2");
    },
  },
  {
    name: "limits",
    async show(person) {
      await person.goes("#/limits", "Limits and settings");
      await person.sees("queuedMessagesMax", "Listeners");
      await person.writes("Search", "queued");
    },
  },
  {
    name: "audit",
    async show(person) {
      await person.goes("#/audit", "Audit");
      await person.sees("Audit this broker");
    },
  },
];
