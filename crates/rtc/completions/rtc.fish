# Completion of rtc in fish.
function __rtc_complete
    set -l words (commandline -opc) (commandline -ct)
    switch $words[-2]
        case dev
            ls /sys/class/net
        case obj object-file bcf bytecode-file pinned object-pinned -b -batch -cf -conf
            __fish_complete_path (commandline -ct)
        case -n -netns
            ls /run/netns 2>/dev/null
        case '*'
            $words[1] completions words $words[2..-1] 2>/dev/null
    end
end
complete -c rtc -f -a '(__rtc_complete)'
