/**
 * mosquitto's ACL file, read as it is.
 * Knows its lines; refuses to know what becomes of the permissions.
 *
 * As mosquitto does, every subscription is granted and each delivery checked (`wide-filters = "narrow"`), a Client of any user may join
 * any shared group, and rules before the first `user` line are for Clients without a user name. Other than there, a `deny` of a
 * `pattern` line wins over the `topic` lines of a user too, and a name with a `/` in it fills in no pattern.
 * @module
 */
import { parseFilter } from "../topic/filter.ts";
import {
  type HolderData,
  type Path,
  type PermissionsData,
  PermissionsError,
  type RuleData,
  type Rules,
  rulesOf,
} from "./rules.ts";

/** A file that was read. */
export interface MosquittoAcl {
  /** The same, as ours is written. */
  readonly data: PermissionsData;
  /** The same, checked, with the lines of the file. */
  readonly rules: Rules;
  /** Lines that mean something else here, each with its place. */
  readonly notes: readonly string[];
}

interface Lines {
  readonly rules: { readonly rule: RuleData; readonly line: number }[];
  readonly denied: { readonly rule: RuleData; readonly line: number }[];
}

const ACCESS: readonly string[] = ["read", "write", "readwrite", "deny"];

/**
 * The permissions in the text of a file.
 * @throws {PermissionsError} with the name of the file, the line, what is wrong and what would be right.
 */
export function readMosquittoAcl(text: string, file: string): MosquittoAcl {
  const anonymous: Lines = { rules: [], denied: [] };
  const everyone: Lines = { rules: [], denied: [] };
  const users = new Map<string, Lines>();
  const notes: string[] = [];
  let topics = anonymous;
  text.split("\n").forEach((whole, i) => {
    const line = i + 1;
    const fault = (what: string) => new PermissionsError(`${file}:${line}: ${what}`);
    const words = whole.trimEnd();
    if (words === "" || words.startsWith("#")) return;
    if (/(?!\t)\p{Cc}/u.test(words)) throw fault("a control character; lines end with LF or CR LF");
    const [, keyword, rest = ""] = /^ *([^ ]+) *(.*)$/s.exec(words)!;
    if (keyword === "user") {
      if (rest === "") throw fault("user: a name is missing");
      topics = users.get(rest) ?? { rules: [], denied: [] };
      users.set(rest, topics);
    } else if (keyword === "topic" || keyword === "pattern") {
      const isPattern = keyword === "pattern";
      const { access, topic } = accessOf(rest, fault);
      const into = isPattern ? everyone : topics;
      if (access !== "deny" && access !== "read" && /^\$SYS(\/|$)/.test(topic)) {
        notes.push(`${file}:${line}: only the Server publishes to ${topic}`);
      }
      if (isPattern && !/%[cu]/.test(topic)) {
        notes.push(`${file}:${line}: this pattern has no %c and no %u: it is for every Client`);
      }
      if (isPattern && access === "deny") {
        notes.push(`${file}:${line}: this deny wins over the topic lines of users too`);
      }
      const rule = ruleOf(access, isPattern ? escapedPattern(topic) : topic.replaceAll("%", "%%"));
      if (rule !== undefined) (access === "deny" ? into.denied : into.rules).push({ rule, line });
    } else throw fault(`${JSON.stringify(keyword)}: a line begins with user, topic, pattern or #`);
  });
  const lines = new Map<string, number>();
  const holder = (path: Path, { rules, denied }: Lines): HolderData => {
    rules.forEach(({ line }, i) => lines.set(JSON.stringify([...path, "allow", i]), line));
    denied.forEach(({ line }, i) => lines.set(JSON.stringify([...path, "deny", i]), line));
    return {
      ...(rules.length > 0 && { allow: rules.map(({ rule }) => rule) }),
      ...(denied.length > 0 && { deny: denied.map(({ rule }) => rule) }),
    };
  };
  const data: PermissionsData = {
    "wide-filters": "narrow",
    everyone: holder(["everyone"], everyone),
    anonymous: holder(["anonymous"], anonymous),
    user: Object.fromEntries([...users].map(([name, some]) => [name, holder(["user", name], some)])),
  };
  const placeOf = (path: Path): string => {
    const depth = path[0] === "user" ? 4 : 3;
    return `${file}:${lines.get(JSON.stringify(path.slice(0, depth))) ?? 1}`;
  };
  return { data, rules: rulesOf(data, placeOf), notes };
}

function accessOf(
  rest: string,
  fault: (what: string) => PermissionsError,
): { readonly access: string; readonly topic: string } {
  const [, first = "", more = ""] = /^([^ ]*) *(.*)$/s.exec(rest)!;
  const topic = more === "" ? first : more;
  const access = more === "" ? "readwrite" : first;
  if (topic === "") throw fault("a topic is missing");
  if (!ACCESS.includes(access)) {
    throw fault(`${JSON.stringify(access)}: the access is ${ACCESS.join(", ")}, or left out`);
  }
  if (typeof parseFilter(topic) === "string") {
    throw fault(
      `${JSON.stringify(topic)}: not a Topic Filter: + is a whole level, # is the whole last level`,
    );
  }
  return { access, topic };
}

/** In a pattern only `%c` and `%u` are variables. */
function escapedPattern(topic: string): string {
  return topic.replace(/%(?![cu])/g, "%%");
}

function ruleOf(access: string, topic: string): RuleData | undefined {
  const isServers = /^\$SYS(\/|$)/.test(topic);
  if (access === "deny") return { publish: topic, subscribe: topic };
  if (access === "write") return isServers ? undefined : { publish: topic };
  const reads = { subscribe: topic, share: ["*"] };
  return access === "read" || isServers ? reads : { publish: topic, ...reads };
}
