"""Programs that are known by their names and have a setting that bounds their memory."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import look
from ..account import account
from ..causes.full import declared_by_bpf, hit, lost_context
from ..finding import Reason, Statement, facts
from ..registry import Cases, advice
from ..shortage import Shortage, short
from ..units import percent


class Programs(Reason):
    JVM = "jvm"
    ELASTICSEARCH = "elasticsearch"
    NODE = "node"
    POSTGRES = "postgres"
    MYSQL = "mysql"
    MONGODB = "mongodb"
    REDIS = "redis"
    MEMCACHED = "memcached"
    CLICKHOUSE = "clickhouse"
    PHP_FPM = "php_fpm"
    APACHE = "apache"
    CHROME = "chrome"
    FIREFOX = "firefox"


# comm, of which the kernel keeps 15 bytes. One that ends with * may go on: php-fpm8.2, elasticsearch[node1].
_NAMES: dict[str, Programs] = {
    "java": Programs.JVM, "elasticsearch*": Programs.ELASTICSEARCH, "node": Programs.NODE,
    "postgres": Programs.POSTGRES, "postmaster": Programs.POSTGRES,
    "mysqld": Programs.MYSQL, "mariadbd": Programs.MYSQL, "mongod": Programs.MONGODB,
    "redis-server": Programs.REDIS, "valkey-server": Programs.REDIS, "memcached": Programs.MEMCACHED,
    "clickhouse-serv": Programs.CLICKHOUSE, "php-fpm*": Programs.PHP_FPM,
    "apache2": Programs.APACHE, "httpd": Programs.APACHE,
    "chrome": Programs.CHROME, "chromium": Programs.CHROME, "chromium-browse": Programs.CHROME,
    "firefox": Programs.FIREFOX, "firefox-bin": Programs.FIREFOX, "firefox-esr": Programs.FIREFOX,
    "Web Content": Programs.FIREFOX, "Isolated Web Co": Programs.FIREFOX,
}


def program(comm: str) -> Optional[Programs]:
    """The program of that name, if its memory can be bounded by a setting."""
    found = _NAMES.get(comm)
    return found or next((known for name, known in _NAMES.items() if name[-1] == "*" and comm.startswith(name[:-1])),
                         None)


@advice("killed", 85)
def bounded(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """A program with such a setting held at least half of what was full."""
    whole, most = _whole_kb(event), _most(event, cases)
    if not whole or most is None:
        return None
    comm, kb = most
    known = program(comm)
    if known is None or kb * 2 < whole:
        return None
    return Statement(known, facts(comm=comm, held_kb=kb, held_percent=percent(kb, whole) if kb <= whole else None))


def _whole_kb(event: OomEvent) -> Optional[int]:
    """What was full, None where it was something else than memory as a whole that ran out."""
    shortage = short(event)
    apart = shortage is not None and shortage.kind != Shortage.ALL_LOW
    if apart or look.scope(event) == "sysrq" or declared_by_bpf(event) or lost_context(event):
        return None
    found = account(event)
    name, counter = hit(event)
    if name == "kmem":
        return None
    return found.total_kb if found is not None and found.total_kb else look.limit_kb(counter)


def _most(event: OomEvent, cases: Cases) -> Optional[tuple[str, int]]:
    """Who held most, and how much: processes of one name, or one; without a table the victim is all that is known."""
    together = cases.get("together")
    comm, kb = (together.value("comm"), together.value("same_name_kb")) if together is not None else (None, None)
    if isinstance(comm, str) and isinstance(kb, int):
        return comm, kb
    top = look.largest(event)
    if top is not None:
        return top.comm, look.rss_kb(event, top)
    victim = event.report.victim
    return (victim.comm, look.held_kb(victim) or 0) if victim is not None else None
