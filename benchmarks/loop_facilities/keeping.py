"""Under which name numbers are kept: those of other code are not mixed with these."""

import hashlib
from functools import cache
from pathlib import Path

import structloop.loop

_CURATION = ("selection", "mixing", "settling")


@cache
def code_digest() -> str:
    """Of the code that is measured."""
    loop, own = Path(structloop.loop.__file__).parent, Path(__file__).parent
    sources = [*loop.glob("training/*.py"), *(loop / "curation" / f"{name}.py" for name in _CURATION)]
    sources += [path for path in own.glob("*.py") if path.name != "tables.py"]
    whole = hashlib.sha256()
    for source in sorted(sources):
        whole.update(source.read_bytes())
    return whole.hexdigest()[:12]
