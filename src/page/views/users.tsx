/**
 * Users of the password file, and the text of the permissions with what is wrong in it.
 * Knows how they are changed; refuses to know what a rule means.
 * @module
 */
import type { VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { PermissionsText, UserRow } from "../answers.ts";
import { ApiError, call, inPath, useAnswer, useParts } from "../api.ts";
import { Ask, Card, Field, Good, Parts, Problem, type Question } from "../ui.tsx";

/** The view. */
export function Users(): VNode {
  return (
    <>
      <UserList />
      <Permissions />
    </>
  );
}

function UserList(): VNode {
  const list = useParts<UserRow>("/users", { limit: 100 });
  const [question, setQuestion] = useState<Question | undefined>();
  const [told, setTold] = useState<string | undefined>();
  const ask = (next: Question, done: string): void => {
    setTold(undefined);
    setQuestion({ ...next, run: () => next.run().then(() => setTold(done)) });
  };
  return (
    <Card
      title="Users"
      aside={list.error === undefined && (
        <button
          type="button"
          class="small"
          onClick={() => ask(adding(), "The user is added.")}
        >
          Add a user …
        </button>
      )}
    >
      <Good>{told}</Good>
      <Parts
        name="Users"
        list={list}
        keyOf={({ name }) => name}
        none="There are no users."
        columns={[
          { title: "User", cell: ({ name }) => name },
          {
            title: "Can log in by",
            isWide: true,
            cell: ({ password, scram }) =>
              [password && "password", scram && "SCRAM"].filter(Boolean).join(", ") || "nothing",
          },
          {
            title: "What you can do",
            cell: ({ name }) => (
              <div class="row">
                <button
                  type="button"
                  class="small"
                  onClick={() => ask(newPassword(name), `${name} has a new password.`)}
                >
                  New password …
                </button>
                <button
                  type="button"
                  class="small danger"
                  onClick={() => ask(removing(name), `${name} is removed.`)}
                >
                  Remove …
                </button>
              </div>
            ),
          },
        ]}
      />
      {question !== undefined && (
        <Ask
          question={question}
          over={(done) => {
            setQuestion(undefined);
            if (done) list.again();
          }}
        />
      )}
    </Card>
  );
}

function adding(): Question {
  const of = { name: "", password: "" };
  return {
    title: "Add a user",
    text: <Credentials of={of} asksName />,
    act: "Add",
    run: () => call("PUT", `/users/${inPath(of.name)}`, { password: of.password }),
  };
}

function newPassword(name: string): Question {
  const of = { name, password: "" };
  return {
    title: `A new password for ${name}`,
    text: <Credentials of={of} />,
    act: "Set the password",
    run: () => call("PUT", `/users/${inPath(name)}`, { password: of.password }),
  };
}

function removing(name: string): Question {
  return {
    title: `Remove ${name}?`,
    text: <p>Nobody can connect as {name} any more.</p>,
    act: "Remove",
    isDanger: true,
    run: () => call("DELETE", `/users/${inPath(name)}`),
  };
}

/** Writes into `of` what is entered. */
function Credentials(
  { of, asksName = false }: { readonly of: { name: string; password: string }; readonly asksName?: boolean },
): VNode {
  const [state, set] = useState({ ...of });
  const change = (by: Partial<typeof state>): void =>
    set(Object.assign(of, { ...state, ...by }) && { ...state, ...by });
  return (
    <>
      {asksName && <Field label="User" required value={state.name} set={(name) => change({ name })} />}
      <Field
        label="Password"
        type="password"
        required
        autocomplete="new-password"
        value={state.password}
        set={(password) => change({ password })}
      />
    </>
  );
}

const KINDS: Readonly<Record<PermissionsText["kind"], string>> = {
  toml: "TOML",
  "mosquitto-acl": "As mosquitto's acl_file",
};

function Permissions(): VNode {
  const asked = useAnswer<PermissionsText>("/permissions");
  const [text, setText] = useState<string | undefined>();
  const [error, setError] = useState<Error | undefined>();
  const [told, setTold] = useState<string | undefined>();
  const area = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const stored = asked.data?.text;
  useEffect(() => setText((old) => old ?? stored), [stored]);
  const present = text ?? stored ?? "";
  const save = async (): Promise<void> => {
    setTold(undefined);
    setError(undefined);
    try {
      await call("PUT", "/permissions", { text: present, version: asked.data?.version });
      setTold("Saved. The permissions hold from now on.");
      asked.again();
    } catch (why) {
      setError(why as Error);
      if (why instanceof ApiError && why.line !== undefined) goToLine(area.current!, present, why.line);
    }
  };
  return (
    <Card title="Permissions">
      <Problem error={asked.error} />
      {asked.data !== undefined && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <label for={id}>What Clients may publish and subscribe to</label>
          <p class="hint" id={`${id}-hint`}>
            {KINDS[asked.data.kind]}, in{" "}
            <code>{asked.data.file}</code>. It is checked before it is saved: a mistake is shown with its
            line, and changes nothing.
          </p>
          <textarea
            id={id}
            ref={area}
            class="code"
            rows={18}
            spellcheck={false}
            wrap="off"
            value={present}
            aria-describedby={`${id}-hint`}
            aria-invalid={error !== undefined}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <Wrong error={error} text={present} />
          <Good>{told}</Good>
          <div class="row">
            <button type="submit" class="main" disabled={present === stored}>Check and save</button>
            <button
              type="button"
              disabled={present === stored}
              onClick={() => {
                setText(stored);
                setError(undefined);
              }}
            >
              Back to what is saved
            </button>
          </div>
        </form>
      )}
    </Card>
  );
}

/** What is wrong, with the line that it stands in. */
function Wrong({ error, text }: { readonly error: Error | undefined; readonly text: string }): VNode | null {
  if (error === undefined) return null;
  const { line, key } = error instanceof ApiError ? error : { line: undefined, key: undefined };
  return (
    <div class="problem" role="alert">
      {line !== undefined && (
        <p>
          Line {line}
          {key !== undefined && (
            <>
              , key <code>{key}</code>
            </>
          )}: <code>{text.split("\n")[line - 1]}</code>
        </p>
      )}
      <p>{error.message}</p>
    </div>
  );
}

/** Puts the cursor there, with the line chosen. */
function goToLine(area: HTMLTextAreaElement, text: string, line: number): void {
  const lines = text.split("\n");
  const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  area.focus();
  area.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
  const height = area.scrollHeight / Math.max(1, lines.length);
  area.scrollTop = Math.max(0, (line - 4) * height);
}
