"""The browser interface: the files that the web build leaves in the package, and a plain page where there are none."""

from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

from structloop.api.errors import make_problem, problem_response

WEB = Path(__file__).parent / "web"
_INDEX = "index.html"
_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>structloop</title></head>
<body><h1>structloop is running, without its browser interface</h1>
<p>This installation has no interface: run <code>npm ci &amp;&amp; npm run build</code> in the folder <code>web</code>
(Node 20 or newer), or install structloop from a wheel. The <a href="/api/v1/health">API</a> works all the same.</p>
</body></html>
"""


def interface_is_built(folder: Path = WEB) -> bool:
    """Whether the build of the browser interface is there."""
    return (folder / _INDEX).is_file()


def mount_interface(app: FastAPI, folder: Path = WEB) -> None:
    """Serves the interface at every path that is not the API's.

    Addresses such as `/plates/3` are the interface's own, so whatever is no file gets its first page.
    """
    root = folder.resolve()

    @app.get("/{path:path}", include_in_schema=False)
    def serve(request: Request, path: str) -> Response:
        if path == "api" or path.startswith("api/"):
            problem = make_problem(
                HTTPStatus.NOT_FOUND, "not-found", f"there is no {request.url.path}", "see /api/v1/openapi.json"
            )
            return problem_response(problem)
        if not interface_is_built(root):
            return HTMLResponse(_NOT_BUILT, HTTPStatus.OK if path == "" else HTTPStatus.NOT_FOUND)
        asset = _asset(root, path)
        if asset is not None and asset.name != _INDEX:
            # The build names files in `assets` by their contents, so they never change; others may.
            lasting = asset.parent.name == "assets"
            caching = "public, max-age=31536000, immutable" if lasting else "no-cache"
            return FileResponse(asset, headers={"Cache-Control": caching})
        if path.startswith("assets/"):
            # A page from before an update asks for files that are gone: the first page in their place would only
            # look like a broken script.
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no /{path}")
        return FileResponse(root / _INDEX, headers={"Cache-Control": "no-cache"})


def _asset(root: Path, path: str) -> Path | None:
    """The file at `path` below `root`, symbolic links resolved; none when there is none or it lies elsewhere."""
    if "\0" in path:
        return None
    try:
        candidate = (root / path).resolve()
        inside = candidate.is_relative_to(root) and candidate.is_file()
    except OSError:
        # Such as a name longer than the file system allows.
        return None
    return candidate if inside else None


__all__ = ["WEB", "interface_is_built", "mount_interface"]
