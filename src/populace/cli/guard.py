"""What the command line does with errors: one sentence, no traceback, and an exit code.

The code is 0 when all is done, 2 for wrong usage, 1 for a run that failed, 3 for one that paused, and 130 after Ctrl-C.
"""

import errno
import os
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

__all__ = ["guarded"]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def guarded(command: click.Command, argv: Sequence[str] | None = None, *, name: str | None = None) -> int:
    """The exit code of a command; what is foreseen to go wrong becomes one sentence on standard error."""
    _write_whatever_comes()
    try:
        ended = command.main(_readable(argv), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _complain(_sentence(error), error.exit_code)
    except click.Abort:
        return _complain("Stopped.", 130)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _let_go_of_output()
        return _complain(f"The output cannot be written: {error.strerror}; make room, or send it elsewhere.", 1)
    except Exception as error:
        # Imported here, because the rooms take seconds to load and help should not wait for them.
        from populace.personas.database import is_damage, is_interrupt, said
        from populace.personas.errors import PausedError, PopulaceError, SetupError

        if is_interrupt(error):
            return _complain("Stopped.", 130)
        if is_damage(error):
            return _complain(f"A database is damaged ({said(error)}); restore its file from a copy.", 1)
        if not isinstance(error, PopulaceError):
            raise
        code = 2 if isinstance(error, SetupError) else 3 if isinstance(error, PausedError) else 1
        return _complain(str(error), code, frames=error.frames)
    return ended if isinstance(ended, int) else 0


def _write_whatever_comes() -> None:
    # People have names and lines in every script, and not every terminal or locale can show them.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_output() -> None:
    # What could not be written waits in a buffer, and would fail again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _readable(argv: Sequence[str] | None) -> list[str]:
    """The arguments, once it is known that whatever quotes them can be written."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for argument in arguments:
        if not argument.isascii() and argument.encode(errors="replace").decode() != argument:
            raise click.UsageError(f"The argument {argument!a} is not UTF-8; write it, or rename the file, so.")
    return arguments


def _sentence(error: click.ClickException) -> str:
    said = error.format_message()
    context = getattr(error, "ctx", None)
    return said if context is None else f"{said} For help: `{context.command_path} --help`."


def _complain(sentence: str, code: int, *, frames: str = "") -> int:
    # What is quoted can hold line breaks and whatever else steers a terminal.
    from populace.analysis.table import visible

    click.echo(f"populace: {visible(re.sub(r'\s*\n\s*', ' ', sentence))}", err=True)
    for line in frames.splitlines():
        click.echo(visible(line), err=True)
    return code
