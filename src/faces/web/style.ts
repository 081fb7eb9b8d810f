/** The style sheet, with a light and a dark theme. It loads nothing from elsewhere. */
export const style = `:root {
  color-scheme: light dark;
  --ink: #22262b; --soft: #5d6670; --line: #dfe3e7; --paper: #fdfdfc; --card: #ffffff; --tint: #f4f2ee;
  --accent: #b4531f; --on-accent: #ffffff; --get: #1d6f8a; --post: #2f7a45; --put: #8a6a12; --delete: #a8352f; --head: #6b5a9a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e7e5e1; --soft: #9aa3ab; --line: #33383e; --paper: #17191c; --card: #1e2125; --tint: #24272b;
    --accent: #e08a52; --on-accent: #17191c; --get: #6fc3de; --post: #7fcf95; --put: #e0be5c; --delete: #ef8b84; --head: #b7a6e6;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 0 1.25rem 4rem; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
body.wide { max-width: 64rem; }
header { display: flex; justify-content: space-between; align-items: baseline; padding: 1.5rem 0; }
header nav a { margin-left: 1rem; color: var(--soft); }
.brand { font-weight: 700; letter-spacing: .02em; color: var(--ink); text-decoration: none; }
a { color: var(--accent); }
h1 { font-size: 2rem; line-height: 1.25; margin: 1rem 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p.lead { font-size: 1.125rem; color: var(--soft); margin-top: 0; }
code, pre, .path { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .875em; }
code { background: var(--tint); border-radius: .25rem; padding: .1em .3em; overflow-wrap: anywhere; }
pre { background: var(--tint); border-radius: .5rem; padding: .9rem 1rem; overflow-x: auto; line-height: 1.5; }
pre code { background: none; padding: 0; overflow-wrap: normal; }
form, .card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem; }
form { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
label { display: grid; gap: .25rem; font-size: .875rem; color: var(--soft); }
label.all, button { grid-column: 1 / -1; }
input { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .6rem; width: 100%; }
button { font: inherit; font-weight: 600; color: var(--on-accent); background: var(--accent); border: 0; border-radius: .4rem; padding: .65rem; cursor: pointer; }
input:focus-visible, button:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); }
th { font-weight: 500; color: var(--soft); white-space: nowrap; }
td p { margin: 0; }
footer { margin-top: 3rem; color: var(--soft); font-size: .8125rem; }
ul.contents { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
details { border: 1px solid var(--line); border-radius: .6rem; background: var(--card); margin: .5rem 0; }
summary { cursor: pointer; padding: .6rem .9rem; display: flex; gap: .75rem; align-items: baseline; flex-wrap: wrap; }
details > div { padding: 0 .9rem .9rem; }
.method { font: 700 .75rem ui-monospace, monospace; width: 3.6rem; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); } .delete { color: var(--delete); } .head { color: var(--head); }
.path { overflow-wrap: anywhere; }
.what { color: var(--soft); margin-left: auto; }
@media (max-width: 40rem) { form { grid-template-columns: 1fr; } .what { margin-left: 0; width: 100%; } }
`;
