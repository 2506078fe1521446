# Completion of reflect for bash.

_reflect() {
    local i word glued= words=() lines
    # Bash takes --flag=value apart at the "=".
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == = && ${#words[@]} -gt 0 ]]; then
            words[${#words[@]}-1]+==
            glued=1
        elif [[ $glued ]]; then
            words[${#words[@]}-1]+=$word
            glued=
        else
            words+=("$word")
        fi
    done
    COMPREPLY=()
    mapfile -t lines < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
    [[ ${#lines[@]} -gt 0 ]] || return
    [[ ${lines[-1]} == :files ]] || compopt +o default 2>/dev/null
    unset 'lines[-1]'
    for word in "${lines[@]}"; do
        word=${word%%$'\t'*}
        if [[ $word == --*=* ]]; then
            word=${word#*=}
        fi
        COMPREPLY+=("$word")
    done
}

complete -o default -F _reflect reflect
