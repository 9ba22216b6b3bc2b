#!/bin/sh
# The environment of `make test-unsloth`: Unsloth with its CPU backend beside the project, apart from .venv because
# Unsloth patches transformers, peft and trl. About 2.7 GB. Usage: tests/unsloth/setup.sh PYTHON FOLDER
#
# Unsloth is installed without its dependencies: its certifi pin is newer than the index may have; xformers and
# bitsandbytes need a GPU; torchvision for text models needs nothing and breaks beside a CPU build of torch. What its CPU
# backend imports is named here instead. unsloth_zoo (LGPL with AGPL parts) is used, never copied from.
set -e
cd "$(dirname "$0")/../.."
"$1" -m venv "$2"
pip="$2/bin/python -m pip install -q"
$pip torch==2.13.0 transformers==5.17.0 trl==1.14.2 datasets==4.8.5 peft==0.21.2 accelerate==1.15.0 -c constraints.txt
$pip --no-deps unsloth==2026.10.9 unsloth_zoo==2026.10.9
$pip -c constraints.txt cut_cross_entropy diffusers hf_transfer json5 msgspec nest-asyncio protobuf sentencepiece \
    structlog tyro wheel nbformat pytest pyyaml
$pip --no-deps -e .
"$2/bin/python" -c "import unsloth"
