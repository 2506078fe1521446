# Completion of reflect for fish.

function __reflect_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..] 2>/dev/null
end

complete -c reflect -f -n '__reflect_complete | string match -q :words' -a '(__reflect_complete | string match -v ":*")'
complete -c reflect -F -n '__reflect_complete | string match -q :files' -a '(__reflect_complete | string match -v ":*")'
