"""The OpenAPI file, from which the browser interface's client is generated.

`structloop openapi > docs/reference/openapi.json` (or `python -m structloop.api.openapi`) writes it again; a test fails
when the file and the routes differ.
"""

import json
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

from structloop.api.app import make_routes
from structloop.api.shapes import ExposuresChanged, PlatesChanged, Problem, Resync


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 description of all routes."""
    document = make_routes().openapi()
    _, extra = models_json_schema(
        [(model, "serialization") for model in (Problem, PlatesChanged, ExposuresChanged, Resync)],
        ref_template="#/components/schemas/{model}",
    )
    document["components"]["schemas"].update(extra["$defs"])
    document["components"]["schemas"] = dict(sorted(document["components"]["schemas"].items()))
    # The version of the package is no part of the interface: a release must not change the file.
    document["info"]["version"] = "1"
    return document


def openapi_text() -> str:
    """The OpenAPI file, as it is committed."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
