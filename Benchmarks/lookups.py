"""Draws what a look-up in the hash table costs as the network grows, from what the simulation's tests print.

    make lookups      measures (200 look-ups a size) and draws Specs/kademlia-lookups.svg
"""

import re
import sys

LINE = re.compile(
    r"simulation of (\d+), all alive: messages p50 (\d+), p95 (\d+), hops max (\d+), time p50 ([\d.]+) seconds, p95 ([\d.]+) seconds"
)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 56, 56, 40, 48
MESSAGES, TIME = "#1f5fa8", "#b5542a"


def measured(lines):
    """Nodes -> (messages p50, p95, most hops, seconds p50, p95)."""
    found = {}
    for line in lines:
        if match := LINE.search(line):
            size, *figures = match.groups()
            found[int(size)] = tuple(float(figure) for figure in figures)
    return dict(sorted(found.items()))


def draw(found):
    sizes = list(found)
    most_messages, most_seconds = 60, 1.2

    def x(index):
        return LEFT + index * (WIDTH - LEFT - RIGHT) / (len(sizes) - 1)

    def y(part):
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)

    def line(column, most, colour, dashes=""):
        points = " ".join(f"{x(index):.1f},{y(found[size][column] / most):.1f}" for index, size in enumerate(sizes))
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'

    def text(at_x, at_y, words, anchor="middle", colour="#333"):
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(WIDTH / 2, 20, "A look-up of the 20 nearest, all alive, one-way delay 20-180 ms: median, and 95 % dashed"),
    ]
    for tick in range(0, 7):
        height = y(tick / 6)
        parts.append(f'<line x1="{LEFT}" y1="{height:.1f}" x2="{WIDTH - RIGHT}" y2="{height:.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 8, height + 4, f"{most_messages * tick // 6}", "end", MESSAGES))
        parts.append(text(WIDTH - RIGHT + 8, height + 4, f"{most_seconds * tick / 6:.1f} s", "start", TIME))
    parts += [text(x(index), HEIGHT - BOTTOM + 18, f"{size} nodes") for index, size in enumerate(sizes)]
    parts += [text(x(index), HEIGHT - BOTTOM + 34, f"{found[size][2]:.0f} hops at most") for index, size in enumerate(sizes)]
    dashes = ' stroke-dasharray="5 4"'
    parts += [line(0, most_messages, MESSAGES), line(1, most_messages, MESSAGES, dashes)]
    parts += [line(3, most_seconds, TIME), line(4, most_seconds, TIME, dashes)]
    parts += [text(LEFT, 34, "messages", "start", MESSAGES), text(WIDTH - RIGHT, 34, "time", "end", TIME), "</svg>"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    figures = measured(sys.stdin)
    if len(figures) < 2:
        sys.exit("lookups: nothing was measured")
    sys.stdout.write(draw(figures))
