"""The artist's surface: one file per step that an artist sees.

Importing this package makes the engine beside it importable by its own name, `xdub_core`, and nothing else: `sys.path`
stays as it is, so that no folder of this pack (`nodes` least of all, which is ComfyUI's name) shadows another module.
"""

from ._engine import import_engine

import_engine()
