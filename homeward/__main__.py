"""The operator's command: ``homeward``, or ``python -m homeward``."""

import importlib

import click

from shared.settings import SettingsInvalid

#: Each subcommand is a module of the same name in homeward.cli, loaded when it is asked for:
#: ``run`` must patch the standard library before anything else is imported.
SUBCOMMANDS = {
    "demo": "Run the main job: real admissions through a simulated program.",
    "run": "Host services in this process.",
    "simulate": "Send a file of admissions through a program in simulated time.",
    "migrate": "Bring the databases up to date.",
    "token": "Make an access token for somebody.",
    "parked": "List, read, retry or skip reactions and timers that were parked.",
    "trace": "Tell what came of an event, a command or in an episode, across all services.",
    "resend": "Have events sent once more, for a broker that has lost them.",
    "quarantine": "List messages that nobody could read.",
    "work": "Make the work list anew from the archive.",
    "rules": "List, compare and sign the packs of rules.",
    "events": "Watch events as they are announced.",
    "settings": "List every setting with its present value.",
}


class _LazyGroup(click.Group):
    """A group whose subcommands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        module = importlib.import_module(f"homeward.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Told from the table: help must not import, and patch, everything.
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsInvalid as refusal:
            raise click.ClickException(str(refusal)) from None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Homeward: the back end of intensive outpatient addiction treatment."""


if __name__ == "__main__":
    main(prog_name="homeward")
