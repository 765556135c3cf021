/**
 * The links of a login chain as they are written in `plumb.toml`: `[[login]]`, or `[[listener.login]]` for one listener.
 * Knows the keys of each kind of link; refuses to know what a link does. Loaded only where a chain is written or described.
 * @module
 */
import { ANONYMOUS } from "../login/anonymous.ts";
import { GO_AUTH_NUMBERS } from "../login/go_auth.ts";
import { HOOK_NUMBERS } from "../login/hook.ts";
import { HTTP_NUMBERS } from "../login/http.ts";
import { KEY_NUMBERS } from "../login/key_set.ts";
import type { NumberRow } from "../login/options.ts";
import { PASSWORD_NUMBERS } from "../login/password.ts";
import { TOKEN_NUMBERS } from "../login/token.ts";
import { FILE_NUMBERS } from "../login/watched_file.ts";
import { kebab, type Setting, setting } from "./setting.ts";

/** One kind of link. */
export interface LinkKind {
  readonly about: string;
  readonly rows: readonly Setting[];
  /** Keys that it must have. */
  readonly required: readonly string[];
}

type LinkRow = Pick<Setting, "kind" | "about"> & Partial<Pick<Setting, "choices" | "default" | "isPath">>;

function row(option: string, given: LinkRow): Setting {
  return setting({ key: kebab(option), scope: "listener", reload: "new connections", option, ...given });
}

const text = (option: string, about: string) => row(option, { kind: "text", about });
const list = (option: string, about: string) => row(option, { kind: "list", about });
const path = (option: string, about: string) => row(option, { kind: "text", isPath: true, about });
const choice = (option: string, choices: readonly string[], value: string, about: string) =>
  row(option, { kind: "choice", choices, default: value, about });

function numbers(rows: Readonly<Record<string, NumberRow>>): Setting[] {
  return Object.entries(rows).map(([option, { default: value, least, most, unit, about }]) => ({
    ...row(option, { kind: "integer", about, default: String(value) }),
    least,
    most,
    unit,
  }));
}

const HEADERS = path(
  "headersFile",
  "a file with NAME: VALUE in each line, sent with each request: the place of a secret",
);

/** By the value of `kind`. */
export const LINK_KINDS: Readonly<Record<string, LinkKind>> = {
  anonymous: {
    about: "Clients without a user name",
    rows: [
      choice(
        "from",
        ANONYMOUS,
        "loopback",
        "from where they may come: loopback is this machine; never; always",
      ),
      choice(
        "credentials",
        ["passed on", "ignored"],
        "passed on",
        "whether Clients that have a user name are for the next link, or count as if they had none",
      ),
    ],
    required: [],
  },
  certificate: {
    about: "Clients with a certificate that the listener has checked: its identity is the user name",
    rows: [],
    required: [],
  },
  "password-file": {
    about: "users of a file, by password and by SCRAM",
    rows: [
      path(
        "file",
        "users and their passwords, as plumb passwd writes them; files of mosquitto_passwd do too",
      ),
      ...numbers(PASSWORD_NUMBERS),
      ...numbers(FILE_NUMBERS),
    ],
    required: ["file"],
  },
  token: {
    about:
      "signed tokens (JWT) in the password or by AUTH; one of key-file, secret-file, keys-url and open-id",
    rows: [
      path("keyFile", "public keys or certificates in PEM, a JWK, or a set of them"),
      path("secretFile", "a secret for HS256, HS384 and HS512, of 32 bytes or more"),
      text("keysUrl", "the URL of a set of keys (JWKS)"),
      row("openId", { kind: "switch", about: "issuer is an OpenID provider that says where its keys are" }),
      list("issuer", "iss is one of these"),
      list("audience", "aud is one of these"),
      list("algorithms", "those that may be used, among those of the keys"),
      row("usernameClaim", { kind: "text", default: "sub", about: "the claim that is the user name" }),
      row("groupsClaim", { kind: "text", default: "groups", about: "the claim that has the groups" }),
      list(
        "claims",
        "the claims that are kept for permissions; default all that are texts, numbers or booleans",
      ),
      text("clientIdClaim", "the claim that the Client Identifier must be equal to"),
      row("method", {
        kind: "text",
        default: "JWT",
        about: "the Authentication Method by which tokens come",
      }),
      ...numbers({ ...TOKEN_NUMBERS, ...KEY_NUMBERS, ...FILE_NUMBERS }),
    ],
    required: [],
  },
  http: {
    about: "whom a service lets in that answers in JSON",
    rows: [
      text("url", "where it is asked, by POST: https://, or http:// on this machine"),
      HEADERS,
      ...numbers({ ...HTTP_NUMBERS, ...HOOK_NUMBERS, ...FILE_NUMBERS }),
    ],
    required: ["url"],
  },
  "home-assistant": {
    about: "users of Home Assistant, whom its Supervisor is asked about",
    rows: [
      row("url", { kind: "text", default: "http://supervisor/auth", about: "where it is asked, by POST" }),
      HEADERS,
      ...numbers({ ...HTTP_NUMBERS, ...HOOK_NUMBERS, ...FILE_NUMBERS }),
    ],
    required: [],
  },
  "go-auth": {
    about: "whom a service for mosquitto-go-auth lets in; what it grants holds besides the permissions",
    rows: [
      text("userUrl", "http_getuser_uri, as a whole URL"),
      text("superuserUrl", "http_superuser_uri, as a whole URL; without one nobody may do everything"),
      text("aclUrl", "http_aclcheck_uri, as a whole URL"),
      choice("params", ["json", "form"], "json", "http_params_mode"),
      choice("response", ["status", "json", "text"], "status", "http_response_mode"),
      choice("method", ["POST", "PUT"], "POST", "http_method"),
      HEADERS,
      ...numbers({ ...GO_AUTH_NUMBERS, ...HOOK_NUMBERS, ...FILE_NUMBERS }),
    ],
    required: ["user-url", "acl-url"],
  },
};

/** The kind of a link, in its table. */
export const LINK_KIND: Setting = row("kind", {
  kind: "choice",
  choices: Object.keys(LINK_KINDS),
  about: "what the link asks",
});
