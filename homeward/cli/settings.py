"""``homeward settings``: what can be set from the environment, and what is."""

import os

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table

from shared.settings import describe_settings, load_settings, unknown_variables


@click.command()
def settings() -> None:
    """List every setting with its present value; secrets are masked, what was changed is in bold."""
    console = Console()
    # Names and values are there to be copied: names stand in one line, and nothing is cut.
    table = Table(
        Column("Variable", no_wrap=True),
        Column("Value", overflow="fold"),
        Column("What it is", overflow="fold"),
        box=box.SIMPLE,
    )
    for line in describe_settings(load_settings(os.environ)):
        style = "" if line.is_default else "bold"
        table.add_row(line.variable, line.shown or "–", line.description, style=style)
    console.print(table)
    for variable in unknown_variables(os.environ):
        click.echo(f"{variable} is set but is no setting of Homeward.", err=True)
