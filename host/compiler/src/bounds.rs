//! The bounds of compiling, and the process that compiles.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The stack of a thread that compiles, in bytes. Memory that is not used is not allocated.
pub(crate) const STACK: usize = 64 << 20;

/// The bounds of compiling one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// How long it may take: [`CompileError::Time`](super::CompileError::Time).
    pub time: Duration,
    /// How much memory it may take, in bytes: [`CompileError::Memory`](super::CompileError::Memory). Only in a process of its own, and only on Linux.
    pub memory: u64,
    /// The process that compiles; `None` compiles in this one.
    pub process: Option<CompilerProcess>,
}

impl Default for Bounds {
    /// 2 minutes and 1 GiB, in this process.
    fn default() -> Self {
        Self { time: Duration::from_mins(2), memory: 1 << 30, process: None }
    }
}

/// The program that compiles: an executable of durawasm, of the same version. It is trusted like this process itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompilerProcess {
    /// The executable.
    pub program: PathBuf,
    /// The arguments in front of the two numbers of a [`Request`](super::Request).
    pub arguments: Vec<OsString>,
}
