"""Settings: one frozen pydantic model, TOML files, and `key.path=value` overrides.

An unknown key is an error that names its path and the nearest known one. The resolved settings of a run are written
beside its weights, so that a run can be repeated from its own folder.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from untaught.errors import ConfigError
from untaught.wording import wanted

M = TypeVar("M", bound=BaseModel)


class Frozen(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class CacheSettings(Frozen):
    """Where the teacher's features are kept while the student trains."""

    memory: float = Field(
        default=2.0, ge=0, description="GiB of features kept in memory; above it they are memory-mapped on disk"
    )
    folder: Path | None = Field(
        default=None, description="folder of the disk cache; default: the platform's cache folder"
    )
    keep: bool = Field(
        default=False, description="write the features to disk and keep them for later runs on the same images"
    )


def _text(value: Any) -> Any:
    """Paths as text, also in a list."""
    if isinstance(value, list | tuple):
        return tuple(map(_text, value))
    return str(value) if isinstance(value, Path) else value


class Settings(Frozen):
    """What a training run was asked to do. Method settings are kept under `model`, validated by the method itself."""

    method: str = Field(description="name of the method: see `untaught list`")
    data: Annotated[str | tuple[str, ...], BeforeValidator(_text)] = Field(
        description="data set: a folder, or `toy`; a folder of products or several data sets make one model for all"
    )
    preset: str = Field(default="lite", description="named set of method settings: `lite` (two cores) or `paper`")
    image_size: int | None = Field(
        default=None, ge=32, le=4096, description="side of the square input in pixels; default: the preset's"
    )
    tile: Annotated[int, Field(ge=32, le=4096)] | Literal["auto"] | None = Field(
        default=None,
        description="side of the tiles that images of their own size are cut into; `auto`: the preset's input size",
    )
    overlap: int = Field(default=32, ge=0, description="pixels that neighbouring tiles share at least")
    roi: Path | None = Field(
        default=None,
        description="region to look at: mask picture, bright inside, or JSON polygon [[x, y], ...]; or a folder of such"
        " files, each named after its product",
    )
    ignore: Path | None = Field(default=None, description="region not to look at, given as `roi` is")
    white: int = Field(default=65535, ge=1, le=65535, description="value of full scale in 16-bit images")
    depth_unit: float = Field(default=0.001, gt=0, description="metres per unit of depth images that hold integers")
    relief: float = Field(default=0.007, gt=0, description="metres by which a part differs from its plate in depth")
    max_pixels: int = Field(default=100_000_000, ge=1, description="largest width times height that is decoded")
    max_bytes: int = Field(default=256 * 2**20, ge=1, description="largest file that is read")
    seed: int = Field(default=0, ge=0, description="seed of split, initialisation and order")
    epochs: int | None = Field(default=None, ge=1, description="train for so many epochs in place of the stopping rule")
    minutes: float | None = Field(
        default=None, gt=0, description="training budget in minutes; the stopping rule may end earlier"
    )
    false_reject: float = Field(default=0.01, gt=0, lt=1, description="wanted rate of good parts that are rejected")
    threshold: Literal["conformal", "tail"] = Field(
        default="conformal", description="`tail` extrapolates where images are too few"
    )
    on_bad_image: Literal["skip", "fail"] = Field(
        default="fail", description="what to do with images that do not decode"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="of the student's steps; auto: bf16 where it is right and the hardware faster; scores are fp32",
    )
    checkpoint_seconds: float = Field(
        default=10.0, ge=0, description="least seconds between two checkpoints; 0: one after every epoch"
    )
    cache: CacheSettings = CacheSettings()
    model: dict[str, Any] = Field(default_factory=dict, description="settings of the method, over its preset")

    @property
    def name(self) -> str:
        """What a run folder is called after where nobody names one."""
        first, *more = (self.data,) if isinstance(self.data, str) else self.data
        data = Path(first).name.replace(":", "-") or "data"
        return (f"{data}-and-{len(more)}-more" if more else data) + f"-{self.method}"


def asked(values: Mapping[str, Any], *more: Mapping[str, Any]) -> Settings:
    """Settings from what a training is asked by name, and from further layers of the same.

    What is None was not asked; `backbone` and `weights` are the method's own.

    Raises:
        ConfigError: as `validate`.
    """
    given = {key: value for key, value in values.items() if value is not None}
    model = {key: _text(given.pop(key)) for key in ("backbone", "weights") if key in given}
    return validate(Settings, merge(given, {"model": model}, *more))


def validate(model: type[M], values: Mapping[str, Any], source: str = "settings") -> M:
    """Make `model` from `values`.

    Raises:
        ConfigError: naming the path of each key that is unknown or has a wrong value.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(*_explain(model, error, source)) from None


def _explain(model: type[BaseModel], error: ValidationError, source: str) -> tuple[str, str, str]:
    came: list[str] = []
    expected: list[str] = []
    fix: list[str] = []
    last = ""
    items = error.errors()
    for item in items:
        if any(item["loc"] == other["loc"][: len(item["loc"])] != other["loc"] for other in items):
            continue  # a list is too short only since what is wrong in it does not count
        # Where a setting may be of several types, pydantic adds a word for each, such as `str` or `constrained-int`.
        words = [part for part in item["loc"] if isinstance(part, int) or (part.isidentifier() and part != "str")]
        path = ".".join(map(str, words))
        last, before = path, last
        if path == before and item["type"] not in ("extra_forbidden", "missing"):
            expected[-1] += f", or {wanted(item)}"
            continue
        if item["type"] == "extra_forbidden":
            known = _fields_at(model, item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
            came.append(f"{source}: unknown key `{path}`")
            expected.append("one of " + ", ".join(sorted(known)))
            fix.append(f"did you mean `{near[0]}`?" if near else "remove the key or correct its name")
        elif item["type"] == "missing":
            came.append(f"{source}: `{path}` is missing")
            fix.append(f"give `{path}`")
        else:
            came.append(f"{source}: `{path}` is {item['input']!r}")
            expected.append(wanted(item))
            fix.append(f"correct `{path}`")
    return "; ".join(came), "; ".join(expected), "; ".join(fix)


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        info = model.model_fields.get(str(part))
        if info is None or not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
            return []
        model = info.annotation
    return list(model.model_fields)


WHOLE = {"kinds"}
"""Settings whose value is a table: one that is given replaces the other and is not added to it."""


def merge(*layers: Mapping[str, Any], whole: Collection[str] = WHOLE) -> dict[str, Any]:
    """Nested dictionaries joined key by key; the later one wins, of the keys in `whole` with all that it holds."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            if isinstance(old, Mapping) and isinstance(value, Mapping) and key not in whole:
                result[key] = merge(old, value, whole=whole)
            else:
                result[key] = value
    return result


def parse_overrides(pairs: Iterable[str]) -> dict[str, Any]:
    """`["cache.memory=4", "model.levels=[8, 16]"]` as nested dictionaries. Values are TOML; what is not TOML is text.

    Raises:
        ConfigError: a pair without `=` or with an empty key.
    """
    result: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise ConfigError(
                f"--set got {pair!r}",
                "key=value, the key with dots between levels",
                "for example --set cache.memory=4",
            )
        try:
            value: Any = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        nested: dict[str, Any] = {parts[-1]: value}
        for part in reversed(parts[:-1]):
            nested = {part: nested}
        result = merge(result, nested, whole=())  # `kinds.scar=1` and `kinds.perlin=1` are one table
    return result


def load_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ConfigError: the file is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error})", "a TOML file", "check the path and its permissions"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML ({error})", "a TOML file", "correct the line named") from None


def to_toml(model: BaseModel) -> str:
    """Settings as TOML text; keys without a value are left out."""
    return tomli_w.dumps(model.model_dump(mode="json", exclude_none=True))
