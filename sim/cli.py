# SPDX-License-Identifier: Apache-2.0
"""The command line: ``opencdma --help``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.progress import Progress
except ModuleNotFoundError as error:
    sys.exit(f"The command line needs the package {error.name}: install `opencdma[sim]`")

from opencdma.hw.fpga.cli import fpga
from opencdma.sim import terminal
from opencdma.syn.cli import asic, resources

# What the commands need is imported by them, so that help is there at once.

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Compressing DMA engine: emit its Verilog, see it at work, measure it.")

app.command()(fpga)
app.command()(resources)
app.command()(asic)

#: What ``--device`` says of a board, in front of the path of its serial port.
_UART = "uart:"

#: Commands that work on a board as well.
_ON_BOARDS = ("demo",)

#: Columns of tables that do not go to a terminal.
PLAIN_WIDTH = 120


def _geometry(width: int, elements: str = "8,16,32", ranks: int | None = None):
    """Return the build parameters that options stand for; what is wrong with them ends it."""
    from opencdma.hw.codec import CodecGeometry

    sizes = {"8": 1, "16": 2, "32": 4}
    names = [name.strip() for name in elements.split(",")]
    if not set(names) <= set(sizes):
        raise terminal.fail(f"Element sizes must be some of 8, 16 and 32 bits, not {elements!r}", 2)
    try:
        return CodecGeometry(width, [sizes[name] for name in names], ranks)
    except ValueError as error:
        raise terminal.fail(error, 2) from None


@contextmanager
def _failures(*kinds: type[Exception]) -> Iterator[None]:
    """End with code 1 and the message of an exception that is no mistake of this program."""
    try:
        yield
    except (OSError, *kinds) as error:
        raise terminal.fail(error, 1) from None


@app.callback()
def target(
    context: typer.Context,
    device: Annotated[str, typer.Option(
        help="What the commands that need an engine use: sim, or a board, uart:/dev/ttyUSB0.",
    )] = "sim",
    baud: Annotated[int, typer.Option(
        help="Bits per second of the board's serial port.")] = 1_000_000,
):
    """Choose the engine."""
    if device != "sim":
        if not device.startswith(_UART) or device == _UART:
            raise terminal.fail(f"Device must be sim or uart:PATH, not {device!r}", 2)
        if context.invoked_subcommand not in _ON_BOARDS:
            raise terminal.fail(f"--device is for {', '.join(_ON_BOARDS)}", 2)
        context.obj = device.removeprefix(_UART), baud


@app.command()
def verilog(
    preset: Annotated[str | None, typer.Option(
        help="Engine: its preset, ecp5, tiny or asic.")] = None,
    width: Annotated[int | None, typer.Option(
        help="Codec: bytes per beat, 8, 16, 32 (default) or 64.")] = None,
    elements: Annotated[str | None, typer.Option(
        help="Codec: element sizes in bits, some of 8,16,32 (default: all).")] = None,
    ranks: Annotated[int | None, typer.Option(
        help="Codec: register ranks in each network (default: behind every other level).")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder.")] = Path("build/verilog"),
):
    """Emit Verilog: one engine or one codec.

    By default the engine in every preset, and the codec in every width, with all element sizes and
    with 32 bits alone.
    """
    from opencdma.hw.verilog import EngineTop, Top, emit, tops
    from opencdma.spec import PRESETS

    chosen = tops()
    of_codec = (width, elements, ranks) != (None, None, None)
    if preset is not None:
        if of_codec:
            raise terminal.fail(
                "--preset is for the engine, --width, --elements and --ranks are not", 2)
        if preset not in PRESETS:
            raise terminal.fail(f"Preset must be one of {', '.join(PRESETS)}, not {preset!r}", 2)
        chosen = [EngineTop(PRESETS[preset])]
    elif of_codec:
        width = 32 if width is None else width
        elements = "8,16,32" if elements is None else elements
        chosen = [Top(_geometry(width, elements, ranks))]
    console = terminal.console(PLAIN_WIDTH)
    with _failures(), Progress(console=console, transient=True) as progress:
        for top in progress.track(chosen, description="verilog"):
            console.print(str(emit(top, output)), soft_wrap=True)


@app.command()
def demo(
    context: typer.Context,
    everything: Annotated[bool, typer.Option(
        "--all", help="Send the whole corpus, not its representative part.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder.")] = Path("build/demo"),
):
    """Send real activations through the simulated engine and back; show ratios and rates.

    With --device uart:PATH the same through the engine on a board, without rates.
    """
    if context.obj is not None:
        _demo_on_board(*context.obj, everything, output)
        return
    from opencdma.sim import activations, demo_tables, plots
    from opencdma.sim import demo as demonstration
    from opencdma.sim.codec import SimulationError
    from opencdma.sim.mismatch import Mismatch
    from opencdma.sim.native import BuildError
    from opencdma.sim.verilator import VerilatorMissing
    from opencdma.sw import EngineError

    console = terminal.console(PLAIN_WIDTH)
    chosen = activations.manifest() if everything else activations.representative()
    with _failures(Mismatch, SimulationError, EngineError, TimeoutError, BuildError,
                   VerilatorMissing):
        console.print("building the simulation model (once, about two minutes)")
        with console.status("from Amaranth to Verilog to C++ to machine code"):
            device = demonstration.build(max(activation.nbytes for activation in chosen))
        with Progress(console=console) as progress:
            records = list(progress.track(
                demonstration.run(device, activations.items(chosen)), total=len(chosen),
                description="tensors"))
        flat = [record.flat() for record in records]
        terminal.write_json(output / "demo.json", flat)
        plots.activations(
            flat, device.config.dev_width, output / "demo.png",
            f"Speed, both channels at once, memory latency {demonstration.MEMORY_LATENCY}")
    for table in demo_tables.tables(records):
        console.print(table)
    console.print(demo_tables.summary(records))
    console.print(demo_tables.CAPTION + "\n")
    console.print(
        f"{len(records)} tensors there and back: every byte is what the golden model says, and "
        "what was sent.")
    console.print(f"records {output / 'demo.json'}\npicture {output / 'demo.png'}", soft_wrap=True)


def _demo_on_board(path: str, baud: int, everything: bool, output: Path):
    from opencdma.sim import activations, board_demo
    from opencdma.sim.mismatch import Mismatch
    from opencdma.sw import Device, EngineError
    from opencdma.sw.uart import UartDevice

    console = terminal.console(PLAIN_WIDTH)
    chosen = activations.manifest() if everything else activations.representative()
    with _failures(Mismatch, EngineError, TimeoutError):
        board = UartDevice.open(path, baud=baud)
        # Of a ring no more than one descriptor is used, and the memories are small.
        device = Device(board, ring=0)
        tensors = board_demo.supported(device, chosen)
        console.print(
            f"engine {device.capabilities.build_id:#010x} at {board.clock / 1e6:g} MHz, "
            f"{board.dev.size >> 10} and {board.host.size >> 10} KiB of memory")
        with Progress(console=console) as progress:
            records = list(progress.track(
                board_demo.run(device, activations.items(tensors)), total=len(tensors),
                description="tensors"))
    terminal.write_json(output / "board.json", [record.flat() for record in records])
    console.print(board_demo.table(records))
    console.print(
        f"{len(records)} tensors there and back: every byte is what the golden model says, and "
        "what was sent.")
    if len(tensors) < len(chosen):
        console.print(
            f"{len(chosen) - len(tensors)} others have elements that this engine does not have.")
    console.print(f"records {output / 'board.json'}", soft_wrap=True)


@app.command()
def bench(
    output: Annotated[Path, typer.Option(
        "--output", "-o", help="File for the records.")] = Path("build/bench.json"),
    quick: Annotated[bool, typer.Option(
        "--quick", help="Measure little: one width, few points and tensors, no cocotb.")] = False,
    docs: Annotated[Path | None, typer.Option(
        help="Also write this page of results, and its pictures beside it.")] = None,
):
    """Measure cycles, latency and speed; what misses its limit is a failure."""
    from opencdma.sim import bench as benchmark
    from opencdma.sim.bench import codec, engine, report, simulation
    from opencdma.sim.codec import SimulationError
    from opencdma.sim.mismatch import Mismatch
    from opencdma.sim.native import BuildError
    from opencdma.sim.verilator import VerilatorMissing
    from opencdma.sw import EngineError

    if quick and docs:
        raise terminal.fail("--docs is for the full benchmark, not for --quick", 2)
    console = terminal.console(PLAIN_WIDTH)
    with _failures(Mismatch, SimulationError, EngineError, TimeoutError, BuildError,
                   VerilatorMissing, codec.WrongOutput, simulation.CocotbFailed):
        with Progress(console=console) as progress:
            results = benchmark.run(progress, quick=quick)
        terminal.write_json(output, results)
        if docs:
            report.write(results, docs)
    for sheet in report.sheets(results).values():
        console.print(sheet.rich())
    console.print(f"records {output}", soft_wrap=True)
    slow = engine.below_least(results["engine"])
    if slow:
        raise terminal.fail(
            f"{len(slow)} rates are below what is promised; the first: {slow[0]}", 1)
    over = codec.over_limit(results["codec"] + results["streams"])
    over += engine.over_limit(results["engine_single"])
    if over:
        raise terminal.fail(f"{len(over)} latencies exceed their limit; the first: {over[0]}", 1)
