/**
 * Signing in: as an administrator with a password, or by the token of the broker's owner.
 * Knows the two ways; refuses to know how they are checked.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { session, signIn, useTokenNow } from "../api.ts";
import { useStore } from "../store.ts";
import { Card, Field, Problem } from "../ui.tsx";

/** The view. */
export function Login(): VNode {
  const present = useStore(session);
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [token, setToken] = useState("");
  const [error, setError] = useState<Error | undefined>();
  const [isBusy, setBusy] = useState(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    signIn(user, password).catch((why: Error) => {
      setError(why);
      setBusy(false);
    });
  };
  return (
    <>
      {present.is === "out" && present.why !== undefined && <p role="status">{present.why}.</p>}
      <Card title="On the machine of the broker">
        <p>
          Run <code>plumb page</code>{" "}
          there and open the address that it prints. It has the token of the broker's owner in it.
        </p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void useTokenNow(token);
          }}
        >
          <div class="row">
            <Field
              label="Token"
              type="password"
              required
              hint="What stands behind #token= in that address"
              value={token}
              set={setToken}
            />
          </div>
          <div class="row">
            <button type="submit">Use this token</button>
          </div>
        </form>
      </Card>
      <Card title="From anywhere else">
        <p>
          With the name and password that you use for MQTT, if the broker's setting <code>admins</code>{" "}
          lists you.
        </p>
        <form onSubmit={submit}>
          <div class="row">
            <Field label="User" name="username" autocomplete="username" required value={user} set={setUser} />
            <Field
              label="Password"
              name="password"
              type="password"
              autocomplete="current-password"
              required
              value={password}
              set={setPassword}
            />
          </div>
          <Problem error={error} />
          <div class="row">
            <button type="submit" class="main" disabled={isBusy}>Sign in</button>
          </div>
        </form>
      </Card>
    </>
  );
}
