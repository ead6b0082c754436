"""Everything that httpd needs on disk before it starts: the code, the models, the keys, the refusals, httpd.conf.

Takes the settings, the run folder and, when root serves from a checkout that Apache's account may not read, the
folder for copies. Starts nothing except the mirror of the models.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inkwell.apache.account import children_account, permission_advice, unreadable
from inkwell.apache.config import HTTPD_CONF, Site, render, write_refusals
from inkwell.apache.console import log_info
from inkwell.apache.stage import ModelMirror, stage_code
from inkwell.errors import SettingsError
from inkwell.settings.settings import PROJECT_ROOT, SOURCE_ROOT, Settings


@contextmanager
def readable_models(models_dir: Path, stage: Path | None) -> Iterator[Path]:
    """The folder that the workers read: a mirror of the checkout's own models folder, or else `models_dir` itself."""
    if stage is None or models_dir != PROJECT_ROOT / "models":
        if hidden := unreadable(models_dir):
            log_info(permission_advice(hidden))
        yield models_dir
    else:
        mirror = stage / "models-mirror"  # the mirror removes everything in it that is not a model
        with ModelMirror(models_dir, mirror):
            yield mirror


def readable_keys(settings: Settings, run_dir: Path) -> Path | None:
    """Write all key lines to one file in the run folder; None if there are no keys.

    Apache's account may not read root's file, and every child process would inherit the variable.
    """
    lines = settings.keys_file.read_text(encoding="utf-8").splitlines() if settings.keys_file else []
    lines += settings.keys.split(";") if settings.keys else []
    if not lines:
        return None
    file = run_dir / "keys"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    file.chmod(0o644)  # regardless of the umask; other users cannot enter the folder
    return file


def prepare_site(settings: Settings, run_dir: Path, stage: Path | None) -> None:
    """Write everything that httpd reads into the run folder."""
    root = _stage_package(run_dir) if stage else SOURCE_ROOT
    if hidden := unreadable(root / "inkwell") + unreadable(Path(sys.prefix)):
        raise SettingsError(f"{permission_advice(hidden)}, or use `make serve`, which serves from copies")
    write_refusals(run_dir / "refusals")
    (run_dir / HTTPD_CONF).write_text(render(settings, Site(run_dir, root, children_account())))


def _stage_package(run_dir: Path) -> Path:
    root = run_dir / "code"
    stage_code(SOURCE_ROOT / "inkwell", root)
    return root
