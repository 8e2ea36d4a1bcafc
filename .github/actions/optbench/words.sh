# Splits an input of the action into words. To be sourced.

# split_words NAME TEXT: fills the array `words`; quotes and backslashes group as in a shell, nothing is expanded.
split_words() {
  local listed word text
  # xargs takes no quotes that span lines; an input written over several lines is one line of words.
  text=${2//$'\\\n'/ }
  text=${text//$'\n'/ }
  words=()
  [[ -n ${text//[[:space:]]/} ]] || return 0
  if ! listed=$(xargs -n 1 printf '%s\n' <<<"$text" 2>/dev/null); then
    printf '::error::input %s: a quote is not closed in: %s\n' "$1" "$text"
    return 1
  fi
  while IFS= read -r word; do
    words+=("$word")
  done <<<"$listed"
}
