/**
 * Why a Client gets a message, or does not.
 * Knows the question and the steps of the answer; refuses to know how the broker finds them.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Explanation } from "../answers.ts";
import { query, useAnswer } from "../api.ts";
import { route, to } from "../route.ts";
import { useStore } from "../store.ts";
import { Answer, Card, Choice, Field, QOS } from "../ui.tsx";

/** The view. */
export function Explain(): VNode {
  const { of = "" } = useStore(route);
  const [client, setClient] = useState(of);
  const [topic, setTopic] = useState("");
  const [publisher, setPublisher] = useState("");
  const [qos, setQos] = useState<"0" | "1" | "2">("0");
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
            const next = `/explain${query({ client, topic, publisher, qos })}`;
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
              hint="Its Client Identifier; empty: any"
              class="grow"
              value={publisher}
              set={setPublisher}
            />
            <Choice label="QoS of the message" value={qos} set={setQos} of={QOS} />
          </div>
          <div class="row">
            <button type="submit" class="main">Explain</button>
          </div>
        </form>
      </Card>
      {asked !== undefined && (
        <Card title="The answer">
          <Answer asked={answer}>
            {({ gets, because, steps }) => (
              <>
                <p class={gets ? "verdict yes" : "verdict no"} role="status">
                  <b>{gets ? "The Client gets it" : "The Client does not get it"}</b>: {because}
                </p>
                <ol class="steps">
                  {steps.map(({ what, result, detail }, at) => (
                    <li key={at}>
                      <b>{what}</b>: {result}
                      {detail !== undefined && detail !== null && detail !== "" && (
                        <p class="muted">{detail}</p>
                      )}
                    </li>
                  ))}
                </ol>
                <p>
                  <a href={to("clients", client)}>To the Client</a>
                </p>
              </>
            )}
          </Answer>
        </Card>
      )}
    </>
  );
}
