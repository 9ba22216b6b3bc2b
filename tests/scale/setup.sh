#!/bin/sh
# The environment of `make test-scale`: verl and Ray on a CPU beside the project, apart from .venv because verl wants an
# older transformers. About 2.3 GB; no CUDA package, no vLLM: what samples is a stub, what is tested is all around it.
# Usage: tests/scale/setup.sh PYTHON FOLDER, with Python 3.11 or 3.12 (verl has nothing for 3.13).
#
# constraints.txt beside this file has the versions that worked; torch is named on the line, as everywhere here.
# TransferQueue needs tensordict 0.10, which needs packaging below 26: that is why constraints.txt of the project cannot
# serve. TRL is there for the test that the tools are described once; jmespath is what its tools want.
set -e
cd "$(dirname "$0")/../.."
"$1" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || { echo "verl needs Python 3.11 or 3.12, got $("$1" -V)"; exit 1; }
"$1" -m venv "$2"
"$2/bin/python" -m pip install -q torch==2.13.0 'trl>=1.14.2,<1.15' jmespath -c tests/scale/constraints.txt -e '.[dev,scale]'
"$2/bin/python" -c "import verl, ray, transfer_queue"
