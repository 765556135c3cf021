/**
 * The audit of this broker at a click.
 * Knows what a person sees of it; refuses to know the cases.
 * @module
 */
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { session } from "../api.ts";
import { audit, beginAudit, stopAudit } from "../audit_state.ts";
import { count, counted, duration } from "../format.ts";
import { useStore } from "../store.ts";
import { Card, Facts, Field, Problem } from "../ui.tsx";

const VERDICTS = {
  fail: "Against the standard",
  lenient: "Allowed, but not what the standard advises",
  inconclusive: "Could not be carried out",
};

/** The view. */
export function Audit(): VNode {
  const { is, planned, passed, unsupported, findings, error, seconds } = useStore(audit);
  const present = useStore(session);
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    if (present.is !== "in" || present.login === undefined) return;
    setUser(present.login.user);
    setPassword(present.login.password);
  }, [present]);
  const done = passed + unsupported + findings.length;
  const failed = findings.filter(({ verdict }) => verdict === "fail").length;
  return (
    <>
      <p>
        This page plays a Client, one that breaks the rules too, and checks that the broker does what MQTT 5.0
        and 3.1.1 demand. It opens many short connections and publishes to topics of its own; other Clients go
        on meanwhile.
      </p>
      <Card title="This broker">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void beginAudit(user, password);
          }}
        >
          <div class="row">
            <Field
              label="User"
              hint="Empty: without a login"
              disabled={is === "running"}
              value={user}
              set={setUser}
            />
            <Field
              label="Password"
              type="password"
              disabled={is === "running"}
              value={password}
              set={setPassword}
            />
          </div>
          <div class="row">
            <button type="submit" class="main" disabled={is === "running"}>
              {is === "not begun" ? "Audit this broker" : "Audit again"}
            </button>
            <button type="button" disabled={is !== "running"} onClick={stopAudit}>Stop</button>
          </div>
        </form>
      </Card>
      {is !== "not begun" && (
        <Card title="What was found">
          <Problem error={error} />
          {is === "running" && (
            <p>
              <label>
                {counted(done, "case")} of {planned === 0 ? "…" : count(planned)}
                <progress max={Math.max(1, planned)} value={done} />
              </label>
            </p>
          )}
          <p role="status">
            {is === "over" && error === undefined && (
              <b>
                {failed === 0
                  ? "Nothing is against the standard."
                  : `${counted(failed, "case")} against the standard.`}
              </b>
            )}
            {is === "stopped" && <b>Stopped: the rest was not looked at.</b>}
          </p>
          <Facts
            of={{
              Passed: count(passed),
              "Against the standard": count(failed),
              "Other findings": count(findings.length - failed),
              "Not offered here": count(unsupported),
              Took: seconds === undefined ? undefined : duration(seconds),
            }}
          />
          {findings.length > 0 && (
            <ol class="steps">
              {findings.map(({ name, words, verdict, reason }) => (
                <li key={name}>
                  <b>{VERDICTS[verdict]}.</b> {words} <code>{name}</code>
                  <p class="muted">{reason}</p>
                </li>
              ))}
            </ol>
          )}
          <p class="hint">
            Left out are cases about WebSocket frames, which a page cannot form, and cases that only wait;
            {" "}
            <code>plumb audit</code> runs all of them.
          </p>
        </Card>
      )}
    </>
  );
}
