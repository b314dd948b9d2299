# SPDX-License-Identifier: Apache-2.0
"""Draws ``engine.svg``, the rooms of the engine: ``python docs/images/engine.py``.

``tb/test_docs_architecture.py`` compares what is here with the RTL.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1000, 640

#: The frame around the rooms of one channel.
FRAME = (120, 92, 760, 428)


@dataclass(frozen=True)
class Room:
    """A component: where it is drawn, what is written below its name, what is inside it.

    One that is optional is not in every build.
    """

    x: int
    y: int
    width: int
    height: int
    note: str = ""
    inside: tuple[str, ...] = ()
    optional: bool = False


#: By the names of submodules.
ROOMS = {
    # Of the engine.
    "registers": Room(150, 18, 330, 46, "AXI4-Lite"),
    "interrupts": Room(640, 18, 130, 46),
    "switch": Room(18, 18, 96, 46, "shared builds", optional=True),
    "prefetch_channel": Room(
        120, 548, 760, 62, "the same the other way: host_read, widener, decompressor, dev_write"),
    "dev_read": Room(18, 118, 78, 76, "AR, R"),
    "host_read": Room(18, 296, 78, 314, "AR, R"),
    "host_write": Room(904, 118, 78, 352, "AW, W, B"),
    "dev_write": Room(904, 548, 78, 62, "AW, W, B"),
    # Of a channel.
    "fetcher": Room(150, 300, 110, 50, "reads the ring"),
    "checker": Room(310, 300, 110, 50, "the rules"),
    "scheduler": Room(470, 300, 120, 50, "slots, jobs"),
    "plans": Room(650, 300, 100, 50, "by slot"),
    "finisher": Room(470, 394, 120, 50, "outcomes"),
    "completer": Room(650, 394, 110, 50, "records, HEAD"),
    "control": Room(150, 466, 120, 40, "halt, abort, reset"),
    "watchdog": Room(290, 466, 100, 40),
    "coalescer": Room(410, 466, 110, 40, "interrupts"),
    "counters": Room(540, 466, 100, 40, optional=True),
    # Of its data path.
    "read_mover": Room(
        150, 118, 150, 76, inside=("planner", "queue", "delivery", "joiner")),
    "widener": Room(316, 118, 74, 76, "PREFETCH", optional=True),
    "codec": Room(406, 118, 116, 76, "compressor"),
    "narrower": Room(566, 118, 80, 76, "OFFLOAD", optional=True),
    "write_mover": Room(690, 118, 150, 76, inside=("placer", "former", "sender")),
    "crc": Room(250, 216, 80, 34, optional=True),
    "verifier": Room(530, 216, 80, 34, optional=True),
}

#: Who gives what to whom, and the corners of the line.
ARROWS = {
    ("dev_read", "read_mover"): [(96, 156), (150, 156)],
    ("read_mover", "widener"): [(300, 144), (316, 144)],
    ("widener", "codec"): [(390, 144), (406, 144)],
    ("read_mover", "codec"): [(300, 176), (406, 176)],
    ("codec", "narrower"): [(522, 144), (566, 144)],
    ("codec", "write_mover"): [(522, 176), (690, 176)],
    ("narrower", "write_mover"): [(646, 144), (690, 144)],
    ("codec", "crc"): [(406, 186), (396, 186), (396, 233), (330, 233)],
    ("codec", "verifier"): [(514, 194), (514, 233), (530, 233)],
    ("write_mover", "host_write"): [(840, 156), (904, 156)],
    ("host_read", "fetcher"): [(96, 325), (150, 325)],
    ("fetcher", "checker"): [(260, 325), (310, 325)],
    ("checker", "scheduler"): [(420, 325), (470, 325)],
    ("scheduler", "plans"): [(590, 335), (650, 335)],
    ("scheduler", "read_mover"): [(490, 300), (490, 284), (180, 284), (180, 194)],
    ("scheduler", "codec"): [(490, 300), (490, 194)],
    ("scheduler", "write_mover"): [(570, 300), (570, 284), (820, 284), (820, 194)],
    ("scheduler", "verifier"): [(570, 300), (570, 250)],
    ("scheduler", "finisher"): [(500, 350), (500, 394)],
    ("finisher", "scheduler"): [(560, 394), (560, 350)],
    ("read_mover", "finisher"): [
        (220, 194), (220, 264), (626, 264), (626, 408), (590, 408)],
    ("crc", "finisher"): [(290, 250), (290, 264), (626, 264), (626, 408), (590, 408)],
    ("codec", "finisher"): [(440, 194), (440, 264), (626, 264), (626, 408), (590, 408)],
    ("verifier", "finisher"): [(600, 250), (600, 264), (626, 264), (626, 408), (590, 408)],
    ("write_mover", "finisher"): [(740, 194), (740, 264), (626, 264), (626, 408), (590, 408)],
    ("finisher", "completer"): [(590, 428), (650, 428)],
    ("completer", "host_write"): [(760, 419), (904, 419)],
    ("registers", "offload_channel"): [(315, 64), (315, 92)],
    ("offload_channel", "interrupts"): [(705, 92), (705, 64)],
    ("host_read", "prefetch_channel"): [(96, 579), (120, 579)],
    ("prefetch_channel", "dev_write"): [(880, 590), (904, 590)],
    ("prefetch_channel", "host_write"): [
        (880, 562), (892, 562), (892, 500), (940, 500), (940, 470)],
}

#: What is written beside some of them, and where.
LABELS = {"jobs": (340, 280), "reports": (310, 260), "passes": (504, 376), "again": (564, 376)}

STYLE = """
text { font: 13px sans-serif; fill: #222; text-anchor: middle }
.note { font-size: 10.5px; fill: #555 }
.label { font-size: 11px; fill: #0072b2; text-anchor: start }
.room { fill: #f4f7fb; stroke: #44546a; stroke-width: 1.2 }
.optional { stroke-dasharray: 5 3 }
.port { fill: #fdf1e3; stroke: #b0651d; stroke-width: 1.2 }
.frame { fill: none; stroke: #999; stroke-width: 1.2 }
.arrow { fill: none; stroke: #44546a; stroke-width: 1.2; marker-end: url(#head) }
"""


def _room(name: str, room: Room) -> str:
    kinds = ["port" if name.endswith(("_read", "_write")) else "room"]
    if room.optional:
        kinds.append("optional")
    middle = room.x + room.width // 2
    lines = [(name, ""), *((line, "note") for line in (room.note, ", ".join(room.inside)) if line)]
    if len(room.inside) > 3: # too long for a line
        lines[1:] = [(", ".join(room.inside[:2]) + ",", "note"),
                     (", ".join(room.inside[2:]), "note")]
    top = room.y + room.height // 2 + 5 - 8 * (len(lines) - 1)
    texts = [
        f'<text x="{middle}" y="{top + 16 * number}" class="{kind}">{escape(line)}</text>'
        for number, (line, kind) in enumerate(lines)]
    return (f'<rect x="{room.x}" y="{room.y}" width="{room.width}" height="{room.height}" rx="4" '
            f'class="{" ".join(kinds)}"/>' + "".join(texts))


def _arrow(corners: list[tuple[int, int]]) -> str:
    points = " ".join(f"{x},{y}" for x, y in corners)
    return f'<polyline points="{points}" class="arrow"/>'


def draw() -> str:
    """Return the picture as SVG."""
    x, y, width, height = FRAME
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Rooms of the engine">',
        "<!-- SPDX-License-Identifier: Apache-2.0. Drawn by engine.py; do not edit. -->",
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z" '
        'fill="#44546a"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="frame"/>',
        f'<text x="{x + 10}" y="{y + 17}" class="note" style="text-anchor: start">'
        "offload_channel</text>",
        *(_arrow(corners) for corners in ARROWS.values()),
        *(f'<text x="{at[0]}" y="{at[1]}" class="label">{label}</text>'
          for label, at in LABELS.items()),
        *(_room(name, room) for name, room in ROOMS.items()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(draw(), "utf-8")
