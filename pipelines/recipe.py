"""Recipes: YAML over typed, frozen models. Unknown keys, wrong types and impossible values are refused by key path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from components.corpora.source_config import one_or_several
from components.encoders.registry import TRAINED
from components.errors import UserError

RECIPES = Path(__file__).parent / "recipes"

AlignerName = Literal[
    "auto",
    "sue",
    "eigen-cca",
    "ridge-cca",
    "procrustes",
    "kernel-ridge",
    "contrastive",
    "contrastive-mlp",
    "csa",
    "ridge-map",
    "asif",
    "functional-map",
    "spectral-transport",
    "fused-kernel-ridge",
    "fused-csa",
    "semi-cca",
    "self-training",
    "wasserstein-procrustes",
    "fused-gromov",
    "teacher-plan",
]
BASELINES: tuple[AlignerName, ...] = ("ridge-cca", "procrustes", "kernel-ridge", "contrastive")
GeneratorKind = Literal["gan", "vae"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
MANY_ROWS = 20_000
Budget = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


OneOrSeveral = str | tuple[str, ...]


class Model(BaseModel):
    """Strict: no unknown key, no silent conversion ("8" is not 8), nothing changes after it was built."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(Model):
    """One corpus: where its rows are and how they are encoded."""

    source: str = Field(description="image folder, Parquet/CSV/JSONL file or URI, or builtin:NAME")
    encoder: OneOrSeveral = Field(
        "auto", description="an encoder (isthmus recipes --encoders) or a list of them, whose views are fused, or auto"
    )
    max_bad_fraction: Fraction = Field(0.05, description="the run stops when more of the rows than this are bad")
    id: str = Field("id", description="column of the ids")
    image: str | None = Field(None, description="column of encoded pictures, if it is not called image")
    path: str | None = Field(None, description="column of picture files, relative to the table's folder")
    text: OneOrSeveral | None = Field(None, description="column of texts, if it is not called text, or a list of them")
    embedding: OneOrSeveral | None = Field(
        None, description="column of vectors, if it is not called embedding, or a list of them"
    )
    group: str | None = Field(None, description="column of groups for the group-disjoint split [group, if there]")
    label: str | None = Field(None, description="column of labels [label, if there]")
    title: str | None = Field(None, description="column of short names for the report [title, if there]")
    licence: str | None = Field(None, description="licence of the corpus, for the report")

    @field_validator("encoder", "text", "embedding", mode="before")
    @classmethod
    def _names(cls, value: Any, info: ValidationInfo) -> Any:
        """Before the types are looked at: the union's own errors name no key that a user knows."""
        may_be_absent = value is None and info.field_name != "encoder"
        if not may_be_absent and not isinstance(value, str | tuple):
            raise ValueError("give a name or a list of names")
        try:
            return one_or_several(value, where=str(info.field_name))
        except UserError as error:
            raise ValueError(f"{error.what}; {error.do}") from None

    def columns(self) -> dict[str, Any]:
        """Column names that were given."""
        names = ("id", "image", "path", "text", "embedding", "group", "label", "title", "licence")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


class Splits(Model):
    """Which known pairs are for fitting and which for evaluation only."""

    heldout_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(0.25, description="of the pairs, without `heldout`")
    heldout_max: Count = Field(500, description="pairs held out at most, without `heldout`")
    draws: Annotated[int, Field(ge=2)] = Field(5, description="pair draws; intervals are over them")
    unpaired: Literal["disjoint", "all"] = Field(
        "disjoint", description="disjoint: an item of the undrawn pairs stays on one side only; all: on both"
    )


class Preprocess(Model):
    """Applied to each side's embeddings before any aligner; fitted on unpaired rows."""

    pca_dim: Count | None = Field(256, description="principal components kept; null keeps all")


class Graph(Model):
    """Nearest-neighbour graph of one side's unpaired rows."""

    neighbours: Annotated[int, Field(ge=2)] = Field(15, description="neighbours of each row (global, not in-batch)")
    scale_k: Count = Field(8, description="the Gaussian's scale is the distance to this neighbour")
    scale: Literal["local", "global"] = Field("local", description="per-row scales, or one median scale")
    components: Literal["bridge", "largest", "error"] = Field("bridge", description="if the graph is disconnected")

    @model_validator(mode="after")
    def _scale_within(self) -> Graph:
        if self.scale_k > self.neighbours:
            raise ValueError(f"scale_k {self.scale_k} must not exceed neighbours {self.neighbours}")
        return self


class SpectralNet(Model):
    """Training of SpectralNet (Shaham et al. 2018; widths and rates of SUE's paper in recipe `sue`)."""

    widths: tuple[Count, ...] = Field((512, 512, 256), description="hidden layers")
    batch: Annotated[int, Field(ge=32)] = Field(1024, description="global batch, rows")
    learning_rate: Positive = 1e-3
    epochs: Count = 30


class Spectral(Model):
    """Spectral embedding of each side."""

    solver: Literal["eigen", "spectralnet"] = Field("eigen", description="exact eigenvectors, or a trained net")
    dim: Annotated[int, Field(ge=2)] = Field(30, description="non-trivial eigenvectors kept")
    graph: Graph = Graph()
    spectralnet: SpectralNet = SpectralNet()


class Cca(Model):
    """Canonical correlation analysis of the spectral coordinates on the pairs."""

    dim: Count | None = Field(8, description="shared dimensions; null: all")
    ridge: NonNegative | None = Field(None, description="ridge relative to unit variance; null: chosen on the pairs")
    gamma: NonNegative | None = Field(
        0.0, description="directions weighted by correlation**gamma; null: chosen on pairs"
    )


class Mmd(Model):
    """Residual MMD net that moves left onto right after CCA."""

    widths: tuple[Count, ...] = (128, 128, 128)
    batch: Annotated[int, Field(ge=8)] = Field(128, description="rows of each side per step")
    learning_rate: Positive = 1e-3
    epochs: Count = 30
    pair_weight: NonNegative = Field(0.0, description="weight of the squared distance of known pairs; 0 as published")


class Auto(Model):
    """Candidates of aligner auto, each a branch of the graph; the choice is by nested cross-validation on the pairs."""

    candidates: tuple[str, ...] | None = Field(None, description="methods to try; null: all of them")
    budget_s: Positive | None = Field(
        None, description="CPU seconds for all candidates, in equal shares; simple maps and kernel ridge always run"
    )
    stop_early: bool = Field(True, description="give up costly candidates that are not good enough on the first draw")


def _generators() -> dict[GeneratorKind, dict[str, Any]]:
    return {"gan": {}, "vae": {"learning_rate": 2e-3}}


class TeacherPlanBlock(Model):
    """Heads that learn from the pairs and from a teacher's transport plan of unpaired rows (KLOT)."""

    rows: Count = Field(4000, description="unpaired rows a side at most; above 20,000 Ray Train is used anyway")
    alphas: tuple[NonNegative, ...] = Field((1.0,), description="candidates for the plans' weight; 0 is one always")
    steps: tuple[Count, ...] = Field((15, 45), description="candidates for the steps; the teacher alone is one always")
    teachers: tuple[Literal["csa", "kernel-ridge"], ...] = ("csa", "kernel-ridge")
    dim: Count = Field(128, description="shared dimensions at most")
    block: Annotated[int, Field(ge=2)] = Field(256, description="unpaired rows of each side that share a plan")
    blocks: Count = Field(2, description="plans of a step; workers share them")
    epsilon: Positive = Field(0.1, description="entropy of the heads' plan, in units of the cosine")
    target_epsilon: Positive = Field(0.02, description="entropy of the teacher's plan")
    rho: Positive | None = Field(None, description="price of mass that stays unmatched; null: all is matched")
    sweeps: Count = Field(30, description="of Sinkhorn at most")
    temperature: Positive = Field(0.1, description="of InfoNCE on the pairs")
    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.1

    @property
    def many(self) -> bool:
        return self.rows > MANY_ROWS


class Scaling(Model):
    """How it runs, never what comes out: not part of any step's key."""

    workers: Count = Field(1, description="Ray Train workers of each training step")
    min_workers: Count | None = Field(
        None, description="training goes on with so few workers while nodes are away; null: all are needed"
    )
    gpus_per_worker: NonNegative = 0.0
    gpus_per_encoder: NonNegative | None = Field(
        None, description="GPUs of each encoding actor, 0.25: four share one; null: as gpus_per_worker"
    )
    cpus_per_worker: Positive = 1.0
    shards: Count | None = Field(None, description="files a corpus is cut into; null: by size")
    encode_actors: Count | None = Field(None, description="actors of each encoding step; null: one per free core")
    encode_batch: Count | None = Field(None, description="rows per encoding task; null: 64 pictures or 512 texts")
    max_failures: Annotated[int, Field(ge=0)] = Field(3, description="restarts of a training step's workers")
    max_preemptions: Annotated[int, Field(ge=0)] | None = Field(
        None, description="restarts after a node was taken away with notice; null: any number"
    )

    @model_validator(mode="after")
    def _fewer_than_workers(self) -> Self:
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ValueError(f"min_workers {self.min_workers} must not exceed workers {self.workers}")
        return self

    @property
    def encoder_gpus(self) -> float:
        return self.gpus_per_worker if self.gpus_per_encoder is None else self.gpus_per_encoder


class Recipe(Model):
    """What every pipeline's recipe has."""

    pipeline: str
    name: str = Field("recipe", pattern=r"^[a-z0-9][a-z0-9._-]*$", description="name of the run in MLflow")

    def absolute(self, base: Path) -> Self:
        """The recipe with its relative paths taken from ``base``, the folder of its file."""
        raise NotImplementedError


class AlignRecipe(Recipe):
    """Join a left and a right corpus from a few known pairs."""

    pipeline: Literal["align"]
    left: Source
    right: Source
    pairs: str | None = Field(None, description="Parquet/CSV with left_id,right_id; or builtin:emoji; needed to `run`")
    pairs_budget: Budget | None = Field(
        None, description="pairs used for fitting, drawn by seed; null: all; 0: none, for aligners that need no pairs"
    )
    pairs_selection: Literal["random", "coverage", "sequential"] = Field(
        "random", description="how pairs_budget pairs are taken from the known ones; coverage: those that stand for all"
    )
    heldout: str | None = Field(None, description="Parquet/CSV with left_id,right_id; evaluation only")
    aligner: AlignerName = Field("auto", description="the aligner that is exported")
    compare: tuple[AlignerName, ...] = Field((), description="further aligners for the table")
    hubness: Literal["none", "potential", "csls"] = Field(
        "none", description="correction by a bank of unpaired rows: exported, and in the table as <method>+bank"
    )
    settings: dict[AlignerName, dict[str, Any]] = Field(
        {}, description="settings of aligners by name, e.g. {contrastive: {start: csa}}"
    )
    splits: Splits = Splits()
    preprocess: Preprocess = Preprocess()
    spectral: Spectral = Spectral()
    cca: Cca = Field(Cca(), description="of aligner sue")
    eigen_cca: Cca = Field(Cca(dim=None, gamma=1.0), description="of aligner eigen-cca")
    mmd: Mmd = Mmd()
    auto: Auto = Field(Auto(), description="of aligner auto")
    teacher_plan: TeacherPlanBlock = Field(TeacherPlanBlock(), description="of aligner teacher-plan")
    generators: dict[GeneratorKind, dict[str, Any]] = Field(
        default_factory=_generators, description="drawn with by `evaluate`: settings by kind, e.g. {gan: {epochs: 40}}"
    )
    scaling: Scaling = Scaling()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @field_validator("generators")
    @classmethod
    def _known_generators(cls, value: dict[GeneratorKind, dict[str, Any]]) -> dict[GeneratorKind, dict[str, Any]]:
        from components.generation.config import GeneratorConfig

        try:
            for kind, settings in value.items():
                GeneratorConfig.of({**settings, "kind": kind})
        except UserError as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _known_settings(self) -> AlignRecipe:
        from components.alignment.registry import METHODS, make_aligner

        for name, settings in self.settings.items():
            if METHODS[name].spectral or name in {"auto", "teacher-plan"}:
                keys = "spectral, cca, eigen_cca, mmd, auto, teacher_plan"
                raise ValueError(f"settings of {name} have keys of their own: {keys}")
            try:
                make_aligner(name, settings)
            except UserError as error:
                raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _something_to_choose(self) -> AlignRecipe:
        if self.pairs_selection != "random" and self.pairs_budget is None:
            raise ValueError(f"pairs_selection {self.pairs_selection} chooses pairs_budget pairs: set pairs_budget")
        return self

    @property
    def chooses_pairs(self) -> bool:
        """Whether pairs are chosen by something else than chance."""
        return self.pairs_selection != "random" and not self.without_pairs

    @property
    def methods(self) -> tuple[AlignerName, ...]:
        """Every method of the table, without repetition: the exported one, the compared ones, the baselines (which
        all need pairs)."""
        return tuple(dict.fromkeys((self.aligner, *self.compare, *(() if self.without_pairs else BASELINES))))

    @property
    def exported(self) -> str:
        """The name in the table of what is exported."""
        return self.aligner + ("+bank" if self.corrects(self.aligner) else "")

    def corrects(self, method: AlignerName) -> bool:
        """Whether there is a corrected version of a method; ``auto`` decides about the correction by itself."""
        return self.hubness != "none" and method != "auto"

    @property
    def without_pairs(self) -> bool:
        """Whether nothing is fitted on a known pair."""
        return self.pairs is None or self.pairs_budget == 0

    def absolute(self, base: Path) -> Self:
        """As :meth:`Recipe.absolute`."""
        changes: dict[str, Any] = {n: resolved(p, base) for n in ("pairs", "heldout") if (p := getattr(self, n))}
        for side in ("left", "right"):
            source: Source = getattr(self, side)
            encoder = each_encoder(
                source.encoder, lambda name: resolved(name, base) if name.startswith(TRAINED) else name
            )
            changes[side] = source.model_copy(update={"source": resolved(source.source, base), "encoder": encoder})
        return self.model_copy(update=changes)


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> AlignRecipe:
    """An ``align`` recipe. Raises UserError as :func:`load_any_recipe`, and for a recipe of another pipeline."""
    recipe = load_any_recipe(name_or_path, overrides)
    if isinstance(recipe, AlignRecipe):
        return recipe
    raise UserError(f"this recipe's pipeline is {recipe.pipeline}, not align", where=str(name_or_path))


def load_any_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """A built-in recipe by name or a YAML file, with ``key.path=value`` overrides.

    Paths inside a recipe file are relative to that file.

    Raises:
        UserError: file missing, not YAML, or any key or value refused; the message names the key's path.
    """
    path = _recipe_path(name_or_path)
    data = parse_yaml(path, "a recipe is a mapping of keys", do="see `isthmus recipes` for examples")
    for override in overrides:
        _override(data, override)
    data.setdefault("name", path.stem.lower().replace("_", "-").replace(" ", "-"))
    from pipelines.registry import model_of

    where = str(name_or_path)
    recipe: Recipe = validate(data, where=where, model=model_of(data.get("pipeline"), where))
    return recipe if path.parent == RECIPES else recipe.absolute(path.parent.resolve())


def validate(data: dict[str, Any], *, where: str = "recipe", model: Any = AlignRecipe) -> Any:
    """A recipe of this model.

    Raises:
        UserError: with the path of the first refused key, what is allowed, and how many more there are.
    """
    try:
        return model.model_validate(_tuples(data))
    except ValidationError as error:
        raise _friendly(error, where, model) from None


def built_in() -> dict[str, str]:
    """Names of the built-in recipes and the first comment line of each."""
    lines = {p.stem: p.read_text().splitlines()[0].lstrip("# ") for p in sorted(RECIPES.glob("*.yaml"))}
    return lines


def to_yaml(recipe: BaseModel) -> str:
    """The recipe with all defaults filled in."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _recipe_path(name_or_path: str) -> Path:
    own = RECIPES / f"{name_or_path}.yaml"
    if own.exists():
        return own
    path = Path(name_or_path).expanduser()
    if path.suffix not in {".yaml", ".yml"} or not path.is_file():
        names = ", ".join(built_in())
        raise UserError(f"no recipe {name_or_path!r}", do=f"name a .yaml file that exists, or one of: {names}")
    return path


def parse_yaml(path: Path, shape: str, *, do: str = "") -> dict[str, Any]:
    """A YAML file's mapping. Raises UserError: no YAML, or something else; ``shape`` says what was expected."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"not valid YAML ({' '.join(str(error).split())})", where=str(path)) from None
    if not isinstance(data, dict):
        raise UserError(shape, where=str(path), do=do)
    return data


def _override(data: dict[str, Any], text: str) -> None:
    key, sep, value = text.partition("=")
    if not sep or not key.strip():
        raise UserError(f"--set {text!r} is not of the form key.path=value")
    set_key(data, key, _number(yaml.safe_load(value)), where=f"--set {key}")


def set_key(data: dict[str, Any], key: str, value: Any, *, where: str) -> None:
    """Set the value at a key's path. Raises UserError for a path through something that is no group of keys."""
    *parents, last = key.strip().split(".")
    for parent in parents:
        node = data.setdefault(parent, {})
        if not isinstance(node, dict):
            raise UserError(f"{parent!r} is a value, not a group of keys", where=where)
        data = node
    data[last] = value


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-4`` as a string; a person means a number."""
    if isinstance(value, str):
        try:
            return float(value) if "e" in value.lower() else value
        except ValueError:
            return value
    return value


def _tuples(value: Any) -> Any:
    """YAML lists as tuples (strict mode would refuse lists), and ``1e-4`` as a number."""
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    return _number(value)


def _friendly(error: ValidationError, where: str, model: type[BaseModel]) -> UserError:
    first, *rest = error.errors()
    path = ".".join(str(p) for p in first["loc"]) or "(whole recipe)"
    got = "" if first["type"] in {"missing", "extra_forbidden"} else f" (got {first['input']!r})"
    what = f"key {path!r}: {_reason(first)}{got}"
    more = f"; {len(rest)} more such errors" if rest else ""
    return UserError(what + more, where=where, do=_allowed(path, model))


def _reason(detail: Any) -> str:
    if detail["type"] == "extra_forbidden":
        return "unknown key"
    if detail["type"] == "missing":
        return "missing"
    if detail["type"] in {"model_type", "dict_type"}:
        return "a mapping of keys to values belongs here"
    return str(detail["msg"]).removeprefix("Value error, ")


def _allowed(path: str, node: type[BaseModel]) -> str:
    """What may stand at a key, taken from the models themselves."""
    parts = path.split(".")
    for n, part in enumerate(parts):
        if part not in node.model_fields:
            return f"allowed keys{' below ' + '.'.join(parts[:n]) if n else ''}: {', '.join(node.model_fields)}"
        field = node.model_fields[part]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            node = field.annotation
            continue
        return _describe(part, field)
    return f"allowed keys: {', '.join(node.model_fields)}"


def _describe(name: str, field: Any) -> str:
    meaning = f"{name} means: {field.description}" if field.description else ""
    if field.is_required():
        return meaning
    return f"{meaning} (default {field.default!r})" if meaning else f"the default of {name} is {field.default!r}"


def resolved(text: str, base: Path) -> str:
    """A path of a recipe, relative to ``base``; names of built-in corpora and of trained encoders, and URIs, stay."""
    if text.startswith("builtin:") or "://" in text:
        return text
    if text.startswith(TRAINED):
        name = text.removeprefix(TRAINED)
        return TRAINED + resolved(name, base) if "/" in name else text
    return str((base / Path(text).expanduser()).resolve())


def each_encoder(encoder: str | tuple[str, ...], change: Callable[[str], str]) -> str | tuple[str, ...]:
    """The encoder of a source, or each of its encoders, changed."""
    return change(encoder) if isinstance(encoder, str) else tuple(change(name) for name in encoder)
