"""Errors of a command: one message and an exit code, and the traceback for who asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import typer

from twin.errors import TwinError

F = TypeVar("F", bound=Callable[..., None])

_debug = False


def show_tracebacks(wanted: bool) -> None:
    """Whether errors come with their tracebacks from now on."""
    global _debug
    _debug = wanted


def guarded(command: F) -> F:
    """Turn errors into one message and an exit code; the traceback only under ``--debug``."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except TwinError as error:
            if _debug:
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("stopped; nothing was left half written", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            _abandon_output()
            raise typer.Exit(141) from None
        except Exception as error:
            if _debug or isinstance(error, typer.Exit):
                raise
            typer.echo(f"error: {_unforeseen(error)}", err=True)
            raise typer.Exit(1) from None

    return wrapped  # type: ignore[return-value]


def _unforeseen(error: BaseException) -> str:
    """What to say of an error that nobody raised on purpose."""
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller window, or fewer workers"
    if isinstance(error, OSError):
        return str(error)
    return (
        f"{type(error).__name__}: {error}; a bug in twin or in a plug-in. "
        "`twin --debug ...` shows where"
    )


def _abandon_output() -> None:
    """Nobody reads on: send the rest nowhere, so that Python has nothing to say about it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
