//! How values are kept.

/// When a value goes to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FileSystemSerdesMode {
    /// Always: a record holds a name and no value.
    #[default]
    Always,
    /// When its envelope is larger than the threshold. Smaller ones are recorded themselves.
    Overflow,
}

/// How folders and files are named after executions and operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FileSystemPathEncoding {
    /// As they are called, with `%XX` for what is no letter, digit or one of `-_.~`: a folder for the function, in it
    /// one for the execution's name and in that one for its id. An ARN of another form is one folder.
    #[default]
    Uri,
    /// By their `BLAKE2b` digests: 64 hexadecimal digits each.
    Hash,
}

/// How a [`FileSystemSerdes`] keeps values.
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
    /// When a value goes to a file: always, unless said otherwise.
    pub storage_mode: FileSystemSerdesMode,
    /// How folders and files are named: readably, unless said otherwise.
    pub path_encoding: FileSystemPathEncoding,
    /// The largest envelope that is recorded with its value, in bytes, where values overflow: 255 KiB, unless said
    /// otherwise.
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
    /// A builder that starts from the default.
    pub fn builder() -> FileSystemSerdesConfigBuilder {
        FileSystemSerdesConfigBuilder::default()
    }
}

/// Builds a [`FileSystemSerdesConfig`]. What is not set is as in the default.
#[derive(Debug, Clone, Default)]
#[must_use = "builders do nothing unless .build() is called"]
#[non_exhaustive]
pub struct FileSystemSerdesConfigBuilder {
    config: FileSystemSerdesConfig,
}

impl FileSystemSerdesConfigBuilder {
    /// Sets when a value goes to a file.
    pub fn storage_mode(mut self, mode: FileSystemSerdesMode) -> Self {
        self.config.storage_mode = mode;
        self
    }

    /// Sets how folders and files are named.
    pub fn path_encoding(mut self, encoding: FileSystemPathEncoding) -> Self {
        self.config.path_encoding = encoding;
        self
    }

    /// Sets the largest envelope that is recorded with its value, in bytes. A step's record may have 6 MiB; the result
    /// of a context that is larger than 256 KiB is not recorded, and made again by replays.
    pub fn overflow_threshold_bytes(mut self, bytes: usize) -> Self {
        self.config.overflow_threshold_bytes = bytes;
        self
    }

    /// Makes the configuration.
    #[must_use]
    pub fn build(self) -> FileSystemSerdesConfig {
        self.config
    }
}
