"""What the command line does with errors: one sentence, no traceback, and an exit code.

The code is 0 when all is done, 2 for wrong usage, 1 for a run that failed, 3 for one that paused, and 130 after Ctrl-C.
"""

import errno
import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from shlex import quote

import click

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: What can be wrong with a path that was not checked before it was used.
_NO_PATH = (
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENXIO, errno.ENODEV, errno.ENOTEMPTY, errno.EXDEV, errno.ETXTBSY),
)


def run_guarded(command: click.Command, argv: Sequence[str] | None = None, *, name: str | None = None) -> int:
    """The exit code of a command; what is foreseen to go wrong becomes one sentence on standard error."""
    from populace.core.errors import name_parameters

    _write_whatever_comes()
    try:
        with name_parameters(option):
            ended = command.main(_readable_arguments(argv), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _print_complaint(_error_sentence(error), error.exit_code)
    except click.Abort:
        return _print_complaint("Stopped.", 130)
    except OSError as error:
        return _print_complaint(*_refused_by_system(error))
    except Exception as error:
        # Imported here, because the packages take seconds to load and help should not wait for them.
        from populace.core.database import is_damage, is_interrupt, is_out_of_memory, said
        from populace.core.errors import PausedError, PopulaceError, SetupError

        if is_interrupt(error):
            return _print_complaint("Stopped.", 130)
        if is_out_of_memory(error):
            return _print_complaint(
                f"There was not enough memory ({said(error)}); free some, or ask for less at once (a smaller --limit, "
                "fewer rows or people), then run the same command again. What was committed is kept.",
                1,
            )
        if is_damage(error):
            return _print_complaint(f"A database is damaged ({said(error)}); restore its file from a copy.", 1)
        if not isinstance(error, PopulaceError):
            raise
        code = 2 if isinstance(error, SetupError) else 3 if isinstance(error, PausedError) else 1
        return _print_complaint(str(error), code, frames=error.frames)
    return ended if isinstance(ended, int) else 0


def option(name: str, value: object = None, **otherwise: str) -> str:
    """The option of a parameter of the library, with its value; `otherwise` are names of a command's own.

    >>> option("max_calls", 40), option("cache", False), option("agents", agents="--limit")
    ('--max-calls 40', '--no-cache', '--limit')
    """
    flag = (_OPTIONS | otherwise).get(name, f"--{name.replace('_', '-')}")
    if value is False:
        return f"--no-{flag[2:]}"
    return flag if value is None or value is True else f"{flag} {value}"


class _Stopped(click.ClickException):
    exit_code = 130


@contextmanager
def going_on(path: Path, *, kept: str = "done", otherwise: str = "") -> Iterator[None]:
    """Within it, a job on the file or folder at `path` that stops before its end says how to go on with it.

    `otherwise` is what else can be done where the endpoint does not answer.
    """
    from populace.core.database import is_interrupt, is_made
    from populace.core.errors import EndpointError, PausedError

    def way_on(otherwise: str = "") -> str:
        if path.is_dir():
            return f"What was {kept} is kept: the same command goes on with {quote(str(path))}{otherwise}."
        if not is_made(path):
            return "No answer came, so no file is kept; correct the command and give it again."
        return f"What was {kept} is kept: go on with `populace resume {quote(str(path))}`{otherwise}."

    try:
        yield
    except (KeyboardInterrupt, RuntimeError) as error:
        if not (isinstance(error, KeyboardInterrupt) or is_interrupt(error)):
            raise
        left = "".join(f"{note} " for note in getattr(error, "__notes__", ()) if note)
        raise _Stopped(f"Stopped. {left}{way_on()}") from None
    except PausedError as error:
        raise PausedError(f"Paused. {error} {way_on()}") from error
    except EndpointError as error:
        raise EndpointError(f"{error} {way_on(otherwise)}") from error


#: Options whose name differs from their parameter's.
_OPTIONS = {
    "prices": "--price",
    "embeddings_prices": "--embeddings-price",
    "per_passage": "--per-text",
    "fan_outs": "--fan-out",
    "scenario_file": "--script",
    "skill": "--raise",
    "kinds": "--kind",
    "mapping": "--map",
    "settings": "--set",
    "extras": "--with",
    "rejected": "--all",
    "reading.language": "--text-language",
}

_LARGEST = (1 << 63) - 1


def check_numbers(ctx: click.Context) -> None:
    """Raise `BadParameter` for a number that no database can hold."""
    for param in ctx.command.params:
        given = ctx.params.get(param.name or "")
        for number in given if isinstance(given, tuple) else (given,):
            if isinstance(number, int) and abs(number) > _LARGEST:
                said = f"{number} is out of range, which is from -{_LARGEST} to {_LARGEST}."
                raise click.BadParameter(said, ctx, param)
            if isinstance(number, float) and math.isnan(number):  # which is neither below nor above any bound
                raise click.BadParameter("nan is no number.", ctx, param)


def _write_whatever_comes() -> None:
    # People have names and lines in every script, and not every terminal or locale can show them.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refused_by_system(error: OSError) -> tuple[str, int]:
    """The sentence and the exit code for a path that cannot be used and for a full disk; all else is raised."""
    if error.errno in _NO_ROOM:
        _let_go_of_output()
        return f"The output cannot be written: {error.strerror}; make room, or send it elsewhere.", 1
    if error.errno not in _NO_PATH or error.filename is None:
        raise error
    from populace.core.inputs import shown

    name = shown(os.fsdecode(error.filename))
    return f"{name} cannot be used ({error.strerror}); check the path and its rights.", 2


def _let_go_of_output() -> None:
    # What could not be written waits in a buffer, and would fail again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _readable_arguments(argv: Sequence[str] | None) -> list[str]:
    """The arguments, once it is known that whatever quotes them can be written."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for argument in arguments:
        if not argument.isascii() and argument.encode(errors="replace").decode() != argument:
            raise click.UsageError(f"The argument {argument!a} is not UTF-8; write it, or rename the file, so.")
    return arguments


def _error_sentence(error: click.ClickException) -> str:
    said = error.format_message()
    context = getattr(error, "ctx", None)
    return said if context is None else f"{said} For help: `{context.command_path} --help`."


def _print_complaint(sentence: str, code: int, *, frames: str = "") -> int:
    # What is quoted can hold line breaks and whatever else steers a terminal.
    from populace.analysis.table import make_visible

    click.echo(f"populace: {make_visible(re.sub(r'\s*\n\s*', ' ', sentence))}", err=True)
    for line in frames.splitlines():
        click.echo(make_visible(line), err=True)
    return code
