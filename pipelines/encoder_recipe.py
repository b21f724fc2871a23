"""Recipes ``encode-images`` and ``encode-texts``: train an encoder on one unpaired corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from pipelines.recipe import Count, Fraction, Model, NonNegative, Positive, Recipe, Scaling, resolved

ObjectiveName = Literal[
    "info-nce",
    "rince",
    "gca-ince",
    "gca-rince",
    "gca-uot",
    "hard-negatives",
    "domain-plan",
    "byol",
    "supcon",
    "cross-entropy",
    "simlap",
]
Share = Annotated[float, Field(gt=0, le=1)]
Chance = Annotated[float, Field(ge=0, le=1)]


class Corpus(Model):
    """The rows to learn from."""

    source: str = Field(description="image folder, Parquet/CSV/JSONL file or URI, or builtin:NAME")
    max_bad_fraction: Fraction = Field(0.05, description="the run stops when more of the rows than this are bad")
    id: str = Field("id", description="column of the ids")
    image: str | None = Field(None, description="column of encoded pictures, if it is not called image")
    path: str | None = Field(None, description="column of picture files, relative to the table's folder")
    text: str | None = Field(None, description="column of texts, if it is not called text")
    group: str | None = Field(None, description="column of groups [group, if there]")
    label: str | None = Field(None, description="column of labels [label, if there]")
    title: str | None = Field(None, description="column of short names [title, if there]")
    licence: str | None = Field(None, description="licence of the corpus, for the exported encoder")

    def columns(self) -> dict[str, str]:
        """Column names that were given."""
        names = ("id", "image", "path", "text", "group", "label", "title", "licence")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


class PseudoLabels(Model):
    """Used with `labels: kmeans`."""

    encoder: str | None = Field(None, description="encoder of the vectors; null: hog-color or hashed-tfidf")
    clusters: Annotated[int, Field(ge=2)] = 32


class Kept(Model):
    """Rows kept back, drawn by the seed."""

    valid_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(0.1, description="rows that choose the epoch")
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(0.15, description="rows of the final probes")
    most: Count = Field(5000, description="rows of each of the two at most")


class ImageModel(Model):
    """The picture network."""

    name: str = Field("small-resnet", description="small-resnet, or a model of torchvision, e.g. resnet18 or vit_b_16")
    side: Annotated[int, Field(ge=8, le=1024)] = Field(32, description="pixels of a square picture")
    width: Annotated[int, Field(ge=8)] = Field(32, description="channels of the first stage of small-resnet")
    norm: Literal["group", "batch"] = Field("group", description="group: the same result for any number of workers")
    weights: str | None = Field(None, description=".safetensors file or trained:NAME to start from; null: from scratch")
    stored_side: Count | None = Field(None, description="pixels that pictures are kept at; null: 1.5 sides")


class TextModel(Model):
    """The text network and its tokenizer."""

    vocabulary: Annotated[int, Field(ge=257)] = Field(4000, description="tokens at most")
    max_tokens: Annotated[int, Field(ge=2, le=4096)] = Field(64, description="longer texts are cut")
    width: Annotated[int, Field(ge=8)] = 128
    layers: Count = 2
    heads: Count = 4
    weights: str | None = Field(None, description="trained:NAME to start from, with its tokenizer; null: from scratch")


class ImageViews(Model):
    """Random views of a picture; null takes the preset's value."""

    preset: Literal["clean", "noisy"] = "clean"
    crop: Share | None = Field(None, description="smallest share of the area that a crop keeps")
    flip: Chance | None = Field(None, description="chance of a mirror image")
    jitter: Chance | None = Field(None, description="strength of the colour changes")
    grey: Chance | None = Field(None, description="chance of a grey picture")
    blur: Chance | None = Field(None, description="chance of a blur")
    erase: Chance | None = Field(None, description="chance of an erased rectangle")


class TextViews(Model):
    """Random views of a text; null takes the preset's value."""

    preset: Literal["clean", "noisy"] = "clean"
    keep: Share | None = Field(None, description="smallest share of the tokens that a span keeps")
    drop: Annotated[float, Field(ge=0, le=0.9)] | None = Field(None, description="chance of a token to be left out")


class Objective(Model):
    """What the network learns."""

    name: ObjectiveName = "gca-ince"
    settings: dict[str, float | int | bool | str] = Field(
        {}, description="of the objective, e.g. {epsilon: 0.2}; what is not named takes its own default"
    )


class Head(Model):
    """Projection head; not exported."""

    hidden: Count = 256
    dim: Count = 64


class Training(Model):
    """Optimisation; see TrainingConfig."""

    batch: Count = Field(256, description="global batch, rows")
    each: Annotated[int, Field(ge=2)] = Field(8, description="rows of a class in a batch, for objectives with labels")
    epochs: Count = 20
    accumulate: Count = Field(1, description="parts of a batch that go through the network one by one; same loss")
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Positive = 2e-3
    weight_decay: NonNegative = 1e-4
    warmup: NonNegative = Field(2.0, description="epochs until the learning rate is at its peak")
    ema: Chance = Field(0.99, description="byol: momentum of the target network")
    stop: Literal["loss", "probe", "never"] = Field("loss", description="what chooses the epoch that is kept")
    patience: Count = Field(10, description="epochs without a better one after which training ends")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class EncoderScaling(Scaling):
    """How it runs, never what comes out."""

    loader_processes: Annotated[int, Field(ge=0)] = Field(0, description="of each worker, drawing views ahead")


class _EncodeRecipe(Recipe):
    model: ImageModel | TextModel
    corpus: Corpus
    labels: str | None = Field("auto", description="label, group, kmeans, auto (label, else group, else none) or null")
    pseudo: PseudoLabels = PseudoLabels()
    kept: Kept = Kept()
    objective: Objective = Objective()
    head: Head = Head()
    training: Training = Training()
    scaling: EncoderScaling = EncoderScaling()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def absolute(self, base: Path) -> Self:
        """As :meth:`pipelines.recipe.Recipe.absolute`."""
        corpus = self.corpus.model_copy(update={"source": resolved(self.corpus.source, base)})
        weights = self.model.weights
        model = self.model.model_copy(update={"weights": None if weights is None else resolved(weights, base)})
        return self.model_copy(update={"corpus": corpus, "model": model})


class EncodeImagesRecipe(_EncodeRecipe):
    """Train a picture encoder on an unpaired corpus."""

    pipeline: Literal["encode-images"]
    model: ImageModel = ImageModel()
    views: ImageViews = ImageViews()


class EncodeTextsRecipe(_EncodeRecipe):
    """Train a text encoder on an unpaired corpus."""

    pipeline: Literal["encode-texts"]
    model: TextModel = TextModel()
    views: TextViews = TextViews()


EncodeRecipe = EncodeImagesRecipe | EncodeTextsRecipe
