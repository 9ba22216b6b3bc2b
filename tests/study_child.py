"""Runs a few arms of a small study in a process of its own, to be killed: `python study_child.py ARTIFACTS FOLDER`."""

import sys
from dataclasses import replace
from pathlib import Path

from study_files import SETUP

from webdancer import study_run
from webdancer.study import Arm
from webdancer.study_data import Material
from webdancer.study_train import Trainer

ARM = Arm(width=32)
ARMS = [
    replace(ARM, taught=False),
    ARM,
    replace(ARM, temperature=0.0),
    replace(ARM, practised=True),
    replace(ARM, style="long"),
    replace(ARM, style="long", practised=True),
    replace(ARM, data="unfiltered"),
]

if __name__ == "__main__":
    artifacts, folder = map(Path, sys.argv[1:])
    with Trainer(Material(artifacts, SETUP), folder / "models") as trainer:
        study_run.run(ARMS, trainer, folder / "arms")
