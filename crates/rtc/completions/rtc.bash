# Completion of rtc (and of tc, when that is rtc) in bash.
_rtc() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    case $prev in
        dev) mapfile -t COMPREPLY < <(compgen -W "$(ls /sys/class/net)" -- "$cur"); return ;;
        obj|object-file|bcf|bytecode-file|pinned|object-pinned|-b|-batch|-cf|-conf)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -n|-netns) mapfile -t COMPREPLY < <(compgen -W "$(ls /run/netns 2>/dev/null)" -- "$cur"); return ;;
    esac
    mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" completions words "${words[@]}" 2>/dev/null)
}
complete -F _rtc rtc
