"""``oomtrace install-service``: oomtrace.pyz as a service of systemd."""

from __future__ import annotations

import click

from oomtrace import service


@click.command("install-service", short_help="Make oomtrace.pyz a service that records every OOM.")
@click.option("--remove", is_flag=True, help="Stop the service and remove its files. Its captures stay.")
def command(remove: bool) -> int:
    """Make oomtrace.pyz a service that records every OOM, now and after each boot.

    The file is copied to /usr/local/bin/oomtrace, with a unit for systemd and the manual page. The service keeps a
    capture of each OOM in /var/lib/oomtrace and writes an entry to the journal. Packages bring a service of their own.
    """
    for path in service.remove() if remove else service.install():
        click.echo(f"{'removed' if remove else 'wrote'} {path}")
    if not remove:
        click.echo("the service oomtrace runs; look with: journalctl -t oomtrace")
    return 0
