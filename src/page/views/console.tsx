/**
 * A Client of MQTT in the page: subscribes, publishes, and shows what comes.
 * Knows what a person can enter; refuses to know how messages travel.
 * @module
 */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { session } from "../api.ts";
import {
  clearLog,
  closeConsole,
  connectConsole,
  consoleView,
  type Entry,
  LOG_MOST,
  pauseLog,
  publishConsole,
  subscribeConsole,
  unsubscribeConsole,
} from "../console_state.ts";
import { bytes, clock, count, counted } from "../format.ts";
import { Payload } from "../payload.tsx";
import { route } from "../route.ts";
import { Store, useStore } from "../store.ts";
import { Card, Choice, Field, Good, Problem, QOS, Tick } from "../ui.tsx";

type Level = "auto" | "5" | "4";
type QosText = "0" | "1" | "2";

/** What was entered stays while other views are looked at. */
const connecting = new Store({ clientId: "", username: "", password: "", level: "auto" as Level });
const subscribing = new Store({
  filter: "#",
  qos: "1" as QosText,
  noLocal: false,
  retainHandling: "0" as QosText,
});
const publishing = new Store({
  topic: "",
  payload: "",
  qos: "0" as QosText,
  retain: false,
  contentType: "",
  responseTopic: "",
  expiry: "",
  userProperties: "",
});

const numberOf = (qos: QosText): 0 | 1 | 2 => Number(qos) as 0 | 1 | 2;

/** The view. */
export function Console(): VNode {
  const { is } = useStore(consoleView);
  const { of } = useStore(route);
  useEffect(() => {
    if (of === undefined) return;
    publishing.set({ ...publishing.value, topic: of });
    subscribing.set({ ...subscribing.value, filter: of });
  }, [of]);
  const isOpen = is === "open" || is === "away";
  return (
    <>
      <Connection />
      {isOpen && (
        <div class="columns">
          <Subscribe />
          <Publish />
        </div>
      )}
      <Log />
    </>
  );
}

const WORDS = {
  closed: "Not connected.",
  connecting: "Connecting …",
  open: "Connected as",
  away: "The connection is lost; it is tried again. The console is",
};

function Connection(): VNode {
  const { is, clientId } = useStore(consoleView);
  const form = useStore(connecting);
  const present = useStore(session);
  const [error, setError] = useState<Error | undefined>();
  useEffect(() => {
    if (present.is !== "in" || form.username !== "" || present.login === undefined) return;
    const { user: username, password } = present.login;
    connecting.set({ ...connecting.value, username, password });
  }, [present]);
  const set = (by: Partial<typeof form>) => connecting.set({ ...connecting.value, ...by });
  const isOpen = is === "open" || is === "away";
  return (
    <Card
      title="Connection"
      aside={isOpen && (
        <button type="button" class="small" onClick={() => void closeConsole()}>Disconnect</button>
      )}
    >
      <p role="status">
        {WORDS[is]} {isOpen && <code>{clientId}</code>}
      </p>
      {!isOpen && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setError(undefined);
            connectConsole(form).catch(setError);
          }}
        >
          <div class="row">
            <Field
              label="User"
              hint="Empty: without a login"
              value={form.username}
              set={(username) => set({ username })}
            />
            <Field
              label="Password"
              type="password"
              value={form.password}
              set={(password) => set({ password })}
            />
            <Field
              label="Client Identifier"
              hint="Empty: one is made up"
              value={form.clientId}
              set={(clientId) => set({ clientId })}
            />
            <Choice<Level>
              label="MQTT"
              value={form.level}
              set={(level) => set({ level })}
              of={{ auto: "5.0, else 3.1.1", 5: "5.0", 4: "3.1.1" }}
            />
          </div>
          <Problem error={error} />
          <div class="row">
            <button type="submit" class="main" disabled={is === "connecting"}>Connect</button>
          </div>
        </form>
      )}
    </Card>
  );
}

function Subscribe(): VNode {
  const { subscriptions } = useStore(consoleView);
  const form = useStore(subscribing);
  const [error, setError] = useState<Error | undefined>();
  const set = (by: Partial<typeof form>) => subscribing.set({ ...subscribing.value, ...by });
  return (
    <Card title="Subscribe">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setError(undefined);
          const { filter, qos, noLocal, retainHandling } = form;
          subscribeConsole({ filter, noLocal, qos: numberOf(qos), retainHandling: numberOf(retainHandling) })
            .catch(setError);
        }}
      >
        <Field
          label="Topic Filter"
          required
          hint="+ is any one level, # at the end all levels below"
          value={form.filter}
          set={(filter) => set({ filter })}
        />
        <div class="row">
          <Choice<QosText> label="Highest QoS" value={form.qos} set={(qos) => set({ qos })} of={QOS} />
          <Choice<QosText>
            label="Retained messages"
            value={form.retainHandling}
            set={(retainHandling) => set({ retainHandling })}
            of={{ 0: "send them", 1: "send them if it is new", 2: "do not send them" }}
          />
        </div>
        <Tick
          label="Not what this console publishes (No Local)"
          is={form.noLocal}
          set={(noLocal) => set({ noLocal })}
        />
        <Problem error={error} />
        <div class="row">
          <button type="submit" class="main">Subscribe</button>
        </div>
      </form>
      {subscriptions.length > 0 && (
        <ul class="plain">
          {subscriptions.map(({ filter, granted }) => (
            <li key={filter} class="head">
              <span>
                <code>{filter}</code> <span class="muted">QoS {granted}</span>
              </span>
              <button
                type="button"
                class="small"
                aria-label={`Unsubscribe from ${filter}`}
                onClick={() => void unsubscribeConsole(filter).catch(setError)}
              >
                Unsubscribe
              </button>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Publish(): VNode {
  const form = useStore(publishing);
  const [error, setError] = useState<Error | undefined>();
  const [told, setTold] = useState<string | undefined>();
  const set = (by: Partial<typeof form>) => publishing.set({ ...publishing.value, ...by });
  return (
    <Card title="Publish">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setError(undefined);
          setTold(undefined);
          publishConsole({ ...form, qos: numberOf(form.qos) }).then(setTold, setError);
        }}
      >
        <Field label="Topic" required value={form.topic} set={(topic) => set({ topic })} />
        <Area label="Payload" rows={4} value={form.payload} set={(payload) => set({ payload })} />
        <div class="row">
          <Choice<QosText> label="QoS" value={form.qos} set={(qos) => set({ qos })} of={QOS} />
          <Tick label="Retain" is={form.retain} set={(retain) => set({ retain })} />
        </div>
        <details>
          <summary>Properties</summary>
          <Field label="Content Type" value={form.contentType} set={(contentType) => set({ contentType })} />
          <Field
            label="Response Topic"
            value={form.responseTopic}
            set={(responseTopic) => set({ responseTopic })}
          />
          <Field
            label="Message Expiry Interval (seconds)"
            type="number"
            min={0}
            max={4294967295}
            value={form.expiry}
            set={(expiry) => set({ expiry })}
          />
          <Area
            label="User properties, one “name: value” a line"
            rows={2}
            value={form.userProperties}
            set={(userProperties) => set({ userProperties })}
          />
        </details>
        <Problem error={error} />
        <Good>{told}</Good>
        <div class="row">
          <button type="submit" class="main">Publish</button>
        </div>
      </form>
    </Card>
  );
}

function Area(
  { label, value, rows, set }: {
    readonly label: string;
    readonly value: string;
    readonly rows: number;
    readonly set: (value: string) => void;
  },
): VNode {
  return (
    <label class="field">
      <span>{label}</span>
      <textarea
        rows={rows}
        spellcheck={false}
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
}

const TITLES: Readonly<Record<Entry["is"], string>> = {
  got: "Received",
  sent: "Published",
  event: "Note",
  trouble: "Trouble",
};

function Log(): VNode {
  const { entries, got, forgotten, isPaused } = useStore(consoleView);
  const place = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (isAtEnd.current) place.current?.scrollTo({ top: place.current.scrollHeight });
  }, [entries]);
  return (
    <Card
      title="Log"
      aside={
        <div class="row">
          <button type="button" class="small" aria-pressed={isPaused} onClick={() => pauseLog(!isPaused)}>
            {isPaused ? "Go on" : "Pause"}
          </button>
          <button type="button" class="small" onClick={clearLog} disabled={entries.length === 0}>
            Clear
          </button>
        </div>
      }
    >
      <p class="muted">
        {counted(got, "message")} received{isPaused ? "; the log stands still" : ""}.
        {forgotten > 0 && ` The last ${count(LOG_MOST)} entries are kept, ${count(forgotten)} are forgotten.`}
      </p>
      {entries.length > 0 && (
        <ol
          class="log"
          ref={place}
          tabIndex={0}
          aria-label="Log of the console"
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) =>
            isAtEnd.current = scrollHeight - scrollTop - clientHeight < 40}
        >
          {entries.map((entry) => <LogEntry key={entry.key} entry={entry} />)}
        </ol>
      )}
    </Card>
  );
}

function LogEntry(
  { entry: { at, is, text, topic, payload, qos, retain, properties } }: { readonly entry: Entry },
): VNode {
  return (
    <li class={`entry ${is}`}>
      <div class="entry-head">
        <time>{clock(at)}</time>
        <b>{TITLES[is]}</b>
        {topic !== undefined && <code>{topic}</code>}
        {qos !== undefined && (
          <span class="muted">
            QoS {qos}
            {retain ? ", retain" : ""}, {bytes(payload!.length)}
          </span>
        )}
        {text !== undefined && <span>{text}</span>}
      </div>
      {properties !== undefined && properties.length > 0 && (
        <ul class="properties">
          {properties.map((one, i) => <li key={i}>{one}</li>)}
        </ul>
      )}
      {payload !== undefined && <Payload of={payload} />}
    </li>
  );
}
