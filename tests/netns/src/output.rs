//! What a command left: exit status and both streams, and short ways to assert on them.

/// A finished command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// Exit status; 128 + signal where a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Asserts success and silence on standard error, and returns standard output.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert!(self.status == 0 && self.stderr.is_empty(), "expected success:\n{self}");
        &self.stdout
    }

    /// Asserts this exit status and that standard error contains `text`.
    #[track_caller]
    pub fn fails(&self, status: i32, text: &str) {
        assert!(
            self.status == status && self.stderr.contains(text),
            "expected status {status} and {text:?} on standard error:\n{self}"
        );
    }

    /// Asserts success and that standard output contains `text`.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        assert!(self.ok().contains(text), "expected {text:?} on standard output:\n{self}");
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}  (status {})", self.command, self.status)?;
        writeln!(f, "stdout: {:?}", self.stdout)?;
        write!(f, "stderr: {:?}", self.stderr)
    }
}
