"""The style of the page: one column, wide tables that scroll by themselves, light or dark as the reader has it."""

# Okabe and Ito's colours, which people with colour blindness tell apart, a little darker or lighter for contrast.
LIGHT = ('#0072b2', '#d55e00', '#009e73', '#b5478c', '#8a6d00', '#2a9fd6', '#5b4bb5', '#555555')
DARK = ('#56b4e9', '#ff9248', '#3fd1a0', '#e58bc1', '#e6c84f', '#8fd3ff', '#a99bff', '#bbbbbb')
# From the ninth run on the colours come again, with other strokes.
STROKES = ('none', '7 3', '2 3')

STYLE = """
:root { color-scheme: light dark; --back: #fff; --card: #fff; --text: #1d2127; --soft: #5d6673; --rule: #dfe3e8;
  --stripe: #f5f7f9; --warn: #8a4b00; --warn-back: #fff1dc; --bad: #a01c1c; --bad-back: #fde8e8;
  --good: #0b6b3a; --good-back: #e4f5ea; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --card: #191d22; --text: #e6e9ed; --soft: #a2acb8;
  --rule: #323941; --stripe: #1d2228; --warn: #ffc277; --warn-back: #3a2a10; --bad: #ff9d9d; --bad-back: #3d1a1a;
  --good: #86dba9; --good-back: #12301f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 1.2rem; margin: 36px 0 6px; }
h3 { font-size: .95rem; font-weight: 600; margin: 0 0 4px; }
p { margin: 0 0 10px; max-width: 75ch; color: var(--soft); font-size: .92rem; }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 8px; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 600; font-size: .82rem; vertical-align: bottom; }
tbody tr:nth-child(even) > * { background: var(--stripe); }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--card); z-index: 1; }
.words td, .words thead th { text-align: left; }
td.long { white-space: normal; overflow-wrap: anywhere; min-width: 15em; max-width: 26em; }
td small { color: var(--soft); font-size: .8rem; }
tbody th { font-weight: 600; white-space: normal; max-width: 15em; }
td b { font-weight: 700; }
.name { min-width: 7.5em; overflow-wrap: anywhere; display: flex; gap: 8px; align-items: flex-start; }
.chip { flex: none; width: 16px; height: 4px; border-radius: 2px; background: currentColor; }
.name .chip { margin-top: .6em; }
.badge { display: inline-block; padding: 0 8px; border-radius: 9px; font-size: .8rem; font-weight: 600;
  white-space: nowrap; }
.badge.baseline { color: var(--soft); background: var(--rule); }
.finished { color: var(--good); background: var(--good-back); }
.unfinished { color: var(--warn); background: var(--warn-back); }
.damaged, .no-result { color: var(--bad); background: var(--bad-back); }
.runs { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 4px 0 12px; font-size: .9rem; }
.runs label { display: flex; align-items: center; gap: 6px; min-height: 32px; cursor: pointer;
  overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 16px; }
.two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
figure { margin: 0; padding: 12px; border: 1px solid var(--rule); border-radius: 8px; background: var(--card);
  max-width: 560px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; font-family: inherit; }
.grid { stroke: var(--rule); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
polyline { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
circle { fill: currentColor; }
ul { margin: 0; padding-left: 20px; font-size: .92rem; }
li { margin-bottom: 6px; overflow-wrap: anywhere; }
footer { margin-top: 40px; color: var(--soft); font-size: .82rem; }
@media (max-width: 600px) { main { padding: 16px 12px 32px; } h1 { font-size: 1.35rem; } th, td { padding: 7px 9px; }
  tbody th { max-width: 10em; } figure { padding: 8px; } }
@media print { .scroll { overflow: visible; } .runs input { display: none; } }
"""


def run_styles(count: int) -> str:
    """Colour and stroke of `count` runs, and what their switches hide."""
    rules = []
    for i in range(count):
        light, dark, stroke = LIGHT[i % len(LIGHT)], DARK[i % len(DARK)], STROKES[i // len(LIGHT) % len(STROKES)]
        rules.append(f'.run-{i} {{ color: {light}; }} .run-{i} polyline {{ stroke-dasharray: {stroke}; }}\n'
                     f'@media (prefers-color-scheme: dark) {{ .run-{i} {{ color: {dark}; }} }}\n'
                     f'body:has(#show-{i}:not(:checked)) svg .run-{i} {{ display: none; }}\n')
    return ''.join(rules)
