"""Libraries that are imported when they are used; in processes of their own, which no test has filled before."""

import subprocess
import sys


def lines_of(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_deferred_module_is_imported_when_one_of_its_functions_is_called() -> None:
    code = (
        "import sys\n"
        "from populace.core.imports import defer_imports\n"
        "with defer_imports(('colorsys', 'json')):\n"
        "    import colorsys, json\n"
        "    from colorsys import rgb_to_hsv\n"
        "print('colorsys' in sys.modules, 'json' in sys.modules)\n"
        "print(rgb_to_hsv(0, 0, 1)[2], 'colorsys' in sys.modules)"
    )
    before, after = lines_of("import json\n" + code)
    assert before == "False True"
    assert after == "1 True"


def test_beside_other_threads_everything_is_imported_at_once() -> None:
    code = (
        "import sys, threading\n"
        "from populace.core.imports import defer_imports\n"
        "end = threading.Event()\n"
        "threading.Thread(target=end.wait).start()\n"
        "with defer_imports(('colorsys',)):\n"
        "    import colorsys\n"
        "print('colorsys' in sys.modules)\n"
        "end.set()"
    )
    assert lines_of(code) == ["True"]


def test_a_failed_import_leaves_no_stub_behind() -> None:
    code = (
        "import sys\n"
        "from populace.core.imports import defer_imports\n"
        "try:\n"
        "    with defer_imports(('colorsys',)):\n"
        "        import no_such_module\n"
        "except ModuleNotFoundError:\n"
        "    print('colorsys' in sys.modules)"
    )
    assert lines_of(code) == ["False"]
