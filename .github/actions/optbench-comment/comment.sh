#!/usr/bin/env bash
# Posts or edits the one comment of the optimizer benchmarks on the pull request that a finished run belongs to.
#
# Whatever the run has left was written by the pull request, hence by anybody: the artifact is limited in size and never
# unpacked, a single file of it is read, as text, and cut. Which pull request is meant is not its to say; that
# follows from the event and from what GitHub answers for its branch.
set -euo pipefail

marker='<!-- pytest-optbench: this comment is edited by every run -->'
archive_limit=$((20 * 1000 * 1000)) # bytes; hundreds of cases make one megabyte
comment_limit=60000                 # characters; GitHub takes 65536

note() { printf '::notice::%s\n' "$1"; }

event() { jq -r "$1 // \"\"" "$GITHUB_EVENT_PATH"; }

# The open pull requests into this repository whose branch still ends at the commit that was measured.
pull_requests() {
  gh api --method GET "repos/$GITHUB_REPOSITORY/pulls" -f state=open -f "head=$owner:$branch" -f per_page=100 |
    jq -r --arg sha "$sha" --arg repository "$head_repository" --arg base "$GITHUB_REPOSITORY" '
      .[] | select(.head.sha == $sha and .head.repo.full_name == $repository and .base.repo.full_name == $base) | .number'
}

# The number and size of the artifact, on one line.
artifact() {
  gh api --method GET "repos/$GITHUB_REPOSITORY/actions/runs/$run/artifacts" -f "name=$OPTBENCH_ARTIFACT" |
    jq -r --arg name "$OPTBENCH_ARTIFACT" '
      [.artifacts[] | select(.name == $name and (.expired | not))] | first // empty | "\(.id) \(.size_in_bytes)"'
}

# At most $1 bytes of standard input; the rest is read and dropped, so that nobody upstream fails.
at_most() { head -c "$1" && cat >/dev/null; }

run=$(event .workflow_run.id)
sha=$(event .workflow_run.head_sha)
branch=$(event .workflow_run.head_branch)
owner=$(event .workflow_run.head_repository.owner.login)
head_repository=$(event .workflow_run.head_repository.full_name)
if [[ ! $run =~ ^[0-9]+$ || ! $sha =~ ^[0-9a-f]{40}$ || -z $branch || -z $owner ]]; then
  note "the event is of no finished run of a pull request: no comment"
  exit 0
fi

numbers=$(pull_requests)
if [[ -z $numbers ]]; then
  note "no open pull request ends at $sha: no comment"
  exit 0
fi
found=$(artifact)
if [[ ! $found =~ ^[0-9]+\ [0-9]+$ ]]; then
  note "run $run has left no artifact: no comment"
  exit 0
fi
read -r id size <<<"$found"
if ((size > archive_limit)); then
  note "the artifact has $size bytes, more than $archive_limit: no comment"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gh api "repos/$GITHUB_REPOSITORY/actions/artifacts/$id/zip" | at_most $((archive_limit + 1)) >"$work/artifact.zip"
# To standard output, not to a file: no name inside the archive is ever a path here. A few bytes of an archive can hold
# a gigabyte, hence the time limit, and the cut before anything else reads it.
{
  timeout 60 unzip -p "$work/artifact.zip" optbench.md </dev/null 2>/dev/null | head -c "$((4 * comment_limit + 4))" || true
} | tr -d '\000' >"$work/read.md"
if [[ ! -s $work/read.md ]]; then
  note "the artifact holds no optbench.md: no comment"
  exit 0
fi
# The marker comes first: what follows could otherwise begin with a command to some other robot.
jq -n --arg marker "$marker" --argjson limit "$comment_limit" --rawfile text "$work/read.md" '
  $text | (if length > $limit then .[:$limit] + "\n\n(cut: the whole summary is in the artifact of the run)\n" else . end)
  | {body: ($marker + "\n" + .)}' >"$work/body.json"

for number in $numbers; do
  # Of comments with the marker only a robot's own is ours to edit; anybody can write one.
  comment=$(
    gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$number/comments?per_page=100" |
      jq -rs --arg marker "$marker" '
        [.[][] | select(.user.type == "Bot" and (.body | startswith($marker)))] | first // empty | .id'
  )
  if [[ -n $comment ]]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$comment" --input "$work/body.json" >/dev/null
  else
    gh api --method POST "repos/$GITHUB_REPOSITORY/issues/$number/comments" --input "$work/body.json" >/dev/null
  fi
done
