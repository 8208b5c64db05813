"""Rules of the source that no reviewer should have to remember. A `noqa` in the source changes nothing here."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "structloop"
FILES = sorted(SOURCE.rglob("*.py"))

LONGEST_FILE = 400
# Modules that run or unpickle what they read, and calls that do.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen", "torch.load", "yaml.load", "yaml.unsafe_load"}
# Where any error may be taken: in how many places, and why.
BROAD_HANDLERS = {
    "jobs/running.py": (1, "a job's outermost edge: whatever happened, its row must say so, and the log why"),
    "instruments/caretaking.py": (3, "where drivers are called: whatever they raise, beam and valves are seen to"),
    "instruments/calling.py": (
        1,
        "a driver's code in a thread: what it raises is raised again where it is awaited",
    ),
    "instruments/runner.py": (1, "a task that nobody awaits: whatever ends it ends the session safely"),
    "instruments/journal.py": (1, "whoever watches a journal is told, and may not end the session"),
}
UNSAFE_ARGUMENTS = {("shell", True), ("allow_pickle", True), ("weights_only", False), ("trust_remote_code", True)}


def where(path: Path, node: ast.AST) -> str:
    """The place of a node, to click on."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    """Every syntax node of the package."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path, node


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def unsafe_imports(node: ast.AST) -> list[str]:
    """Names of unsafe modules that an import statement brings in."""
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    return [name for name in names if name.split(".")[0] in UNSAFE_MODULES]


def is_unsafe_call(node: ast.AST) -> bool:
    """Whether a call evaluates text, starts a shell or unpickles."""
    if not isinstance(node, ast.Call):
        return False
    arguments = {
        (keyword.arg, keyword.value.value) for keyword in node.keywords if isinstance(keyword.value, ast.Constant)
    }
    return dotted(node.func) in UNSAFE_CALLS or bool(arguments & UNSAFE_ARGUMENTS)


def is_broad_handler(node: ast.AST) -> bool:
    """Whether an `except` takes everything and does not end by raising again."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    broad = any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in kinds)
    return broad and not isinstance(node.body[-1], ast.Raise)


def test_there_is_source_to_check() -> None:
    assert len(FILES) > 10


def test_nothing_unpickles_evaluates_or_starts_a_shell() -> None:
    imports = [f"{where(path, node)} imports {name}" for path, node in nodes() for name in unsafe_imports(node)]
    calls = [f"{where(path, node)} {ast.unparse(node)[:80]}" for path, node in nodes() if is_unsafe_call(node)]
    assert imports + calls == []


def test_no_handler_swallows_every_error() -> None:
    found = [(path, node) for path, node in nodes() if is_broad_handler(node)]
    allowed = {SOURCE / name for name in BROAD_HANDLERS}
    assert [where(path, node) for path, node in found if path not in allowed] == []
    counted = Counter(str(path.relative_to(SOURCE)) for path, _ in found)
    assert counted == {name: number for name, (number, _) in BROAD_HANDLERS.items()}, "none that is not needed any more"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("try:\n    f()\nexcept Exception:\n    pass", True),
        ("try:\n    f()\nexcept:\n    pass", True),
        ("try:\n    f()\nexcept (OSError, BaseException):\n    pass", True),
        ("try:\n    f()\nexcept BaseException:\n    clean()\n    raise", False),
        ("try:\n    f()\nexcept OSError:\n    pass", False),
    ],
)
def test_the_rule_on_handlers_sees_what_it_should(code: str, expected: bool) -> None:
    assert any(is_broad_handler(node) for node in ast.walk(ast.parse(code))) is expected


@pytest.mark.parametrize(
    "code",
    ["eval('1')", "torch.load(path)", "subprocess.run('ls', shell=True)", "np.load(path, allow_pickle=True)"],
)
def test_the_rule_on_unsafe_calls_sees_what_it_should(code: str) -> None:
    assert any(is_unsafe_call(node) for node in ast.walk(ast.parse(code)))


def test_no_file_has_grown_into_two() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in FILES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}, f"a file is one room with one purpose; split these, at most {LONGEST_FILE} lines each"


def test_what_is_public_says_what_it_is() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--target-version", "py311", "--no-cache"]
    rules = "D100,D101,D102,D103,D104"
    result = subprocess.run(
        # The names of the tests in the conformance suites say what they test.
        [*command, "--select", rules, "--per-file-ignores", "**/testing/*.py:D102", "--ignore-noqa", SOURCE],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_is_left_to_do_without_an_owner() -> None:
    words = ("TODO", "FIXME", "XXX")
    marked = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if any(word in line for word in words)
    ]
    assert marked == []
