# SPDX-License-Identifier: Apache-2.0
"""Layer times: what was recorded makes sense, and the recorder, where PyTorch is installed."""

import json
from importlib.resources import files

import pytest

RECORDINGS = sorted(
    files("opencdma.sim.train").joinpath("recordings").iterdir(), key=lambda path: path.name)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_recordings(path):
    """Layers follow each other, and add up to the step within what is between them."""
    found = json.loads(path.read_text())
    assert all(found[name] for name in ("device", "torch", "method"))
    assert {"AlexNet", "OverFeat", "NiN", "VGG-16", "SqueezeNet", "GoogLeNet"} <= set(
        found["networks"])
    for name, network in found["networks"].items():
        layers = network["layers"]
        for layer in layers:
            assert layer["input"][0] == layer["output"][0] == network["batch"]
            assert layer["forward_ms"] > 0, (name, layer)
        for way in ("forward_ms", "backward_ms"):
            assert 0.9 < sum(layer[way] for layer in layers) / network[way] < 1.3, (name, way)


class TestRecorder:
    """With PyTorch, on the processor."""

    @pytest.fixture
    def torch(self):
        """Return PyTorch, with torchvision beside it."""
        pytest.importorskip("torchvision")
        return pytest.importorskip("torch")

    def test_record(self, torch):
        from opencdma.sim.train.layer_times import document, record
        from opencdma.sim.train.networks import Network

        def make():
            return torch.nn.Sequential(
                torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(inplace=True), torch.nn.Flatten(),
                torch.nn.Linear(4 * 6 * 6, 5))

        network = Network(make, 7, (3, 8, 8), torch.float32, "made up")
        found = record(network, torch.device("cpu"), batch=2, runs=3)
        assert (found["batch"], found["dtype"]) == (2, "float32")
        assert [layer["kind"] for layer in found["layers"]] == [
            "Conv2d", "ReLU", "Flatten", "Linear"]
        assert found["layers"][0]["input"] == [2, 3, 8, 8]
        assert found["layers"][0]["output"] == [2, 4, 6, 6]
        assert [layer["weights"] for layer in found["layers"]] == [112, 0, 0, 725]
        assert all(layer["forward_ms"] > 0 for layer in found["layers"])
        times = {"device": "made up", "networks": {"made up": found}}
        text = document(times)
        assert json.loads(text) == times
        assert sum('"kind"' in line for line in text.splitlines()) == 4
        assert max(line.count('"kind"') for line in text.splitlines()) == 1

    def test_networks_take_their_samples(self, torch):
        from opencdma.sim.train.networks import NETWORKS

        for name in ("OverFeat", "NiN"):
            network = NETWORKS[name]
            assert network.make().eval()(torch.zeros(1, *network.shape)).shape == (1, 1000)

    def test_without_a_gpu(self, torch, monkeypatch, capsys, tmp_path):
        from opencdma.sim.train.layer_times import main

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(SystemExit):
            main([str(tmp_path / "times.json")])
        assert "PyTorch sees no GPU here; name another device" in capsys.readouterr().err
