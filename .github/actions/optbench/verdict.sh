#!/usr/bin/env bash
# Ends the job as pytest ended, after everything is shown and kept; a run that measured nothing fails, however it ended.
set -euo pipefail

status=${OPTBENCH_STATUS:?}
if [[ ${OPTBENCH_VERDICT:-} != passed && ${OPTBENCH_VERDICT:-} != failed ]]; then
  echo "::error::nothing was measured: no benchmark ran to its end (pytest ended with status $status)"
  exit $((status == 0 ? 1 : status))
fi
exit "$status"
