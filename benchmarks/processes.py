"""What processes cost, as Linux tells it in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A process at a moment."""

    pid: int
    group: int
    cpu_seconds: float  # Its own, and that of the children that it has waited for.
    title: str


def all_processes() -> list[Process]:
    """Return every process that this one may see."""
    return [
        process for entry in Path("/proc").iterdir() if entry.name.isdigit() and (process := _read(int(entry.name)))
    ]


def in_group(group: int) -> list[Process]:
    """Return the processes of a process group."""
    return [process for process in all_processes() if process.group == group]


def cpu_seconds(groups: Mapping[str, int], *, database_url: str, broker_url: str) -> dict[str, float]:
    """Return the processor time that was used so far, by part of the installation.

    Of PostgreSQL, that of the sessions in this database; of the broker, that of the whole server, whoever else uses it.
    """
    everything = all_processes()
    used = {
        name: sum(process.cpu_seconds for process in everything if process.group == group)
        for name, group in groups.items()
    }
    if database_url.startswith("postgres"):
        name = urlsplit(database_url).path.strip("/")
        sessions = (process for process in everything if process.title.startswith("postgres:"))
        used["postgres"] = sum(_exact_cpu_seconds(process) for process in sessions if f" {name} " in process.title)
    if broker_url.startswith("redis"):
        used["broker"] = _redis_cpu_seconds(broker_url)
    else:
        used["broker"] = sum(process.cpu_seconds for process in everything if "beam.smp" in process.title)
    return used


def resident_bytes(processes: Iterable[Process]) -> int:
    """Return the memory that processes hold, what they share counted in each (RSS)."""
    return sum(_memory(process.pid, "statm") for process in processes)


def proportional_bytes(processes: Iterable[Process]) -> int:
    """Return the memory that processes hold, what they share counted once (PSS)."""
    return sum(_memory(process.pid, "smaps_rollup") for process in processes)


def _read(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        title = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # It has ended meanwhile, or is somebody else's.
    # The name may hold blanks and brackets: what is wanted stands behind the last bracket.
    fields = stat.rpartition(")")[2].split()
    ticks = sum(int(fields[index]) for index in (11, 12, 13, 14))
    return Process(pid, group=int(fields[2]), cpu_seconds=ticks / _TICKS, title=title)


def _exact_cpu_seconds(process: Process) -> float:
    """Return the processor time of a process of one thread to the nanosecond: sessions work for less than a tick each time."""
    try:
        return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return process.cpu_seconds


def _memory(pid: int, source: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{source}").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    if source == "statm":
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def _redis_cpu_seconds(broker_url: str) -> float:
    if broker_url.startswith("redis+socket://"):
        broker_url = broker_url.replace("redis+socket", "unix", 1)
    with redis.Redis.from_url(broker_url) as client:
        used = client.info("cpu")
    return float(used["used_cpu_sys"] + used["used_cpu_user"])
