"""How fast the API answers for a plate map in a large archive, and whether the server's memory stays flat.

    python benchmarks/plate_map.py                       # SQLite, 1,000,000 experiments with 9 inspections each
    python benchmarks/plate_map.py --database-url postgresql+psycopg://postgres@127.0.0.1/postgres
    python benchmarks/plate_map.py --experiments 20000 --requests 200                             # a quick look

Fills a database of its own (about 5 GB at full size, gone at the end; on PostgreSQL a new database of that server),
then asks for maps of random plates: of `structloop serve` over HTTP, first with the database's files out of the
operating system's memory where that can be had, then again; and with the application called directly. Prints Markdown
tables, and fails where a map is slower than the limit.
"""

import argparse
import asyncio
import os
import platform
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
from plate_map_database import fill
from sqlalchemy import create_engine, make_url, text

from structloop.store import Database

LIMIT_MS = 50.0
API = "/api/v1"


def main() -> int:
    """Runs the benchmark; returns 1 where the 95th percentile of a plate map is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1_000_000)
    parser.add_argument("--inspections", type=int, default=9)
    parser.add_argument("--requests", type=int, default=1_000, help="plate maps asked for in each measurement")
    parser.add_argument("--database-url", help="a PostgreSQL server; a new database is made there. Default: SQLite")
    parser.add_argument("--workdir", type=Path, help="where the home folder goes; default: a temporary folder")
    arguments = parser.parse_args()
    random.seed(1)
    home = Path(tempfile.mkdtemp(prefix="structloop-benchmark-", dir=arguments.workdir))
    try:
        with own_database(arguments.database_url, home) as url:
            print(f"filling {make_url(url).get_backend_name()}", flush=True)
            database = Database(url)
            started = time.perf_counter()
            plates = fill(database, experiments=arguments.experiments, inspections=arguments.inspections)
            filled_s = time.perf_counter() - started
            size, files = footprint(database)
            database.close()
            print_facts(database.dialect, plates, arguments.inspections, size, filled_s)
            return measure(home, url, plates, arguments.requests, files)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def own_database(server: str | None, home: Path) -> Iterator[str]:
    """The URL of an empty database that is deleted at the end."""
    if server is None:
        yield f"sqlite:///{home / 'structloop.db'}"
        return
    name = f"structloop_benchmark_{uuid.uuid4().hex[:8]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        engine.dispose()


def footprint(database: Database) -> tuple[int, list[Path]]:
    """Bytes on disk, and the files that hold them where this process may read them."""
    if database.dialect == "sqlite":
        file = Path(make_url(database.url).database or "")
        return file.stat().st_size, [file]
    with database.engine.connect() as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        folder = connection.execute(
            text(
                "SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database "
                "WHERE datname = current_database()"
            )
        ).scalar_one()
        connection.execute(text("CHECKPOINT"))
    path = Path(folder)
    readable = os.access(path, os.R_OK | os.X_OK)
    return int(size), [item for item in path.iterdir() if item.is_file()] if readable else []


def forget(files: list[Path]) -> None:
    """Asks the operating system to drop these files from its cache (Linux)."""
    for path in files:
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def print_facts(dialect: str, plates: int, inspections: int, size: int, filled_s: float) -> None:
    """What was filled, and the machine."""
    memory = psutil.virtual_memory().total / 2**30
    drops = plates * 288
    print(
        f"\n{dialect}: {plates:,} plates, {drops:,} experiments, {inspections} inspections: "
        f"{drops * inspections:,} images and as many scores of images and of experiments; {size / 1e9:.1f} GB, "
        f"filled in {filled_s:.0f} s."
    )
    print(
        f"Machine: {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}.\n"
    )


def processor() -> str:
    """The processor's name, where Linux tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def measure(home: Path, url: str, plates: int, requests: int, files: list[Path]) -> int:
    """Prints the tables; returns 1 where a plate map is slower than the limit."""
    environment = {**os.environ, "STRUCTLOOP_HOME": str(home), "STRUCTLOOP_DATABASE_URL": url}
    os.environ.update(environment)
    chosen = random.sample(range(1, plates + 1), min(requests, plates))
    maps = [f"{API}/plates/{plate}/map" for plate in chosen]
    numbered = [f"{path}?inspection={random.randint(1, 9)}" for path in maps]
    drops = [f"{API}/drops/{random.randint(1, plates * 288)}" for _ in range(requests)]
    results: dict[str, list[float]] = {}

    with serving(home, environment) as (server, process):
        with httpx.Client(base_url=server, timeout=60) as client:
            client.get(f"{API}/health").raise_for_status()
            forget(files)
            results["plate map, best so far; first time"] = [ask(client, path) for path in maps]
            results["plate map, best so far; again"] = [ask(client, path) for path in maps]
            results["plate map, one inspection"] = [ask(client, path) for path in numbered]
            results["drop with all its inspections"] = [ask(client, path) for path in drops]
            results["list of plates, newest hits first"] = [
                ask(client, f"{API}/plates?limit=50&offset={50 * (index % 20)}") for index in range(min(requests, 200))
            ]
            results["ranked hits, first page"] = [ask(client, f"{API}/hits?limit=50") for _ in range(20)]
        with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=server, timeout=60) as client:
            results["plate map, best so far; 4 at a time"] = list(pool.map(lambda path: ask(client, path), maps))
        memory = resident_over_requests(server, process, maps)
    results["plate map, without HTTP (in one process)"] = asyncio.run(without_http(maps))

    print("| request | requests | p50 ms | p95 ms | largest ms |\n|---|---:|---:|---:|---:|")
    for name, seconds in results.items():
        p50, p95, largest = np.percentile(np.array(seconds) * 1000, [50, 95, 100])
        print(f"| {name} | {len(seconds)} | {p50:.1f} | {p95:.1f} | {largest:.1f} |")
    print("\n| maps served | server's memory, MiB |\n|---:|---:|")
    for served, size in memory:
        print(f"| {served:,} | {size / 2**20:.0f} |")
    one_at_a_time = [name for name in results if name.startswith("plate map") and "4 at a time" not in name]
    slow = [name for name in one_at_a_time if np.percentile(np.array(results[name]) * 1000, 95) > LIMIT_MS]
    print(f"\nSlower than {LIMIT_MS:.0f} ms at the 95th percentile: {', '.join(slow) or 'none'}.")
    return 1 if slow else 0


@contextmanager
def serving(home: Path, environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """A `structloop serve` of this home: its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "server.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "structloop", "serve", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{address}{API}/health", timeout=5).raise_for_status()
                break
            except httpx.HTTPError as error:
                if server.poll() is not None:
                    raise SystemExit(f"the server ended:\n{log.read_text()}") from error
                time.sleep(0.1)
        yield address, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(timeout=30)


def ask(client: httpx.Client, path: str) -> float:
    """Seconds from asking to having read the whole answer."""
    started = time.perf_counter()
    answer = client.get(path)
    seconds = time.perf_counter() - started
    answer.raise_for_status()
    return seconds


def resident_over_requests(server: str, process: psutil.Process, maps: list[str]) -> list[tuple[int, int]]:
    """The server's resident memory in bytes after each thousand of 10,000 further maps."""
    sizes = [(0, process.memory_info().rss)]
    with httpx.Client(base_url=server, timeout=60) as client:
        for thousand in range(1, 11):
            for index in range(1_000):
                ask(client, maps[(thousand * 1_000 + index) % len(maps)])
            sizes.append((thousand * 1_000, process.memory_info().rss))
    return sizes


async def without_http(maps: list[str]) -> list[float]:
    """Seconds per map with the application called directly."""
    from structloop.api.app import create_app
    from structloop.core.settings import load_settings
    from structloop.jobs import Workspace

    workspace = Workspace(load_settings())
    seconds = []
    transport = httpx.ASGITransport(app=create_app(workspace))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        for path in [maps[0], *maps]:
            started = time.perf_counter()
            answer = await client.get(path)
            seconds.append(time.perf_counter() - started)
            answer.raise_for_status()
    workspace.close()
    return seconds[1:]


if __name__ == "__main__":
    sys.exit(main())
