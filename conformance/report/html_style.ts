/**
 * The style and the script of the HTML report; both stand in the page itself.
 * Knows how the page looks and how its list is narrowed; refuses to know what is in it.
 * @module
 */

/** CSS. Colours follow the reader's scheme; every colour has a word beside it. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fbfaf7; --card: #ffffff; --ink: #1d1f24; --soft: #5d636e; --line: #dedbd3; --code: #f2f0ea; --link: #1a5fb4;
  --pass: #2a7e3b; --lenient: #9a6700; --fail: #b3261e; --inconclusive: #8250a8; --unsupported: #3a6f8f; --untested: #8b8f98;
  --fail-card: #fdf1ef; --lenient-card: #fdf7e8; --sent: #1a5fb4; --received: #6b3fa0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #16181c; --card: #1e2126; --ink: #e6e7ea; --soft: #a0a6b1; --line: #343941; --code: #15171b; --link: #8ab8f5;
    --pass: #5cb570; --lenient: #d9a63a; --fail: #f2766b; --inconclusive: #c39be6; --unsupported: #7fb3d1; --untested: #737984;
    --fail-card: #2b1d1d; --lenient-card: #2a2519; --sent: #8ab8f5; --received: #cba6f7;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4.5rem; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 4rem; max-width: 84rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
code, pre, .log i { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .87em; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
h1 { font-size: 1.65rem; margin: 0 0 .2rem; letter-spacing: -.01em; } h1 code { font-size: .85em; }
h2 { font-size: 1.3rem; margin: 1.6rem 0 .8rem; } section + section { margin-top: 3rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; } h3 small { color: var(--soft); font-weight: 400; margin-left: .5rem; }
.soft { color: var(--soft); } .head { margin: 0; color: var(--soft); } .head a { margin-right: 1rem; }
.cards { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 0 1rem; padding: 0; list-style: none; }
.cards li { background: var(--card); border: 1px solid var(--line); border-top: 3px solid var(--v); border-radius: 6px;
  padding: .45rem .9rem .5rem; min-width: 7rem; }
.cards b { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; } .cards .zero b { color: var(--soft); }
.cards span { color: var(--soft); font-size: .85rem; }
.pass { --v: var(--pass); } .lenient { --v: var(--lenient); } .fail { --v: var(--fail); }
.inconclusive { --v: var(--inconclusive); } .unsupported { --v: var(--unsupported); } .untested { --v: var(--untested); }
.strip { display: flex; flex-wrap: wrap; gap: .55rem .4rem; margin: 0 0 1rem; padding: 0; list-style: none; }
.strip li { background: var(--card); border: 1px solid var(--line); border-bottom: 3px solid var(--v); border-radius: 6px; padding: .3rem .45rem .4rem; }
.strip li > a { display: block; color: var(--ink); font-size: .78rem; line-height: 1.3; max-width: 10rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip li > a b { font-variant-numeric: tabular-nums; }
.cells { display: flex; flex-wrap: wrap; gap: 2px; margin-top: .25rem; max-width: 14.2rem; }
.cells a { width: 10px; height: 10px; border-radius: 2px; background: var(--v); } .cells a:hover { outline: 2px solid var(--ink); }
.cells .untested { opacity: .45; }
.legend { display: flex; flex-wrap: wrap; gap: 1rem; color: var(--soft); font-size: .85rem; margin: 0 0 .6rem; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; background: var(--v); margin-right: .35rem; }
details > summary { cursor: pointer; } 
.facts { margin: .6rem 0 0; } .facts table { border-collapse: collapse; font-size: .9rem; }
.facts td { padding: .1rem 1.4rem .1rem 0; border-bottom: 1px solid var(--line); }
.trouble { background: var(--fail-card); border-left: 4px solid var(--fail); padding: .7rem 1rem; border-radius: 4px; }
#filter { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; background: var(--page);
  padding: .7rem 0; border-bottom: 1px solid var(--line); margin-top: 1rem; }
#filter[hidden] { display: none; }
#filter input[type=search] { flex: 1 1 16rem; font: inherit; padding: .35rem .6rem; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
#filter label { font-size: .9rem; white-space: nowrap; } #filter output { color: var(--soft); font-size: .9rem; }
.item { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--v); border-radius: 6px; margin: .3rem 0; }
.item > summary { display: grid; grid-template-columns: 7.2rem 13.5rem 1fr; gap: 0 .8rem; padding: .4rem .8rem; list-style: none; align-items: baseline; }
.item > summary::-webkit-details-marker { display: none; }
.item > summary code { overflow-wrap: anywhere; } .item > summary .why { grid-column: 3; color: var(--v); font-size: .9rem; overflow-wrap: anywhere; }
.item[open] > summary { border-bottom: 1px solid var(--line); }
.badge { color: var(--v); font-weight: 650; font-size: .84rem; } .badge::before { content: "\\25CF\\00A0"; }
.inside { padding: .5rem .9rem .8rem; } .inside p { margin: .3rem 0; }
.inside dl { display: grid; grid-template-columns: 6rem 1fr; gap: .1rem .8rem; margin: .4rem 0; } .inside dt { color: var(--soft); } .inside dd { margin: 0; overflow-wrap: anywhere; }
.log { width: 100%; border-collapse: collapse; margin: .5rem 0; background: var(--code); border-radius: 6px; font-size: .88rem; }
.log td { padding: .22rem .6rem; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } .log tr:last-child td { border: 0; }
.log td:nth-child(1) { text-align: right; white-space: nowrap; color: var(--soft); width: 5.2rem; font-variant-numeric: tabular-nums; }
.log td:nth-child(2) { white-space: nowrap; width: 1%; color: var(--soft); } .log td:nth-child(3) { width: 6.4rem; white-space: nowrap; font-weight: 600; }
.log .s td:nth-child(3) { color: var(--sent); } .log .r td:nth-child(3) { color: var(--received); } .log .e { color: var(--soft); font-style: italic; }
.log i { display: block; color: var(--soft); word-break: normal; overflow-wrap: anywhere; font-style: normal; }
pre { background: var(--code); padding: .6rem .8rem; border-radius: 6px; overflow-x: auto; margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.copy { float: right; font: inherit; font-size: .8rem; color: var(--soft); background: var(--card); border: 1px solid var(--line); border-radius: 4px; cursor: pointer; }
.off { display: none; }
@media (max-width: 46rem) { .item > summary { grid-template-columns: 1fr; } .item > summary .why { grid-column: 1; } .log td:nth-child(2) { display: none; } }
@media print { #filter { display: none; } .item { break-inside: avoid; } }
`;

/** The script: narrows the lists, opens what a link points at, copies. The page can be read without it. */
export const SCRIPT = `
(() => {
  const form = document.getElementById("filter");
  form.hidden = false;
  const search = form.querySelector("input[type=search]");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const count = form.querySelector("output");
  const items = [...document.querySelectorAll(".item")].map((element) => ({
    element, verdict: element.dataset.v, text: element.querySelector("summary").textContent.toLowerCase() + " " + (element.dataset.t || ""),
  }));
  const groups = [...document.querySelectorAll(".group")];
  const apply = () => {
    const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const { element, verdict, text } of items) {
      const fits = wanted.has(verdict) && words.every((word) => text.includes(word));
      element.classList.toggle("off", !fits);
      if (fits && element.classList.contains("statement")) shown++;
    }
    for (const group of groups) group.classList.toggle("off", !group.querySelector(".item:not(.off)"));
    count.textContent = shown + (shown === 1 ? " statement" : " statements");
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    target.classList.remove("off");
    target.closest(".group")?.classList.remove("off");
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  for (const pre of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", () => navigator.clipboard.writeText(pre.querySelector("code").textContent).then(() => button.textContent = "copied"));
    pre.prepend(button);
  }
  apply();
  open();
})();
`;
