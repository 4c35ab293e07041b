"""What "copy as Python" gives runs, and computes the same."""

import numpy as np
import pytest
from work.around import Bundle, Surface
from work.between import Connect, Interpolate
from work.data import DataChoice
from work.jobs import Job
from work.measure import Measure
from work.minimum import Minimum
from work.request import script
from work.spectrum import Spectrum

DATA = DataChoice(num_samples=32)


@pytest.fixture(scope="module")
def minima(model_files):
    return [
        Minimum(name=name, path=model_files[name], is_shared=True)
        for name in ("first", "second")
    ]


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Runs a request as the page does, in this thread."""
    folder = tmp_path_factory.mktemp("job")

    def compute(request):
        results = []
        job = Job((), "", lambda job: results.append(request.run(job)), folder)
        job.run()
        assert job.state == "done", job.message
        return results[0]

    return compute


def executed(*requests):
    values = {}
    exec(script(requests), values)
    return values


def test_interpolation(minima, computed):
    request = Interpolate(
        minima=tuple(minima), data=DATA, path="curvilinear", num_points=6
    )
    line, found = computed(request), executed(request)
    for split in ("train", "test"):
        np.testing.assert_array_equal(
            line.losses[split], found["interpolation"].losses[split]
        )
    assert line.barriers == found["interpolation"].barriers
    assert found["chart"].to_dict()["title"]


def test_measurements(minima, computed, capsys):
    kinds = (
        ("evaluation", 0.0),
        ("sharpness", 1e-3),
        ("eigenvalues", 1.0),
        ("trace", 4.0),
    )
    requests = [
        Measure(minima=(m,), data=DATA, quantity=quantity, option=option)
        for m in minima
        for quantity, option in kinds
    ]
    found = executed(*requests)
    evaluation, sharpness, eigenvalues, trace = map(computed, requests[:4])
    assert found["measurement_1"]["test"]["loss"] == evaluation.test_loss
    assert found["measurement_2"].value == sharpness.value
    assert found["measurement_3"].eigenvalues == eigenvalues.eigenvalues
    assert found["measurement_4"].value == trace.value
    assert (
        f"first, trace of the Hessian: {trace.value}" in capsys.readouterr().out
    )


def test_spectra(minima, computed):
    requests = [
        Spectrum(minima=(m,), data=DATA, num_probes=2, num_steps=5)
        for m in minima
    ]
    found = executed(*requests)
    np.testing.assert_array_equal(
        found["spectrum_2"].density, computed(requests[1]).density
    )
    assert "second" in str(found["chart"].to_dict())


@pytest.mark.parametrize("plane", ["random", "hessian"])
def test_surface(minima, computed, plane):
    request = Surface(
        minima=(minima[0],), data=DATA, plane=plane, num_points=3, span=0.5
    )
    found = executed(request)
    np.testing.assert_allclose(
        found["surface"].loss,
        computed(request).surface.loss,
        # Float32 sums over samples, in batches of the same size.
        rtol=1e-6,
    )
    assert found["chart"].to_dict()["title"]


def test_bundle(minima, computed):
    request = Bundle(
        minima=(minima[0],), data=DATA, num_directions=2, num_points=3
    )
    found = executed(request)
    np.testing.assert_allclose(
        found["bundle"].loss,
        computed(request).loss,
        rtol=1e-6,
    )
    assert found["chart"].to_dict()["title"]


def test_connection(minima, computed):
    request = Connect(
        minima=tuple(minima), data=DATA, num_steps=3, num_points=5
    )
    found = executed(request)
    np.testing.assert_allclose(
        found["connection"].losses["train"],
        computed(request).losses["train"],
        rtol=1e-5,
    )
    assert found["chart"].to_dict()["title"]


@pytest.mark.parametrize("loss", ["squared", "logits"])
def test_other_losses_and_modes(minima, computed, loss):
    data = DataChoice(num_samples=16, loss=loss, batch_norm="batch")
    request = Measure(minima=(minima[0],), data=data, quantity="evaluation")
    found = executed(request)["measurement"]
    result = computed(request)
    assert found["train"]["loss"] == result.train_loss
    assert result.objective["batch_norm"] == "batch"
