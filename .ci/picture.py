"""Draws which target imports which, as a Mermaid graph that a person can read: the picture in Specs/Architecture.md.

Three things keep it small, and all of them say the same as the import lines:
- What is reached through another target gets no arrow of its own (a transitive reduction).
- An arrow to a room stands for arrows to all in it, one from a room for arrows from all in it.
- What serves the tests is left out: it imports what it tests.
"""

BEGIN = "<!-- The picture below is generated: python3 .ci/imports.py --draw --write -->"
END = "<!-- The end of the generated picture. -->"
LEFT_OUT = {"Testing"}


def draw(rooms, imports):
    """The picture. rooms: folder -> its targets; imports: target -> the targets of this package that it imports."""
    rooms = {room: sorted(targets) for room, targets in rooms.items() if room not in LEFT_OUT}
    drawn = {target for targets in rooms.values() for target in targets}
    reached = closure({target: imports[target] & drawn for target in drawn})
    arrows = gathered(rooms, reached, reduced(reached))
    lines = ["```mermaid", "graph TD"]
    for room, targets in rooms.items():
        if len(targets) == 1:
            lines += [f"    {targets[0]}"]
            continue
        lines.append(f"    subgraph {room}")
        lines += [f"        {target}[{target.removeprefix('P2P')}]" for target in targets]
        lines.append("    end")
    lines += [f"    {source} --> {goal}" for source, goal in sorted(arrows)]
    return "\n".join([*lines, "```"])


def closure(imports):
    """target -> everything that it imports, itself or through others."""
    reached = {}

    def visit(target, above=()):
        if target in above:
            raise SystemExit(f"imports: a circle: {' -> '.join([*above, target])}")
        if target not in reached:
            reached[target] = set().union(*({goal} | visit(goal, (*above, target)) for goal in imports[target]))
        return reached[target]

    for target in imports:
        visit(target)
    return reached


def reduced(reached):
    """The arrows that no path of others stands for."""
    return {
        (source, goal)
        for source, goals in reached.items()
        for goal in goals
        if not any(goal in reached[between] for between in goals)
    }


def gathered(rooms, reached, arrows):
    """The same arrows, with one to or from a room where two or more of them stand for all of it."""
    for room in (room for room, targets in rooms.items() if len(targets) > 1):
        for source in reached.keys() - set(rooms[room]):
            into = {(source, goal) for goal in rooms[room]} & arrows
            if len(into) > 1 and reached[source] >= set(rooms[room]):
                arrows = arrows - into | {(source, room)}
        for goal in reached.keys() - set(rooms[room]):
            out = {(source, goal) for source in rooms[room]} & arrows
            if len(out) > 1 and all(goal in reached[source] for source in rooms[room]):
                arrows = arrows - out | {(room, goal)}
    return arrows


def replaced(page, picture):
    """The page with the picture between its markers, or None without them."""
    if BEGIN not in page or END not in page:
        return None
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{picture}\n{END}{rest.split(END, 1)[1]}"
