# SPDX-License-Identifier: Apache-2.0
"""Liberty files: what is read from them, and the cell that is one gate equivalent."""

import gzip
import itertools

import pytest

from opencdma.syn.liberty import Cell, LibertyError, Library, parse, read_text

TEXT = r"""
/* A library { with a comment } */
library ("tiny") {
  technology (cmos); // to the end of the line }
  capacitive_load_unit (1.0, pf)
  time_unit : "1ns";
  operating_conditions (typical) { process : 1; tree_type : "balanced_tree"; }
  cell (AND) { area : 0.5; pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Z) { direction : output; function : "A & B"; } }
  cell ("NAND_BIG") { area : 2; pin (A1) { direction : input; } pin (A2) { direction : input; }
    pin (ZN) { direction : "output"; function : "!(A1 & A2)";
      timing () { related_pin : "A1"; cell_rise (t) { values ("0.1, 0.2", \
                                                             "0.3, 0.4"); } } } }
  cell (NAND) { area : 1.25; pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "(!A) | (!B)"; } }
  cell (NAND_LEFT_ALONE) { area : 1; dont_use : true; pin (A) { direction : input; }
    pin (B) { direction : input; } pin (Y) { direction : output; function : "(A B)'"; } }
  cell (NAND_FOR_FREE) { area : 0; pin (A) { direction : input; }
    pin (B) { direction : input; } pin (Y) { direction : output; function : "(A B)'"; } }
  cell (DFF) { area : 6; ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; clock : true; } pin (D) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; } }
}
"""


def test_cells():
    library = Library(TEXT)
    assert library.name == "tiny"
    assert list(library.cells) == [
        "AND", "NAND_BIG", "NAND", "NAND_LEFT_ALONE", "NAND_FOR_FREE", "DFF"]
    assert library.cells["NAND_BIG"] == Cell(
        "NAND_BIG", 2, ("A1", "A2"), {"ZN": "!(A1 & A2)"}, sequential=False, usable=True)
    assert library.cells["DFF"].sequential
    assert not library.cells["NAND_LEFT_ALONE"].usable
    assert parse(TEXT).attributes == {"time_unit": "1ns"}
    assert parse(TEXT).groups[0].attributes == {"process": "1", "tree_type": "balanced_tree"}


def test_gate_equivalent():
    library = Library(TEXT)
    assert library.nand2().name == "NAND"
    assert library.nand2("NAND_BIG").area == 2
    with pytest.raises(LibertyError, match=r"^There is no cell 'NOR' in the library tiny$"):
        library.nand2("NOR")
    without = Library(TEXT.replace("(!A) | (!B)", "!A & !B").replace("!(A1 & A2)", "A1"))
    with pytest.raises(
            LibertyError, match=r"^There is no NAND of two inputs in the library tiny$"):
        without.nand2()


@pytest.mark.parametrize(
    ("text", "function"),
    [("A B", lambda a, b, c: a and b), ("A+B C", lambda a, b, c: a or (b and c)),
     ("(A+B)*C", lambda a, b, c: (a or b) and c), ("A^B^C", lambda a, b, c: a ^ b ^ c),
     ("A'&B|C'", lambda a, b, c: (not a and b) or not c), ("!(A|B)'", lambda a, b, c: a or b),
     ("!A B", lambda a, b, c: not a and b), ("1", lambda a, b, c: True),
     ("A ^ B & C", lambda a, b, c: (a ^ b) and c), ("(A)(B)", lambda a, b, c: a and b),
     ("0", lambda a, b, c: False), ("!(!A)", lambda a, b, c: a)],
)
def test_functions(text, function):
    cell = Cell("cell", 1, ("A", "B", "C"), {"Z": text}, sequential=False, usable=True)
    assert cell.computes(function, 3)
    assert not cell.computes(lambda *pins: not function(*pins), 3)
    assert not cell.computes(function, 2)


@pytest.mark.parametrize("text", ["A +", "(", "A ) B"])
def test_functions_that_are_none(text):
    cell = Cell("cell", 1, ("A",), {"Z": text}, sequential=False, usable=True)
    with pytest.raises(LibertyError, match=r"makes no sense|ends in the middle"):
        cell.computes(lambda a: a, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", r"^This is no Liberty file$"), ("module top;", r"^This is no Liberty file$"),
     ("cell (x) {}", r"^A Liberty file begins with a library, not with 'cell'$")],
)
def test_no_liberty(text, message):
    with pytest.raises(LibertyError, match=message):
        Library(text)


def test_every_end_is_noticed():
    whole = TEXT.rstrip()
    for end in itertools.islice(range(len(whole) - 1, 0, -1), 0, None, 97):
        with pytest.raises(LibertyError):
            Library(whole[:end])


def test_packed(tmp_path):
    plain, packed = tmp_path / "plain.lib", tmp_path / "packed.lib.gz"
    plain.write_text(TEXT)
    packed.write_bytes(gzip.compress(TEXT.encode()))
    assert read_text(plain) == read_text(packed) == TEXT
