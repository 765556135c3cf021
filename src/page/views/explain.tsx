/**
 * Why a Client gets a message, or does not.
 * Knows the question and the steps of the answer; refuses to know how the broker finds them.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Explanation } from "../answers.ts";
import { query, useAnswer } from "../api.ts";
import { count, moment } from "../format.ts";
import { route, to } from "../route.ts";
import { useStore } from "../store.ts";
import { Answer, Card, Choice, Facts, Field, QOS, Tick } from "../ui.tsx";

/** The view. */
export function Explain(): VNode {
  const { of = "" } = useStore(route);
  const [client, setClient] = useState(of);
  const [topic, setTopic] = useState("");
  const [publisher, setPublisher] = useState("");
  const [qos, setQos] = useState<"0" | "1" | "2">("0");
  const [retain, setRetain] = useState(false);
  const [asked, setAsked] = useState<string | undefined>();
  const answer = useAnswer<Explanation>(asked);
  return (
    <>
      <p>
        Why does a Client get the messages of a topic, or why not? The broker goes through what decides it,
        step by step.
      </p>
      <Card title="The question">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const next = `/explain${query({ client, topic, publisher, qos, retain: retain || undefined })}`;
            if (next === asked) answer.again();
            else setAsked(next);
          }}
        >
          <div class="row">
            <Field
              label="Client"
              required
              hint="The Client Identifier of the receiver"
              class="grow"
              value={client}
              set={setClient}
            />
            <Field
              label="Topic"
              required
              hint="The topic of the message, without + and #"
              class="grow"
              value={topic}
              set={setTopic}
            />
          </div>
          <div class="row">
            <Field
              label="Publisher"
              hint="Its Client Identifier; empty: the broker itself"
              class="grow"
              value={publisher}
              set={setPublisher}
            />
            <Choice label="QoS of the message" value={qos} set={setQos} of={QOS} />
            <Tick label="Retain" is={retain} set={setRetain} />
          </div>
          <div class="row">
            <button type="submit" class="main">Explain</button>
          </div>
        </form>
      </Card>
      {asked !== undefined && (
        <Card title="The answer">
          <Answer asked={answer}>
            {(answer) => <Found of={answer} client={client} />}
          </Answer>
        </Card>
      )}
    </>
  );
}

const VERDICTS = { true: ["yes", "Yes"], false: ["no", "No"], null: ["open", "Perhaps"] } as const;

const RESULTS: Readonly<Record<Explanation["steps"][number]["result"], string>> = {
  yes: "goes on",
  no: "keeps it away",
  unknown: "open",
  note: "note",
};

function Found({ of, client }: { readonly of: Explanation; readonly client: string }): VNode {
  const [kind, words] = VERDICTS[`${of.gets}`];
  const { past, receivers } = of;
  return (
    <>
      <p class={`verdict ${kind}`} role="status">
        <b>{words}.</b> {of.because}
      </p>
      <ol class="steps">
        {of.steps.map(({ what, result, detail, rule, limit }, at) => (
          <li key={at}>
            <b>{title(what)}</b> <span class={`result ${result}`}>{RESULTS[result]}</span>
            <p>{detail}</p>
            {(rule !== undefined || limit !== undefined) && (
              <p class="hint">
                {rule !== undefined && (
                  <>
                    Rule <code>{rule}</code>
                  </>
                )} {limit !== undefined && (
                  <>
                    Limit <code>{limit}</code>
                  </>
                )}
              </p>
            )}
          </li>
        ))}
      </ol>
      <Facts
        of={{
          "Sessions that get a copy": receivers === null ? "too many to look at" : count(receivers),
          "Last heard of": past === null
            ? undefined
            : past.heardAt === null
            ? "not connected"
            : moment(past.heardAt),
        }}
      />
      <p>
        <a href={to("clients", client)}>To the Client</a>
      </p>
    </>
  );
}

function title(what: string): string {
  if (what === "qos") return "QoS";
  if (what === "last") return "So far";
  return what.charAt(0).toUpperCase() + what.slice(1);
}
