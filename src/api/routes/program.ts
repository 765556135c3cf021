/**
 * The program around the broker: its limits, settings, listeners, users, permissions and data.
 * Knows what is asked of it; refuses to know files.
 * @module
 */
import { type LimitName, type LimitRow, LIMITS } from "../../broker/mod.ts";
import type { LoginParts } from "../access.ts";
import { ApiError } from "../error.ts";
import type { PermissionFile, UserFile, UserView } from "../host.ts";
import { type Call, type Operation, PAGE_ITEMS_MAX, Reply, serverOf } from "../operation.ts";
import { flag, integer, list, object, oneOf, orNull, page, type Schema, text } from "../schema.ts";

/** @throws {ApiError} if no setting names one. */
function usersOf({ host }: Call): UserFile {
  const users = host.users();
  if (users !== undefined) return users;
  throw new ApiError("conflict", "The broker has no password file: start it with --password-file FILE");
}

/** @throws {ApiError} if no setting names one. */
function permissionsOf({ host }: Call): PermissionFile {
  const permissions = host.permissions();
  if (permissions !== undefined) return permissions;
  throw new ApiError("conflict", "The broker has no file of permissions: start it with --permissions FILE");
}

const USER = object({
  name: text(),
  password: flag("it has a password for CONNECT"),
  scram: flag("it has keys for SCRAM"),
});
const VERSION = text(
  "of the text: given back with a change, it says that nobody has changed the file meanwhile",
  {
    maxLength: 100,
  },
);
const PERMISSIONS_TEXT: Schema = text("the text of the file");

/** The program. */
export const programOperations = ({ logins }: Pick<LoginParts, "logins">): readonly Operation[] => [
  {
    method: "get",
    path: "/limits",
    id: "limits",
    among: "merged",
    about: "The limits of the broker, and how often each was reached; a listener may have others",
    answer: object({
      items: list(object({
        name: text("the option"),
        value: integer(),
        default: integer(),
        unit: text(),
        scope: oneOf(["broker", "listener", "connection", "session"]),
        reached: integer("how often, since the start"),
        about: text(),
      })),
    }),
    run(call) {
      const { limits: values, stats: { limits: reached } } = serverOf(call).broker;
      const items = (Object.entries(LIMITS) as [LimitName, LimitRow][]).map(
        ([name, { default: usual, unit, scope, about }]) => (
          { name, value: values[name], default: usual, unit, scope, reached: reached[name] ?? 0, about }
        ),
      );
      return { items };
    },
  },
  {
    method: "get",
    path: "/settings",
    id: "settings",
    among: "any",
    about: "The settings of the broker that hold, secrets masked",
    answer: object({
      items: list(object({
        key: text("in plumb.toml"),
        values: list(text()),
        isDefault: flag(),
        unit: orNull(text()),
        about: text(),
        reload: oneOf(["now", "new connections", "restart"], "when a change holds"),
      })),
    }),
    run: ({ host }) => ({ items: host.settings() }),
  },
  {
    method: "get",
    path: "/listeners",
    id: "listeners",
    among: "merged",
    about: "Where the broker listens",
    answer: object({
      items: list(object({
        url: text("as it was asked for"),
        addresses: list(text(), "where it is open; none if it could not be opened"),
        tls: flag(),
        page: flag("it shows the page"),
        api: flag("it shows this API"),
        metrics: flag("it shows /metrics"),
        login: list(text(), "the links of its login chain"),
      })),
    }),
    run: ({ host }) => ({ items: host.listeners() }),
  },
  {
    method: "get",
    path: "/users",
    id: "users",
    among: "any",
    about: "The users of the password file, by name",
    query: {
      limit: integer("the most items", { minimum: 1, maximum: PAGE_ITEMS_MAX, default: 100 }),
      after: text("next of the page before: names behind it", { maxLength: 65_535 }),
    },
    answer: page(USER),
    run(call) {
      const { limit, after = "" } = call.given as { limit: number; after?: string };
      const rest = usersOf(call).all().filter(({ name }) => name > after);
      const items: readonly UserView[] = rest.slice(0, limit);
      return { items, next: rest.length > limit ? items.at(-1)!.name : null };
    },
  },
  {
    method: "put",
    path: "/users/{name}",
    id: "setUser",
    among: "files",
    about:
      "Sets the password of a user, who is made if there is none of that name; logins with another one end",
    body: object({
      password: text(undefined, { minLength: 1, maxLength: 65_535 }),
      scram: flag("also for SCRAM-SHA-256 and SCRAM-SHA-512, which a user keeps from then on"),
    }, ["scram"]),
    answer: object({ isNew: flag() }),
    async run(call) {
      const { password, scram = false } = call.body as { password: string; scram?: boolean };
      const name = call.given["name"] as string;
      const isNew = await usersOf(call).set(name, password, scram);
      logins.endAllOf(name);
      return { isNew };
    },
  },
  {
    method: "delete",
    path: "/users/{name}",
    id: "deleteUser",
    among: "files",
    about: "Deletes a user, whose logins end; connections that are open stay",
    async run(call) {
      const name = call.given["name"] as string;
      if (await usersOf(call).delete(name)) return logins.endAllOf(name);
      throw new ApiError("not-found", `There is no user ${JSON.stringify(name)}`);
    },
  },
  {
    method: "get",
    path: "/permissions",
    id: "permissions",
    among: "any",
    about: "The file of permissions",
    answer: object({
      file: text(),
      kind: oneOf(["toml", "mosquitto-acl"]),
      text: PERMISSIONS_TEXT,
      version: VERSION,
    }),
    run(call) {
      const permissions = permissionsOf(call);
      const { file, kind } = permissions;
      return { file, kind, ...permissions.read() };
    },
  },
  {
    method: "put",
    path: "/permissions",
    id: "setPermissions",
    among: "files",
    about: "Replaces the file of permissions, if the text is right; the broker goes by it at once",
    body: object({ text: PERMISSIONS_TEXT, version: VERSION }, ["version"]),
    answer: object({ version: VERSION }),
    run(call) {
      const { text, version } = call.body as { text: string; version?: string };
      return permissionsOf(call).replace(text, version);
    },
  },
  {
    method: "get",
    path: "/export",
    id: "export",
    among: "merged",
    about:
      "All data as a snapshot, all of one moment, as plumb export writes it; plumb import reads it, while the broker does not run",
    type: "application/octet-stream",
    run: ({ host, signal }) =>
      new Reply(host.snapshot(signal), { "content-disposition": 'attachment; filename="plumb.snapshot"' }),
  },
];
