//! Turns BPF object files into loaded programs.
