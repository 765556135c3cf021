/**
 * The page of the broker: its frame, and which view is in it.
 * Knows the views by name; refuses to know what they show.
 * @module
 */
import { type ComponentChildren, type FunctionComponent, render, type VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { link, session, signOut, takeToken } from "./api.ts";
import { clock } from "./format.ts";
import { beginLooking } from "./live.ts";
import { followAddress, route, to } from "./route.ts";
import { useStore } from "./store.ts";
import { type Theme, theme } from "./theme.ts";
import { Audit } from "./views/audit.tsx";
import { Clients } from "./views/clients.tsx";
import { Console } from "./views/console.tsx";
import { Explain } from "./views/explain.tsx";
import { Limits } from "./views/limits.tsx";
import { Login } from "./views/login.tsx";
import { Overview } from "./views/overview.tsx";
import { Topics } from "./views/topics.tsx";
import { Users } from "./views/users.tsx";

interface View {
  readonly title: string;
  readonly body: FunctionComponent;
}

const VIEWS: Readonly<Record<string, View>> = {
  "": { title: "Overview", body: Overview },
  clients: { title: "Clients", body: Clients },
  topics: { title: "Topics", body: Topics },
  console: { title: "Console", body: Console },
  explain: { title: "Explain", body: Explain },
  users: { title: "Users and permissions", body: Users },
  limits: { title: "Limits and settings", body: Limits },
  audit: { title: "Audit", body: Audit },
};

const LINK_WORDS = (since: number): string =>
  `The broker does not answer since ${clock(since)}. This page goes on by itself when it is back.`;

/** Says that the broker is away, and that it is back. */
function Away(): VNode {
  const { isUp, since, times } = useStore(link);
  return (
    <div role="status" class="away-place">
      {!isUp && <p class="away">{LINK_WORDS(since)}</p>}
      {isUp && times > 0 && <p class="back">The broker is back since {clock(since)}.</p>}
    </div>
  );
}

function ThemeSwitch(): VNode {
  const present = useStore(theme);
  return (
    <label class="theme">
      <span>Colours</span>
      <select value={present} onChange={(event) => theme.set(event.currentTarget.value as Theme)}>
        <option value="system">as the system</option>
        <option value="light">light</option>
        <option value="dark">dark</option>
      </select>
    </label>
  );
}

function Frame(
  { title, navigation, children }: {
    readonly title: string;
    readonly navigation?: ComponentChildren;
    readonly children: ComponentChildren;
  },
): VNode {
  const main = useRef<HTMLElement>(null);
  const present = useStore(session);
  const isFirst = useRef(true);
  // Before it is painted: who writes into a field of the new view at once is not interrupted.
  useLayoutEffect(() => {
    document.title = `${title} – Plumb`;
    if (present.is === "unknown") return;
    if (isFirst.current) isFirst.current = false;
    else { // another view: it is read from its beginning
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [title]);
  const who = present.is === "in" ? present.login?.user : undefined;
  return (
    <div class={navigation === undefined ? "frame" : "frame with-nav"}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <header>
        <a class="brand" href="#/">Plumb</a>
        <div class="row tools">
          <a href="docs/">Documentation</a>
          <ThemeSwitch />
          {present.is === "in" && (
            <button type="button" class="small" onClick={() => void signOut()}>
              Sign out{who !== undefined && <span class="who">{who}</span>}
            </button>
          )}
        </div>
      </header>
      {navigation}
      <main id="main" tabIndex={-1} ref={main}>
        <Away />
        <h1>{title}</h1>
        {children}
      </main>
    </div>
  );
}

function Navigation({ present }: { readonly present: string }): VNode {
  const [isOpen, setOpen] = useState(false);
  const place = useStore(route);
  useEffect(() => setOpen(false), [place]);
  return (
    <nav aria-label="Views" class={isOpen ? "open" : ""}>
      <button
        type="button"
        class="menu"
        aria-expanded={isOpen}
        aria-controls="views"
        onClick={() => setOpen(!isOpen)}
      >
        Views
      </button>
      <ul id="views">
        {Object.entries(VIEWS).map(([name, { title }]) => (
          <li key={name}>
            <a href={to(name)} aria-current={name === present ? "page" : undefined}>{title}</a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Page(): VNode {
  const { is } = useStore(session);
  const { view } = useStore(route);
  if (is === "unknown") {
    return (
      <Frame title="Plumb">
        <p class="muted">Asking the broker …</p>
      </Frame>
    );
  }
  if (is === "out") {
    return (
      <Frame title="Sign in">
        <Login />
      </Frame>
    );
  }
  const { title, body: Body } = VIEWS[view] ?? { title: "There is no such view", body: Nowhere };
  return (
    <Frame title={title} navigation={<Navigation present={view} />}>
      <Body key={view} />
    </Frame>
  );
}

function Nowhere(): VNode {
  return (
    <p>
      <a href="#/">To the overview</a>
    </p>
  );
}

takeToken();
followAddress();
render(<Page />, document.getElementById("page")!);
beginLooking();
