"""The command line, as each program itself explains it."""

import contextlib
import io
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]

SCRIPTS = {
    "examples/finetune.py": "Fine-tuning",
}
MODULES = {
    "dare_eeg_hf.pretraining.estimate": "What pre-training will cost",
    "dare_eeg_hf.evaluation.robustness": "Damaged recordings",
    "dare_eeg_hf.evaluation.ablations": "Ablations",
    "dare_eeg_hf.evaluation.compare_invariance": "Mask invariance",
}

INTRODUCTION = """# Command line

This page is what the programs print with `--help`, read from them when the site is built.

Exit status: 0 all went well; 1 something is wrong with what was given, and one sentence on the error stream says
what; 2 something is wrong with the command line itself; 130 interrupted.
"""


def page() -> str:
    """The Markdown of the page."""
    from dare_eeg_hf.cli.main import COMMANDS, main

    lines = [INTRODUCTION, _section("dare-eeg", "", _help(lambda: main(["--help"])))]
    lines += [
        _section(f"dare-eeg {name}", about, _help(lambda name=name: main([name, "--help"])))
        for name, about in COMMANDS.items()
    ]
    lines += ["## Scripts and modules", ""]
    for script, about in SCRIPTS.items():
        run = lambda script=script: runpy.run_path(str(ROOT / script), run_name="__main__")  # noqa: E731
        lines.append(_section(f"python {script}", about, _help(run, script), "###"))
    for module, about in MODULES.items():
        run = lambda module=module: runpy.run_module(module, run_name="__main__")  # noqa: E731
        lines.append(_section(f"python -m {module}", about, _help(run, f"python -m {module}"), "###"))
    return "\n".join(lines)


def _section(command: str, about: str, text: str, level: str = "##") -> str:
    about = f"{about[0].upper()}{about[1:]}.\n" if about else ""
    return f"{level} `{command}`\n\n{about}\n```text\n{text.rstrip()}\n```\n"


def _help(run: Callable[[], object], program: str = "dare-eeg") -> str:
    """What a program prints when it is asked for help, in lines of a width that fits the page."""
    printed = io.StringIO()
    plain = {"COLUMNS": "92", "NO_COLOR": "1"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, plain))
        stack.enter_context(mock.patch.object(sys, "argv", [program, "--help"]))
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.suppress(SystemExit))
        run()
    if not printed.getvalue():
        raise RuntimeError(f"{program} printed no help")
    return printed.getvalue()
