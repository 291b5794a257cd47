"""The settings of a process; nothing is read at import time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from enrollment_db.address import DatabaseAddress
from enrollment_db.files import EVERYONE, write_atomically
from faceid.errors import UsageError

if TYPE_CHECKING:
    from enrollment_db.search.index import Kind

RECOMMENDED_MODEL = "mobilefacenet"
"""The network that a new gallery uses if its weights are installed and the user chose none."""

FALLBACK_MODEL = "dlib-resnet"
"""The network of a new gallery otherwise. Its weights are installed with faceid."""

AUTO_DETECTOR = "auto"
"""The choice of detector that is left to faceid: `faceid.app.detector_choice`."""

Runtime: TypeAlias = Literal["auto", "torch", "openvino"]
"""The runtime of networks on a CPU. `auto` is torch, and openvino in long runs if it is installed. A GPU uses torch."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The places of files and the choices of the user.

    `model` is None if the user named no model: then the gallery's model is used. An empty gallery uses
    `default_model`, or `faceid.app.network_choice` chooses if the user has no default. `detector` is a name of the
    registry of detectors (`faceid.recognition.detect.registry`), or `auto`.
    """

    data_dir: Path
    db: DatabaseAddress
    model: str | None = None
    default_model: str | None = None
    device: str = "auto"
    detector: str = AUTO_DETECTOR
    index: Kind = "auto"
    runtime: Runtime = "auto"

    @property
    def weights_dir(self) -> Path:
        """The directory of pulled and converted weights."""
        return self.data_dir / "weights"

    @property
    def models_dir(self) -> Path:
        """The directory of the user's networks: model cards with their weights beside them."""
        return self.data_dir / "models"

    @property
    def config_file(self) -> Path:
        """The choices of the user, TOML."""
        return self.data_dir / "config.toml"

    @classmethod
    def load(
        cls,
        *,
        db: str | Path | None = None,
        model: str | None = None,
        device: str = "auto",
        detector: str | None = None,
        runtime: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """From arguments, then `$FACEID_DB` and `$FACEID_HOME`, then the platform's user data directory.

        `$FACEID_INDEX` is the kind of index (`enrollment_db.search.index.open_index`), `$FACEID_RUNTIME` the runtime if
        `runtime` is None, and `$FACEID_DETECTOR` the detector if `detector` is None. A database is named by the path of
        a SQLite file or by a URL: `sqlite:///path`, or one of a scheme that an installed package adds
        (`enrollment_db.registry`).

        Raises UsageError for a database URL of an unknown scheme (`unknown_database`), an unknown kind or runtime, or a
        config file that cannot be used.
        """
        env = os.environ if environ is None else environ
        data_dir = Path(home).expanduser() if (home := env.get("FACEID_HOME")) else _user_data_dir()
        location = db if db is not None else env.get("FACEID_DB")
        settings = cls(
            data_dir=data_dir,
            db=_address(location or data_dir / "gallery.db"),
            model=model,
            device=device,
            detector=detector or env.get("FACEID_DETECTOR") or AUTO_DETECTOR,
            index=_index_kind(env.get("FACEID_INDEX") or "auto"),
            runtime=_runtime(runtime or env.get("FACEID_RUNTIME") or "auto"),
        )
        return replace(settings, default_model=_default_model(settings.config_file))


def write_default_model(settings: Settings, name: str) -> None:
    """Make new galleries use model `name`."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    text = f"default_model = {json.dumps(name, ensure_ascii=False)}\n"
    write_atomically(settings.config_file, text.encode(), mode=EVERYONE)


def _user_data_dir() -> Path:
    from platformdirs import user_data_path

    return user_data_path("faceid", appauthor=False)


def _index_kind(asked: str) -> Kind:
    from enrollment_db.search.index import KINDS

    for kind in KINDS:
        if kind == asked:
            return kind
    raise UsageError(f"FACEID_INDEX is {asked!r}", remedy="kind_of_index", known=", ".join(KINDS))


def _runtime(asked: str) -> Runtime:
    runtimes: tuple[Runtime, ...] = get_args(Runtime)
    for runtime in runtimes:
        if runtime == asked:
            return runtime
    raise UsageError(f"unknown runtime {asked!r}", remedy="one_of", known=", ".join(runtimes))


def _address(location: str | Path) -> DatabaseAddress:
    address = DatabaseAddress.of(location)
    if address.file is None:
        # To look for packages takes longer than all else here.
        from enrollment_db.registry import check_scheme

        check_scheme(address)
    return address


@dataclass(frozen=True, slots=True)
class _Config:
    """The keys of `config.toml`."""

    default_model: str | None = None


def _default_model(path: Path) -> str | None:
    if not path.exists():
        return None
    # Most users have no such file, and should not wait for the import of its parser.
    from faceid.documents import BadDocument, as_type, parse_toml, read_text

    try:
        return as_type(parse_toml(read_text(path), str(path)), _Config, str(path)).default_model
    except (OSError, BadDocument) as error:
        raise UsageError(
            str(error), code="bad_config", remedy="correct_or_delete_file", path=str(path)
        ) from error
