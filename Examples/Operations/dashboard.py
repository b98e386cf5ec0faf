#!/usr/bin/env python3
"""Writes grafana.json: the dashboard, from the list of its panels below.

    dashboard.py                             writes it beside this file
    dashboard.py --check                     fails where the file is another than this would write
    dashboard.py --draw URL SECONDS OUT.svg  draws its panels, with what a Prometheus at URL has of the last seconds
"""

import html
import json
import pathlib
import re
import sys
import time
import urllib.parse
import urllib.request

FILE = pathlib.Path(__file__).with_name("grafana.json")
RATE = "$__rate_interval"


def rate(metric, by, extra=""):
    return f"sum by ({by}) (rate({metric}{extra}[{RATE}]))"


def quantile(metric, q, by=""):
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[{RATE}])))"


# Title, unit, and for each line its legend and its query.
PANELS = [
    ("Connections", "short", [("{{transport}} {{direction}}", "sum by (transport, direction) (p2p_connections)")]),
    (
        "Connections, by their protocols",
        "short",
        [("{{security}} {{muxer}}", "sum by (security, muxer) (p2p_connections)")],
    ),
    ("Connections that ended", "ops", [("{{reason}}", rate("p2p_connections_closed_total", "reason"))]),
    ("Dials", "ops", [("{{outcome}} {{reason}}", rate("p2p_dials_total", "outcome, reason"))]),
    (
        "Addresses that failed",
        "ops",
        [("{{transport}} {{reason}}", rate("p2p_dial_attempts_total", "transport, reason", '{outcome="failure"}'))],
    ),
    ("Arrivals", "ops", [("{{outcome}} {{reason}}", rate("p2p_arrivals_total", "outcome, reason"))]),
    (
        "How long dials and arrivals take",
        "s",
        [
            ("dial p50", quantile("p2p_dial_duration_seconds", 0.5)),
            ("dial p99", quantile("p2p_dial_duration_seconds", 0.99)),
            ("arrival p50", quantile("p2p_arrival_duration_seconds", 0.5)),
            ("arrival p99", quantile("p2p_arrival_duration_seconds", 0.99)),
        ],
    ),
    ("Steps of the handshakes, p90", "s", [("{{step}}", quantile("p2p_upgrade_step_duration_seconds", 0.9, "step"))]),
    ("Streams", "short", [("{{protocol}} {{direction}}", "sum by (protocol, direction) (p2p_streams)")]),
    ("Streams that begin", "ops", [("{{protocol}} {{direction}}", rate("p2p_streams_opened_total", "protocol, direction"))]),
    ("Streams that fail", "ops", [("{{protocol}} {{reason}}", rate("p2p_stream_failures_total", "protocol, reason"))]),
    ("Bytes of protocols", "Bps", [("{{protocol}} {{direction}}", rate("p2p_protocol_bytes_total", "protocol, direction"))]),
    ("Bytes of connections", "Bps", [("{{transport}} {{direction}}", rate("p2p_bytes_total", "transport, direction"))]),
    ("Round trips", "s", [("{{transport}} p{{percentile}}", "p2p_round_trip_seconds")]),
    ("Losses that slowed QUIC", "ops", [("{{transport}}", rate("p2p_congestion_events_total", "transport"))]),
    ("How full limits are", "percentunit", [("{{limit}}", "p2p_limit_use / (p2p_limit > 0)")]),
    ("What limits refused", "ops", [("{{limit}}", rate("p2p_limit_refusals_total", "limit"))]),
    ("Memory", "bytes", [("held for peers", "p2p_held_bytes"), ("resident", "process_resident_memory_bytes")]),
    (
        "Work",
        "short",
        [
            ("tasks", "p2p_tasks"),
            ("pending arrivals", "p2p_pending_arrivals"),
            ("pending dials", "p2p_pending_dials"),
            ("queue: {{queue}}", "p2p_queue_depth"),
        ],
    ),
    (
        "The process",
        "short",
        [
            ("file descriptors", "process_open_fds"),
            ("cores in use", f"rate(process_cpu_seconds_total[{RATE}])"),
        ],
    ),
    (
        "Peers",
        "short",
        [
            ("known", "p2p_peerstore_peers"),
            ("identified in 1 min", "increase(p2p_peers_identified_total[1m])"),
            ("discovered in 1 min", "increase(p2p_peers_discovered_total[1m])"),
        ],
    ),
]
COLUMNS, WIDTH, HEIGHT = 3, 8, 7


def panel(number, title, unit, lines):
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": {"x": number % COLUMNS * WIDTH, "y": number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "legendFormat": legend, "expr": expr}
            for index, (legend, expr) in enumerate(lines)
        ],
    }


def dashboard():
    return {
        "title": "swift-p2p node",
        "uid": "swift-p2p-node",
        "schemaVersion": 38,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]},
        "panels": [panel(number, *entry) for number, entry in enumerate(PANELS)],
    }


# MARK: The picture

PANEL_WIDTH, PANEL_HEIGHT, GAP = 400, 210, 14
PLOT_TOP, PLOT_BOTTOM, PLOT_LEFT = 34, 142, 52
LINES_SHOWN = 6
COLOURS = ["#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2"]
UNITS = {"ops": "/s", "Bps": "B/s", "bytes": "B", "s": "s", "percentunit": "", "short": ""}


def ask(url, query, seconds, window="15s"):
    """What a Prometheus has of a query: legend labels, and points of time and value."""
    now = time.time()
    parameters = {"query": query.replace(RATE, window), "start": now - seconds, "end": now, "step": max(1, seconds // 120)}
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
        result = json.load(answer)["data"]["result"]
    points = [(item["metric"], [(float(at), float(value)) for at, value in item["values"]]) for item in result]
    return now, [(labels, [(at, value) for at, value in values if value == value]) for labels, values in points]


def figure(value, unit):
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        scale, name = next(((1 / small, name) for small, name in ((1e-6, "µs"), (1e-3, "ms")) if 0 < value < small * 1000), (1, "s"))
        return f"{value * scale:.3g} {name}"
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {prefix}{UNITS[unit]}"
    return f"{value:.3g} {UNITS[unit]}".strip()


def drawn(title, unit, lines, url, seconds):
    """A panel as SVG, with its origin at its upper left corner."""
    series = []
    now = time.time()
    for legend, query in lines:
        now, found = ask(url, query, seconds)
        for labels, values in found:
            name = re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), legend)
            if values:
                series.append((name, values))
    # Those that say most.
    series.sort(key=lambda entry: max(value for _, value in entry[1]), reverse=True)
    top = max((value for _, values in series for _, value in values), default=0) or 1
    width = PANEL_WIDTH - PLOT_LEFT - 12

    def at(moment, value):
        x = PLOT_LEFT + (moment - now + seconds) / seconds * width
        return f"{x:.1f},{PLOT_BOTTOM - value / top * (PLOT_BOTTOM - PLOT_TOP):.1f}"

    yield f'<rect width="{PANEL_WIDTH}" height="{PANEL_HEIGHT}" rx="6" fill="#ffffff" stroke="#d4d4d8"/>'
    yield f'<text x="12" y="20" font-size="13" font-weight="600" fill="#18181b">{html.escape(title)}</text>'
    for share in (0, 0.5, 1):
        y = PLOT_BOTTOM - share * (PLOT_BOTTOM - PLOT_TOP)
        yield f'<line x1="{PLOT_LEFT}" x2="{PLOT_LEFT + width}" y1="{y}" y2="{y}" stroke="#e4e4e7"/>'
        yield f'<text x="{PLOT_LEFT - 6}" y="{y + 3}" font-size="9" text-anchor="end" fill="#52525b">{figure(share * top, unit)}</text>'
    if not series:
        yield f'<text x="{PLOT_LEFT + width / 2}" y="92" font-size="11" text-anchor="middle" fill="#71717a">nothing in this time</text>'
    for number, (name, values) in enumerate(series[:LINES_SHOWN]):
        colour = COLOURS[number]
        points = " ".join(at(*point) for point in values)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"/>'
        x, y = PLOT_LEFT - 40 + number % 2 * 190, 160 + number // 2 * 15
        shown = name if len(name) <= 27 else name[:26] + "…"
        yield f'<rect x="{x}" y="{y - 7}" width="9" height="3" fill="{colour}"/>'
        yield f'<text x="{x + 14}" y="{y}" font-size="10" fill="#3f3f46">{html.escape(shown)}</text>'
    if len(series) > LINES_SHOWN:
        yield f'<text x="{PANEL_WIDTH - 12}" y="20" font-size="10" text-anchor="end" fill="#71717a">and {len(series) - LINES_SHOWN} more</text>'


def draw(url, seconds):
    rows = -(-len(PANELS) // COLUMNS)
    width, height = COLUMNS * (PANEL_WIDTH + GAP) + GAP, rows * (PANEL_HEIGHT + GAP) + GAP
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif">'
    yield f'<rect width="{width}" height="{height}" fill="#f4f4f5"/>'
    for number, (title, unit, lines) in enumerate(PANELS):
        x, y = GAP + number % COLUMNS * (PANEL_WIDTH + GAP), GAP + number // COLUMNS * (PANEL_HEIGHT + GAP)
        yield f'<g transform="translate({x} {y})">'
        yield from drawn(title, unit, lines, url, seconds)
        yield "</g>"
    yield "</svg>"


def main():
    if sys.argv[1:2] == ["--draw"]:
        url, seconds, path = sys.argv[2:5]
        pathlib.Path(path).write_text("\n".join(draw(url, int(seconds))) + "\n")
        return
    text = json.dumps(dashboard(), indent=2) + "\n"
    if "--check" in sys.argv[1:]:
        if FILE.read_text() != text:
            sys.exit(f"{FILE.name} is not what its list of panels says: run {pathlib.Path(__file__).name}")
    else:
        FILE.write_text(text)


if __name__ == "__main__":
    main()
