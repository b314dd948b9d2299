# SPDX-License-Identifier: Apache-2.0
"""A made Liberty file with just enough cells, for tests that need no real one."""

_HEAD = """\
library (made) {
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA"; pulling_resistance_unit : "1kohm";
  leakage_power_unit : "1nW"; capacitive_load_unit (1, ff);
  nom_process : 1; nom_temperature : 25; nom_voltage : 1;
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
  lu_table_template (table) { variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance; index_1 ("0.01, 1"); index_2 ("1, 100"); }
  lu_table_template (check) { variable_1 : related_pin_transition;
    variable_2 : constrained_pin_transition; index_1 ("0.01, 1"); index_2 ("0.01, 1"); }
"""


def _delays(kind):
    """Return what an arc says: 0.1 ns, and 1 ps for each femtofarad."""
    tables = "\n".join(
        f'{what} (table) {{ values ("0.101, 0.2", "0.101, 0.2"); }}'
        for what in ("cell_rise", "cell_fall", "rise_transition", "fall_transition"))
    return f"{kind}\n{tables}"


def _gate(name, area, inputs, function, sense):
    pins = "".join(f"pin ({pin}) {{ direction : input; capacitance : 1; }}\n" for pin in inputs)
    arcs = "".join(
        "timing () {" + _delays(f'related_pin : "{pin}"; timing_sense : {sense};') + "}\n"
        for pin in inputs)
    return (f"cell ({name}) {{ area : {area};\n{pins}"
            f'pin (Y) {{ direction : output; function : "{function}"; max_capacitance : 100;\n'
            f"{arcs}}}\n}}\n")


def _check(kind):
    tables = " ".join(
        f'{edge}_constraint (check) {{ values ("0.05, 0.05", "0.05, 0.05"); }}'
        for edge in ("rise", "fall"))
    return f'timing () {{ related_pin : "CK"; timing_type : {kind}_rising; {tables} }}\n'


_FLIP_FLOP = f"""\
cell (DFF) {{ area : 5; ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; }}
pin (CK) {{ direction : input; clock : true; capacitance : 1; }}
pin (D) {{ direction : input; capacitance : 1; {_check("setup")} {_check("hold")} }}
pin (Q) {{ direction : output; function : "IQ"; max_capacitance : 100;
timing () {{ {_delays('related_pin : "CK"; timing_type : rising_edge;')} }} }}
}}
"""

#: Areas: inverter 0.5, buffer 0.75, NAND 1, flip-flop 5.
LIBRARY = (
    _HEAD + _gate("INV", 0.5, "A", "!A", "negative_unate")
    + _gate("BUF", 0.75, "A", "A", "positive_unate")
    + _gate("NAND", 1, "AB", "!(A & B)", "negative_unate") + _FLIP_FLOP + "}\n")
