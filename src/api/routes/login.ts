/**
 * Logins by password.
 * Knows the cookie; refuses to know passwords.
 * @module
 */
import { COOKIE, type LoginParts } from "../access.ts";
import { ApiError } from "../error.ts";
import { type Call, type Operation, Reply } from "../operation.ts";
import { object, text } from "../schema.ts";

/** Logs in and out. */
export function loginOperations({ logins, isTls }: LoginParts): readonly Operation[] {
  const cookie = (value: string, more: string) => ({
    "set-cookie": `${COOKIE}=${value}; HttpOnly; SameSite=Strict; Path=/api${isTls ? "; Secure" : ""}${more}`,
  });
  return [
    {
      method: "post",
      path: "/login",
      id: "login",
      among: "any",
      about: "Logs an administrator in with the password that the broker knows; the answer sets a cookie",
      isOpen: true,
      body: object({
        user: text("one of the setting admins", { maxLength: 65_535 }),
        password: text(undefined, { maxLength: 65_535 }),
      }),
      answer: object({ user: text() }),
      async run({ host, body, address, now }: Call) {
        const { user, password } = body as { user: string; password: string };
        // A user who is none of them is asked for as well: the time of the answer does not say who is.
        const answer = await host.login(user, password, address);
        if (answer === "not now") {
          throw new ApiError("too-many", "Too many logins failed, or wait: try again later");
        }
        if (answer !== "let in" || !host.admins.includes(user)) {
          throw new ApiError(
            "login-refused",
            "No such user, another password, or none of the setting admins",
          );
        }
        return new Reply({ user }, cookie(logins.begin(user, now, host.numbers.apiLoginsMax), ""));
      },
    },
    {
      method: "post",
      path: "/logout",
      id: "logout",
      among: "merged",
      about: "Ends the login of the cookie",
      run({ cookie: value }: Call) {
        if (value !== undefined) logins.end(value);
        return new Reply(undefined, cookie("", "; Max-Age=0"));
      },
    },
  ];
}
