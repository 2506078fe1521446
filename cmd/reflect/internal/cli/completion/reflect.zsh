#compdef reflect
# Completion of reflect for zsh.

_reflect() {
    local -a lines specs
    local line word
    lines=("${(@f)$("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${(@)lines[1,-2]}"; do
        word=${line%%$'\t'*}
        if [[ $line == *$'\t'* ]]; then
            specs+=("${word//:/\\:}:${line#*$'\t'}")
        else
            specs+=("${word//:/\\:}")
        fi
    done
    (( ${#specs} )) && _describe -V reflect specs
    [[ ${lines[-1]} == :files ]] && _files
}

if [[ ${funcstack[1]} == _reflect ]]; then
    _reflect "$@"
else
    compdef _reflect reflect
fi
