# SPDX-License-Identifier: Apache-2.0
"""The committed corpus of activations, its loader, and the comparison with a rebuilt one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opencdma.sim import activations
from opencdma.sim.activations import compare, summary

NETWORKS = {"open_nsfw", "hed", "mobilenet_v2"}
DTYPES = {"float32", "uint8"}
STAGES = {"early", "middle", "late"}

DOCUMENT = Path(__file__).parents[1] / "docs" / "activations.md"


@pytest.fixture(params=activations.manifest(), ids=lambda activation: activation.name)
def activation(request):
    return request.param


def test_array_is_what_the_manifest_says(activation):
    array = activations.load(activation.name)
    assert array.shape == activation.shape
    assert array.dtype == np.dtype(activation.dtype)
    assert array.flags.c_contiguous
    assert (array.size, array.nbytes) == (activation.size, activation.nbytes)
    zero_fraction = np.mean(array == 0)
    assert zero_fraction == pytest.approx(activation.zero_fraction, abs=1e-6)


def test_values_are_those_of_a_relu(activation):
    array = activations.load(activation.name)
    assert np.isfinite(array).all()
    assert not np.signbit(array).any()
    if activation.dtype == "float32":
        tiny = np.finfo(np.float32).tiny
        assert not ((array > 0) & (array < tiny)).any()


def test_tensor_is_cut_by_whole_channels(activation):
    batch, channels, height, width = activation.full_shape
    if activation.channels is None:
        assert activation.shape == activation.full_shape
        return
    count = len(activation.channels)
    assert activation.shape == (batch, count, height, width)
    assert count < channels
    assert (activation.channels[0], activation.channels[-1]) == (0, channels - 1)
    spacing = np.diff(activation.channels)
    assert spacing.min() >= 1
    assert spacing.max() - spacing.min() <= 1


def test_facts_are_complete(activation):
    parts = (activation.network, activation.dtype, activation.photo, activation.layer)
    assert activation.name == "/".join(parts)
    assert activation.stage in STAGES
    assert (activation.scale is not None) == (activation.dtype == "uint8")
    for requirement in (activation.weights, activation.photo_source):
        assert "==" in requirement
    assert activation.weights_licence
    assert activation.photo_licence


def test_quantised_tensors_use_most_of_their_range():
    peaks = [array.max() for a, array in activations.items() if a.dtype == "uint8"]
    assert min(peaks) > 64
    assert max(peaks) == 255


def test_names_are_unique_and_match_the_archive():
    names = activations.names()
    assert len(set(names)) == len(names)
    with np.load(activations.CORPUS_PATH) as corpus:
        assert set(corpus.files) == set(names)


def test_corpus_is_small():
    paths = (activations.CORPUS_PATH, activations.MANIFEST_PATH)
    assert sum(path.stat().st_size for path in paths) <= 8_000_000


def test_corpus_is_diverse():
    facts = activations.manifest()
    groups = {(a.network, a.dtype, a.stage) for a in facts}
    assert groups == {(n, d, s) for n in NETWORKS for d in DTYPES for s in STAGES}
    assert len({a.photo for a in facts}) >= 4
    for dtype in DTYPES:
        zeros = [a.zero_fraction for a in facts if a.dtype == dtype]
        assert min(zeros) < 0.2
        assert max(zeros) > 0.9


def test_representative_is_a_small_cross_section():
    chosen = activations.representative()
    groups = [(a.network, a.dtype, a.stage) for a in chosen]
    assert sorted(groups) == sorted({(n, d, s) for n in NETWORKS for d in DTYPES for s in STAGES})
    assert sum(a.nbytes for a in chosen) < 4_000_000


def test_items_yields_what_load_returns():
    chosen = activations.representative()[:2]
    pairs = list(activations.items(chosen))
    assert [a for a, _ in pairs] == chosen
    for a, array in pairs:
        np.testing.assert_array_equal(array, activations.load(a.name))
    assert [a for a, _ in activations.items()] == activations.manifest()


def test_unknown_name():
    message = (
        r"^No activation 'hed/float32/astronaut/conv9_9' in the corpus; "
        r"nearest is 'hed/float32/astronaut/conv\d_\d'$"
    )
    with pytest.raises(activations.UnknownActivationError, match=message):
        activations.load("hed/float32/astronaut/conv9_9")
    assert issubclass(activations.UnknownActivationError, KeyError)


def test_document_has_the_current_table():
    assert summary.markdown() in DOCUMENT.read_text(encoding="utf-8")


class TestCompare:
    @pytest.fixture
    def floats(self):
        return next(activations.items([a for a in activations.manifest() if a.scale is None]))

    @pytest.fixture
    def steps(self):
        return next(activations.items([a for a in activations.manifest() if a.scale]))

    def test_equal(self, floats, steps):
        assert compare.differences([floats, steps], [floats, steps]) == []

    def test_noise_is_tolerated(self, floats, steps):
        fact, array = floats
        noisy = array * np.float32(1 + compare.FLOAT_TOLERANCE / 2)
        assert compare.differences([(fact, noisy)], [floats]) == []
        fact, array = steps
        noisy = np.where(array < 128, array + compare.STEP_TOLERANCE, array).astype(np.uint8)
        noisy[0, 0, 0, 0] ^= 128
        noisy_fact = replace(fact, scale=fact.scale * (1 + compare.SCALE_TOLERANCE / 2))
        assert compare.differences([(noisy_fact, noisy)], [steps]) == []

    def test_changed_float(self, floats):
        fact, array = floats
        changed = array.copy()
        changed[0, 0, 0, 0] += 2 * compare.FLOAT_TOLERANCE * array.max()
        (found,) = compare.differences([(fact, changed)], [floats])
        assert found.startswith(f"{fact.name}: values differ by up to")

    def test_changed_steps(self, steps):
        fact, array = steps
        changed = np.where(array < 128, array + compare.STEP_TOLERANCE + 1, array)
        (found,) = compare.differences([(fact, changed.astype(np.uint8))], [steps])
        assert found.endswith("% of the elements differ by more than 2 steps")

    def test_changed_shape_and_dtype(self, floats):
        fact, array = floats
        for changed in (array[:, 1:], array.astype(np.float64)):
            (found,) = compare.differences([(fact, changed)], [floats])
            assert found.startswith(f"{fact.name}: array is {changed.dtype} {changed.shape}, not")

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"zero_fraction": 0.99}, "zero_fraction is 0.99, not"),
            ({"full_zero_fraction": 0.01}, "full_zero_fraction is 0.01, not"),
            ({"scale": 1e3}, "scale is 1000.0, not"),
            ({"weights": "other==1.0"}, "manifest entry differs"),
        ],
    )
    def test_changed_fact(self, steps, change, reason):
        fact, array = steps
        (found,) = compare.differences([(replace(fact, **change), array)], [steps])
        assert found.startswith(f"{fact.name}: {reason}")

    def test_missing_and_added(self, floats, steps):
        assert compare.differences([floats], [steps]) == sorted(
            [
                f"{floats[0].name}: not in the committed corpus",
                f"{steps[0].name}: not made any more",
            ]
        )
