"""`facevid subset` and `facevid split`: choices of a dataset's clips, saved as small files of ids."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facevid.cli.endings import OK
from facevid.cli.steps import Json

if TYPE_CHECKING:
    from facevid.dataset.dataset import Dataset

Place = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="Folder of the dataset, or its address: hf://, s3://, https://.",
        show_default=False,
    ),
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Its name, for DATASET/subsets/NAME.json; or the path of a .json file.",
        show_default=False,
    ),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="A,B",
        help="Attributes, columns or SQL expressions to stratify or balance by. May be given again.",
    ),
]
Of = Annotated[
    Literal["clips", "hours", "persons"],
    typer.Option("--of", help="What is counted: clips, hours or persons."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Another seed is another choice.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace what is saved under this name, also if of other clips.")
]
_BETWEEN = re.compile(r",(?![^()]*\))")  # commas that are not inside an expression's parentheses


def subset(
    dataset: Place,
    name: Name,
    *,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="SQL", help="Only clips for which this condition is true."),
    ] = None,
    fraction: Annotated[
        float | None, typer.Option("--fraction", metavar="P", min=0, max=1, help="A share: .1 is 10 %.")
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Equal numbers of each combination of --by.")
    ] = False,
    by: By = None,
    of: Of = "clips",
    each: Annotated[
        float | None,
        typer.Option(
            "--each", metavar="N", help="With --balanced: so many of each. Default: what the thinnest has."
        ),
    ] = None,
    thin: Annotated[
        Literal["keep", "leave", "error"],
        typer.Option("--thin", help="Combinations with fewer: keep what they have, leave them out, or stop."),
    ] = "keep",
    unknown: Annotated[
        Literal["leave", "keep"],
        typer.Option(
            "--unknown", help="With --balanced, clips of unknown value: leave out, or keep as such."
        ),
    ] = "leave",
    seed: Seed = 0,
    replace: Replace = False,
    as_json: Json = False,
) -> int:
    """Save a choice of clips: by a condition, balanced, a stratified fraction, or these one after the other."""
    import facevid
    from facevid.dataset.choosing.named import subset as save_subset

    with _noted() as notes:
        whole = facevid.open(dataset)
        columns = _names(by)
        chosen = save_subset(
            whole, name, where=where, fraction=fraction, balanced=balanced, by=columns, of=of, each=each, thin=thin,
            unknown=unknown, seed=seed, replace=replace,
        )  # fmt: skip
    _tell(whole, {"chosen": chosen}, name, columns, notes, as_json=as_json)
    return OK


def split(
    dataset: Place,
    name: Name,
    *,
    parts: Annotated[
        str, typer.Option("--parts", metavar="P,P", help="Shares of the parts, which add up to 1.")
    ] = ".9,.05,.05",
    names: Annotated[
        str | None,
        typer.Option(
            "--names", metavar="A,B", help="Names of the parts. Default: train, validation and test."
        ),
    ] = None,
    by: By = None,
    of: Of = "clips",
    keep_sources: Annotated[
        bool, typer.Option("--keep-sources", help="Also keep people who share a source in one part.")
    ] = False,
    unknown: Annotated[
        Literal["together", "apart", "leave"],
        typer.Option(
            "--unknown",
            help="Clips of nobody known: together with all known in their source, apart, or left out.",
        ),
    ] = "together",
    seed: Seed = 0,
    write: Annotated[
        bool, typer.Option("--write", help="Also publish the parts' names in the clips' column split.")
    ] = False,
    replace: Replace = False,
    as_json: Json = False,
) -> int:
    """Split a dataset so that no person is in two parts, and save the split."""
    import facevid
    from facevid.dataset.choosing.named import split as save_split

    try:
        shares = [float(part) for part in parts.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{parts!r} is no list of shares such as .9,.05,.05.") from None
    with _noted() as notes:
        whole = facevid.open(dataset)
        columns = _names(by)
        found = save_split(
            whole, name, parts=shares, names=names.split(",") if names else None, by=columns, of=of,
            keep_sources=keep_sources, unknown=unknown, seed=seed, write=write, replace=replace,
        )  # fmt: skip
        if write:
            whole = facevid.open(dataset)  # its tables were published anew
            found = whole.saved_split(name)
    _tell(whole, found, name, columns, notes, as_json=as_json)
    return OK


def _names(by: Sequence[str] | None) -> list[str]:
    return [name.strip() for given in by or () for name in _BETWEEN.split(given)]


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Warnings of the choice, to be told with it."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield notes
    notes += [str(w.message) for w in caught if issubclass(w.category, UserWarning)]


def _tell(
    whole: Dataset, parts: Mapping[str, Dataset], name: str, by: Sequence[str], notes: Sequence[str], *,
    as_json: bool,
) -> None:  # fmt: skip
    from facevid.dataset.choosing.named import figures, shares

    told: dict[str, Any] = {"all": figures(whole)} | {part: figures(of) for part, of in parts.items()}
    values = shares(whole, parts, by)
    if as_json:
        body = {
            "name": name,
            "dataset": str(whole.location),
            "counts": told,
            "shares": values,
            "notes": list(notes),
        }
        typer.echo(json.dumps(body, ensure_ascii=False))
        return
    console = Console(highlight=False)
    table = Table("", *told, title=f"{name} of {escape(whole.name)}", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for figure, shown in (("clips", "{:,}"), ("hours", "{:,.2f}"), ("people", "{:,}"), ("sources", "{:,}")):
        table.add_row(figure, *(shown.format(of[figure]) for of in told.values()))
    for row in values:
        table.add_row(escape(f"{row['by']} {row['value']}"), *(f"{row[part]:.1%}" for part in told))
    console.print(table)
    for note in notes:
        console.print(escape(f"Note: {note}"), soft_wrap=True)
