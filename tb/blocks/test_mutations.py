# SPDX-License-Identifier: Apache-2.0
"""Do the tests of the blocks notice a fault? Each line of the table breaks a copy of the RTL."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import opencdma.hw

HERE = Path(__file__).parent

#: File under ``hw``, what stands there, what is put in its place, and the test that must fail.
MUTATIONS = [
    ("stream/queue.py", "(tail ^ head) != self._depth", "(tail ^ head) != self._depth - 1",
     "test_queue.py"),
    ("stream/queue.py", "with m.If(self.o.valid & self.o.ready)", "with m.If(self.o.ready)",
     "test_queue.py"),
    ("stream/credit.py", "self.available.eq(left != 0)", "self.available.eq(left > 1)",
     "test_credit.py"),
    ("stream/credit.py", "- self.take + self.give", "- self.take + self.give[0]",
     "test_credit.py"),
    ("codec/geometry.py", "(self.levels + 1) // 2", "self.levels // 2", "test_geometry.py"),
    ("codec/command.py", "> MAX_RAW_LENGTH", ">= MAX_RAW_LENGTH", "test_command.py"),
    ("codec/command.py", "given.reserved.any()", "given.reserved[:-1].any()", "test_command.py"),
    ("codec/framer.py", "(in_group == group_beats - 1)", "(in_group == group_beats - 2)",
     "test_framer.py"),
    ("codec/framer.py", "beat.count & -size", "beat.count", "test_framer.py"),
    ("codec/framer.py", "& (used != 0)", "", "test_framer.py"),
    ("codec/zero_mask.py", "count > low", "count >= low", "test_zero_mask.py"),
    ("codec/mask_builder.py", "started.eq(~self.i.p.tail)", "started.eq(1)",
     "test_zero_mask.py::test_mask_builder"),
    ("codec/network.py", "self.i.valid\n", "self.o.valid\n", "test_network.py"),
    ("codec/network.py", "(turn[:level] > i)", "(turn[:level] >= i)", "test_network.py"),
    ("codec/compactor.py", "end[:line_bits].any() | empty", "end[:line_bits].any()",
     "test_compactor.py"),
    ("codec/compactor.py", "begin.eq(fill + counted.mask_lanes)", "begin.eq(fill)",
     "test_compactor.py"),
    ("codec/packer.py", "self.o.valid.eq(done != head)", "self.o.valid.eq(tail != head)",
     "test_packer.py"),
    ("codec/packer.py", "< lines - banks - 2", "< lines + banks", "test_packer.py"),
    ("codec/packer.py", "final.eq(place.end - 1)", "final.eq(place.end)", "test_packer.py"),
    ("codec/packer.py", "[:len(grown)]", "[:exact_log2(cells)]", "test_packer.py"),
    ("codec/line_store.py", "row + (first > cell)", "row + (first >= cell)",
     "test_line_store.py"),
    ("codec/intake.py", "held < self._store.depth", "held <= self._store.depth",
     "test_intake.py::test_intake_fills_the_store_and_then_waits"),
    ("codec/length_counter.py", " | after[-1].replicate(len(before))", "",
     "test_length_counter.py"),
    ("codec/mask_walker.py", "len(position) + exact_log2(geometry.lane_bytes)",
     "len(position) + 2", "test_mask_walker.py"),
    ("codec/mask_walker.py", "store.is_before(end_position, behind)",
     "store.is_before(end_position + 1, behind)",
     "test_mask_walker.py::test_packet_ends_at_every_byte_of_a_mask"),
    ("codec/mask_walker.py", "read.present > n", "read.present >= n",
     "test_mask_walker.py::test_packet_ends_at_every_byte_of_a_mask"),
    ("codec/mask_walker.py", "position + mask_lanes + held_ones", "position + held_ones",
     "test_mask_walker.py"),
    ("codec/beat_planner.py", "group.count <= n * span", "group.count < n * span",
     "test_beat_planner.py::test_every_stray_bit"),
    ("codec/beat_planner.py", "last_needed.eq(behind - 1)", "last_needed.eq(behind - lanes)",
     "test_beat_planner.py"),
    ("codec/beat_planner.py", "m.d.sync += end_owed.eq(1)", "m.d.sync += end_owed.eq(0)",
     "test_beat_planner.py::test_end_of_a_packet_may_come_late"),
    ("codec/expander.py", "Mux((zeros & ahead).any(), zeros & ahead, zeros)", "zeros",
     "test_expander.py"),
    ("codec/expander.py", "< beat.taken", "<= beat.taken", "test_expander.py"),
    ("codec/gate.py", "with m.If(~failed):", "with m.If(1):", "test_gate.py"),
    ("codec/gate.py", "            with m.If(beat.tail):", "            with m.If(1):",
     "test_gate.py"),
    ("codec/gate.py", "taken + (self.i.valid & failed)", "taken", "test_gate.py"),
    ("bus/axi_stream.py", "(self.tkeep + 1)", "(self.tkeep + 2)", "test_axi_stream.py"),
    ("bus/axi_stream.py", "self.o.ready | skipping", "self.o.ready", "test_axi_stream.py"),
]  # fmt: skip


def copy_of_the_package(where: Path) -> Path:
    """Make a package of the sources in which only ``hw`` is a copy; return where that is."""
    package = where / "opencdma"
    hw = Path(*opencdma.hw.__path__)
    shutil.copytree(hw, package / "hw", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("spec", "golden"):
        (package / name).symlink_to(hw.parent / name)
    return package / "hw"


def run(where: Path, test: str) -> int:
    """Return the exit code of a test with the package found in a directory."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p",
               "no:xdist", str(HERE / test)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_unchanged_copy(tmp_path):
    copy_of_the_package(tmp_path)
    assert run(tmp_path, "test_queue.py") == pytest.ExitCode.OK


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "test"), MUTATIONS,
    ids=[f"{file}-{n}" for n, (file, *_) in enumerate(MUTATIONS)],
)  # fmt: skip
def test_mutation(tmp_path, file, old, new, test):
    path = copy_of_the_package(tmp_path) / file
    source = path.read_text()
    assert source.count(old) == 1, f"{old!r} must stand in {file} once"
    path.write_text(source.replace(old, new))
    assert run(tmp_path, test) == pytest.ExitCode.TESTS_FAILED
