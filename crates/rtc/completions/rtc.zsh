#compdef rtc
# Completion of rtc in zsh.
local -a found
case ${words[CURRENT-1]} in
    dev) found=(/sys/class/net/*(N:t)); compadd -a found ;;
    obj|object-file|bcf|bytecode-file|pinned|object-pinned|-b|-batch|-cf|-conf) _files ;;
    -n|-netns) found=(/run/netns/*(N:t)); compadd -a found ;;
    *) found=("${(@f)$(${words[1]} completions words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
       compadd -a found ;;
esac
