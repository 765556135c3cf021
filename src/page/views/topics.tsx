/**
 * The tree of topics, level by level as it is opened, and the last message that is retained at one of them.
 * Knows one level at a time; refuses to know how many there are below.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { RetainedMessage, RetainedView, TopicLevelView } from "../answers.ts";
import { ApiError, call, inPath, useAnswer, useParts } from "../api.ts";
import { bytes, duration, fromBase64 } from "../format.ts";
import { Payload } from "../payload.tsx";
import { route, to } from "../route.ts";
import { useStore } from "../store.ts";
import { Ask, Card, Facts, Field, Good, Parts, Problem, type Question } from "../ui.tsx";

/** The broker counts topics below a level up to here. */
const COUNTED = 100;

/** The view. */
export function Topics(): VNode {
  const { of } = useStore(route);
  const [filter, setFilter] = useState("");
  const [asked, setAsked] = useState<string | undefined>();
  const [round, setRound] = useState(0);
  return (
    <div class="columns">
      <div>
        <Card
          title="Tree"
          aside={<button type="button" class="small" onClick={() => setRound(round + 1)}>Refresh</button>}
        >
          <p class="muted">
            Topics with a retained message, and those that were seen lately. A level is read when you open it.
          </p>
          <Level key={round} under={undefined} chosen={of} />
        </Card>
        <Card title="Find retained messages">
          <form
            class="row"
            onSubmit={(event) => {
              event.preventDefault();
              setAsked(filter.trim() || "#");
            }}
          >
            <Field
              label="Topic Filter"
              class="grow"
              placeholder="sensors/+/state"
              value={filter}
              set={setFilter}
            />
            <button type="submit">Find</button>
          </form>
          {asked !== undefined && <Found filter={asked} />}
        </Card>
      </div>
      <div>
        {of === undefined
          ? (
            <Card title="Last message">
              <p class="muted">Choose a topic to see the message that is retained there.</p>
            </Card>
          )
          : <Last key={of} topic={of} />}
      </div>
    </div>
  );
}

/** One level; `under` is the topic above it, undefined at the top. */
function Level(
  { under, chosen }: { readonly under: string | undefined; readonly chosen: string | undefined },
): VNode {
  // An empty level has the name "", which is not the same as no level.
  const path = under === undefined
    ? "/topics?limit=100"
    : `/topics?limit=100&under=${encodeURIComponent(under)}`;
  const list = useParts<TopicLevelView>(path);
  return (
    <>
      <Problem error={list.error} />
      {list.items.length === 0 && list.error === undefined && (
        <p class="muted">
          {list.isBusy ? "Reading …" : "There is nothing yet."}
        </p>
      )}
      {list.items.length > 0 && (
        <ul class="tree">
          {list.items.map((row) => <Branch key={row.name} row={row} chosen={chosen} />)}
        </ul>
      )}
      {list.hasMore && list.items.length > 0 && (
        <p>
          <button type="button" class="small" onClick={list.more} disabled={list.isBusy}>Show more</button>
        </p>
      )}
    </>
  );
}

function Branch(
  { row, chosen }: { readonly row: TopicLevelView; readonly chosen: string | undefined },
): VNode {
  const { topic } = row;
  const [isOpen, setOpen] = useState(false);
  const name = row.name === "" ? "(empty level)" : row.name;
  return (
    <li>
      <div class="branch">
        {row.hasChildren
          ? (
            <button
              type="button"
              class="toggle"
              aria-expanded={isOpen}
              aria-label={`Levels below ${topic}`}
              onClick={() => setOpen(!isOpen)}
            >
              <span aria-hidden="true">{isOpen ? "−" : "+"}</span>
            </button>
          )
          : <span class="toggle" />}
        <a href={to("topics", topic)} aria-current={chosen === topic ? "true" : undefined}>{name}</a>
        <span class="muted">
          {row.bytes !== null && bytes(row.bytes)}
          {row.bytes !== null && row.hasChildren && ", "}
          {row.hasChildren && below(row)}
        </span>
      </div>
      {isOpen && <Level under={topic} chosen={chosen} />}
    </li>
  );
}

/** Topics with a retained message below one, as far as they were counted. */
function below({ retained, bytes }: TopicLevelView): string {
  const own = bytes === null ? 0 : 1;
  if (retained >= COUNTED) return `${COUNTED} or more retained below`;
  return `${retained === own ? "none" : retained - own} retained below`;
}

function Found({ filter }: { readonly filter: string }): VNode {
  const list = useParts<RetainedView>("/retained", { filter, limit: 50 });
  return (
    <Parts
      name="Retained messages"
      list={list}
      keyOf={({ topic }) => topic}
      none="No retained message matches."
      columns={[
        { title: "Topic", cell: ({ topic }) => <a href={to("topics", topic)}>{topic}</a> },
        { title: "QoS", isNumber: true, isWide: true, cell: ({ qos }) => qos },
        { title: "Size", isNumber: true, cell: (row) => bytes(row.bytes) },
        {
          title: "Expires in",
          isNumber: true,
          isWide: true,
          cell: ({ expiry }) => expiry === null ? "never" : duration(expiry),
        },
      ]}
    />
  );
}

function Last({ topic }: { readonly topic: string }): VNode {
  const message = useAnswer<RetainedMessage>(`/retained/${inPath(topic)}`, 2_000);
  const [question, setQuestion] = useState<Question | undefined>();
  const [told, setTold] = useState<string | undefined>();
  const { data, error } = message;
  const isNone = error instanceof ApiError && error.status === 404;
  return (
    <Card
      title={topic}
      aside={
        <div class="row">
          <a class="button" href={to("console", topic)}>To the console</a>
          {data !== undefined && (
            <button
              type="button"
              class="danger"
              onClick={() =>
                setQuestion({
                  title: `Clear the retained message of ${topic}?`,
                  text: <p>Clients that subscribe from now on do not get it any more.</p>,
                  act: "Clear",
                  isDanger: true,
                  run: () => call("DELETE", `/retained/${inPath(topic)}`),
                })}
            >
              Clear …
            </button>
          )}
        </div>
      }
    >
      <Good>{told}</Good>
      {!isNone && <Problem error={error} />}
      {isNone && <p class="muted">No message is retained here.</p>}
      {data === undefined && error === undefined && <p class="muted">Reading …</p>}
      {data !== undefined && (
        <>
          <Facts
            of={{
              QoS: data.qos,
              Size: bytes(data.bytes),
              "Expires in": data.expiry === null ? "never" : duration(data.expiry),
              From: data.publisher ?? "not known",
            }}
          />
          <Payload of={fromBase64(data.payloadBase64)} />
        </>
      )}
      {question !== undefined && (
        <Ask
          question={question}
          over={(done) => {
            setQuestion(undefined);
            if (!done) return;
            setTold(`The retained message of ${topic} is cleared.`);
            message.again();
          }}
        />
      )}
    </Card>
  );
}
