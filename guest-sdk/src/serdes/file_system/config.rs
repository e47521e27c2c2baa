//! The configuration of a [`FileSystemSerdes`](super::FileSystemSerdes).

/// When a value is stored in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FileSystemSerdesMode {
    /// Always: the recorded payload contains only the name of the file.
    #[default]
    Always,
    /// If its envelope is larger than the threshold. Smaller values are recorded directly.
    Overflow,
}

/// How folders and files are named after executions and operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FileSystemPathEncoding {
    /// Readable names, with `%XX` for all characters other than letters, digits and `-_.~`: a folder for the function,
    /// which contains one for the name of the execution, which contains one for its id. An ARN of another form is one
    /// folder.
    #[default]
    Uri,
    /// The `BLAKE2b` digests of the names: 64 hexadecimal digits each.
    Hash,
}

/// The configuration of a [`FileSystemSerdes`](super::FileSystemSerdes).
///
/// # Examples
///
/// ```
/// use durawasm_guest::serdes::{FileSystemPathEncoding, FileSystemSerdesConfig, FileSystemSerdesMode};
///
/// let config = FileSystemSerdesConfig::builder()
///     .storage_mode(FileSystemSerdesMode::Overflow)
///     .path_encoding(FileSystemPathEncoding::Hash)
///     .build();
/// assert_eq!(config.overflow_threshold_bytes, 255 * 1024);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileSystemSerdesConfig {
    /// When a value is stored in a file: by default always.
    pub storage_mode: FileSystemSerdesMode,
    /// How folders and files are named: by default with readable names.
    pub path_encoding: FileSystemPathEncoding,
    /// The size of the largest envelope that is recorded with its value, in bytes, in the mode `Overflow`: by default
    /// 255 KiB.
    pub overflow_threshold_bytes: usize,
}

impl Default for FileSystemSerdesConfig {
    fn default() -> Self {
        Self {
            storage_mode: FileSystemSerdesMode::default(),
            path_encoding: FileSystemPathEncoding::default(),
            overflow_threshold_bytes: 255 * 1024,
        }
    }
}

impl FileSystemSerdesConfig {
    /// Returns a builder that starts from the default.
    pub fn builder() -> FileSystemSerdesConfigBuilder {
        FileSystemSerdesConfigBuilder::default()
    }
}

/// Builds a [`FileSystemSerdesConfig`]. Unset values are those of the default.
#[derive(Debug, Clone, Default)]
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct FileSystemSerdesConfigBuilder {
    config: FileSystemSerdesConfig,
}

impl FileSystemSerdesConfigBuilder {
    /// Sets when a value is stored in a file.
    pub fn storage_mode(mut self, mode: FileSystemSerdesMode) -> Self {
        self.config.storage_mode = mode;
        self
    }

    /// Sets how folders and files are named.
    pub fn path_encoding(mut self, encoding: FileSystemPathEncoding) -> Self {
        self.config.path_encoding = encoding;
        self
    }

    /// Sets the size of the largest envelope that is recorded with its value, in bytes. The payload of a step may have
    /// up to 6 MiB; the result of a context is not recorded if it is larger than 256 KiB, and replays compute it again.
    pub fn overflow_threshold_bytes(mut self, bytes: usize) -> Self {
        self.config.overflow_threshold_bytes = bytes;
        self
    }

    /// Creates the configuration.
    #[must_use]
    pub fn build(self) -> FileSystemSerdesConfig {
        self.config
    }
}
