#!/usr/bin/env bash
# Has pip install the words of OPTBENCH_INSTALL, which are split as a shell splits words, and not evaluated.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/words.sh"

words=()
split_words "install" "${OPTBENCH_INSTALL:-}"
if ((${#words[@]})); then
  python -m pip install "${words[@]}"
fi
