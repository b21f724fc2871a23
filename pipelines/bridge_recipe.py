"""Recipe ``bridge``: score A–C pairs when only A–B and B–C pairs are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from components.corpora.triples import SIDES
from components.encoders.registry import TRAINED
from pipelines.recipe import (
    AlignerName,
    Count,
    Model,
    NonNegative,
    Positive,
    Preprocess,
    Recipe,
    Scaling,
    Source,
    each_encoder,
    resolved,
)

EstimatorName = Literal["direct", "monte-carlo", "sphere", "gaussian", "smoothed", "auto"]
Way = Literal["aligned", "shared", "separate", "spaces"]
LANGUAGE = "{language}"
Enough = Annotated[int, Field(ge=10)]


class Names(Model):
    """What the sides are called in reports and by ``isthmus search --from … --to …``."""

    a: str = Field("a", pattern=r"^[\w.-]+$")
    b: str = Field("b", pattern=r"^[\w.-]+$")
    c: str = Field("c", pattern=r"^[\w.-]+$")

    @model_validator(mode="after")
    def _distinct(self) -> Names:
        if len({self.a, self.b, self.c}) < 3:
            raise ValueError(f"{self.a}, {self.b} and {self.c} are not three names")
        return self


class EdgePairs(Model):
    """Files with left_id,right_id: of A and B, of B and C."""

    ab: str = Field(description="Parquet/CSV with left_id (of a), right_id (of b); or builtin:emoji")
    bc: str = Field(description="Parquet/CSV with left_id (of b), right_id (of c); or builtin:emoji")


class Budgets(Model):
    """Pairs drawn by seed."""

    ab: Enough | None = Field(None, description="A–B pairs to fit on; null: all")
    bc: Enough | None = Field(None, description="B–C pairs to fit on; null: all")
    oracle: Enough | None = Field(None, description="A–C pairs of the oracle; null: as many as the smaller edge")


class Spaces(Model):
    """Two models made by ``align``: names of runs in this home, or model folders."""

    ab: str = Field(description="model whose left side is A and whose right side is B")
    bc: str = Field(description="model whose left side is B and whose right side is C")
    ab_scale: Positive | None = Field(None, description="that makes its scores log ratios; null: as the model says")
    bc_scale: Positive | None = Field(None, description="the same of the other model")


class TripleSplits(Model):
    """Which A–C pairs judge, if no file says it."""

    heldout_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(0.25, description="of A–C pairs that follow")
    heldout_max: Count = Field(500, description="A–C pairs that judge at most")
    draws: Annotated[int, Field(ge=1)] = Field(5, description="draws of the known pairs; intervals are over them")


class Critics(Model):
    """How f_AB and f_BC are made."""

    aligners: tuple[AlignerName, ...] = Field(
        ("kernel-ridge", "csa"),
        description="of each edge the likeliest out of fold is taken, which also gives the scale; []: none",
    )
    train: Literal["shared", "separate", "both", "none"] = Field(
        "both", description="heads trained by InfoNCE: with one encoder of B, with one for each edge"
    )
    kind: Literal["cosine", "l2", "dot"] = "cosine"
    dim: Count = Field(256, description="columns of the heads")
    hidden: tuple[Count, ...] = Field((), description="hidden layers of the heads; none at few pairs")
    epochs: Count = 60
    batch: Annotated[int, Field(ge=4)] = 64
    learning_rate: Positive = 1e-3
    weight_decay: NonNegative = 0.1
    export: Literal["auto", "aligned", "shared", "separate"] = Field(
        "auto", description="what is exported; auto: the way with the highest out-of-fold likelihood of the known pairs"
    )

    @model_validator(mode="after")
    def _some(self) -> Critics:
        from components.alignment.registry import METHODS

        for name in self.aligners:
            if METHODS[name].spectral or not METHODS[name].needs_pairs or name == "teacher-plan":
                raise ValueError(f"{name} cannot make a critic: choose pairwise aligners, e.g. kernel-ridge, csa, auto")
        if not self.ways:
            raise ValueError("there is no way to make critics: name aligners, or set train")
        if self.export != "auto" and self.export not in self.ways:
            raise ValueError(f"export is {self.export}, but only {' and '.join(self.ways)} critics are made")
        return self

    @property
    def trained(self) -> tuple[Way, ...]:
        return {"both": ("shared", "separate"), "none": ()}.get(self.train, (self.train,))  # type: ignore[return-value]

    @property
    def ways(self) -> tuple[Way, ...]:
        """``aligned`` first, which is the default for few pairs."""
        return (*(("aligned",) if self.aligners else ()), *self.trained)


class Bridge(Model):
    """The sample of B that the sum runs over."""

    size: Count | None = Field(None, description="rows of B; null: all but those of A–C pairs that judge")
    sizes: tuple[Count, ...] = Field((50, 100, 200, 400, 800), description="further sizes for the report's figure")
    bandwidth: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="h² of the smoothed bridge; null: chosen without A–C pairs"
    )
    balance: bool = Field(
        True, description="make each critic a density ratio on unpaired rows: exp f averages to 1 over either side"
    )
    memory_mb: Count = Field(512, description="of the kernel, whatever the bridge's size")
    top: Count | None = Field(None, description="only so many items of the bridge for each query; null: all")
    ess_floor: NonNegative = Field(2.0, description="queries whose effective sample size is below are named")


class BridgeScaling(Scaling):
    """How it runs, never what comes out."""

    bridge_shards: Count | None = Field(None, description="parts that the bridge is summed in; null: by size")


class BridgeRecipe(Recipe):
    """Score A–C pairs through B."""

    pipeline: Literal["bridge"]
    language: str | None = Field(None, description=f"stands for {LANGUAGE} in sources and names")
    a: Source | None = None
    b: Source | None = None
    c: Source | None = None
    spaces: Spaces | None = Field(None, description="two aligned spaces instead of a, b, c")
    names: Names = Names()
    pairs: EdgePairs | None = None
    budgets: Budgets = Budgets()
    heldout: str | None = Field(None, description="Parquet/CSV with left_id (of a), right_id (of c); evaluation only")
    oracle: str | None = Field(None, description="A–C pairs for the oracle; evaluation only")
    truth: str | None = Field(None, description="Parquet/CSV with left_id,right_id,log_ratio; evaluation only")
    splits: TripleSplits = TripleSplits()
    preprocess: Preprocess = Preprocess()
    critics: Critics = Critics()
    estimators: tuple[EstimatorName, ...] = Field(
        ("direct", "monte-carlo", "sphere", "gaussian", "smoothed"), description="of the table"
    )
    estimator: EstimatorName = Field("monte-carlo", description="the one that is exported")
    bridge: Bridge = Bridge()
    scaling: BridgeScaling = BridgeScaling()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="before")
    @classmethod
    def _in_language(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("language"), str):
            return data
        return {k: v if k == "language" else _filled(v, data["language"]) for k, v in data.items()}

    @model_validator(mode="after")
    def _complete(self) -> BridgeRecipe:
        given = [side for side in SIDES if getattr(self, side) is not None]
        if self.spaces is None and len(given) < 3:
            missing = [side for side in SIDES if side not in given]
            raise ValueError(f"{', '.join(missing)} missing: name three sources, or two spaces made by align")
        if self.spaces is not None and given:
            raise ValueError(f"spaces bring their corpora with them: leave {', '.join(given)} out")
        if self.pairs is None and self.spaces is None:
            raise ValueError("pairs.ab and pairs.bc are missing: files with left_id,right_id")
        return self

    @property
    def ways(self) -> tuple[Way, ...]:
        return ("spaces",) if self.spaces else self.critics.ways

    @property
    def methods(self) -> tuple[EstimatorName, ...]:
        """Estimators of the table, the exported one first."""
        return tuple(dict.fromkeys((self.estimator, *self.estimators)))

    def absolute(self, base: Path) -> Self:
        """As :meth:`Recipe.absolute`."""
        changes: dict[str, Any] = {
            n: resolved(p, base) for n in ("heldout", "oracle", "truth") if (p := getattr(self, n))
        }
        if self.pairs:
            changes["pairs"] = EdgePairs(ab=resolved(self.pairs.ab, base), bc=resolved(self.pairs.bc, base))
        if self.spaces:
            found = {e: resolved(p, base) if "/" in (p := getattr(self.spaces, e)) else p for e in ("ab", "bc")}
            changes["spaces"] = self.spaces.model_copy(update=found)
        for side in SIDES:
            source: Source | None = getattr(self, side)
            if source is not None:
                encoder = each_encoder(source.encoder, lambda n: resolved(n, base) if n.startswith(TRAINED) else n)
                changes[side] = source.model_copy(update={"source": resolved(source.source, base), "encoder": encoder})
        return self.model_copy(update=changes)


def _filled(value: Any, language: str) -> Any:
    if isinstance(value, str):
        return value.replace(LANGUAGE, language)
    if isinstance(value, dict):
        return {k: _filled(v, language) for k, v in value.items()}
    return value
