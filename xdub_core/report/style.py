"""The look of a report's page: light and dark, wide and narrow, on screen and on paper."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2126; --quiet: #5d6873; --line: #dde2e7; --card: #f5f7f9;
  --dubbed: #2f6fd0; --audio: #c8681d; --kept: #b9c2cb; --good: #1a7f4b; --bad: #c0392b; --note: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --paper: #15191d; --ink: #e4e8ec; --quiet: #97a3af; --line: #2d343b;
  --card: #1d2328; --dubbed: #6aa3f5; --audio: #e8833a; --kept: #47515b; --good: #58c48b; --bad: #f07f72;
  --note: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .6rem; }
p { margin: .35rem 0; }
.quiet { color: var(--quiet); } .good { color: var(--good); } .bad { color: var(--bad); } .note { color: var(--note); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; margin: 1.2rem 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--quiet); font-size: .85rem; }
.person { display: flex; gap: .9rem; margin: .8rem 0; }
.person > div { flex: 1; min-width: 0; }
img { border-radius: .35rem; display: block; background: var(--card); max-width: 100%; height: auto; }
.person img { width: 72px; flex: none; align-self: flex-start; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: .6rem; }
.clip { display: flex; gap: .8rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .6rem .8rem; font-size: .9rem; }
.clip > div { min-width: 0; } .clip p { margin: .15rem 0; }
.clip > .wipe { flex: none; align-self: flex-start; width: 112px; height: 124px; overflow: scroll hidden;
  position: relative; scrollbar-width: thin; scrollbar-color: var(--dubbed) var(--line); border-radius: .35rem; }
.wipe > div { position: relative; width: 224px; height: 112px; } .wipe img { width: 112px; max-width: none; }
.wipe span { position: absolute; inset: 0; } .wipe .above { clip-path: inset(0 50% 0 0); }
.wipe span img { position: sticky; left: 0; }
svg { display: block; width: 100%; height: 1.4rem; margin: .4rem 0 .1rem; border-radius: .25rem;
  background: var(--card); }
svg .dubbed { fill: var(--dubbed); } svg .left { fill: var(--kept); }
svg .passed { fill: var(--good); } svg .again { fill: var(--note); } svg .failed { fill: var(--bad); }
svg .unchecked { fill: none; } svg:is(.sync, .guidance) { height: 4.5rem; }
svg path { vector-effect: non-scaling-stroke; fill: none; }
svg .sound { fill: var(--line); } svg .before { stroke: var(--quiet); stroke-width: 1; }
svg .reference { stroke: var(--dubbed); stroke-width: 2; } svg .audio { stroke: var(--audio); stroke-width: 2; }
svg .tick { stroke: var(--quiet); stroke-width: 1; }
svg .after { stroke: var(--dubbed); stroke-width: 2; }
svg line { stroke: var(--paper); vector-effect: non-scaling-stroke; }
.ends { display: flex; justify-content: space-between; gap: .6rem; white-space: nowrap; color: var(--quiet);
  font-size: .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem 1.2rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: middle; }
thead th { color: var(--quiet); font-weight: 600; font-size: .85rem; white-space: nowrap; }
.number { text-align: right; } .short { white-space: nowrap; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .5rem 1rem;
  margin: .5rem 0 1rem; }
dt { color: var(--quiet); font-size: .8rem; } dd { margin: 0; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--quiet); }
ul { padding-left: 1.2rem; margin: .35rem 0; }
@media (max-width: 36rem) { body { padding: 1rem .8rem 3rem; font-size: 14px; }
  dl { grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); } th, td { padding-right: .8rem; } }
@media print { body { max-width: none; } details > * { display: block; } }
""".strip()
