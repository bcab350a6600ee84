# SPDX-License-Identifier: GPL-3.0-or-later
"""report - tables for the README (Markdown), and charts (SVG) of what was measured."""
import math
from statistics import median
from xml.sax.saxutils import escape

OURS = "kontalk"
COLOURS = {"kontalk": "#2a6f97", "prosody": "#c9a227", "ejabberd": "#bc4749", "jabberd2": "#6a994e",
           "floor": "#8d99ae"}


def number(value):
    """Three digits that matter, no more."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.1 else f"{value:.2f}"


def rate(value):
    return f"{number(value / 1000)} k/s" if value >= 1000 else f"{value:.0f}/s"


def figures(results, scenario, server, key):
    """{round: value} of one figure. A generator that paused has no latencies."""
    is_latency = key.startswith("p")
    key = scenario.prefix + key if key != "kib_per_session" else key
    return {r["round"]: r[key] for r in results
            if r["server"] == server and r["scenario"] == scenario.name and key in r
            and not (is_latency and r.get("paced"))}


def middle(results, scenario, server, key):
    found = figures(results, scenario, server, key).values()
    return median(found) if found else None


def reason(results, scenario, server):
    for r in results:
        if r["server"] == server and r["scenario"] == scenario.name:
            if "unsupported" in r:
                return "not there" if server == OURS else "–"
            if "error" in r:
                return "failed"
    return "–"


def ratios(results, scenario, peers):
    """The best peer's cost divided by ours, for each round: how many times cheaper we are."""
    ours = figures(results, scenario, OURS, scenario.cost)
    costs = [figures(results, scenario, peer, scenario.cost) for peer in peers]
    found = []
    for number_, own in ours.items():
        best = min((c[number_] for c in costs if number_ in c), default=None)
        if best and own > 0:
            found.append(best / own)
    return found


def cell(results, scenario, server):
    cost = middle(results, scenario, server, scenario.cost)
    if cost is None:
        return reason(results, scenario, server)
    text = f"{number(cost)} {scenario.unit}"
    speed = middle(results, scenario, server, "rate")
    if speed is None:
        return text
    paced = any(r.get("paced") for r in results
                if r["server"] == server and r["scenario"] == scenario.name)
    return f"{text}, {'≥ ' if paced or server == 'floor' else ''}{rate(speed)}"


def markdown(head, lines):
    rule = "|" + "---|" * len(head)
    return "\n".join(["| " + " | ".join(head) + " |", rule,
                      *("| " + " | ".join(line) + " |" for line in lines)])


def table(results, rows, servers, titles):
    """CPU of all server processes per operation, and operations per second; medians."""
    peers = [s for s in servers if s not in (OURS, "floor")]
    head = ["", *(titles[s] for s in servers)] + (["times cheaper than the best"] if peers else [])
    lines = []
    for scenario in rows:
        line = [scenario.title, *(cell(results, scenario, s) for s in servers)]
        if peers:
            found = ratios(results, scenario, peers)
            line.append(f"**{number(median(found))}** ({number(min(found))} to "
                        f"{number(max(found))})" if found else "")
        lines.append(line)
    return markdown(head, lines)


def latency_table(results, rows, servers, titles):
    lines = []
    for scenario in rows:
        line = [scenario.title]
        for server in servers:
            three = [middle(results, scenario, server, key)
                     for key in ("p50_us", "p99_us", "p999_us")]
            line.append(" / ".join(number(v / 1000) for v in three)
                        if None not in three else "")
        if any(line[1:]):
            lines.append(line)
    return markdown(["p50 / p99 / p99.9, ms", *(titles[s] for s in servers)], lines)


# --- charts ----------------------------------------------------------------------------------------

def svg(width, height, parts):
    return "\n".join([
        "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>", ""])


def text(x, y, what, anchor="start", size=12):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">' \
           f"{escape(what)}</text>"


def bars(results, rows, servers, titles):
    """The cost of each scenario on a logarithmic scale: a group of bars each."""
    left, width, step, gap, top = 260, 900, 13, 12, 56
    rows = [r for r in rows if any(middle(results, r, s, r.cost) for s in servers)]
    parts = [text(10, 20, "Cost of one operation (CPU µs of all server processes; KiB for idle "
                  "sessions), logarithmic: shorter is better", size=13)]
    x = 10
    for server in servers:
        parts += [f'<rect x="{x}" y="30" width="12" height="12" fill="{COLOURS[server]}"/>',
                  text(x + 17, 41, titles[server])]
        x += 40 + 8 * len(titles[server])
    costs = [c for r in rows for s in servers if (c := middle(results, r, s, r.cost)) and c > 0]
    if not costs:
        return svg(width, top, parts)
    low, high = math.log10(min(costs) / 2), math.log10(max(costs))
    scale = (width - left - 70) / max(high - low, 0.1)
    y = top
    for row in rows:
        parts.append(text(left - 8, y + step * len(servers) / 2 + 4, row.title, "end"))
        for server in servers:
            cost = middle(results, row, server, row.cost)
            if cost and cost > 0:
                length = (math.log10(cost) - low) * scale
                parts += [f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{step - 2}" '
                          f'fill="{COLOURS[server]}"/>',
                          text(left + length + 4, y + step - 3, f"{number(cost)} {row.unit}",
                               size=10)]
                y += step
        y += gap
    return svg(width, y, parts)


def line_chart(title, x_title, points):
    """points: (x, cost in µs); the x axis is logarithmic, the y axis begins at nothing."""
    width, height, left, bottom = 560, 300, 60, 250
    parts = [text(10, 20, title, size=13), text(width / 2, 290, x_title, "middle"),
             f'<path d="M{left} 40V{bottom}H{width - 20}" stroke="black" fill="none"/>']
    top = 1.2 * max(cost for _, cost in points)
    low, high = (math.log10(max(x, 1)) for x in (points[0][0], points[-1][0]))
    spots = [(left + 30 + (math.log10(max(x, 1)) - low) / max(high - low, 0.1) * (width - left - 90),
              bottom - cost / top * (bottom - 40), x, cost) for x, cost in points]
    parts.append('<polyline fill="none" stroke="#2a6f97" stroke-width="2" points="'
                 + " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in spots) + '"/>')
    for x, y, value, cost in spots:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#2a6f97"/>',
                  text(x, y - 8, f"{number(cost)} µs", "middle"),
                  text(x, bottom + 16, f"{value:,}", "middle")]
    return svg(width, height, parts)
