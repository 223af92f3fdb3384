"""The `facevid` command: each subcommand calls one library function and shows what came of it."""

from facevid.cli.app import app, main

__all__ = ["app", "main"]
