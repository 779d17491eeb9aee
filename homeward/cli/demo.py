"""``homeward demo``: the main job, on the sample of real admissions that comes with Homeward."""

from pathlib import Path

import click

from homeward.cli.simulate import fresh_server, perform, read_admissions
from homeward.simulation import rows

#: What the demo runs, so that everybody sees the same.
WEEKS = 16
SEED = 7


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Where the reports go.",
)
def demo(folder: Path) -> None:
    """Send 372 real admissions through sixteen weeks of a simulated program, and report."""
    sample = rows.sample_path()
    admissions = read_admissions(sample)
    with fresh_server(folder) as server:
        perform(
            admissions,
            file_name=sample.name,
            weeks=WEEKS,
            seed=SEED,
            report_file=folder / "report.json",
            url=server.url,
            tokens=server.tokens,
        )
    click.echo(f"Open {(folder / 'report.html').absolute()} in a browser.")
