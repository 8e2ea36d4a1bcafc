#!/usr/bin/env bash
# Runs the benchmarks. Sets the outputs `folder`, where the results are, and `status`, pytest's exit status; fails only
# when pytest could not be started, since what was measured is to be shown and kept before anything fails.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
source "$here/words.sh"

# The commit that a pull request is to be merged into, made available if it is not.
base_of_pull_request() {
  if [[ ${GITHUB_REF:-} == refs/pull/*/merge ]] && git rev-parse --quiet --verify "HEAD^2" >/dev/null; then
    git rev-parse "HEAD^1"
    return
  fi
  local sha
  sha=$(jq -r '.pull_request.base.sha // ""' "$GITHUB_EVENT_PATH")
  if [[ ! $sha =~ ^[0-9a-f]{40}$ ]]; then
    echo "::error::the event names no base of the pull request; give base-ref" >&2
    return 1
  fi
  if ! git cat-file -e "$sha^{commit}" 2>/dev/null && ! git fetch --quiet --no-tags --depth=1 origin "$sha"; then
    echo "::error::the base $sha of the pull request cannot be fetched; check out with fetch-depth: 2, or give base-ref" >&2
    return 1
  fi
  printf '%s\n' "$sha"
}

folder=${RUNNER_TEMP:?}/optbench
rm -rf "$folder"
mkdir -p "$folder"

words=()
split_words "arguments" "${OPTBENCH_ARGUMENTS:-}"
command=(pytest --optbench -n "${OPTBENCH_PROCESSES:-auto}")
command+=("--optbench-csv=$folder/optbench.csv" "--junitxml=$folder/optbench.xml")
command+=("--optbench-markdown=$folder/optbench.md" "--optbench-html=$folder/optbench.html")

while IFS= read -r optimizer; do
  [[ -z ${optimizer//[[:space:]]/} ]] || command+=("--optbench-optimizer=$optimizer")
done <<<"${OPTBENCH_OPTIMIZERS:-}"
[[ -z ${OPTBENCH_TIER:-} ]] || command+=("--optbench-tier=$OPTBENCH_TIER")
[[ -z ${OPTBENCH_TASKS:-} ]] || command+=("--optbench-tasks=$OPTBENCH_TASKS")
[[ -z ${OPTBENCH_SEEDS:-} ]] || command+=("--optbench-seeds=$OPTBENCH_SEEDS")
[[ -z ${OPTBENCH_FAIL_ON:-} ]] || command+=("--optbench-fail-on=$OPTBENCH_FAIL_ON")

if [[ -n ${OPTBENCH_BASELINE:-} && -n ${OPTBENCH_BASE_REF:-} ]]; then
  echo "::error::both baseline and base-ref are given; a run is compared with one of them"
  exit 1
elif [[ -n ${OPTBENCH_BASELINE:-} ]]; then
  command+=("--optbench-compare=$OPTBENCH_BASELINE")
elif [[ -n ${OPTBENCH_BASE_REF:-} ]]; then
  command+=("--optbench-base=$OPTBENCH_BASE_REF")
else
  committed=$(python "$here/committed_baseline.py")
  if [[ -z $committed && ${GITHUB_EVENT_NAME:-} == pull_request ]]; then
    base=$(base_of_pull_request)
    command+=("--optbench-base=$base")
  fi
fi

printf '%q ' "${command[@]}" ${words[@]+"${words[@]}"}
printf '\n'
printf 'folder=%s\n' "$folder" >>"$GITHUB_OUTPUT" # before, so that a run that is killed is kept, too
status=0
"${command[@]}" ${words[@]+"${words[@]}"} || status=$?
printf 'status=%s\n' "$status" >>"$GITHUB_OUTPUT"
