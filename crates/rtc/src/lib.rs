//! The command `rtc`, as a library: takes tc's command lines and prints tc's output.
