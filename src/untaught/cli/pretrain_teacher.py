"""`untaught pretrain-teacher`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from untaught.cli.console import Json, Quiet, progress, remark
from untaught.errors import ConfigError

if TYPE_CHECKING:
    from untaught.engine.photographs import Photographs
    from untaught.method import Method


def pretrain_teacher(
    method: Annotated[str, typer.Argument(help="Method whose teachers are made.")] = "uninformed_students",
    images: Annotated[
        Path | None, typer.Option(help="Folder of photographs of anything; default: those that scikit-image brings.")
    ] = None,
    patch: Annotated[
        list[int] | None, typer.Option(help="Side of the patch: 17, 33 or 65; may be given several times.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Named settings of the method.")] = "lite",
    backbone: Annotated[str | None, typer.Option(help="Any timm model, to learn from.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, in place of the preset's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of initialisation and crops.")] = 0,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any setting of the method: key=value.")] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Teach a method's teachers with photographs, once for all products; `train` finds them.

    More and more varied photographs make a better teacher. Interrupted, the same command goes on where it was.
    """
    from untaught.config import merge, parse_overrides

    given = {"scales": tuple(patch) if patch else None, "backbone": backbone, "pretraining": steps and {"steps": steps}}
    named = {key: value for key, value in given.items() if value is not None}
    untrained = make(method, preset, merge(named, parse_overrides(set_ or [])))
    pretrainings = list(untrained.pretrainings())
    if not pretrainings:
        came = f"{method} has no teacher of its own: it uses a backbone as it is"
        raise ConfigError(came, "a method that learns from photographs", "train it at once: `untaught train`")

    from untaught.engine.photographs import folder_of, packaged
    from untaught.engine.pretrain import ADVICE, current, pretrain
    from untaught.engine.teachers import place

    photographs: Photographs = packaged() if images is None else folder_of(images)
    if images is None:
        remark(f"{len(photographs)} photographs of scikit-image; {ADVICE}", quiet or json_)
    answers = []
    try:
        with progress(quiet or json_) as report:
            cards = [current(pretraining, photographs, seed) for pretraining in pretrainings]
            if not all(cards):
                photographs.check()
            for pretraining, card in zip(pretrainings, cards, strict=True):
                word = "is there already" if card else "made"
                card = card or pretrain(pretraining, photographs, seed=seed, report=report)
                remark(f"{pretraining.name} {word}: {card.words}", quiet or json_)
                answers.append({"file": str(place(pretraining)), **card.model_dump(mode="json")})
    except KeyboardInterrupt:
        remark("Interrupted. The same command goes on where it was.", quiet)
        raise typer.Exit(130) from None
    if json_:
        print(json.dumps(answers))
    else:
        typer.echo("\n".join(str(answer["file"]) for answer in answers))


def make(name: str, preset: str, settings: dict[str, object]) -> Method:
    """The method, without looking for any weights.

    Raises:
        ConfigError: there is no such method or setting.
    """
    from untaught.registry import method_class

    kind = method_class(name)
    made: Method = kind(kind.configure(preset, **settings), untrained=True)
    return made
