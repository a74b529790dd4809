"""What is checked of an experiment before anybody is asked anything, so that no answer is paid for in vain."""

import ast
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ...personas.errors import SetupError
from ...personas.inputs import resolve_file
from ...personas.network.spec import parse_network
from ..minds import checked_mind
from ..runfile.reader import QueryError, open_run
from ..scenario_checks import check_answers, check_interventions, check_surveys
from ..society import Society
from .design import Experiment

#: What the columns of an outcome can be called.
_COLUMNS = {"value", "agent", "group_name", "weight"}


def check_run(society: Society) -> None:
    """Raise `SetupError` or `SourceError` for errors in a run that can be found before it is opened.

    These are interventions and surveys that would never happen, and a mind the scenario does not have. They are also
    rules that answer no survey, and a network whose file does not exist.
    """
    scenario, config = society.scenario, society.config
    scenario.check_readable()
    check_interventions(scenario, config.steps)
    check_surveys(scenario, config.steps)
    mind = checked_mind(scenario, config)
    check_answers(scenario, is_rule=mind is not None and not hasattr(mind, "ainvoke"))
    if (file := parse_network(config.network).file) is not None:
        resolve_file(file)


def check_queries(experiment: Experiment, people: Path) -> None:
    """Raise `SetupError` if the SQL of an outcome or check names something that no run has.

    The queries are run on the file of the personas. It has all tables of a run, and the tables that came with its
    personas.
    """
    asked = [(f"The outcome {one.name!r}", one.sql) for one in experiment.outcomes]
    asked += [(f"The check {one.name!r}", one.sql) for one in experiment.checks]
    with open_run(people) as run:
        for where, sql in asked:
            try:
                found = run.query(sql)
            except QueryError as error:
                raise SetupError(f"{where} cannot be asked of a run: {error}") from error
            check_columns(found.columns, where)


def check_columns(columns: Sequence[str], where: str) -> list[str]:
    """Return the columns of an outcome by their meaning. Raises `SetupError` for other columns."""
    names = ["value"] if len(columns) == 1 else list(columns)
    if "value" not in names or (other := set(names) - _COLUMNS):
        said = "has no column `value`" if "value" not in names else f"has columns {', '.join(sorted(other))} too"
        raise SetupError(f"{where} {said}; its columns are value, and perhaps agent, group_name and weight.")
    return names


def code_hash(script: Path) -> str:
    """Return a hash of a scenario's script without experiments, what only those use, comments and layout.

    Adding a hypothesis or an outcome to the same file later therefore keeps the runs valid.
    """
    tree = ast.parse(script.read_bytes())
    body = [node for node in tree.body if not _declares_experiment(node)]
    while True:
        used = {name.id for node in body for name in ast.walk(node) if isinstance(name, ast.Name) and _is_read(name)}
        kept = [node for node in body if (names := _bound(node)) is None or names & used]
        if len(kept) == len(body):
            break
        body = kept
    tree.body = [_without_unused(node, used) for node in body]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _without_unused(node: ast.stmt, used: set[str]) -> ast.stmt:
    """Return the statement. For an import, keep only the names that are used, in order."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = (one for one in node.names if (one.asname or one.name).partition(".")[0] in used)
        node.names = sorted(names, key=lambda one: one.name)
    return node


def _declares_experiment(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    made = value.func if isinstance(value, ast.Call) else None
    return getattr(made, "id", getattr(made, "attr", "")) == "Experiment"


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _bound(node: ast.stmt) -> set[str] | None:
    """Return the names that an import or a plain assignment binds.

    Returns None for other statements, which are always kept.
    """
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(one.asname or one.name).partition(".")[0] for one in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [one.id for one in targets if isinstance(one, ast.Name)]
    return set(names) if names and len(names) == len(targets) else None
