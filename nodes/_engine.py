"""Finding the engine, whose modules import one another as `xdub_core....`"""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

ENGINE = "xdub_core"
logger = logging.getLogger(__name__)


def import_engine() -> None:
    """Register the `xdub_core` folder beside this package as the module of that name, unless there is one already."""
    folder = Path(__file__).resolve().parent.parent / ENGINE
    if (loaded := sys.modules.get(ENGINE)) is not None:
        if Path(str(loaded.__file__)).resolve().parent != folder:
            logger.warning(
                "X-Dub: another copy of its engine is in use, %s: remove one copy of the pack",
                loaded.__file__,
            )
        return
    spec = importlib.util.spec_from_file_location(
        ENGINE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is missing: install the whole pack again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[ENGINE] = module
    spec.loader.exec_module(module)
