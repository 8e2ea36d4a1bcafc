"""Loading: a changed source as a module of its own, in a folder from which other processes can import it too."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from torch.optim import Optimizer


@contextmanager
def loaded(source: str, name: str) -> Iterator[type[Optimizer]]:
    """The class `name` of the source, importable as long as the block lasts: pickle and new processes find it too."""
    module = f"mutant_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    inherited = os.environ.get("PYTHONPATH")
    with TemporaryDirectory() as folder:
        Path(folder, f"{module}.py").write_text(source, encoding="utf-8")
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, inherited)))
        try:
            importlib.invalidate_caches()
            yield getattr(importlib.import_module(module), name)
        finally:
            sys.modules.pop(module, None)
            sys.path.remove(folder)
            if inherited is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = inherited
