"""Both generators on coloured squares: the condition decides the colour; resumed or shared, the result is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_pictures import colour_of, toy_coordinates, toy_pictures
from two_workers import run_two

from components.errors import UserError
from components.files import Folder
from components.generation.config import GeneratorConfig
from components.generation.generator import Generator
from components.generation.training import GeneratorFit, fit_generator
from components.training import Checkpoint, LocalSession, Session

TOY = toy_pictures()
KINDS = ("vae", "gan")


def _fit(kind: str, session: Session | None = None, **settings: Any) -> GeneratorFit:
    config = GeneratorConfig(**{"kind": kind, "side": 16, "width": 16, "noise_dim": 4, "epochs": 2, **settings})
    return fit_generator(TOY.pictures, TOY.coordinates, config, session or LocalSession(), seed=0)


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest) -> Generator:
    steps = {"vae": {"epochs": 25, "batch": 8}, "gan": {"epochs": 15, "batch": 16}}[request.param]
    return _fit(request.param, learning_rate=5e-3, **steps).generator


def test_the_condition_decides_the_colour(trained: Generator) -> None:
    wanted = np.repeat(np.arange(4), 25)
    texts = toy_coordinates(wanted, np.random.default_rng(1))
    found = colour_of(trained.of_texts(texts, seed=2))
    assert (found == wanted).mean() > 0.95
    assert abs((found == np.random.default_rng(3).permutation(wanted)).mean() - 0.25) < 0.15  # control


def test_pictures_are_the_same_for_the_same_seed_and_saved(trained: Generator, tmp_path: Path) -> None:
    trained.save(Folder.at(tmp_path))
    again = Generator.load(Folder.at(tmp_path))
    rows = TOY.coordinates[:6]
    made = trained.of_texts(rows, seed=1)
    assert (again.of_texts(rows, seed=1) == made).all()
    assert (trained.of_texts(rows, seed=2) != made).any()
    np.testing.assert_array_equal(
        trained.draw(trained.conditioner.of(rows), seed=1, temperature=0.0),
        trained.draw(trained.conditioner.of(rows), seed=2, temperature=0.0),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_two_workers_end_like_one(kind: str) -> None:
    """Of pictures: the weights are Adam's, which makes a whole step of a gradient that is rounding only."""

    def drawn(fit: GeneratorFit) -> np.ndarray:
        return fit.generator.of_pictures(TOY.coordinates, seed=0).astype(float)

    alone, other = drawn(_fit(kind, batch=31)), drawn(_fit(kind, batch=61))
    for fit in run_two(lambda session: _fit(kind, session, batch=31)):
        assert np.abs(drawn(fit) - alone).mean() < 0.02 < 0.1 * np.abs(other - alone).mean()


class _Stopped(Exception):
    pass


class _Stopping(LocalSession):
    """Fails after its second epoch, as a killed worker does."""

    def save(self, checkpoint: Checkpoint, metrics: Any) -> None:
        super().save(checkpoint, metrics)
        if checkpoint.epoch == 2:
            raise _Stopped


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_training_ends_where_an_unbroken_one_does(kind: str, tmp_path: Path) -> None:
    whole = _fit(kind, epochs=4)
    with pytest.raises(_Stopped):
        _fit(kind, _Stopping(Folder.at(tmp_path)), epochs=4)
    rest = _fit(kind, LocalSession(Folder.at(tmp_path)), epochs=4)
    assert rest.history == whole.history
    for name, value in rest.generator.weights.items():
        np.testing.assert_array_equal(value, whole.generator.weights[name], err_msg=name)


@pytest.mark.parametrize("wrong", [{"kind": "flow"}, {"side": 20}, {"epochs": 0}, {"blended": 1.5}, {"average": 1.0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        GeneratorConfig(**wrong)


def test_few_pictures_and_unknown_settings_are_refused() -> None:
    with pytest.raises(UserError, match="31 pictures are too few"):
        config = GeneratorConfig(side=16)
        fit_generator(TOY.pictures[:31], TOY.coordinates[:31], config, LocalSession(), seed=0)
    with pytest.raises(UserError, match="'colour' is no setting"):
        GeneratorConfig.of({"colour": 1})
